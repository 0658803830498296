# Threads and processes that the system refuses: the server keeps what it has, says so, and recovers by itself.
# The limit is set on the running processes, from outside: RLIMIT_NPROC counts everything that the user runs on the machine.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Adaptive::Server;
use Adaptive::Probe;

$SIG{PIPE} = 'IGNORE';

plan skip_all => 'needs root, to start servers of another user' if $> != 0;

use constant { WATCH_SECONDS => 3, FORKS_A_SECOND => 10 };

# As the user of the process itself: root may be without the right to do that to others, as in many containers. The hard limit
# stays, so the soft one can be lifted again.
sub limit_processes {
    my ($limit, @pids) = @_;
    for my $pid (@pids) {
        my ($uid) = uids_of($pid) or next;
        my @become = $uid ? ('setpriv', "--reuid=$uid", '--regid=www-data', '--clear-groups') : ();
        system(@become, 'prlimit', '--pid', $pid, "--nproc=$limit:") == 0 or die 'prlimit failed';
    }
    return;
}

my ($MANY) = qx{prlimit --nproc --noheadings --output HARD} =~ /(\S+)/;

sub watch {
    my $end = time + WATCH_SECONDS;
    wait_for { time > $end } WATCH_SECONDS + 5;
    return;
}

sub complaints {
    my ($s) = @_;
    return $s->log_since_mark =~ /^(.*Resource temporarily unavailable.*)$/mg;
}

# A server that is www-data from the start, so that the limit is one for its parent too.
sub unprivileged_server {
    my (%opt) = @_;
    my $s = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF,
        wrapper => [ 'setpriv', '--reuid=www-data', '--regid=www-data', '--clear-groups' ], %opt);
    my ($uid, $gid) = (getpwnam 'www-data')[ 2, 3 ];
    chown $uid, $gid, $s->root, glob $s->root . '/*';
    return $s;
}

# Event has all its threads from the start.
subtest 'a child that cannot have more threads' => sub {
    plan skip_all => 'the threads of event are not elastic' if mpm() ne 'adaptive';
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
        mpm_conf => "ServerLimit 1\nStartServers 1\nThreadsPerChild 20\nMaxRequestWorkers 20\n")->start;
    my ($child) = $s->child_pids;
    limit_processes(1, $child);
    $s->log_mark;
    my @socks = hold_requests($s, 12);
    ok($s->wait_log(qr/Resource temporarily unavailable/, 20), 'it is said');
    my $begun = time;
    watch();
    cmp_ok(scalar complaints($s), '<=', time - $begun + 3, 'at most once a second') or diag join "\n", complaints($s);
    my $cpu = cpu_seconds($child);
    watch();
    cmp_ok(cpu_seconds($child) - $cpu, '<', 0.05 * WATCH_SECONDS, 'the child does not spin');
    is_deeply([ $s->child_pids ], [$child], 'the child stays');
    limit_processes($MANY, $child);
    ok((wait_for { hooks($s)->{busy} == 12 } 20, 'all requests to have a thread'), 'then all requests get a thread');
    lift_hold($s);
    is(scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @socks), 12, 'all are answered');
    ok($s->stop, 'stops');
};

subtest 'new children that cannot have threads' => sub {
    my $s = unprivileged_server(
        mpm_conf => "StartServers 2\nThreadsPerChild 4\nMinSpareThreads 8\nMaxSpareThreads 12\nMaxRequestWorkers 16\n")->start;
    wait_for { $s->child_pids >= 2 } 15, 'the children';
    my ($victim, $survivor) = sort { $a <=> $b } $s->child_pids;
    $s->log_mark;
    limit_processes(1, $s->pid);
    kill 'KILL', $victim;
    ok($s->wait_log(qr/Resource temporarily unavailable/, 20), 'that nothing can be forked is said');
    my ($begun, $cpu) = (time, cpu_seconds($s->pid));
    watch();
    cmp_ok(scalar complaints($s), '<=', time - $begun + 4, 'at most once a second') or diag join "\n", complaints($s);
    cmp_ok(cpu_seconds($s->pid) - $cpu, '<', 0.05 * WATCH_SECONDS, 'the parent does not spin');
    ok($s->alive, 'it is alive');
    is(http_get($s->url('/'))->{status}, 200, 'the other child serves');
    limit_processes($MANY, $s->pid);
    ok((wait_for { $s->child_pids >= 2 } 30, 'a replacement'), 'the replacement comes when it may');
    ok($s->stop, 'stops');
};

# The parent is root and may fork, but its children are www-data and cannot have threads.
subtest 'children without a single worker' => sub {
    my $s = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF,
        mpm_conf => "StartServers 2\nThreadsPerChild 4\nMinSpareThreads 8\nMaxSpareThreads 12\nMaxRequestWorkers 16\n")->start;
    wait_for { $s->child_pids >= 2 } 15, 'the children';
    my ($victim) = $s->child_pids;
    $s->log_mark;
    limit_processes(1, $s->pid);
    kill 'KILL', $victim;
    ok($s->wait_log(qr/Resource temporarily unavailable/, 20), 'that there are no threads is said');
    my $begun = time;
    watch();
    cmp_ok(scalar complaints($s), '<=', 2 * (time - $begun) + 4, 'at most once a second and child') or diag join "\n", complaints($s);
    ok($s->alive, 'it is alive');
    is(http_get($s->url('/'))->{status}, 200, 'the other child serves');
    limit_processes($MANY, $s->pid, $s->all_children);
    ok((wait_for { $s->child_pids >= 2 } 30, 'a replacement'), 'the replacement comes when it may');
    ok($s->stop, 'stops');
};

done_testing;
