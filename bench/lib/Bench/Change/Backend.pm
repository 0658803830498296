package Bench::Change::Backend;

# A backend that becomes a hundred times slower for a while: thirty times the requests are under way then. And that it is over
# has to show at once.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use AB::Requests;
use AB::Stats qw(percentile);
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { RATE => 300, FAST_MS => 20, SLOW_MS => 2000, BEFORE_S => 5, SLOW_S => 30, AFTER_S => 10, TIMEOUT_S => 10 };

# Recovered: as many windows in a row with a p99 below so many times that of before.
use constant { WINDOW_S => 0.2, WINDOWS => 5, NO_MORE_THAN => 2 };

sub name { return 'backend' }

sub title {
    return sprintf '%d/s at a backend that goes from %d ms to %d ms for %d s and back', RATE, FAST_MS, SLOW_MS, SLOW_S;
}
sub server { return Bench::Change::proxy_server() }

sub columns {
    return (
        [failed => 'failed', '%d'], [before_p99_ms => 'p99 ms before', '%.1f'],
        [[qw(slow_p50_ms slow_p99_ms slow_max_ms)], 'meanwhile p50/p99/max', '%.0f'],
        [[qw(wait_p99_ms wait_max_ms)], 'waits ms p99/max', '%.1f'], [recovery_s => 'recovery s', '%.1f'],
        [after_p99_ms => 'p99 ms after', '%.1f'], [[qw(threads_before threads_peak)], 'threads before/peak', '%d'],
        [children_peak => 'children peak', '%d'], [[qw(started stopped)], 'started/stopped', '%d']);
}

sub goals {
    return (
        { key => 'failed', what => 'failed requests', limit => 0, format => '%d' },
        { key => 'recovery_s', what => 'recovery after it ends', limit => 1, unit => ' s' });
}

sub notes {
    return sprintf 'recovery: until requests that become due have a p99 below %d x of before, over %d windows of %.1f s in a row',
        NO_MORE_THAN, WINDOWS, WINDOW_S;
}

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::SleepBackend->new(delay_ms => FAST_MS);
    return;
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    $self->{backend}->delay(FAST_MS);
    my ($watch, $slow_s, $fast_s);
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'new', schedule => sprintf('%d:%d', RATE, BEFORE_S + SLOW_S + AFTER_S), timeout => TIMEOUT_S,
        dir => $bench->{dir});
    Bench::Change::attend(
        $load,
        at => [
            [BEFORE_S - 0.5, sub { $watch = AB::Watch->new($server->tree) }],
            [BEFORE_S, sub { $slow_s = $load->elapsed_s; $self->{backend}->delay(SLOW_MS) }],
            [BEFORE_S + SLOW_S, sub { $self->{backend}->delay(FAST_MS); $fast_s = $load->elapsed_s }]],
        every => sub { $watch->look if $watch });
    my @before = $load->due_between(1, $slow_s);
    my @slow = $load->due_between($slow_s, $fast_s);
    my %of = (before => AB::Requests::summary(@before), slow => AB::Requests::summary(@slow),
        after => AB::Requests::summary($load->due_between($fast_s + 1, BEFORE_S + SLOW_S + AFTER_S)));
    my $recovery_s = recovered_after($load, $fast_s, NO_MORE_THAN * $of{before}{p99_ms});
    return {
        seen => [$load, $watch],
        (map { my $part = $_; map { ("${part}_$_" => $of{$part}{$_}) } qw(p50_ms p99_ms p999_ms max_ms) } keys %of),
        %{ AB::Requests::waits(AB::Requests::usual_arrival_ms(@before), @slow) },
        failed => AB::Requests::summary(@{ $load->requests })->{failed},
        recovery_s => $recovery_s // 'over ' . AFTER_S,
        threads_before => $watch->first->{threads}, threads_peak => $watch->peak('threads'),
        children_peak => $watch->peak('children'), started => $watch->started, stopped => $watch->stopped,
        note => Bench::Change::Burst::why_failed($load->totals),
    };
}

# Seconds until the first of enough good windows in a row; a window in which one failed is not good.
sub recovered_after {
    my ($load, $from_s, $limit_ms) = @_;
    my $good = 0;
    for my $n (0 .. AFTER_S / WINDOW_S - 1) {
        my @window = $load->due_between($from_s + $n * WINDOW_S, $from_s + ($n + 1) * WINDOW_S);
        my $of_window = AB::Requests::summary(@window);
        $good = @window && !$of_window->{failed} && $of_window->{p99_ms} <= $limit_ms ? $good + 1 : 0;
        return ($n + 1 - WINDOWS) * WINDOW_S if $good == WINDOWS;
    }
    return;
}

1;
