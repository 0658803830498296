package Bench::OpenLoad;

# Load with a schedule (ctl/loadgen) in the background, and what became of each of its requests.

use strict;
use warnings;

use parent -norequire, 'Adaptive::Load';

use Adaptive::Load ();
use AB::Machine qw(monotonic_s);
use AB::Stats qw(median percentile);

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

# What requests() returns: [due s, latency ms, ms until the backend had it or undef, failure or '', ms by which loadgen was late]
use constant { DUE_S => 0, LATENCY_MS => 1, ARRIVED_MS => 2, FAILURE => 3, LATE_MS => 4 };

# When loadgen, which comes before everybody else, was late by so much, the machine stood still (a guest's processor was taken
# away): requests around that moment say nothing about the server's threads.
use constant { STALL_MS => 1, AROUND_STALL_S => 0.05 };

# Every request, by the time at which it was due. Waits for the end of the load.
sub requests {
    my ($self) = @_;
    return $self->{requests} if $self->{requests};
    $self->{totals} = $self->result;
    open my $in, '<', $self->{requests_log} or die "$self->{requests_log}: $!\n";
    my @requests;
    while (my $line = <$in>) {
        my ($due_us, $late_us, $done_us, $received_us, $kind) = split ' ', $line;
        push @requests, [
            $due_us / 1e6, ($done_us - $due_us) / 1e3, $received_us < 0 ? undef : ($received_us - $due_us) / 1e3,
            $kind eq 'ok' ? '' : $kind, $late_us / 1e3];
    }
    close $in;
    unlink $self->{requests_log};
    @requests = sort { $a->[DUE_S] <=> $b->[DUE_S] } @requests;
    return $self->{requests} = \@requests;
}

# Those that were due in [from, to) seconds.
sub due_between {
    my ($self, $from_s, $to_s) = @_;
    return grep { $_->[DUE_S] >= $from_s && $_->[DUE_S] < $to_s } @{ $self->requests };
}

# loadgen's own totals.
sub totals {
    my ($self) = @_;
    $self->requests;
    return $self->{totals};
}

# { count, failed, p50_ms, p99_ms, p999_ms, max_ms, done_s } of some requests; latencies are of those that did not fail.
sub summary {
    my (@requests) = @_;
    my @good = grep { !$_->[FAILURE] } @requests;
    my %summary = (count => scalar @requests, failed => @requests - @good, latencies('', map { $_->[LATENCY_MS] } @good));
    return \%summary;
}

# The time from when a request was sent to when the backend had it, beyond what is usual: { wait_p50_ms, ... }, and how many had
# to be left out because the machine stood still.
sub waits {
    my ($usual_ms, @requests) = @_;
    my @judged = without_stalls(@requests);
    my @waits = map { $_->[ARRIVED_MS] - $_->[LATE_MS] - $usual_ms } grep { defined $_->[ARRIVED_MS] } @judged;
    my %waits = (
        latencies('wait_', @waits), wait_over_5ms => scalar(grep { $_ > 5 } @waits), wait_stalled => @requests - @judged);
    return \%waits;
}

sub without_stalls {
    my (@requests) = @_;
    my @stalls = map { ($_->[DUE_S] + $_->[LATE_MS] / 1e3) } grep { $_->[LATE_MS] > STALL_MS } @requests;
    my @judged;
    for my $request (@requests) {
        shift @stalls while @stalls && $stalls[0] < $request->[DUE_S] - AROUND_STALL_S;
        push @judged, $request if !@stalls || $stalls[0] > $request->[DUE_S] + AROUND_STALL_S;
    }
    return @judged;
}

# The usual time until the backend has a request.
sub usual_arrival_ms {
    my (@requests) = @_;
    return median(map { $_->[ARRIVED_MS] } @requests) // 0;
}

sub latencies {
    my ($prefix, @ms) = @_;
    @ms = sort { $a <=> $b } @ms;
    return (
        "${prefix}p50_ms" => scalar percentile(\@ms, 0.5), "${prefix}p99_ms" => scalar percentile(\@ms, 0.99),
        "${prefix}p999_ms" => scalar percentile(\@ms, 0.999), "${prefix}max_ms" => @ms ? $ms[-1] : undef);
}

1;
