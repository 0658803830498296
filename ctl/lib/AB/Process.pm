package AB::Process;

# Programs that run beside this one and end with it, however it ends: by itself, by an error, or by ^C, SIGTERM or SIGHUP.

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(sleep);

use AB::Machine qw(monotonic_s);

use constant { END_S => 10, POLL_S => 0.01 };

my %running;        # process => what it takes to end it: code
my $owner = $$;

# Runs a command without a shell; both of its outputs go to a file. Returns its process. %opt: env, ending => signal (TERM), group => 1 (a
# process group of its own: a terminal's ^C does not reach it before we end it in our way).
sub start {
    my ($command, $output, %opt) = @_;
    my $pid = fork // die "cannot start a process: $!\n";
    if (!$pid) {
        $owner = 0;
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
        POSIX::setpgid(0, 0);
        @ENV{ keys %{ $opt{env} } } = values %{ $opt{env} } if $opt{env};
        open STDIN, '<', '/dev/null' or POSIX::_exit(126);
        open STDOUT, '>', $output or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        exec {$command->[0]} @$command or do { print STDERR "$command->[0]: $!\n"; POSIX::_exit(127) };
    }
    $running{$pid} = $opt{ending} // 'TERM';
    return $pid;
}

# Whether it has ended; its wait status is noted.
my %status;
sub has_ended {
    my ($pid) = @_;
    return 1 if exists $status{$pid};
    return 0 if waitpid($pid, POSIX::WNOHANG()) == 0;
    $status{$pid} = $?;
    delete $running{$pid};
    return 1;
}

sub status_of { return $status{ $_[0] } }

sub wait_for {
    my ($pid, $seconds) = @_;
    my $deadline = monotonic_s() + $seconds;
    until (has_ended($pid)) {
        return 0 if monotonic_s() > $deadline;
        sleep POLL_S;
    }
    return 1;
}

# Ends it: in its own way, and if that takes too long in another.
sub end {
    my ($pid, $seconds) = @_;
    return 1 if has_ended($pid);
    kill $running{$pid} // 'TERM', $pid;
    return 1 if wait_for($pid, $seconds // END_S);
    kill 'KILL', -$pid, $pid;
    wait_for($pid, END_S);
    return 0;
}

sub end_all {
    return if $owner != $$;
    end($_) for sort { $b <=> $a } keys %running;
    return;
}

# ^C and the like become an error that unwinds to whoever cleans up: die { interrupted => signal }.
sub unwind_on_signals {
    for my $name (qw(INT TERM HUP)) {
        $SIG{$name} = sub { $SIG{$_} = 'IGNORE' for qw(INT TERM HUP); die { interrupted => $name } };
    }
    return;
}

END {
    local $?;
    end_all();
}

1;
