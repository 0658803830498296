# Signals that come to the wrong process, too often or at the wrong time.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Adaptive::Server;
use Adaptive::Probe;

sub server {
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
        mpm_conf => "StartServers 2\nThreadsPerChild 5\nMinSpareThreads 10\nMaxSpareThreads 15\nMaxRequestWorkers 20\n", @_)->start;
    wait_for { $s->child_pids >= 2 } 15, 'children';
    return $s;
}

# As a shell's ^C or a tool that signals the whole group has it: the children get what is meant for the parent.
subtest 'signals to children' => sub {
    my $s = server();
    my @children = $s->child_pids;
    for my $name (qw(WINCH INT USR1 HUP PIPE)) {
        kill $name, @children;
        my @bad = grep { http_get($s->url('/'))->{status} != 200 } 1 .. 20;
        is_deeply(\@bad, [], "SIG$name: all requests are served");
        # one busy thread is one spare thread less, so that there may be another child
        is_deeply([ $s->ended_of(@children) ], [], "SIG$name: no child has ended");
    }
    unlike($s->error_log, qr/exit signal/, 'none has died');
    ok($s->stop, 'stops');
};

subtest 'TERM to a child' => sub {
    plan skip_all => 'children of event heed only their parent' if mpm() ne 'adaptive';
    my $s = server();
    my ($victim) = $s->child_pids;
    kill 'TERM', $victim;
    ok((wait_for { !kill 0, $victim } 20, 'the child to end'), 'ends it');
    ok((wait_for { $s->child_pids >= 2 } 20, 'a replacement'), 'it is replaced');
    is(http_get($s->url('/'))->{status}, 200, 'the server serves');
    ok($s->stop, 'stops');
};

subtest 'USR1 in quick succession' => sub {
    my $s = server();
    for (1 .. 5) {
        $s->signal('USR1') for 1 .. 2;
        sleep 0.05;
    }
    ok((wait_for { ($s->auto->{ParentServerMPMGeneration} // 0) >= 1 && $s->auto->{Stopping} == 0 } 30, 'a new generation'),
        'it settles with a new generation');
    ok($s->alive, 'the server is alive');
    my @bad = grep { http_get($s->url('/'))->{status} != 200 } 1 .. 20;
    is_deeply(\@bad, [], 'and serves');
    unlike($s->error_log, qr/exit signal/, 'no crash');
    ok($s->stop, 'stops');
};

subtest 'USR1 and HUP mixed' => sub {
    my $s = server();
    for my $name (qw(USR1 HUP USR1 HUP HUP USR1)) {
        $s->signal($name);
        sleep 0.1;
    }
    ok((wait_for { served_by($s) } 30, 'an answer'), 'it serves');
    ok($s->alive, 'the server is alive');
    unlike($s->error_log, qr/exit signal (?:Seg|Abort|Bus)/, 'no crash');
    ok($s->stop, 'stops');
};

subtest 'USR1 as soon as it is up' => sub {
    my $s = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF);
    $s->start;
    $s->signal('USR1');
    ok((wait_for { served_by($s) } 30, 'an answer'), 'it serves');
    $s->signal('TERM');
    ok($s->wait_gone(20), 'stops');
};

for my $name (qw(TERM INT)) {
    subtest "$name during a graceful stop" => sub {
        my $s = server();
        my ($held) = hold_requests($s, 1);
        wait_for { hooks($s)->{busy} } 15, 'a request under way';
        $s->signal('WINCH');
        ok((wait_for { !eval { tcp($s->port) } } 15, 'the port to be closed'), 'it stops gracefully');
        ok($s->alive, 'it waits for the request');
        $s->signal($name);
        ok($s->wait_gone(20), "$name ends it at once");
        ok(-e $s->root . '/tmp/hold', '(the request was not over)');
        ok(!-e $s->root . '/run/httpd.pid', 'no pid file');
    };
}

subtest 'WINCH twice' => sub {
    my $s = server();
    my ($held) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} } 15, 'a request under way';
    $s->signal('WINCH');
    wait_for { !eval { tcp($s->port) } } 15, 'the port to be closed';
    $s->signal('WINCH');
    $s->signal('USR1');
    lift_hold($s);
    is((read_response($held) // {})->{status}, 200, 'the request is answered');
    ok($s->wait_gone(20), 'then it ends');
};

subtest 'TERM during a graceful restart' => sub {
    my $s = server();
    my ($held) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} } 15, 'a request under way';
    ok($s->graceful, 'restarted');
    ok($s->stop, 'children of all generations end');
    ok(!read_response($held, timeout => 5), 'the request was cut');
};

done_testing;
