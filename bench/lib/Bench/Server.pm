package Bench::Server;

# A server to be measured: as the test suite starts its own, but in a control group that accounts for it, and on certain
# cores if need be. What differs from program to program is in Bench::Httpd and Bench::Nginx.

use strict;
use warnings;

use parent -norequire, 'Adaptive::Server';

use Adaptive::Server ();
use Bench::Machine qw(on_cores);
use Bench::Tree;

# Enters the control groups by hand: the process is httpd's already when it is forked.
my $ENTER = 'for group in $1; do echo $$ >"$group/cgroup.procs" || exit 1; done; shift; exec "$@"';

sub new {
    my ($class, %opt) = @_;
    my $tree = Bench::Tree->new;
    my $memory_group = delete $opt{memory_group};
    my $path = join ' ', $tree->{cgroup} ? $tree->{cgroup}{path} : (), $memory_group ? $memory_group->{path} : ();
    return $class->SUPER::new(
        %opt, tree => $tree, wrapper => ['/bin/sh', '-c', $ENTER, 'sh', $path, on_cores($opt{cores})]);
}

sub tree { return $_[0]{tree} }

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
    $self->tree->remove;
    return $clean;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    $self->SUPER::DESTROY;
    $self->tree->remove if $self->tree;
    return;
}

1;
