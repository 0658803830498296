# Each signal that a server obeys, at each step of its start, of a reload and of a stop. The steps are widened: the server waits
# at one of them until the signal has come. It is never lost, a stop always wins, and nothing of the server is left behind.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use IO::Handle;
use Adaptive::Server;

plan skip_all => 'the pauses are in the module under test' if mpm() ne 'adaptive';

use constant { WORKERS => 3, SECONDS => 30 };

my @SIGNALS = qw(TERM INT WINCH HUP USR1);

# What the server is told first (nothing: it starts), where it is then, and whether a restart that is asked for there needs a
# run of its own, because the one under way has begun without it.
my @steps = (
    (map { ['', $_, 1] } qw(pre_config open_logs pid_file scoreboard run_begins run_serves run_began parent_sleeps)),
    (map { ['USR1', $_, 0] } qw(run_ends generation_ends)),
    (map { ['HUP',  $_, 0] } qw(run_ends generation_ends reclaimed)),
    (map { ['USR1', $_, 1] } qw(run_ended pre_config run_begins run_serves run_began)),
    (map { ['HUP',  $_, 1] } qw(run_ended pre_config run_serves run_began)),
    (map { ['TERM', $_, 0] } qw(run_ends stop_at_once stopped_at_once)),
    (map { ['WINCH', $_, 0] } qw(run_ends stop_gracefully)),
);
my @rounds = map { my $step = $_; map { [@$step, $_] } @SIGNALS } @steps;

sub server {
    return Adaptive::Server->new(hooked => 1,
        mpm_conf => "StartServers 1\nServerLimit 2\nThreadsPerChild 2\nGracefulShutdownTimeout 20\n");
}

sub spawn {
    my ($s) = @_;
    unlink $s->root . '/logs/error_log';
    delete @$s{qw(exit_status mark)};
    $s->{pid} = $s->{started} = $s->spawn_httpd($s->root . '/logs/console', @{ $s->{args} }, '-DFOREGROUND');
    return;
}

sub runs { my $log = $_[0]->error_log; return scalar(() = $log =~ /ADP0099/g) }

sub serves { my ($s) = @_; return eval { http_get($s->url('/'))->{status} == 200 } }

# It has begun, and has said so: a child serves before the parent says it. A line of the first run that comes after the runs were
# counted would be taken for that of the restart, and what is sent then would belong to the restart that is still under way.
sub begun { my ($s) = @_; return runs($s) >= 1 && serves($s) }

# What is wrong with a server that should have ended; nothing: it has, as it should.
sub wrong_end {
    my ($s) = @_;
    wait_for { defined $s->exit_status } SECONDS or return 'it does not end';
    my $status = $s->exit_status;
    delete $s->{started};
    return "it ends with status $status" if $status;
    return 'the pid file stays'          if -e $s->root . '/run/httpd.pid';
    return 'processes stay'              if !wait_for { !$s->tree_pids } 5;
    return '';
}

# Returns the server, if it goes on, and what is wrong.
sub play {
    my ($s, $first, $step, $own_run, $signal) = @_;
    if (!$first || !$s || !$s->{started}) {
        $s->stop if $s;
        $s = server();
        if (!$first) {
            $s->pause_at($step);
            spawn($s);
        }
        else {
            spawn($s);
            wait_for { begun($s) } SECONDS or return ($s, 'it does not start');
        }
    }
    my $before = runs($s);
    if ($first) {
        $s->pause_at($step);
        $s->signal($first);
    }
    $s->wait_paused($step, SECONDS) or return ($s, 'it does not come there');
    $s->signal($signal);
    $s->release($step);
    if ($signal !~ /HUP|USR1/ || $first =~ /TERM|WINCH/) {
        return (undef, wrong_end($s));
    }
    my $expected = $before + ($first ? 1 : 0) + ($own_run ? 1 : 0);
    $expected = 2 if !$first;
    wait_for { runs($s) >= $expected || defined $s->exit_status } SECONDS;
    return (undef, 'it ends') if defined $s->exit_status;
    return ($s, "run $expected does not come") if runs($s) < $expected;
    return ($s, 'it does not serve') if !wait_for { serves($s) } SECONDS;
    return ($s, 'a crash is logged') if $s->error_log =~ /exit signal (?:Seg|Abort|Bus)/;
    return ($s, '');
}

sub work {
    my ($out, @mine) = @_;
    my $s;
    for my $round (@mine) {
        my ($first, $step, $own_run, $signal) = @$round;
        ($s, my $wrong) = play($s, $first, $step, $own_run, $signal);
        print {$out} join("\t", ($first ? "$first, then " : '') . "$signal at $step", $wrong), "\n";
        undef $s if $wrong;
    }
    $s->stop if $s;
    return;
}

sub start_worker {
    my (@mine) = @_;
    pipe my $in, my $out or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    return $in if $pid;
    close $in;
    $out->autoflush(1);
    Test::More->builder->no_ending(1);
    eval { work($out, @mine); 1 } or print {$out} "a worker\t$@\n";
    close $out;
    exit 0;
}

my (@shares, $next);
push @{ $shares[ $next++ % WORKERS ] }, [ splice @rounds, 0, @SIGNALS ] while @rounds;
my @ends = map { start_worker(map {@$_} @$_) } @shares;
my $count = 0;
for my $in (@ends) {
    while (my $line = <$in>) {
        chomp $line;
        my ($what, $wrong) = split /\t/, $line, 2;
        is($wrong, '', $what);
        $count++;
    }
}
cmp_ok($count, '>=', 100, 'rounds');
wait_for { wait == -1 } 5;

subtest 'a server that has not said that it has begun' => sub {
    my $s = server();
    $s->pause_at('run_serves');
    spawn($s);
    ok((wait_for { serves($s) } SECONDS, 'a child'), 'serves');
    ok(!begun($s), 'but has not begun, or its runs could not be counted');
    $s->release('run_serves');
    ok((wait_for { begun($s) } SECONDS, 'the line'), 'until it says so');
    ok($s->stop, 'stops');
};

# As one process, too: there is no parent that could see it.
subtest 'TERM to one process that starts' => sub {
    for my $step (qw(pre_config pid_file scoreboard)) {
        my $s = Adaptive::Server->new(hooked => 1, args => ['-X']);
        $s->pause_at($step);
        spawn($s);
        $s->wait_paused($step, SECONDS);
        $s->signal('TERM');
        $s->release($step);
        is(wrong_end($s), '', $step);
    }
};

done_testing;
