package Bench::Change::Bursts;

# The burst of Bench::Change::Burst again and again: what was learnt from the first one must be there at the next, without
# processes that come and go with each.

use strict;
use warnings;

use parent -norequire, 'Bench::Change::Burst';

use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::OpenLoad;

use constant { BURSTS => 5, EVERY_S => 20, A_HANDFUL => 5, WAIT_MS => 5 };

use constant { map { $_ => Bench::Change::Burst->can($_)->() } qw(CALM_RATE CALM_S BURST_S TIMEOUT_S) };

sub name { return 'bursts' }

sub title {
    return sprintf 'the burst for %d s every %d s, %d times', BURST_S, EVERY_S, BURSTS;
}
sub variants { return ('') }

sub columns {
    return (
        [failed => 'failed', '%d'],
        [[map { "p99_ms_$_" } 1 .. BURSTS], 'p99 ms of each', '%.0f'],
        [[map { "wait_max_ms_$_" } 1 .. BURSTS], 'longest wait ms in each', '%.1f'],
        [[qw(later_wait_p50_ms later_wait_p99_ms later_wait_p999_ms)], 'waits in 2. to 5.: p50/p99/p99.9', '%.1f'],
        [later_over => 'over 5 ms', '%d'], [later_stalled => 'not judged', '%d'],
        [threads_peak => 'threads peak', '%d'], [children_peak => 'children peak', '%d'],
        [[qw(started stopped)], 'started/stopped', '%d'], [late_max_ms => 'loadgen late max ms', '%.1f']);
}

sub goals {
    return (
        { key => 'failed', what => 'failed requests', limit => 0, format => '%d' },
        { key => 'later_wait_max_ms', what => 'longest wait, from the second burst on', limit => WAIT_MS, unit => ' ms' },
        { key => 'later_wait_p999_ms', what => 'the same, p99.9', limit => WAIT_MS, unit => ' ms' },
        { key => 'churn', what => 'children started + stopped', limit => A_HANDFUL, format => '%d' });
}

sub notes {
    return (
        'waits: from when a request was sent until the backend had it, beyond the median before the first burst',
        sprintf('not judged: sent within %.0f ms of a moment at which the machine stood still, as loadgen, which'
            . ' has real-time priority, noticed by being late by more than %d ms',
            1e3 * AB::Requests::AROUND_STALL_S, AB::Requests::STALL_MS));
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $rate = $bench->{option}{BURST_RATE};
    my @schedule = (CALM_RATE . ':' . CALM_S, map { ("$rate:" . BURST_S, CALM_RATE . ':' . (EVERY_S - BURST_S)) } 1 .. BURSTS);
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'new', schedule => join(',', @schedule), timeout => TIMEOUT_S, dir => $bench->{dir});
    my $watch = AB::Watch->new($server->tree);
    Bench::Change::attend($load, every => sub { $watch->look });
    my $usual_ms = AB::Requests::usual_arrival_ms($load->due_between(0, CALM_S));
    my @later = map { burst($load, $_) } 2 .. BURSTS;
    my $waits = AB::Requests::waits($usual_ms, @later);
    my %result = (
        seen => [$load, $watch],
        failed => AB::Requests::summary(@{ $load->requests })->{failed}, later_over => $waits->{wait_over_5ms},
        later_stalled => $waits->{wait_stalled},
        (map { ("later_$_" => $waits->{$_}) } qw(wait_p50_ms wait_p99_ms wait_p999_ms wait_max_ms)),
        threads_peak => $watch->peak('threads'), children_peak => $watch->peak('children'),
        started => $watch->started, stopped => $watch->stopped, churn => $watch->started + $watch->stopped,
        late_max_ms => $load->totals->{late_max_ms}, note => Bench::Change::Burst::why_failed($load->totals));
    for my $n (1 .. BURSTS) {
        my @burst = burst($load, $n);
        my $of_burst = AB::Requests::waits($usual_ms, @burst);
        $result{"p99_ms_$n"} = AB::Requests::summary(@burst)->{p99_ms};
        $result{"p999_ms_$n"} = AB::Requests::summary(@burst)->{p999_ms};
        $result{"${_}_$n"} = $of_burst->{$_} for qw(wait_p99_ms wait_p999_ms wait_max_ms wait_over_5ms);
    }
    return \%result;
}

# The requests of the n-th burst, the first is 1.
sub burst {
    my ($load, $n) = @_;
    my $begin_s = CALM_S + ($n - 1) * EVERY_S;
    return $load->due_between($begin_s, $begin_s + BURST_S);
}

1;
