package AdaptiveCtl::Ask;

# Asks a server how it is: over its Unix socket, which answers whatever happens, or where its status page is. Finds the socket by
# itself: the kernel lists those that there are.

use strict;
use warnings;

use IO::Socket::IP;
use IO::Socket::UNIX;

use POSIX ();

use AdaptiveCtl::JSON qw(decode_json);
use AdaptiveCtl::Say;
use AdaptiveCtl::Site;
use AdaptiveCtl::Steps;

use constant { ANSWER_SECONDS => 10, MOST_BYTES => 64 * 1024 * 1024, LISTENS => 0x10000, SCHEMA => 1 };

my $NAME = 'adaptive-status.sock';

# Where the server of these options is to be asked: { socket => PATH } or { host, port, path }.
sub place_of {
    my ($option) = @_;
    return { socket => $option->{socket} } if defined $option->{socket};
    return place_of_url($option->{url})    if defined $option->{url};
    return place_of_config($option)        if defined $option->{config} || defined $option->{httpd};
    my @found = listening_sockets();
    return { socket => $found[0] } if @found == 1;
    fail("several servers run here; choose one: \n", map {"  adaptivectl status --socket $_\n"} @found) if @found;
    return place_of_config($option);
}

# http only: this is for one's own machine, and perl-base speaks no TLS.
sub place_of_url {
    my ($url) = @_;
    my ($host, $port, $path) = $url =~ m{\Ahttp://(\[[0-9a-fA-F:.]+\]|[^/:\[\]]+)(?::(\d+))?(/[^?#\s]*)?\z}
        or usage_error("--url $url: not the address of a status page; write for example http://127.0.0.1/adaptive-status (no https: ask on"
            . ' the machine itself, or without --url).');
    return { host => $host =~ s/\A\[|\]\z//gr, shown => $host, port => $port // 80, path => $path // '/' };
}

# The Unix sockets on which somebody listens and that have our name.
sub listening_sockets {
    my %found;
    for (split /\n/, AdaptiveCtl::Steps::read_file('/proc/net/unix') // '') {
        my (undef, undef, undef, $flags, undef, undef, undef, $path) = split ' ', $_, 8;
        $found{$path} = 1 if ($path // '') =~ m{\A/.*/\Q$NAME\E\z} && hex($flags) & LISTENS;
    }
    return sort keys %found;
}

# As the configuration says; httpd itself is asked.
sub place_of_config {
    my ($option) = @_;
    my $site = AdaptiveCtl::Site->new($option);
    my $result = $site->ask([ '-t', '-D', 'DUMP_MPM_ADAPTIVE' ]);
    my ($socket) = $result->{output} =~ /^  AdaptiveStatusSocket\s+(\S.*?)  (?:default|given)$/m;
    if (!defined $socket) {
        fail("mpm_adaptive is not the MPM of $site->{config}: there is nothing to ask. adaptivectl check says what is.")
            if $result->{status} == 0;
        fail("httpd does not accept $site->{config}, so that it does not say where its socket is; name it with --socket: $result->{output}");
    }
    fail("AdaptiveStatusSocket is off in $site->{config}: name its status page with --url.") if $socket eq 'off';
    return { socket => $socket };
}

sub shown {
    my ($place) = @_;
    return $place->{socket} // "http://$place->{shown}:$place->{port}$place->{path}";
}

# Why nobody answers, in words that help.
sub why_not {
    my ($place, $error) = @_;
    my $where = shown($place);
    return "$where may not be opened: be root, or a member of the group that AdaptiveStatusSocket names." if $error == POSIX::EACCES();
    return "$where: there is no such socket; does the server run, with mpm_adaptive? (adaptivectl check)"
        if $error == POSIX::ENOENT() || $error == POSIX::ENOTDIR();
    return "nobody listens on $where; does the server run?" if $error == POSIX::ECONNREFUSED();
    local $! = $error;
    return "$where does not answer: $!.";
}

sub connect_to {
    my ($place) = @_;
    my $socket = defined $place->{socket}
        ? IO::Socket::UNIX->new(Peer => $place->{socket}, Timeout => ANSWER_SECONDS)
        : IO::Socket::IP->new(PeerHost => $place->{host}, PeerPort => $place->{port}, Timeout => ANSWER_SECONDS);
    return $socket // fail(why_not($place, $! + 0));
}

# The whole response: (status, body). A place may have a query of its own, and "proxy": the server expects a line of the PROXY protocol first.
sub exchange {
    my ($place) = @_;
    my $socket = connect_to($place);
    my $response = '';
    my $host = defined $place->{socket} ? 'localhost' : $place->{shown};
    local $SIG{ALRM} = sub { die "late\n" };
    my $done = eval {
        alarm ANSWER_SECONDS;
        print {$socket} "PROXY UNKNOWN\r\n" if $place->{proxy};
        print {$socket} 'GET ' . ($place->{path} // '/') . '?' . ($place->{query} // 'json') . " HTTP/1.0\r\nHost: $host\r\nUser-Agent: adaptivectl\r\n\r\n";
        $socket->flush;
        while (length $response < MOST_BYTES) {
            read($socket, $response, 65536, length $response) or last;
        }
        alarm 0;
        1;
    };
    my $error = $@;
    alarm 0;
    die $error if ref $error;          # not of the socket: a signal that ends the command
    fail(shown($place) . ' does not answer within ' . ANSWER_SECONDS . ' s.') if !$done;
    $response =~ m{\AHTTP/1\.[01] (\d{3})[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n(.*)\z}s or fail(shown($place) . ' does not answer in HTTP.');
    return ($1, $2);
}

# What the server says of itself: the JSON of its status page.
sub ask {
    my ($place) = @_;
    my ($status, $body) = exchange($place);
    my $where = shown($place);
    fail("$where answers $status: access is denied; who may look is for the server's configuration to say (Require).") if $status =~ /\A40[13]\z/;
    fail("$where answers $status: is the handler adaptive-status mapped there?") if $status != 200;
    my $state = eval { decode_json($body) };
    fail("$where is no status page of mpm_adaptive: " . ($@ =~ s/\n\z//r) . '.') if ref $state ne 'HASH' || !$state->{schema_version};
    fail("$where speaks schema $state->{schema_version}, which this adaptivectl does not know; use the one that came with the module.")
        if $state->{schema_version} != SCHEMA;
    return $state;
}

1;
