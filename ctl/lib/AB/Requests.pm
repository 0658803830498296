package AB::Requests;

# What became of each request of a load (-l of the load generator), and what follows from many of them.

use strict;
use warnings;

use AB::Stats qw(median percentile);

# [due s, latency ms, ms until the backend had it or undef, failure or '', ms by which the generator was late, status, which line of a
# trace it was]; times since the start.
use constant { DUE_S => 0, LATENCY_MS => 1, ARRIVED_MS => 2, FAILURE => 3, LATE_MS => 4, STATUS => 5, INDEX => 6 };

# When the generator, which comes before everybody else, was late by this much, the machine stood still (a guest's processor was taken
# away): requests around that moment say nothing about the server's threads.
use constant { STALL_MS => 1, AROUND_STALL_S => 0.05 };

# Of a latency curve: dense where tails are told apart.
our @SHARES = (
    0, 0.25, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.97, 0.98, 0.985, 0.99, 0.9925, 0.995, 0.9975, 0.999, 0.9995, 0.9999);

# Of a file, by the time at which each was due.
sub read_log {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!\n";
    my @requests;
    while (my $line = <$in>) {
        my ($due_us, $late_us, $done_us, $received_us, $kind, $status, $index) = split ' ', $line;
        push @requests, [
            $due_us / 1e6, ($done_us - $due_us) / 1e3, $received_us < 0 ? undef : ($received_us - $due_us) / 1e3,
            $kind eq 'ok' ? '' : $kind, $late_us / 1e3, $status, $index];
    }
    close $in;
    return sort { $a->[DUE_S] <=> $b->[DUE_S] } @requests;
}

# Those that were due in [from, to) seconds.
sub between {
    my ($from_s, $to_s, @requests) = @_;
    return grep { $_->[DUE_S] >= $from_s && $_->[DUE_S] < $to_s } @requests;
}

# Time in steps of this length: [[from s, [requests that were due in it], { what looks (AB::Watch) have seen by its end }], ...]. $start_s: when
# the load began, by the looks' clock.
sub steps {
    my ($step_s, $start_s, $requests, @looks) = @_;
    my (@steps, %seen);
    my $next = 0;
    for (my $from_s = 0; $next < @$requests; $from_s += $step_s) {
        my $to_s = $from_s + $step_s;
        my @window;
        push @window, $requests->[$next++] while $next < @$requests && $requests->[$next][DUE_S] < $to_s;
        %seen = (%seen, %{ shift @looks }) while @looks && $looks[0]{at_s} - $start_s < $to_s;
        push @steps, [$from_s, \@window, {%seen}];
    }
    return @steps;
}

# { count, failed, p50_ms, p90_ms, p99_ms, p999_ms, max_ms } of some requests; latencies are of those that did not fail.
sub summary {
    my (@requests) = @_;
    my @good = grep { !$_->[FAILURE] } @requests;
    my %summary = (count => scalar @requests, failed => @requests - @good, latencies('', map { $_->[LATENCY_MS] } @good));
    return \%summary;
}

# Failures by kind.
sub kinds {
    my (@requests) = @_;
    my %kinds;
    $kinds{ $_->[FAILURE] }++ for grep { $_->[FAILURE] } @requests;
    return \%kinds;
}

# Latency by share: [[share, ms], ...]. What failed is a request that took for ever, or a server that refuses would look fast: the curve
# ends where they begin.
sub curve {
    my (@requests) = @_;
    my @ms = sort { $a <=> $b } map { $_->[LATENCY_MS] } grep { !$_->[FAILURE] } @requests;
    push @ms, (undef) x (@requests - @ms);
    return [grep { defined $_->[1] } map { [$_, scalar percentile(\@ms, $_)] } grep { (1 - $_) * @ms >= 1 } @SHARES];
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
        "${prefix}p50_ms" => scalar percentile(\@ms, 0.5), "${prefix}p90_ms" => scalar percentile(\@ms, 0.9),
        "${prefix}p99_ms" => scalar percentile(\@ms, 0.99), "${prefix}p999_ms" => scalar percentile(\@ms, 0.999),
        "${prefix}max_ms" => @ms ? $ms[-1] : undef);
}

1;
