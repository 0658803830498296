package AB::Process;

# Programs that run beside this one and end with it, however it ends: by itself, by an error, by ^C, SIGTERM or SIGHUP, and with a guard
# (guard()) also by SIGKILL.

use strict;
use warnings;

use File::Path qw(remove_tree);
use IO::Handle;
use POSIX ();
use Time::HiRes qw(sleep);

use AB::Machine qw(monotonic_s);

use constant { END_S => 10, POLL_S => 0.01 };

my %running;        # process => what it takes to end it: code
my $owner = $$;
my $guard;          # { pid, pipe }: of the process that outlives this one

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
    tell_guard("+ $pid $running{$pid}");
    return $pid;
}

# Whether it has ended; its wait status is noted.
my %status;
sub has_ended {
    my ($pid) = @_;
    return 1 if exists $status{$pid};
    return 0 if waitpid($pid, POSIX::WNOHANG()) == 0;
    $status{$pid} = $?;
    tell_guard("- $pid");
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

# ^C and the like become an error that unwinds to whoever cleans up: die { interrupted => signal }. It comes anywhere, also within an eval
# that takes it for a failure of what it tried; so whoever begins something new asks again.
my $interrupted;

sub go_on {
    die { interrupted => $interrupted } if defined $interrupted;
    return;
}

sub unwind_on_signals {
    for my $name (qw(INT TERM HUP)) {
        $SIG{$name} = sub { $SIG{$_} = 'IGNORE' for qw(INT TERM HUP); $interrupted = $name; go_on() };
    }
    return;
}

# --- if this process is killed ------------------------------------------------------------------------------------------

# A process that does nothing until this one has gone, and then ends what is left and removes the directory.
sub guard {
    my ($dir) = @_;
    pipe my $read, my $write or die "cannot make a pipe: $!\n";
    my $pid = fork // die "cannot start a process: $!\n";
    if (!$pid) {
        $owner = 0;
        $SIG{$_} = 'IGNORE' for qw(INT TERM HUP);
        POSIX::setsid();
        close $write;
        open $_, '+<', '/dev/null' for *STDIN, *STDOUT, *STDERR;
        chdir '/';
        eval { keep_watch($read, $dir) };
        POSIX::_exit(0);
    }
    close $read;
    $write->autoflush(1);
    $guard = { pid => $pid, pipe => $write };
    return;
}

sub tell_guard {
    my ($text) = @_;
    print { $guard->{pipe} } "$text\n" if $guard;
    return;
}

sub keep_watch {
    my ($read, $dir) = @_;
    my %left;
    while (my $line = <$read>) {
        my ($what, $pid, $signal) = split ' ', $line;
        if ($what eq '+') { $left{$pid} = $signal }
        else              { delete $left{$pid} }
    }
    kill $left{$_}, $_ for keys %left;
    my $deadline = monotonic_s() + END_S;
    sleep POLL_S while monotonic_s() < $deadline && grep { kill 0, -$_ } keys %left;
    kill 'KILL', -$_ for keys %left;
    remove_tree($dir, { safe => 0 });
    return;
}

# Nothing is left for it to do when this process ends by itself.
sub dismiss_guard {
    return if !$guard || $owner != $$;
    close delete $guard->{pipe};
    waitpid $guard->{pid}, 0;
    undef $guard;
    return;
}

END {
    local $?;
    end_all();
    dismiss_guard();
}

1;
