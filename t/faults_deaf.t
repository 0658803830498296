# A child that has closed the pipe by which its parent tells it what to do, as a faulty module or an intruder may: the parent
# neither hangs nor counts on it.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Adaptive::Build;
use Adaptive::Probe;
use Adaptive::Server;

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

plan skip_all => 'event has another pipe' if mpm() ne 'adaptive';

use constant { SECONDS => 40, BURST => 12 };

local $ENV{ADAPTIVE_BUILD} = other_build(CHILD_HOLDS => 1, PARKED_MS => 600_000, DRAIN_GRACE_MS => 3000);
my $s = Adaptive::Server->new(test_module => 1, modules => ['status'],
    mpm_conf => "StartServers 1\nServerLimit 2\nThreadsPerChild 8\nAdaptiveHold 1s\n",
    conf => "${TEST_CONF}KeepAliveTimeout 300\nMaxKeepAliveRequests 0\n")->start;

sub ask {
    my ($sock, $path) = @_;
    print {$sock} http_request($path, keep => 1);
    return ((read_response($sock, timeout => 10) // {})->{body}) // '';
}

# How often its main thread has slept.
sub switches {
    my ($pid) = @_;
    return Adaptive::Server::read_text("/proc/$pid/task/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : 0;
}

# By a connection to it. Its main thread has woken up and fallen asleep again, which it can only have with what it has now.
sub deafen {
    my ($sock, $pid) = @_;
    my $deaf  = ask($sock, '/adp/deafen') =~ /^deaf=[1-9]/;
    my $woken = switches($pid);
    return $deaf && wait_for { ask($sock, '/adp/timer?ms=1') && switches($pid) > $woken + 1 } 10, 'its main thread to turn';
}

# Load comes and goes, so that one of two children is parked, and still serves the connections that it has.
my @socks = hold_requests($s, BURST);
ok((wait_for { $s->child_pids == 2 } SECONDS, 'another child'), 'load comes: another child');
wait_for { hooks($s)->{busy} == BURST } SECONDS, 'all to be served';
lift_hold($s);
read_response($_, timeout => 10) for @socks;
ok((wait_for { sleep 0.2; $s->auto->{AdaptiveChildrenParked} == 1 } SECONDS, 'a child to be parked'), 'load goes: one is parked');
my $serving = served_by($s);
my ($parked) = grep { $_ != $serving } $s->child_pids;
my ($sock) = grep { ask($_, '/adp/pid') =~ /^pid=$parked$/m } @socks;
ok($sock, '(which has connections)') or die "no connection to the parked child\n";
ok(deafen($sock, $parked), 'it does not hear its parent any more');

# Now the parent wants it back.
my $cpu = cpu_seconds($s->pid);
kill 'KILL', $serving;
ok((wait_for { my $pid = served_by($s); $pid && $pid != $parked } SECONDS, 'another child'), 'another is started instead');
ok((wait_for { !kill 0, $parked } SECONDS, 'it to end'), 'the deaf one is told to end');
ok($s->wait_log(qr/ADP0085: child process $parked /, 15), 'it is said');
cmp_ok(cpu_seconds($s->pid) - $cpu, '<', 2, 'the parent does not spin');
ok(!$s->zombie_pids, 'it buries who has ended');
my %old = map { $_ => 1 } $s->child_pids;
ok($s->graceful, 'it reloads');
wait_for { !grep { $old{$_} } $s->child_pids } SECONDS, 'the old children to go';

# One that does not obey signals, either.
$sock = tcp($s->port);
my ($stuck) = ask($sock, '/adp/pid') =~ /^pid=(\d+)$/m;
ok(deafen($sock, $stuck), 'another deaf one');
kill 'STOP', $stuck;
$s->signal('USR1');
ok((wait_for { !kill 0, $stuck } SECONDS, 'it to end'), 'that does not act on SIGTERM is killed');
ok($s->wait_log(qr/ADP0079: child process $stuck .* SIGKILL/, 15), 'it is said, too');
ok($s->stop, 'the server stops');
done_testing;
