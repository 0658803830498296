package Adaptive::Process;

# Other programs that a test needs: backends in forked children, command line clients with a time limit. All of them end
# with the test, however it ends.

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(spawn finish listener run_command have_command raise_descriptors);

my %started;
my $owner = $$;

# Runs the code in a child process. A child of which the test has died notices it by its parent's number.
sub spawn {
    my ($code) = @_;
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $owner = 0;
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        eval { $code->(); 1 } or print STDERR "# child of the test: $@";
        POSIX::_exit($@ ? 1 : 0);
    }
    $started{$pid} = 1;
    return $pid;
}

# Ends a child of spawn.
sub finish {
    my ($pid, $signal) = @_;
    return if !delete $started{$pid};
    kill $signal // 'TERM', $pid;
    my $deadline = time + 5;
    while (waitpid($pid, POSIX::WNOHANG()) == 0) {
        kill 'KILL', $pid if time > $deadline;
        sleep 0.01;
    }
    return;
}

# A listening socket on a free port of 127.0.0.1.
sub listener {
    my ($port) = @_;
    return IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port // 0, Listen => 1024, ReuseAddr => 1, Proto => 'tcp')
        || die "listen: $!";
}

# Runs a program without a shell and returns { status, output (both streams), timed_out }.
sub run_command {
    my ($seconds, @command) = @_;
    pipe my $reader, my $writer or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        $owner = 0;
        open STDIN,  '<',  '/dev/null';
        open STDOUT, '>&', $writer;
        open STDERR, '>&', $writer;
        exec {$command[0]} @command or POSIX::_exit(127);
    }
    close $writer;
    $started{$pid} = 1;
    my ($output, $deadline, $timed_out) = ('', time + $seconds, 0);
    while (1) {
        my $left = $deadline - time;
        vec(my $want = '', fileno $reader, 1) = 1;
        if ($left <= 0 || !select $want, undef, undef, $left) {
            $timed_out = 1;
            kill 'KILL', $pid;
            last;
        }
        last if !sysread $reader, $output, 65536, length $output;
    }
    waitpid $pid, 0;
    delete $started{$pid};
    return { status => $? >> 8, signal => $? & 127, output => $output, timed_out => $timed_out };
}

sub have_command {
    my ($name) = @_;
    return scalar grep { -x "$_/$name" } split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin';
}

# Raises the limit of open files of this process, and so of all that it starts, as far as it may up to the number; what it is now.
sub raise_descriptors {
    my ($wanted) = @_;
    my %limit = map { $_ => qx{prlimit --pid $$ --nofile --noheadings --output $_} =~ s/\s+//gr } qw(SOFT HARD);
    my $soft = $limit{SOFT} eq 'unlimited' ? $wanted : $limit{SOFT};
    return $soft if $soft >= $wanted;
    my $most = $limit{HARD} eq 'unlimited' || $limit{HARD} > $wanted ? $wanted : $limit{HARD};
    return system('prlimit', '--pid', $$, "--nofile=$most:") == 0 ? $most : $soft;
}

END {
    my $status = $?;
    if ($owner == $$) {
        finish($_) for keys %started;
    }
    $? = $status;
}

1;
