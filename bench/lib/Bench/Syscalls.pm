package Bench::Syscalls;

# System calls per request, counted by the kernel's tracepoints for the server's control group. strace is the way out where
# those are not to be had: it slows the server down, and so changes what it counts.

use strict;
use warnings;

use Exporter 'import';

use AB::Machine qw(program slurp);
use AB::Syscalls;
use Adaptive::Process ();
use Bench::Load qw(load_command run_to_end time_limit);

our @EXPORT_OK = qw(count_syscalls @SYSCALLS);

# In the order of the table. Kinds that httpd might use for the same purpose are one line.
our @SYSCALLS = (
    [futex       => qw(futex)],
    [epoll_ctl   => qw(epoll_ctl)],
    [epoll_wait  => qw(epoll_wait epoll_pwait)],
    [poll        => qw(poll ppoll select)],
    [accept      => qw(accept accept4)],
    [read        => qw(read readv recvfrom recvmsg)],
    [write       => qw(write writev sendto sendmsg)],
    [sendfile    => qw(sendfile64)],
    [open_close  => qw(openat open close)],
    [stat        => qw(newstat newfstat newlstat newfstatat)],
    [mmap_munmap => qw(mmap munmap madvise mprotect brk)],
    [socket_name => qw(getsockname getpeername getsockopt setsockopt shutdown)],
    [fcntl       => qw(fcntl ioctl)],
    [clock       => qw(times getrusage gettimeofday clock_gettime)],
    [thread      => qw(clone clone3 exit sched_yield)],
);

# { requests, total, NAME => calls a request, how }
sub count_syscalls {
    my ($server, %load) = @_;
    my $counted = have_tracepoints($server) ? with_perf($server, %load) : program('strace') ? with_strace($server, %load) : undef;
    return if !$counted || !$counted->{requests};
    my $requests = $counted->{requests};
    my %per_request = map { $_ => $counted->{calls}{$_} / $requests } keys %{ $counted->{calls} };
    return { %per_request, requests => $requests, how => $counted->{how} };
}

sub have_tracepoints {
    my ($server) = @_;
    return program('perf') && $server->tree->cgroup_name && AB::Syscalls::can_count(program('perf'));
}

sub with_perf {
    my ($server, %load) = @_;
    my @kinds = grep { -d "/sys/kernel/tracing/events/syscalls/sys_enter_$_" } map { @$_[1 .. $#$_] } @SYSCALLS;
    my @events = ('raw_syscalls:sys_enter', map { "syscalls:sys_enter_$_" } @kinds);
    my $counts = "$load{dir}/perf.out";
    my $status = run_to_end(
        time_limit(%load), "$load{dir}/load.out", undef, program('perf'), qw(stat -a -x ;), '-o', $counts, '-e', join(',', @events),
        '--for-each-cgroup', $server->tree->cgroup_name, '--', load_command(%load));
    return if $status;
    my %count;
    for my $line (split /\n/, slurp($counts) // '') {
        my ($calls, undef, $event) = split /;/, $line;
        $count{$1} = $calls if ($calls // '') =~ /^\d+$/ && $event =~ /^\w+:sys_enter_?(\w*)$/;
    }
    return summed(\%count, delete $count{''}, "$load{dir}/load.out", 'perf stat, tracepoints');
}

# strace's table gives names as programs know them.
sub with_strace {
    my ($server, %load) = @_;
    my $counts = "$load{dir}/strace.out";
    my @processes = map { ('-p', $_) } $server->tree->pids;
    my $tracer = Adaptive::Process::spawn(sub {
        open STDERR, '>', '/dev/null';
        exec program('strace'), '-f', '-c', '-U', 'calls,name', '-o', $counts, @processes;
    });
    sleep 1;
    run_to_end(time_limit(%load), "$load{dir}/load.out", undef, load_command(%load));
    kill 'INT', $tracer;
    waitpid $tracer, 0;
    Adaptive::Process::finish($tracer);
    my %count;
    for my $line (split /\n/, slurp($counts) // '') {
        $count{$2} = $1 if $line =~ /^\s*(\d+)\s+(\w+)\s*$/;
    }
    my $total = delete $count{total};
    my %kernel_name = (sendfile => 'sendfile64', stat => 'newstat', fstat => 'newfstat', lstat => 'newlstat');
    $count{$kernel_name{$_}} = delete $count{$_} for grep { exists $count{$_} } keys %kernel_name;
    return summed(\%count, $total, "$load{dir}/load.out", 'strace -f -c, which slows the server');
}

sub summed {
    my ($count, $total, $output, $how) = @_;
    my $load = Bench::Load::read_wrk(slurp($output) // '') or return;
    my %calls = (total => $total // 0, other => $total // 0);
    for my $group (@SYSCALLS) {
        my ($name, @kinds) = @$group;
        $calls{$name} = 0;
        $calls{$name} += $count->{$_} // 0 for @kinds;
        $calls{other} -= $calls{$name};
    }
    # the counters are not started at the very same moment
    $calls{other} = 0 if $calls{other} < 0;
    return { calls => \%calls, requests => $load->{requests}, how => $how };
}

1;
