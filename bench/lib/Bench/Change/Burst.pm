package Bench::Change::Burst;

# Out of nothing sixty times the load, of requests that do nothing but wait at a backend, and back. How many are lost, how long
# the others take, and when the server is as small again as it was.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { DELAY_MS => 400, CALM_RATE => 20, CALM_S => 5, BURST_S => 10, AGAIN => 1.5, CONNECTIONS => 4000, TIMEOUT_S => 10 };

# Seconds between two looks at the memory after the burst.
use constant MEMORY_EVERY_S => 2;

sub name { return 'burst' }

sub title {
    return sprintf 'proxied, %d ms at the backend, from %d/s to the burst for %d s and back; latency from when a request was due',
        DELAY_MS, CALM_RATE, BURST_S;
}
sub variants { return qw(new keep) }
sub server { return Bench::Change::proxy_server() }

sub columns {
    return (
        [count => 'requests', '%d'], [failed => 'failed', '%d'], [p50_ms => 'p50 ms', '%.0f'], [p99_ms => 'p99', '%.0f'],
        [p999_ms => 'p99.9', '%.0f'], [max_ms => 'max', '%.0f'], [[qw(wait_p99_ms wait_max_ms)], 'waits ms p99/max', '%.1f'],
        [[qw(threads_before threads_peak threads_after)], 'threads before/peak/after', '%d'],
        [[qw(children_before children_peak children_after)], 'children', '%d'], [[qw(started stopped)], 'started/stopped', '%d'],
        [[qw(pss_before pss_peak pss_after)], 'PSS MiB', '%.1f'], [settled_s => 'small again s', '%.0f']);
}

sub goals {
    return (
        { key => 'failed', what => 'failed requests', limit => 0, format => '%d' },
        { key => 'p99_ms', what => 'p99 of the burst', limit => 450, unit => ' ms' },
        { key => 'settled_s', what => 'threads and memory within 1.5 x of before', limit => 120, unit => ' s' });
}

sub notes {
    return (
        'failed: of all requests; p50 to max: of those of the burst that did not fail',
        'waits: from when a request was sent until the backend had it, beyond the median before the burst',
        sprintf('lost: no answer within %d s of sending', TIMEOUT_S));
}

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $watch_s = $bench->{option}{WATCH};
    my $schedule = sprintf '%d:%d,%d:%d,%d:%d', CALM_RATE, CALM_S, $bench->{option}{BURST_RATE}, BURST_S, CALM_RATE, $watch_s;
    my $load = Bench::OpenLoad->start(
        $server->port, mode => $variant, schedule => $schedule, connections => CONNECTIONS, timeout => TIMEOUT_S,
        dir => $bench->{dir});
    my ($before, $end, $settled);
    my $watch;
    my $next_memory = CALM_S + BURST_S + MEMORY_EVERY_S;
    Bench::Change::attend(
        $load,
        at => [
            [CALM_S - 0.5, sub { $watch = AB::Watch->new($server->tree); $before = $watch->first }],
            [CALM_S + BURST_S - 0.1, sub { $end = $watch->look(memory => 1) }]],
        every => sub {
            return if !$watch || defined $settled;
            my $now_s = $load->elapsed_s;
            my $memory = $now_s >= $next_memory;
            $next_memory = $now_s + MEMORY_EVERY_S if $memory;
            my $look = $watch->look(memory => $memory);
            $settled = $now_s - CALM_S - BURST_S if $memory && is_small_again($look, $before);
            $load->interrupt if defined $settled;
        });
    my $after = $watch->look(memory => 1);
    my @calm = $load->due_between(0, CALM_S);
    my @burst = $load->due_between(CALM_S, CALM_S + BURST_S);
    my $all = AB::Requests::summary(@{ $load->requests });
    return {
        seen => [$load, $watch],
        %{ AB::Requests::summary(@burst) }, %{ AB::Requests::waits(AB::Requests::usual_arrival_ms(@calm), @burst) },
        count => $all->{count}, failed => $all->{failed}, late_p99_ms => $load->totals->{late_p99_ms},
        counts($before, $watch, $after), settled_s => $settled // "over $watch_s", note => why_failed($load->totals),
    };
}

sub is_small_again {
    my ($look, $before) = @_;
    return $look->{threads} <= AGAIN * $before->{threads} && $look->{pss_kib} <= AGAIN * $before->{pss_kib};
}

sub counts {
    my ($before, $watch, $after) = @_;
    return (
        (map { ("${_}_before" => $before->{$_}, "${_}_peak" => $watch->peak($_), "${_}_after" => $after->{$_}) }
            qw(threads children)),
        pss_before => $before->{pss_kib} / 1024, pss_peak => $watch->peak('pss_kib') / 1024, pss_after => $after->{pss_kib} / 1024,
        started => $watch->started, stopped => $watch->stopped);
}

# The kinds of failures, undef when there were none.
sub why_failed {
    my ($totals) = @_;
    my @kinds = map { $totals->{$_} ? "$_ $totals->{$_}" : () } qw(connect reset closed short status timeout malformed);
    return @kinds ? 'failed: ' . join(', ', @kinds) : undef;
}

1;
