package Bench::Background;

# A program that runs beside the server, and ends with the object that stands for it: { pid, owner }.

use strict;
use warnings;

use Adaptive::Process qw(finish);

sub stop {
    my ($self) = @_;
    finish(delete $self->{pid}) if $self->{pid};
    return;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);
    $self->stop if $self->{owner} == $$;
    return;
}

1;
