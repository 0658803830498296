package Bench::Server;

# A server to be measured: as the test suite starts its own, but in a control group that accounts for it, and on certain
# cores if need be. What differs from program to program is in Bench::Httpd and Bench::Nginx.

use strict;
use warnings;

use parent -norequire, 'Adaptive::Server';

use AB::Machine qw(on_cores);
use AB::Tree;
use Adaptive::Server ();
use Bench::ControlGroup;

# %opt beyond Adaptive::Server's: cores, memory_mib (its limit), shield => 1 (other processes of the machine come after it).
sub new {
    my ($class, %opt) = @_;
    my ($memory_mib, $shield) = delete @opt{qw(memory_mib shield)};
    my $tree = AB::Tree->new;
    my $memory = $memory_mib && (Bench::ControlGroup->memory_limit($tree, $memory_mib)
        // die "no control group with a memory limit can be made here\n");
    my @groups = grep { $_ } $memory, $shield && Bench::ControlGroup->shield($tree);
    return $class->SUPER::new(
        %opt, tree => $tree, groups => \@groups, memory_group => $memory,
        wrapper => [$tree->entering([map { $_->own_path } @groups], on_cores($opt{cores}))]);
}

# Its control group with a memory limit.
sub memory_group { return $_[0]{memory_group} }

sub tree { return $_[0]{tree} }

# To read its configuration again without losing a request.
sub reload_signal { return 'USR1' }

sub start {
    my ($self) = @_;
    $self->SUPER::start;
    $self->tree->{pid} = $self->pid;
    return $self;
}

# Logs of a measurement would fill the disk over many rounds.
sub truncate_logs {
    my ($self) = @_;
    truncate $_, 0 for glob $self->root . '/logs/*access_log';
    return;
}

sub stop {
    my ($self) = @_;
    my $clean = $self->SUPER::stop;
    $self->remove_groups;
    return $clean;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    $self->SUPER::DESTROY;
    $self->remove_groups;
    return;
}

sub remove_groups {
    my ($self) = @_;
    $_->remove for @{ $self->{groups} // [] }, $self->tree // ();
    return;
}

1;
