# Clients that wait, of the benchmark (bench/tools/waiters.c): each kind says and reads what it is to say and read, no faster than it
# is told, and counts what the server does to it. And the scenario that uses them goes through, with TLS and without.

use strict;
use warnings;
use lib 't/lib', 'bench/lib', 'ctl/lib';

use File::Temp qw(tempdir);
use List::Util qw(all sum0);
use Test::More;
use Time::HiRes qw(time);

use Adaptive::Paths qw(build_dir);
use Adaptive::Process qw(listener);
use Adaptive::Server ();
use Adaptive::Wait qw(ok_within wait_for);
use Bench::Waiters;

my $ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";

# A server's side of them: { listener, peers => [{ socket, heard, ended }] }.
sub host {
    my $listener = listener();
    $listener->blocking(0);
    return { listener => $listener, peers => [] };
}

# Takes what has come, and returns all peers.
sub listen_to {
    my ($host) = @_;
    while (my $socket = $host->{listener}->accept) {
        $socket->blocking(0);
        push @{ $host->{peers} }, { socket => $socket, heard => '', ended => 0 };
    }
    for my $peer (grep { !$_->{ended} } @{ $host->{peers} }) {
        my $n;
        1 while $n = sysread $peer->{socket}, $peer->{heard}, 65536, length $peer->{heard};
        $peer->{ended} = 1 if defined $n;
    }
    return @{ $host->{peers} };
}

sub clients {
    my ($host, %opt) = @_;
    return Bench::Waiters->start($host->{listener}->sockport, seconds => 120, %opt);
}

# Waits until that many have come and each has said what matches.
sub all_said {
    my ($host, $count, $pattern, $what) = @_;
    return ok_within_all($host, sub { @_ == $count && all { $_->{heard} =~ $pattern } @_ }, $what);
}

sub ok_within_all {
    my ($host, $condition, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok((wait_for { $condition->(listen_to($host)) } 30, $what), $what);
}

subtest 'a header without an end' => sub {
    my $host = host();
    my $waiters = clients($host, kind => 'header', clients => 5, path => '/x');
    is $waiters->ready, 5, 'all of them wait';
    all_said($host, 5, qr{\AGET /x HTTP/1\.1\r\n(?:[\w-]+: \S+\r\n)+\z}, 'all but the empty line has come');
    my ($peer, $other) = listen_to($host);
    syswrite $peer->{socket}, "HTTP/1.1 408 Too slow\r\n\r\n";
    shutdown $other->{socket}, 1;
    ok_within_all($host, sub { $peer->{ended} && $other->{ended} }, 'who is sent away leaves');
    my $found = $waiters->stop;
    is_deeply { map { $_ => $found->{$_} } qw(waiting answered closed refused underway) },
        { waiting => 3, answered => 1, closed => 1, refused => 0, underway => 0 }, 'and is counted';
    is $found->{sent}, sum0(map { length $_->{heard} } @{ $host->{peers} }), 'what was said has come';
};

subtest 'a header that comes byte by byte' => sub {
    my $host = host();
    my $start = time;
    my $waiters = clients($host, kind => 'trickle', clients => 3, interval_ms => 100);
    all_said($host, 3, qr/\AGET \//, 'it comes');
    my $most = (time - $start) / 0.1 + 2;
    ok((all { length $_->{heard} <= $most } @{ $host->{peers} }), 'no faster than it is told');
    all_said($host, 3, qr{\AGET / HTTP/1\.1\r\nHost:}, 'and goes on');
    is $waiters->stop->{waiting}, 3, 'all of them wait';
};

subtest 'a body in pieces' => sub {
    my $host = host();
    my $waiters = clients($host, kind => 'upload', clients => 3, length => 300, piece => 50, interval_ms => 100);
    is $waiters->ready, 3, 'all of them wait';
    all_said($host, 3, qr/\APOST .*\r\nContent-Length: 300\r\n\r\nb{50}/s, 'the header has come, and a piece');
    all_said($host, 3, qr/\r\n\r\nb{300}\z/, 'the others follow');
    ok_within_all($host, sub { all { $_->{ended} } @_ }, 'who has sent all leaves');
    is $waiters->stop->{done}, 3, 'and is counted';
};

subtest 'a kept connection' => sub {
    my $host = host();
    my $waiters = clients($host, kind => 'idle', clients => 3);
    all_said($host, 3, qr/\r\n\r\n\z/, 'requests have come');
    my @peers = listen_to($host);
    syswrite $_->{socket}, "${ANSWER}abc" for @peers[0, 1];
    syswrite $peers[2]{socket}, "HTTP/1.1 404 Not there\r\nContent-Length: 0\r\n\r\n";
    is $waiters->ready, 2, 'who has an answer waits';
    ok_within_all($host, sub { $peers[2]{ended} }, 'who has none of success leaves');
    my $found = $waiters->stop;
    is "$found->{waiting} $found->{refused}", '2 1', 'and is counted';
};

# Less than the kernel takes for a client comes first; more than that only goes while the client reads.
subtest 'an answer that is read slowly' => sub {
    my $host = host();
    my $start = time;
    my %pace = (piece => 20_000, interval_ms => 50);
    my $waiters = clients($host, kind => 'read', clients => 1, %pace);
    all_said($host, 1, qr/\r\n\r\n\z/, 'the request has come');
    my ($socket) = map { $_->{socket} } listen_to($host);
    syswrite $socket, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
    my ($text, $written) = ('x' x 65_536, 0);
    my $n;
    $written += $n while $n = syswrite $socket, $text;
    ok $!{EAGAIN} && $written < 50_000_000, 'it does not take everything at once';
    ok_within { syswrite $socket, $text } 30, 'but more and more';
    my $found = $waiters->stop;
    is $found->{waiting}, 1, 'it waits';
    cmp_ok $found->{received}, '<=', ((time - $start) / 0.05 + 2) * $pace{piece}, 'no faster than it is told';
};

subtest 'who does not get on' => sub {
    my $host = host();
    my $waiters = clients($host, kind => 'idle', clients => 2, at_a_time => 1);
    all_said($host, 2, qr/\r\n\r\n\z/, 'keeps others from coming for a while only');
    is $waiters->ready, 0, 'does not wait';
    is $waiters->stop->{underway}, 2, 'and is counted';
};

my $speaks_tls = Bench::Waiters->speaks_tls;

subtest 'handshakes that stop' => sub {
    plan skip_all => 'built without OpenSSL' if !$speaks_tls;
    my $host = host();
    my $waiters = clients($host, kind => 'handshake', clients => 2);
    my $whole = sub { my ($length) = unpack 'x3 n', $_[0]{heard}; return length $_[0]{heard} == 5 + $length };
    ok_within_all($host, sub { @_ == 2 && (all { length $_->{heard} > 5 } @_) && grep { $whole->($_) } @_ }, 'both have begun');
    my @peers = listen_to($host);
    ok((all { $_->{heard} =~ /\A\x16\x03/ } @peers), 'with a record of a handshake');
    my ($asks) = grep { $whole->($_) } @peers;
    is scalar(grep { $whole->($_) } @peers), 1, 'one has said all of it, the other has not';
    syswrite $asks->{socket}, 'something';
    is $waiters->ready, 2, 'both wait when there is an answer to the one';
    syswrite $asks->{socket}, 'and more';
    is $waiters->stop->{waiting}, 2, 'whatever follows';
};

subtest 'the scenario' => sub {
    my $dir = tempdir(CLEANUP => 1);
    my @variants = qw(headers uploads reads-sendfile idle);
    push @variants, qw(headers-tls handshakes reads-tls idle-tls) if $speaks_tls;
    local @ENV{qw(SCENARIOS VARIANTS CONTENDERS CLIENTS QUICK ROUNDS CALM SHIELD REPORT_DIR MODULE)} = (
        'waiting', join(',', @variants), 'adaptive', 20, 1, 1, 0, 0, $dir, build_dir() . '/mod_mpm_adaptive.so');
    my $said = qx{$^X bench/run.pl 2>&1};
    is $?, 0, 'bench/run.pl goes through' or diag $said;
    my %found;
    for (split /\n/, Adaptive::Server::read_text("$dir/change.tsv")) {
        my (undef, $label, undef, $key, $value) = split /\t/;
        $found{$label}{$key} = $value;
    }
    for my $variant (@variants) {
        my $of = $found{"adaptive, $variant"};
        is $of->{error}, undef, "$variant: no failure";
        is $of->{waiting}, 20, '... all of them wait' or diag $of->{note};
        cmp_ok $of->{descriptors}, '>=', 20, '... and the server has accepted them';
        like $of->{new_p50_ms}, qr/^[\d.]+$/, '... others have the response time';
    }
};

done_testing;
