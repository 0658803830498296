package Adaptive::Program;

# One of the programs that make load, in the background: it prints a line each of what it counts, and "end" at its end. The
# comment of each says what its options do.

use strict;
use warnings;

use Carp qw(croak);
use File::Temp ();
use POSIX ();

use Adaptive::Paths qw(build_dir);
use Adaptive::Process;
use Adaptive::Wait;

# Command line options for a hash of options by name.
sub arguments_of {
    my ($flags, %opt) = @_;
    return map { ($flags->{$_} // croak("unknown option $_")) => $opt{$_} } sort keys %opt;
}

# launch('loadgen', patience => SECONDS, arguments => [...], with_errors => 1): the last has what it says of faults in its text, too.
sub launch {
    my ($class, $name, %opt) = @_;
    my $program = build_dir() . "/t/$name";
    -x $program or croak "$program is missing: run make first";
    my $output = File::Temp->new;
    my $self   = bless { name => $name, output => $output, patience => $opt{patience} }, $class;
    $self->{pid} = spawn(sub {
        open STDOUT, '>', $output->filename or die "$!";
        open STDERR, '>&', \*STDOUT if $opt{with_errors};
        exec $program, @{ $opt{arguments} } or die "$program: $!";
    });
    return $self;
}

# What it has printed until now.
sub text {
    my ($self) = @_;
    open my $in, '<', $self->{output}->filename or croak "$!";
    local $/;
    return <$in> // '';
}

sub ended {
    my ($self) = @_;
    $self->{ended} ||= waitpid($self->{pid}, POSIX::WNOHANG()) != 0;
    return $self->{ended};
}

# It is to end, in its own way.
sub interrupt {
    my ($self) = @_;
    kill 'TERM', $self->{pid} if !$self->ended;
    return $self;
}

# Waits for its end; its text.
sub last_text {
    my ($self) = @_;
    wait_for { $self->ended } $self->{patience}, "$self->{name} to end";
    finish($self->{pid});
    my $text = $self->text;
    $text =~ /^end$/m or croak "$self->{name} did not finish:\n$text";
    return $text;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $!, $@);
    finish($self->{pid}) if $self->{pid} && !$self->{ended};
    return;
}

1;
