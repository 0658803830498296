# Short requests pass those that compute, and those who are connected find a thread whatever holds the others.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait;

use constant { THREADS => 8, COMPUTING => 40, COMPUTE_MS => 200, LEFT => 20, KNOWN => 4 };

# Nobody is sent away, however busy this machine is.
sub new_server {
    my (@mpm) = @_;
    return Adaptive::Server->new(test_module => 1, modules => ['status'],
        mpm_conf => join("\n", 'ServerLimit 1', 'StartServers 1', "ThreadsPerChild @{[THREADS]}", "MaxRequestWorkers @{[THREADS]}", 'AdaptiveMaxWait off', @mpm)
            . "\n",
        conf => "${TEST_CONF}MaxKeepAliveRequests 0\nKeepAliveTimeout 300\n")->start;
}

sub ask {
    my ($sock, $path) = @_;
    syswrite $sock, http_request($path, keep => 1);
    return $sock;
}

sub is_answered { return (($_[0] ? read_response($_[0]) : undef) // { status => 0 })->{status} == 200 }

# Which of them have been answered, or closed, so far.
sub waiting {
    my $read = '';
    vec($read, fileno $_, 1) = 1 for @_;
    select $read, undef, undef, 0;
    return grep { !vec $read, fileno $_, 1 } @_;
}

# A connection that has had an answer.
sub connected {
    my ($s) = @_;
    my $sock = ask(tcp($s->port), '/1k.html');
    is_answered($sock) or die "no answer\n";
    return $sock;
}

# All of them are to be answered some time.
sub end_well {
    my ($s, @computing) = @_;
    is(scalar(grep { is_answered($_) } @computing), @computing, 'and all that computed are answered');
    unlike($s->error_log, qr/exit signal|ADP0064/, 'no crash');
    ok($s->stop, 'stops');
    return;
}

# More clients at once than there may be threads, and what each wants takes long: whoever came later would be served last.
for my $kind ('kept-alive', 'new') {
    subtest "computing on $kind connections" => sub {
        my $s    = new_server();
        my $path = "/adp/spin?ms=@{[COMPUTE_MS]}";
        my $mine = connected($s);
        my @open = $kind eq 'new' ? () : map { connected($s) } 1 .. COMPUTING;
        my @computing = map { ask($open[$_ - 1] // tcp($s->port), $path) } 1 .. COMPUTING;
        wait_for { waiting(@computing) <= COMPUTING - KNOWN } 60, 'the first of them to be answered';

        ok(is_answered(ask($mine, '/1k.html')), 'a client who is connected is answered');
        cmp_ok(scalar(waiting(@computing)), '>=', LEFT, '... before most of those that compute');
        ok(is_answered(ask(tcp($s->port), '/1k.html')), 'a client who comes is answered');
        cmp_ok(scalar(waiting(@computing)), '>=', LEFT / 2, '... before many of them');
        cmp_ok($s->auto->{BusyWorkers}, '<', THREADS, 'they do not take all threads');
        end_well($s, @computing);
    };
}

subtest 'threads that are held' => sub {
    my $s    = new_server();
    my $mine = connected($s);
    my @held = hold_requests($s, THREADS + 4);

    # nobody can ask the server how many are held without a thread for that
    ok(is_answered(ask($mine, '/1k.html')), "a client who is connected is answered ($_)") for 1 .. 3;
    wait_for { holding($s) == THREADS - 1 } 20, 'all threads but one to be held';
    ok(is_answered(ask($mine, '/1k.html')), 'also when all threads but one are held');
    close $mine;
    wait_for { holding($s) == THREADS } 20, 'the last thread to be taken';
    is(holding($s), THREADS, 'nobody is connected any more: all threads are for those who come');
    lift_hold($s);
    is(scalar(grep { is_answered($_) } @held), @held, 'all are served in the end');
    ok($s->stop, 'stops');
};

subtest 'AdaptiveMode off' => sub {
    my $s    = new_server('AdaptiveMode off');
    my $mine = connected($s);
    my @held = hold_requests($s, THREADS + 4);
    ok((wait_for { holding($s) == THREADS } 20, 'all threads to be held'), 'nothing is kept for anybody, as under event');
    lift_hold($s);
    is(scalar(grep { is_answered($_) } @held), @held, 'all are served in the end');
    ok(is_answered(ask($mine, '/1k.html')), 'the client who is connected, too');
    ok($s->stop, 'stops');
};

done_testing;
