package Bench::Example::Surge;

# A burst of slow requests out of next to nothing, and what the server holds before it, in it, and when it has been over for a while.

use strict;
use warnings;

use parent 'Bench::Example';

use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { DELAY_MS => 400, CALM_RATE => 20, CALM_S => 5, BURST_S => 10, LATER_S => 75, TIMEOUT_S => 10 };

sub name { return 'surge' }
sub files { return qw(worker-8000 worker-5000) }
sub server { return Bench::Change::proxy_server() }

sub title {
    return sprintf 'from %d/s to a burst for %d s and back, %d ms at the backend; memory (PSS) before, in it, and %d s after it',
        CALM_RATE, BURST_S, DELAY_MS, LATER_S;
}

sub columns {
    return (
        [failed => 'failed', '%d'], [p50_ms => 'p50 ms', '%.0f'], [p99_ms => 'p99', '%.0f'], [max_ms => 'max', '%.0f'],
        [[qw(threads_before threads_peak threads_after)], 'threads before/in/after', '%d'],
        [[qw(children_before children_peak children_after)], 'children', '%d'],
        [[qw(pss_before pss_peak pss_after)], 'PSS MiB', '%.1f']);
}

sub heading { return 'A burst, and the memory before and after it' }

sub text { return <<'TEXT' }
What the larger two blocks were written for: out of 20 requests a second 1,200 for ten seconds, each of which waits 400 ms at the
application, so that 480 threads are needed at once. With some children of 32 threads the others have to be started, with thousands of
threads they are there. What that costs is what all processes hold (PSS), before the burst, at its end, and 75 seconds after it.
TEXT

sub figures {
    return (
        [failed => 'failed', '%.0f', 'low'], [p50_ms => 'p50 ms', '%.0f', 'low'], [p99_ms => 'p99 ms', '%.0f', 'low'],
        [max_ms => 'longest ms', '%.0f', 'low'], [pss_before => 'MiB before', '%.1f', 'low'], [pss_peak => 'MiB in it', '%.1f', 'low'],
        [pss_after => 'MiB after', '%.1f', 'low'], [threads_before => 'threads before', '%.0f'],
        [threads_peak => 'threads in it', '%.0f', 'low'], [threads_after => 'threads after', '%.0f'],
        [children_peak => 'children in it', '%.0f']);
}

sub headline { return qw(failed p99_ms pss_before pss_after) }

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my ($burst_s, $later_s) = Bench::Example::quick($bench, [1, 1], [BURST_S, LATER_S])->@*;
    my $schedule = sprintf '%d:%d,%d:%d,%d:%d', CALM_RATE, CALM_S, $bench->{option}{BURST_RATE}, $burst_s, CALM_RATE, $later_s;
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'new', schedule => $schedule, timeout => TIMEOUT_S, dir => $bench->{dir});
    my ($watch, $before);
    my $burst_end_s = CALM_S + $burst_s;
    Bench::Change::attend(
        $load,
        at => [
            [CALM_S - 0.5, sub { $watch = AB::Watch->new($server->tree); $before = $watch->first }],
            [$burst_end_s - 0.1, sub { $watch->look(memory => 1) }]],
        every => sub { $watch->look if $watch && $load->elapsed_s < $burst_end_s });
    my $after = $watch->look(memory => 1);
    return {
        seen => [$load, $watch],
        %{ AB::Requests::summary($load->due_between(CALM_S, $burst_end_s)) },
        failed => AB::Requests::summary(@{ $load->requests })->{failed},
        Bench::Change::Burst::counts($before, $watch, $after), note => Bench::Change::Burst::why_failed($load->totals),
    };
}

1;
