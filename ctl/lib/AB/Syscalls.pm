package AB::Syscalls;

# Counts the system calls of a server while it is measured: the kernel's tracepoint, for the server's control group. It costs all
# contenders the same, some hundred nanoseconds per call.

use strict;
use warnings;

use AB::Machine qw(capture program slurp);
use AB::Process;

# Whether perf can count here: asked once. It mounts the file system of the tracepoints where that is missing.
my $can;
sub can_count {
    my ($perf) = @_;
    $can //= capture($perf, qw(stat -e raw_syscalls:sys_enter true)) =~ /^\s*[\d,.]+\s+raw_syscalls:sys_enter/m ? 1 : 0;
    return $can;
}

# undef where that is not to be had.
sub new {
    my ($class, $tree, $dir) = @_;
    my $perf = program('perf');
    return undef if !$perf || !$tree->cgroup_name || !can_count($perf);    # one value in a list
    my $self = bless { counts => "$dir/perf.counts", output => "$dir/perf.out" }, $class;
    unlink $self->{counts};
    my @command = ($perf, qw(stat -a -x ; -e raw_syscalls:sys_enter --for-each-cgroup), $tree->cgroup_name, '-o', $self->{counts});
    $self->{pid} = AB::Process::start(\@command, $self->{output}, ending => 'INT');
    return $self;
}

# Ends the counting; undef if it did not work.
sub count {
    my ($self) = @_;
    $self->stop;
    return (slurp($self->{counts}) // '') =~ /^(\d+);[^;]*;raw_syscalls:sys_enter/m ? $1 : undef;
}

sub stop { my ($self) = @_; AB::Process::end($self->{pid}); return }

1;
