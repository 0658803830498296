package AB::Tree;

# A server's processes and what the kernel has accounted to them. They live in a control group of their own where one
# can be made: its processor time is exact and includes what has ended. Elsewhere each process is asked for its own, which has that
# of threads that have ended, and what a process used last is lost with it: look_at_processes() is called often. Context switches are those
# of each thread, and look() is called now and then.

use strict;
use warnings;

use List::Util qw(sum0);
use Time::HiRes ();

use AB::Machine qw(slurp);
use AB::Process;

my $serial = 0;

my $ENTER = 'for group in $1; do echo $$ >"$group/cgroup.procs" || exit 1; done; shift; exec "$@"';

# below_us => 1: its group lies below that of this process, and so within the limits of its session or service.
sub new {
    my ($class, %opt) = @_;
    return bless { cgroup => scalar make_cgroup($opt{below_us}), cpu_s => {}, switches => {} }, $class;
}

# The tree below a process that somebody else has started.
sub of {
    my ($class, $pid) = @_;
    return bless { pid => $pid, cpu_s => {}, switches => {} }, $class;
}

sub make_cgroup {
    my ($below_us) = @_;
    my ($mount) = (slurp('/proc/mounts') // '') =~ /^\S+ (\S+) cgroup2 /m or return;
    my ($own) = (slurp('/proc/self/cgroup') // '') =~ /^0::(\S+)/m;
    # at the top, where controllers can be had; else below our own
    for my $above ($below_us ? ($own // '') : ('', $own // ())) {
        my $name = sprintf '%s/mpm-bench-%d-%d', $above, $$, ++$serial;
        $name =~ s{^/+}{};
        mkdir "$mount/$name" or next;
        AB::Process::goes_with_us(group => "$mount/$name");
        # making one does not mean that processes may be moved there
        return { name => $name, path => "$mount/$name" }
            if !system '/bin/sh', '-c', 'echo $$ 2>/dev/null >"$1/cgroup.procs"', 'sh', "$mount/$name";
        rmdir "$mount/$name";
    }
    return;
}

# A command that enters the control group, and others whose paths are given, before it becomes the program: what that forks is in them, too.
sub entering {
    my ($self, $others, @command) = @_;
    my @paths = (($self->{cgroup} ? $self->{cgroup}{path} : ()), @$others);
    return @paths ? ('/bin/sh', '-c', $ENTER, 'sh', "@paths", @command) : @command;
}

sub cgroup_name { my ($self) = @_; return $self->{cgroup} && $self->{cgroup}{name} }

sub pids {
    my ($self) = @_;
    return split ' ', slurp("$self->{cgroup}{path}/cgroup.procs") // '' if $self->{cgroup};
    my @found;
    my @todo = ($self->{pid});
    while (defined(my $pid = shift @todo)) {
        push @found, $pid;
        push @todo, map { split ' ', slurp($_) // '' } glob "/proc/$pid/task/*/children";
    }
    return grep { -d "/proc/$_" } @found;
}

# Updates what is known of each thread and each process.
sub look {
    my ($self) = @_;
    for my $task (map { glob "/proc/$_/task/*" } $self->pids) {
        my $status = slurp("$task/status") // next;
        my ($voluntary) = $status =~ /^voluntary_ctxt_switches:\s*(\d+)/m;
        my ($involuntary) = $status =~ /^nonvoluntary_ctxt_switches:\s*(\d+)/m;
        $self->{switches}{$task} = $voluntary + $involuntary if defined $involuntary;
    }
    return $self->look_at_processes;
}

# Processor time alone, where there is no control group that has it.
sub look_at_processes {
    my ($self) = @_;
    return $self if $self->{cgroup};
    for my $pid ($self->pids) {
        my $cpu_s = process_clock_s($pid);
        $self->{cpu_s}{$pid} = $cpu_s if $cpu_s >= 0;
    }
    return $self;
}

# The kernel's clock of a process, of all threads that it has or had: -1 if there is none. Its number is made of the process's (see
# clock_getcpuclockid(3)); that of its first thread alone is AB::Machine's.
sub process_clock_s {
    my ($pid) = @_;
    use integer;
    my $clock = ~($pid + 0) << 3 | 2;
    no integer;
    return Time::HiRes::clock_gettime($clock);
}

# { cpu_s, switches } up to now.
sub totals {
    my ($self) = @_;
    $self->look;
    my %sum = (cpu_s => sum0(values %{ $self->{cpu_s} }), switches => sum0(values %{ $self->{switches} }));
    if ($self->{cgroup}) {
        my ($usage) = (slurp("$self->{cgroup}{path}/cpu.stat") // '') =~ /^usage_usec (\d+)/m;
        $sum{cpu_s} = ($usage // die "cpu.stat has no usage_usec\n") / 1e6;
    }
    return \%sum;
}

sub cpu_s { return $_[0]->totals->{cpu_s} }

# Memory of the whole tree in KiB, shared pages counted once among those who share them.
sub pss_kib {
    my ($self) = @_;
    my $sum = 0;
    for my $pid ($self->pids) {
        $sum += $1 if (slurp("/proc/$pid/smaps_rollup") // '') =~ /^Pss:\s*(\d+)/m;
    }
    return $sum;
}

sub task_count {
    my ($self) = @_;
    return scalar(() = (slurp("$self->{cgroup}{path}/cgroup.threads") // '') =~ /\n/g) if $self->{cgroup};
    my @tasks = map { glob "/proc/$_/task/*" } $self->pids;
    return scalar @tasks;
}

# Of the whole tree, one that several processes share as often as there are of them.
sub descriptor_count {
    my ($self) = @_;
    my @descriptors = map { glob "/proc/$_/fd/*" } $self->pids;
    return scalar @descriptors;
}

sub remove {
    my ($self) = @_;
    my $cgroup = delete $self->{cgroup} or return;
    for (1 .. 250) {
        return if rmdir $cgroup->{path};
        select undef, undef, undef, 0.02;
    }
    warn "could not remove $cgroup->{path}: $!\n";
    return;
}

1;
