package Bench::Spinner;

# Processes that do nothing but compute, to compete with the server for the cores.

use strict;
use warnings;

use parent 'Bench::Background';

use List::Util qw(sum0);

use AB::Machine qw(process_cpu_s);
use Adaptive::Process qw(finish spawn);

sub new {
    my ($class, $count) = @_;
    my $parent = $$;
    return bless { owner => $$, pids => [map { spawn(sub { spin($parent) }) } 1 .. $count] }, $class;
}

# Looks up now and then whether it is still wanted.
sub spin {
    my ($parent) = @_;
    while (getppid == $parent) {
        for (1 .. 2_000_000) { }
    }
    return;
}

sub cpu_s {
    my ($self) = @_;
    return sum0(map { process_cpu_s($_) } @{ $self->{pids} });
}

sub stop {
    my ($self) = @_;
    finish($_) for splice @{ $self->{pids} };
    return;
}

1;
