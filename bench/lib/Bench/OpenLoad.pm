package Bench::OpenLoad;

# Load with a schedule (ctl/loadgen) in the background, and what became of each of its requests.

use strict;
use warnings;

use parent -norequire, 'Adaptive::Load';

use AB::Machine qw(monotonic_s);
use AB::Requests;
use Adaptive::Load ();

my $serial = 0;

# start($port, dir => for the log, and what Adaptive::Load takes). Times are in seconds since the first request was due.
sub start {
    my ($class, $port, %opt) = @_;
    my $log = delete($opt{dir}) . '/requests.' . ++$serial;
    my $self = $class->SUPER::start($port, %opt, log => $log, urgent => 1);
    $self->{requests_log} = $log;
    $self->ready;
    my ($start_us) = $self->text =~ /^start_us (\d+)$/m or die "loadgen did not start:\n" . $self->text;
    $self->{start_s} = $start_us / 1e6;
    return $self;
}

# By the clock of monotonic_s().
sub start_s { return $_[0]{start_s} }

sub elapsed_s { return monotonic_s() - $_[0]{start_s} }

# Every request, by the time at which it was due. Waits for the end of the load.
sub requests {
    my ($self) = @_;
    return $self->{requests} if $self->{requests};
    $self->{totals} = $self->result;
    $self->{requests} = [AB::Requests::read_log($self->{requests_log})];
    unlink $self->{requests_log};
    return $self->{requests};
}

# Those that were due in [from, to) seconds.
sub due_between {
    my ($self, $from_s, $to_s) = @_;
    return AB::Requests::between($from_s, $to_s, @{ $self->requests });
}

# loadgen's own totals.
sub totals {
    my ($self) = @_;
    $self->requests;
    return $self->{totals};
}

1;
