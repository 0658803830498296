# What the kernel has accounted to a server's processes: processor time and context switches of threads and processes that have ended
# are counted as well, or whoever starts and ends many of them would look cheap. Without a control group, where it takes most care.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use File::Temp ();
use Test::More;

use AB::Machine qw(slurp);
use AB::Process;
use AB::Tree;
use Adaptive::Wait qw(ok_within);

{ no warnings 'redefine'; *AB::Tree::make_cgroup = sub { return } }

# A process whose children compute and end when they are told.
my $SERVER = <<'PERL';
use Time::HiRes ();
$| = 1;
my %end = (USR1 => sub { exit 0 });
for my $child (1, 2) {
    my $pid = fork // die;
    next if $pid;
    $SIG{USR1} = $end{USR1};
    1 while Time::HiRes::clock_gettime(Time::HiRes::CLOCK_PROCESS_CPUTIME_ID()) < 0.2;
    print "computed\n";
    sleep 1 while 1;
}
$SIG{TERM} = sub { exit 0 };
wait;
wait;
print "alone\n";
sleep 1 while 1;
PERL

my $output = File::Temp->new;
my $tree = AB::Tree->new;
my $pid = AB::Process::start([$tree->entering([], $^X, '-e', $SERVER)], "$output");
$tree->{pid} = $pid;
my $said = sub { return slurp("$output") // '' };

ok_within { (() = $said->() =~ /computed/g) == 2 } 60, 'two children have computed 0.2 s each' or diag $said->();
cmp_ok $tree->totals->{cpu_s}, '>=', 0.39, 'the time of both';
my $switches = $tree->totals->{switches};
kill 'USR1', grep { $_ != $pid } $tree->pids;
ok_within { $said->() =~ /alone/ } 60, 'they have ended';
is_deeply [$tree->pids], [$pid], '... and are no processes of the server any more';
cmp_ok $tree->totals->{cpu_s}, '>=', 0.39, 'their time still counts';
cmp_ok $tree->totals->{switches}, '>=', $switches, '... and their context switches';
cmp_ok AB::Process::end($pid), '==', 1, 'the end';

subtest 'threads that have ended' => sub {
    my $python = AB::Machine::program('python3') or plan skip_all => 'needs python3';
    my $threads = 'import threading,time,sys' . "\n" . 'def f():' . "\n" . ' while time.thread_time()<0.3: pass' . "\n"
        . 't=threading.Thread(target=f); t.start(); t.join(); print("joined",flush=True); time.sleep(600)';
    my $its = AB::Tree->new;
    my $process = AB::Process::start([$python, '-c', $threads], "$output");
    $its->{pid} = $process;
    ok_within { $said->() =~ /joined/ } 60, 'a thread has computed 0.3 s, and ended' or diag $said->();
    cmp_ok $its->totals->{cpu_s}, '>=', 0.29, 'nobody looked at it, and its time counts';
    AB::Process::end($process);
};

done_testing;
