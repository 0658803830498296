# mod_perl: handlers, filters and a protocol in Perl, with several interpreters in threads.

use strict;
use warnings;

use Apache::Test ();
use Apache::TestRequest qw(GET POST);
use IO::Select;
use IO::Socket::INET;
use Test::More;

my $port = Apache::Test::vars('port');

subtest 'what the MPM says of itself' => sub {
    my %mpm = GET('/perl/mpm')->content =~ /^(\w+) (\S+)$/mg;
    like $mpm{NAME}, qr/^\Q$ENV{MPM}\E$/i, 'its name';
    cmp_ok $mpm{IS_THREADED}, '>', 0, 'it has threads';
    is $mpm{IS_FORKED}, 2, 'and a varying number of processes';
    cmp_ok $mpm{MAX_DAEMON_USED}, '>=', 1, 'a process is in use';
    cmp_ok $mpm{HARD_LIMIT_DAEMONS}, '>=', $mpm{MAX_DAEMONS}, 'the scoreboard has room for all processes';
    cmp_ok $mpm{HARD_LIMIT_THREADS}, '>=', $mpm{MAX_THREADS}, 'and for all threads';
    cmp_ok $mpm{MAX_THREADS}, '>=', 1, 'threads in a child';
    cmp_ok $mpm{MAX_SPARE_THREADS}, '>', $mpm{MIN_SPARE_THREADS}, 'there is a gap between the bounds of spare threads';
    is $mpm{MIN_SPARE_DAEMONS} + $mpm{MAX_SPARE_DAEMONS}, 0, 'no spare processes';
    is $mpm{MAX_REQUESTS_DAEMON}, 0, 'MaxConnectionsPerChild';
};

subtest 'handlers' => sub {
    my $body = join '', map { chr(ord('a') + $_ % 26) } 1 .. 1_000_000;
    ok POST('/perl/body', content => $body)->content eq $body, 'a megabyte there and back';
    like GET('/perl/headers', 'X-Test' => 'a value')->content, qr/^X-Test: a value$/m, 'headers in';
    is GET('/perl/headers')->header('X-Twice'), '1, 2', 'headers out';
    is GET('/perl/flushes')->content, join('', map {"piece $_\n"} 1 .. 50), 'fifty flushes';
    is GET('/perl/includes')->content, "before\nplain text\nafter\n", 'a subrequest';
    like GET('/perl/forwards')->content, qr/^\d+$/, 'an internal redirection';
    is GET('/perl/filtered')->content, "TO BE FILTERED\n" x 1000, 'an output filter';
    is GET('/perl/dies')->code, 500, 'die';
    is GET('/perl/nothing')->code, 404, 'an unknown one';
    like GET('/perl/pid')->content, qr/^\d+$/, 'and on';
};

# Eight requests that sleep are answered side by side: the first answer is not needed for the last request to be taken.
subtest 'requests at the same time' => sub {
    my @sockets = map {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect: $!";
        print $s "GET /perl/sleeps?200 HTTP/1.0\r\n\r\n";
        $s;
    } 1 .. 8;
    for my $socket (@sockets) {
        ok(IO::Select->new($socket)->can_read(30), 'an answer');
        local $/;
        like scalar(<$socket>), qr/slept 200\n\z/, 'the right one';
    }
};

# Three connections at a time that belong to a handler all their life.
subtest 'a protocol of its own' => sub {
    my @sockets = map {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ENV{ADAPTIVE_ECHO_PORT}) or die "connect: $!"
    } 1 .. 3;
    for my $round (1 .. 10) {
        for my $i (0 .. $#sockets) {
            my $socket = $sockets[$i];
            print $socket "round $round of $i\n";
            is scalar(<$socket>), "round $round of $i\n", "round $round on connection $i";
        }
    }
    for my $socket (@sockets) {
        print $socket "quit\n";
        is scalar(<$socket>), "quit\n", 'the last line';
        is scalar(<$socket>), undef, 'and the end';
    }
};

done_testing;
