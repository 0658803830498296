package AB::Keeper;

# A process that ends what another one has started and removes its directories if that one was killed in a way that lets it do neither:
# SIGKILL, or the kernel for want of memory. It reads what there is from a pipe, whose end tells that the other one has gone.

use strict;
use warnings;

use File::Path ();
use POSIX ();
use Time::HiRes qw(sleep);

use AB::Machine qw(monotonic_s slurp);

use constant { END_S => 10, POLL_S => 0.02 };

sub new {
    my ($class) = @_;
    pipe my $in, my $out or die "cannot make a pipe: $!\n";
    my $pid = fork // die "cannot start a process: $!\n";
    if (!$pid) {
        close $out;
        eval { keep($in) };
        POSIX::_exit(0);
    }
    close $in;
    return bless { out => $out }, $class;
}

# "process ID" and "ended ID", "directory PATH", "group PATH" (a control group).
sub note {
    my ($self, $what, $name) = @_;
    local $SIG{PIPE} = 'IGNORE';
    syswrite $self->{out}, "$what $name\n";
    return;
}

sub keep {
    my ($in) = @_;
    POSIX::setsid();
    $SIG{$_} = 'IGNORE' for qw(INT TERM HUP QUIT PIPE);
    # whoever reads the other's output does not wait for this process
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    my (%born, %place);
    while (my $line = <$in>) {
        my ($what, $name) = $line =~ /^(\w+) (.*)$/ or next;
        if    ($what eq 'process') { $born{$name} = born($name) }
        elsif ($what eq 'ended')   { delete $born{$name} }
        else                       { $place{$what}{$name} = 1 }
    }
    end_processes(\%born);
    end_group($_) for sort keys %{ $place{group} };
    File::Path::remove_tree(grep {-d} sort keys %{ $place{directory} });
    return;
}

# When a process was started: another one that has its number meanwhile is not ended.
sub born { my ($pid) = @_; return (slurp("/proc/$pid/stat") // '') =~ /\A\d+ \(.*\) [^Z] (?:\S+ ){18}(\d+)/s ? $1 : 0 }

sub end_processes {
    my ($born) = @_;
    my $left = sub { return grep { $born->{$_} && born($_) == $born->{$_} } keys %$born };
    kill 'TERM', $left->();
    my $deadline = monotonic_s() + END_S;
    sleep POLL_S while $left->() && monotonic_s() < $deadline;
    kill 'KILL', map { (-$_, $_) } $left->();
    return;
}

sub end_group {
    my ($path) = @_;
    my $deadline = monotonic_s() + END_S;
    while (-d $path && !rmdir $path) {
        last if monotonic_s() > $deadline;
        kill 'KILL', grep {$_} split ' ', slurp("$path/cgroup.procs") // '';
        sleep POLL_S;
    }
    return;
}

1;
