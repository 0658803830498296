# SIGUSR2: the parent and each child say in the log what they are doing, and nothing changes.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;
use Adaptive::Probe;

plan skip_all => 'SIGUSR2 ends a server with event' if mpm() ne 'adaptive';

$SIG{PIPE} = 'IGNORE';

my $s = Adaptive::Server->new(
    modules     => ['status'],
    test_module => 1,
    conf        => "${TEST_CONF}ExtendedStatus On\nKeepAliveTimeout 120\n",
    mpm_conf    => "StartServers 2\nServerLimit 2\nThreadsPerChild 4\n",
)->start;
my @held = hold_requests($s, 3);
my @idle = map { my $sock = tcp($s->port); print {$sock} http_request('/1k.html', keep => 1); read_response($sock); $sock } 1 .. 3;
ok((wait_for { hooks($s)->{busy} == 3 } 20, 'requests to be held'), 'requests are under way');
my @pids = sort { $a <=> $b } $s->child_pids;

subtest 'of the whole server' => sub {
    $s->log_mark;
    $s->signal('USR2');
    ok $s->wait_log(qr/notice.*ADP0055: generation 0: 2 children wanted, 2 serve, 0 start/, 15), 'the parent says what it wants and counts';
    for my $pid (@pids) {
        ok $s->wait_log(qr/notice.*ADP0056: child \d: process $pid of generation 0, serving, started \d+ s ago; \d threads/, 15), "process $pid is in its books";
    }
    for my $slot (0, 1) {
        ok $s->wait_log(qr/ADP0051: child $slot of generation 0, started \d+ s ago, serving and (?:accepting|not accepting \((?:all threads but a few are taken|siblings have fewer connections)\)): \d worker threads \(\d busy/, 15), "child $slot says what its threads do";
        ok $s->wait_log(qr/ADP0052: child $slot has (?:\d+ connections?|no connection)/, 15), '... and its connections';
        ok $s->wait_log(qr/ADP0053: child $slot: the steward (?:sleeps|watches)/, 15), '... and its steward';
    }
    ok $s->wait_log(qr{ADP0054: child \d: worker \d \(thread \d+, adp-w0\d\) works on for \d+ s: GET /adp/hold HTTP/1\.1, from 127\.0\.0\.1}, 15), 'a request that hangs is named, with its thread';
};

subtest 'of one child' => sub {
    $s->log_mark;
    kill 'USR2', $pids[0];
    ok $s->wait_log(qr/pid $pids[0]\b.*ADP0053/s, 15) || $s->wait_log(qr/ADP0053/, 15), 'it answers';
    unlike $s->log_since_mark, qr/ADP0055/, 'the parent does not';
};

subtest 'nothing has changed' => sub {
    is_deeply [ sort { $a <=> $b } $s->child_pids ], \@pids, 'the same children';
    lift_hold($s);
    is scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @held), 3, 'requests are answered';
    my $same = 0;
    for my $sock (@idle) {
        print {$sock} http_request('/1k.html', keep => 1);
        $same += (read_response($sock) // { status => 0 })->{status} == 200;
    }
    is $same, 3, 'idle connections are still there';
};

# Without ExtendedStatus httpd keeps no times and no requests; and a stop that does not end is when one wants to know.
subtest "during a graceful stop, without ExtendedStatus" => sub {
    my $other = Adaptive::Server->new(test_module => 1, modules => ["status"], conf => "${TEST_CONF}ExtendedStatus Off\n",
        mpm_conf => "StartServers 1\nServerLimit 1\nThreadsPerChild 4\n")->start;
    my ($sock) = hold_requests($other, 1);
    ok((wait_for { hooks($other)->{busy} == 1 } 20, "a request"), "a request is under way");
    $other->signal("WINCH");
    ok $other->wait_log(qr{ADP0096}, 15), "a graceful stop has begun";
    wait_for { $other->signal("USR2"); $other->error_log =~ m{ADP0051: [^\n]*draining.*ADP0054}s } 20, "an answer";
    like $other->error_log, qr{ADP0055: generation 0:}, "the parent answers";
    like $other->error_log, qr{ADP0051: child 0 of generation 0, started \d+ s ago, draining}, "so does the child";
    like $other->error_log, qr{ADP0054: child 0: worker \d \(thread \d+, adp-w0\d\) works on(?!.* for \d)}, "no time is shown that nobody has noted";
    ok $other->stop, "it ends";
};

subtest 'it may come at any time' => sub {
    for (1 .. 5) {
        $s->signal('USR2') for 1 .. 20;
        ok $s->graceful, 'a reload between questions';
    }
    $s->signal('HUP');
    $s->signal('USR2') for 1 .. 20;
    ok((wait_for { eval { http_get($s->url('/1k.html'))->{status} } // 0 == 200 } 20, 'it to serve'), 'and a restart');
    $s->signal('WINCH');
    $s->signal('USR2') for 1 .. 20;
    ok $s->wait_gone(20), 'and a graceful stop';
    unlike $s->error_log, qr/exit signal|ADP0072/, 'nobody has died of it';
};

done_testing;
