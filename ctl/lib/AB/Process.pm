package AB::Process;

# Programs that run beside this one and end with it, however it ends: by itself, by an error, by ^C, SIGTERM, SIGHUP or SIGQUIT; and if it
# is killed, AB::Keeper ends them.

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(sleep);

use AB::Keeper;
use AB::Machine qw(monotonic_s);

use constant { END_S => 10, POLL_S => 0.01 };

my %running;        # process => what it takes to end it: code
my %status;         # of those that have ended
my $owner = $$;

my @ENDING = qw(INT TERM HUP QUIT);

# What is to go with this process even if it is killed: AB::Keeper::note's arguments.
my $keeper;
sub goes_with_us {
    my ($what, $name) = @_;
    ($keeper //= without_signals(sub { AB::Keeper->new }))->note($what, $name);
    return;
}

# A signal between fork() and the note of what was started would leave it behind, or unwind a child into what its parent does.
sub without_signals {
    my ($code) = @_;
    my ($none, $before) = (POSIX::SigSet->new(map { POSIX->can("SIG$_")->() } @ENDING), POSIX::SigSet->new);
    my $found;
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $none, $before);
    my $done = eval { $found = $code->($before); 1 };
    my $error = $@;
    POSIX::sigprocmask(POSIX::SIG_SETMASK(), $before);
    die $error if !$done;
    return $found;
}

# Runs a command without a shell, in a process group of its own: a terminal's ^C does not reach it before we end it in our way. Both of its
# outputs go to a file. Returns its process. %opt: env, ending => signal (TERM).
sub start {
    my ($command, $output, %opt) = @_;
    my $pid = without_signals(sub {
        my ($mask) = @_;
        my $child = fork // die "cannot start a process: $!\n";
        run_command($command, $output, $mask, %opt) if !$child;
        # numbers of processes come again: this one has not ended
        delete $status{$child};
        $running{$child} = $opt{ending} // 'TERM';
        return $child;
    });
    goes_with_us(process => $pid);
    return $pid;
}

# Of the child: does not return.
sub run_command {
    my ($command, $output, $mask, %opt) = @_;
    $owner = 0;
    $SIG{$_} = 'DEFAULT' for @ENDING, 'PIPE';
    POSIX::sigprocmask(POSIX::SIG_SETMASK(), $mask);
    POSIX::setpgid(0, 0);
    @ENV{ keys %{ $opt{env} } } = values %{ $opt{env} } if $opt{env};
    open STDIN, '<', '/dev/null' or POSIX::_exit(126);
    open STDOUT, '>', $output or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
    exec {$command->[0]} @$command or do { print STDERR "$command->[0]: $!\n"; POSIX::_exit(127) };
}

# Whether it has ended; its wait status is noted.
sub has_ended {
    my ($pid) = @_;
    return 1 if exists $status{$pid};
    return 0 if waitpid($pid, POSIX::WNOHANG()) == 0;
    $status{$pid} = $?;
    delete $running{$pid};
    goes_with_us(ended => $pid);
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

# ^C and the like become an error that unwinds to whoever cleans up: die { interrupted => signal }. It comes anywhere, also within an eval
# that takes it for a failure of what it tried; so whoever begins something new asks again.
my $interrupted;

sub go_on {
    die { interrupted => $interrupted } if defined $interrupted;
    return;
}

sub unwind_on_signals {
    for my $name (@ENDING) {
        $SIG{$name} = sub { $SIG{$_} = 'IGNORE' for @ENDING; $interrupted = $name; go_on() };
    }
    return;
}

END {
    local $?;
    end_all();
}

1;
