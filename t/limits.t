# Ceilings that nobody configured: what the system allows is found and logged, and a small container does not kill the server.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Cgroup;
use Adaptive::Load;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'limits are found by mod_mpm_adaptive' if mpm() ne 'adaptive';

$SIG{PIPE} = 'IGNORE';

use constant { MB => 1 << 20, NOTICE => "LogLevel notice mpm_adaptive:info\n" };

# What the line at the start says: { threads, children, each, memory => [MB, share, source], cpus, tasks => [count, source],
# descriptors }.
sub found {
    my ($s) = @_;
    my $log = $s->wait_log(qr/ADP0011: .*\n/, 10);
    my ($line) = $log =~ /ADP0011: (.*)/ or return {};
    note $line;
    my %found;
    @found{qw(threads children each)} = $line =~ /^up to (\d+) threads? in (\d+) child(?:ren)? of (\d+): /;
    $found{memory} = [$line =~ /memory (\d+) MB \((?:(\S+)% of )?([\w.]+)/];
    ($found{cpus}) = $line =~ /([\d.]+) processors?\b/;
    $found{tasks} = [$line =~ /(\d+) tasks \(([\w.]+)/];
    ($found{descriptors}) = $line =~ /(\d+) descriptors per child/;
    return \%found;
}

sub server {
    my (%opt) = @_;
    return Adaptive::Server->new(test_module => 1, modules => ['status'], %opt, conf => $TEST_CONF . NOTICE . ($opt{conf} // ''));
}

sub quit {
    my ($s) = @_;
    unlike $s->error_log, qr/exit signal|:(?:error|crit|alert|emerg)\]/, 'no crash, no complaint';
    return ok $s->stop, 'it stops';
}

subtest 'without limits' => sub {
    my $s = server()->start;
    my $found = found($s);
    my ($total_kb) = do { open my $in, '<', '/proc/meminfo' or die "$!"; local $/; <$in> =~ /^MemTotal:\s+(\d+)/m };
    cmp_ok $found->{cpus}, '<=', qx{nproc}, 'no more processors than there are';
    cmp_ok $found->{threads}, '<=', $found->{children} * $found->{each}, 'threads fit in the children';
    cmp_ok $found->{threads}, '<=', 8192, 'a large machine is no reason for a scoreboard that nobody can read';
    is $found->{each}, 64, '64 threads a child';
    cmp_ok $found->{children}, '>=', 4, 'children can be replaced';
    my $page = http_get($s->url('/server-status'))->{body};
    my ($now, $expected) = $page =~ /; (\d+) threads may run until it is measured again, (\d+) are expected to fit,/;
    is $expected // $found->{threads}, $found->{threads}, 'the status page knows the number, too' or diag "may run: $now";
    unlike $s->error_log, qr/ADP0011.* from /, 'no directive is made responsible';
    is http_get($s->url('/1k.html'))->{status}, 200, 'it serves';
    quit($s);
};

subtest 'with HTTP/2' => sub {
    my $s = server(modules => [qw(status http2)])->start;
    is found($s)->{each}, 25, 'fewer threads a child, because mod_http2 adds its own to each';
    quit($s);
};

subtest 'RLIMIT_NOFILE' => sub {
    my $s = server(rlimit => { nofile => 124 })->start;
    my $found = found($s);
    is $found->{descriptors}, 124, 'is found';
    is $found->{each}, 20, 'a child has no more threads than descriptors are good for';
    cmp_ok $found->{children}, '<=', 60, 'nor the parent more children';
    is http_get($s->url('/1k.html'))->{status}, 200, 'it serves';
    quit($s);
    $s = server(rlimit => { nofile => 124 }, mpm_conf => "ThreadsPerChild 40\nServerLimit 2\n");
    like $s->run_httpd('-t')->{output}, qr/ADP0015: ThreadsPerChild 40 needs more than the 124 descriptors available per child, 20 will be used.*ulimit -n/,
        'a larger ThreadsPerChild is warned of';
    for my $mode (qw(on off)) {
        $s = server(rlimit => { nofile => 124 }, test_module => 1, conf => "AdaptiveMode $mode\n",
            mpm_conf => "StartServers 1\nThreadsPerChild 40\nServerLimit 1\nMaxRequestWorkers 40\n")->start;
        my @socks = hold_requests($s, 30);
        wait_for { holding($s) >= 20 } 20, "AdaptiveMode $mode: 20 requests under way";
        ok !(wait_for { holding($s) > 20 } 0.5), "AdaptiveMode $mode: and kept to";
        lift_hold($s);
        is scalar(grep { (read_response($_) // {})->{status} } @socks), 30, 'the others are served later';
        ok $s->stop, q{it stops};
    }
};

SKIP: {
    skip 'needs root, to start servers of another user', 1 if $> != 0;
    subtest 'RLIMIT_NPROC' => sub {
        my $s = server(rlimit => { nproc => 700 }, conf => "User nobody\nGroup nogroup\n")->start;
        my $found = found($s);
        is_deeply $found->{tasks}, [700, 'RLIMIT_NPROC'], 'is found, though the parent is exempt';
        cmp_ok $found->{threads}, '<', 700, 'no more threads than there may be';
        quit($s);
    };
}

subtest 'explicit numbers win' => sub {
    my $s = server(mpm_conf => "ServerLimit 3\nThreadsPerChild 7\n")->start;
    my $found = found($s);
    is_deeply [@$found{qw(threads children each)}], [21, 3, 7], 'ServerLimit and ThreadsPerChild';
    ok($s->wait_log(qr/ADP0011: .*; ServerLimit 3 from \S+\.conf:\d+;/, 15), 'and where the limit stands');
    ok $s->stop, 'it stops';
    $s = server(mpm_conf => "MaxRequestWorkers 150\n")->start;
    $found = found($s);
    is $found->{threads}, 150, 'MaxRequestWorkers';
    my @lines = split /\n/, Adaptive::Server::read_text($s->conf_file);
    my ($line) = grep { $lines[$_ - 1] =~ /^MaxRequestWorkers/ } 1 .. @lines;
    ok($s->wait_log(qr/ADP0011: .*; MaxRequestWorkers 150 from \Q@{[$s->conf_file]}\E:$line;/, 15), 'which stands in this line of this file');
    is $found->{children} * $found->{each}, 150, 'to the thread';
    quit($s);
};

subtest 'a control group' => sub {
    my $group = Adaptive::Cgroup->new(memory => 512 * MB, pids => 300, cpus => 0.5)
        or plan skip_all => 'no control group can be made here';
    my $s = server(wrapper => $group->wrapper)->start;
    my $found = found($s);
    my ($mb, $share, $file) = @{ $found->{memory} };
    cmp_ok abs($mb - 0.8 * 512), '<=', 1, 'memory: four fifths of the limit';
    is $share, 80, 'which the message says';
    like $file, qr/^memory\.(?:max|limit_in_bytes)$/, 'by the name of the file';
    is $found->{cpus}, 0.5, 'half a processor';
    is_deeply $found->{tasks}, [300, 'pids.max'], 'tasks';
    cmp_ok $found->{threads}, '<', 300, 'no more threads than tasks';
    is http_get($s->url('/1k.html'))->{status}, 200, 'it serves';

    $group->change(pids => 200);
    $s->write_conf(mpm_conf => "AdaptiveMemory 50%\n");
    $s->log_mark;
    ok $s->graceful, 'after a restart';
    $found = found($s);
    is_deeply [@{ $found->{memory} }[0, 1]], [256, 50], 'another share';
    is_deeply $found->{tasks}, [200, 'pids.max'], 'another limit';
    cmp_ok $found->{threads}, '<', 200, 'fewer threads';
    $group->change(pids => 150);
    $s->log_mark;
    my $tasks = sub { ($s->log_since_mark =~ /ADP0011: .* (\d+) tasks/)[0] // 0 };
    ok((wait_for { http_get($s->url('/adp/sleep?ms=20')); $tasks->() == 150 } 20, 'the new limit'), 'another limit while it serves');
    cmp_ok(($s->log_since_mark =~ /ADP0011: up to (\d+) thread/)[0], '<', 150, '... and fewer threads than that');
    is $group->killed, 0, 'nobody was killed';
    quit($s);
};

# More requests at once than the limit is good for, each of which waits for half a second.
sub flood {
    my ($s) = @_;
    my $load   = Adaptive::Load->start($s->port, mode => 'new', path => '/adp/sleep?ms=500', rate => 500, seconds => 1, timeout => 20);
    my $most   = 0;
    ok((wait_for {
        my $threads = 0;
        $threads += Adaptive::Server::threads_of($_) - 1 for $s->child_pids;
        $most = $threads if $most < $threads;
        $load->ended;
    } 40, 'the load to end'), 'the load ends');
    my $total = $load->result;
    note "$most threads, $total->{ok} of $total->{sent} requests served";
    return ($most, $total);
}

# Name, options of the server, limits of a control group, which ceiling has to be named.
my @floods = (
    ['memory of a control group', {}, { memory => 48 * MB }, qr/memory limit of the control group/],
    ['tasks of a control group',  {}, { pids => 60 },        qr/pids\.max|task limit of the control group/],
    ['AdaptiveMemory', { mpm_conf => "AdaptiveMemory 16M\n" }, undef, qr/AdaptiveMemory/],
    ['RLIMIT_NPROC', { rlimit => { nproc => 80 }, conf => "User nobody\nGroup nogroup\n" }, undef, qr/process limit|RLIMIT_NPROC|ulimit -u/],
);

for my $case (@floods) {
    my ($name, $options, $limit, $pattern) = @$case;
    subtest "a flood of requests: $name" => sub {
        plan skip_all => 'needs root, to start servers of another user' if $options->{rlimit} && $> != 0;
        my $group = $limit && Adaptive::Cgroup->new(%$limit);
        plan skip_all => 'no control group can be made here' if $limit && !$group;
        my $s = server(%$options, $group ? (wrapper => $group->wrapper) : ())->start;
        my %first = map { $_ => 1 } $s->child_pids;
        $s->log_mark;
        my ($most, $total) = flood($s);
        cmp_ok $most, '>', 10, 'threads grow';
        cmp_ok $most, '<', 400, 'but not as many as requests wait';
        cmp_ok $total->{ok}, '>', 100, 'requests are served';
        is $total->{sent} - $total->{ok}, $total->{timeout} + $total->{connect}, 'the others at most wait too long';
        ok($s->wait_log(qr/ADP0091: .*(?:$pattern)/, 15), 'the ceiling is named');
        unlike $s->log_since_mark, qr/ADP0041|Resource temporarily unavailable|Cannot allocate/, 'the system refuses nothing';
        unlike $s->log_since_mark, qr/exit signal/, 'no child dies';
        is $group->killed, 0, 'nobody was killed' if $group && $limit->{memory};
        ok $s->alive, 'the parent is alive';
        is http_get($s->url('/1k.html'))->{status}, 200, 'it serves';
        ok $s->stop, 'it stops';
    };
}

# Memory that was found is handed out a part at a time: what is used up before the next part is no ceiling, and nobody has to do anything.
subtest 'a burst as soon as it runs' => sub {
    my $group = Adaptive::Cgroup->new(memory => 400 * MB) or plan skip_all => 'no control group can be made here';
    for my $round (1 .. 3) {
        my $s = server(wrapper => $group->wrapper)->start;
        my @socks = hold_requests($s, 200);
        ok((wait_for { holding($s) == 200 } 30, 'threads for all'), 'all get a thread');
        unlike $s->error_log, qr/ADP0091/, 'no ceiling is named';
        lift_hold($s);
        is scalar(grep { ((read_response($_) // {})->{status} // 0) == 200 } @socks), 200, 'all are served';
        ok $s->stop, 'it stops';
    }
};

# They need no thread, and nothing else keeps their number down.
subtest 'idle connections in a small control group' => sub {
    my $group = Adaptive::Cgroup->new(memory => 40 * MB) or plan skip_all => 'no control group can be made here';
    my $s = server(wrapper => $group->wrapper, conf => "KeepAliveTimeout 30\n")->start;
    my @first = sort { $a <=> $b } $s->child_pids;
    my $load = Adaptive::Load->start($s->port, mode => 'hold', kind => 'idle', connections => 5000, seconds => 1, timeout => 20);
    ok((wait_for { $load->ended } 60, 'the connections to end'), 'five thousand clients come and go');
    is $group->killed, 0, 'nobody was killed';
    unlike $s->error_log, qr/exit signal/, 'no child died';
    ok($s->wait_log(qr/ADP0032/, 15), 'that memory is short is said');
    is http_get($s->url('/1k.html'))->{status}, 200, 'it serves';
    ok $s->stop, 'it stops';
};

done_testing;
