package Adaptive::HTTP;

# A small HTTP/1.1 client. It reads exactly one response at a time, so that what follows on the connection (pipelined
# responses, its end) stays visible to the test.

use strict;
use warnings;

use Carp qw(croak);
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use Adaptive::Wait qw(slowness);

our @EXPORT = qw(tcp http_get http_request read_response at_eof);

use constant PATIENCE_SECONDS => 30;

# Longer than a healthy server ever needs for an answer, even on a machine that is busy with something else.
sub patience { return PATIENCE_SECONDS * slowness() }

sub tcp {
    my ($port, %opt) = @_;
    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp', %opt)
        or croak "connect to port $port: $!";
    $sock->autoflush(1);
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    return $sock;
}

# What arrived beyond the response before is kept with its socket.
sub buffer_of {
    my ($sock) = @_;
    my $buffer = \${*$sock}{adaptive_buffer};
    $$buffer //= '';
    return $buffer;
}

# Reads once: the number of bytes, 0 at the end of the connection; undef when it broke or nothing came in time.
sub fill {
    my ($sock, $deadline) = @_;
    my $buffer = buffer_of($sock);
    while (1) {
        my $pending = $sock->can('pending') && $sock->pending;
        my $left    = $deadline - time;
        if (!$pending && !IO::Select->new($sock)->can_read($left > 0 ? $left : 0)) {
            next if time < $deadline;      # a signal came
            $! = Errno::ETIMEDOUT();
            return;
        }
        my $bytes = sysread $sock, $$buffer, 65536, length $$buffer;
        next if !defined $bytes && ($!{EINTR} || $!{EAGAIN});
        return $bytes;
    }
}

# True when the peer has ended the connection and sent nothing more.
sub at_eof {
    my ($sock, $seconds) = @_;
    my $bytes = fill($sock, time + ($seconds // patience()));
    return defined $bytes ? $bytes == 0 : $!{ECONNRESET};
}

# Takes what comes up to the first match of $end, without that match.
sub take_through {
    my ($sock, $end, $deadline) = @_;
    my $buffer = buffer_of($sock);
    while (1) {
        if ($$buffer =~ /$end/) {
            my ($from, $to) = ($-[0], $+[0]);
            return substr substr($$buffer, 0, $to, ''), 0, $from;
        }
        fill($sock, $deadline) or return;
    }
}

sub take_head {
    my ($sock, $deadline) = @_;
    my $text = take_through($sock, qr/\r?\n\r?\n/, $deadline) // return;
    my ($first, @lines) = split /\r?\n/, $text;
    my %response = (headers => {}, head => "$first\n" . join "\n", @lines);
    @response{qw(version status reason)} = $first =~ m{\AHTTP/(\S+) (\d+) ?(.*)} or return;
    for (@lines) {
        my ($name, $value) = /\A([^:]+):\s*(.*?)\s*\z/ or next;
        $name = lc $name;
        my $all = $response{headers};
        $all->{$name} = exists $all->{$name} ? "$all->{$name}, $value" : $value;
    }
    return \%response;
}

sub take_bytes {
    my ($sock, $count, $deadline) = @_;
    my $buffer = buffer_of($sock);
    while (length $$buffer < $count) {
        fill($sock, $deadline) or return;
    }
    return substr $$buffer, 0, $count, '';
}

sub take_line {
    my ($sock, $deadline) = @_;
    return take_through($sock, qr/\r?\n/, $deadline);
}

sub take_chunked {
    my ($sock, $deadline) = @_;
    my $body = '';
    while (1) {
        my $size = take_line($sock, $deadline) // return;
        my $count = hex(($size =~ /\A([0-9a-fA-F]+)/)[0] // return);
        if (!$count) {
            while (length(take_line($sock, $deadline) // return)) { }
            return $body;
        }
        $body .= take_bytes($sock, $count, $deadline) // return;
        take_line($sock, $deadline) // return;
    }
}

sub take_rest {
    my ($sock, $deadline) = @_;
    my $bytes;
    while ($bytes = fill($sock, $deadline)) { }
    return if !defined $bytes;
    my $buffer = buffer_of($sock);
    return substr $$buffer, 0, length $$buffer, '';
}

# One response, interim ones skipped (they are counted): { status, reason, version, headers, head, body, interim }.
# undef when the connection ended, broke or fell silent before the response was complete.
# %opt: method => 'HEAD' (no body follows), timeout => seconds, interim => 1 (return the first response, even a 1xx).
sub read_response {
    my ($sock, %opt) = @_;
    my $deadline = time + ($opt{timeout} // patience());
    my $interim  = 0;
    my $response;
    while (1) {
        $response = take_head($sock, $deadline) or return;
        last if $opt{interim} || $response->{status} == 101 || $response->{status} >= 200;
        $interim++;
    }
    $response->{interim} = $interim;
    my $headers = $response->{headers};
    if (($opt{method} // '') eq 'HEAD' || $response->{status} < 200 || $response->{status} =~ /\A(?:204|304)\z/) {
        $response->{body} = '';
    }
    elsif (($headers->{'transfer-encoding'} // '') =~ /\bchunked\b/i) {
        $response->{body} = take_chunked($sock, $deadline);
    }
    elsif (defined $headers->{'content-length'}) {
        $response->{body} = take_bytes($sock, $headers->{'content-length'}, $deadline);
    }
    else {
        $response->{body} = take_rest($sock, $deadline);
    }
    return defined $response->{body} ? $response : ();
}

# The text of a request. %opt: method, headers => { name => value }, body, keep => 1 (the connection stays open).
sub http_request {
    my ($path, %opt) = @_;
    my %headers = (Host => 'localhost', %{ $opt{headers} // {} });
    $headers{Connection} //= 'close' if !$opt{keep};
    $headers{'Content-Length'} //= length $opt{body} if defined $opt{body};
    my $method = $opt{method} // (defined $opt{body} ? 'POST' : 'GET');
    return join("\r\n", "$method $path HTTP/1.1", (map {"$_: $headers{$_}"} sort keys %headers), '', '')
        . ($opt{body} // '');
}

# One request on a connection of its own. When there is no answer at all, status is 0 and body says why.
sub http_get {
    my ($url, %opt) = @_;
    my ($port, $path) = $url =~ m{\Ahttp://[^/:]+:(\d+)(/.*)\z} or croak "not an URL this client knows: $url";
    local $SIG{PIPE} = 'IGNORE';
    my $sock = eval { tcp($port, Timeout => $opt{timeout} // patience()) }
        or return { status => 0, headers => {}, body => "$@" };
    print $sock http_request($path, %opt);
    my $response = read_response($sock, %opt);
    return $response || { status => 0, headers => {}, body => "no complete response: $!" };
}

1;
