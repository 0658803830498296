package Bench::Change::Mixed;

# Requests that compute, more than the processors can do, and beside them requests that need next to nothing: a small file on kept-alive
# and on new connections, and sleeps. Short ones must not wait behind long ones.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use Bench::Change ();
use Bench::Machine qw(cores);
use Bench::OpenLoad;
use Bench::Watch;

use constant {
    SECONDS => 8, SETTLE_S => 2, PROBE_RATE => 50, SLEEP_RATE => 30, SLEEP_MS => 200, CONNECTIONS => 400, TIMEOUT_S => 30,
};

sub name { return 'mixed' }

sub title {
    return sprintf 'requests that compute, on kept-alive or new connections, N ms at a load of L times the processors; beside them 1 KB '
        . 'files at %d/s on kept-alive and on new connections, and sleeps of %d ms at %d/s', PROBE_RATE, SLEEP_MS, SLEEP_RATE;
}

# keep-5-1.5: on kept-alive connections, 5 ms, 1.5 times what the processors can do
sub variants { return map { my $mode = $_; map { ("$mode-5-$_", "$mode-50-$_") } '0.9', '1.5', '3' } qw(keep new) }

sub server { return { modules => ['adaptive_test'], conf => "    AdpTest On\n    MaxKeepAliveRequests 0\n" } }
sub needs_little { return 0 }

sub columns {
    return (
        [[qw(keep_p50_ms keep_p99_ms)], '1 KB kept alive p50/p99 ms', '%.1f'], [[qw(new_p50_ms new_p99_ms)], 'new p50/p99 ms', '%.1f'],
        [[qw(sleep_p50_ms sleep_p99_ms)], 'sleep p50/p99 ms', '%.0f'], [[qw(keep_failed new_failed sleep_failed)], 'failed', '%d'],
        [rps => 'computed/s', '%.0f'], [[qw(p50_ms p99_ms)], 'their p50/p99 ms', '%.0f'], [failed => 'failed', '%d'],
        [threads_peak => 'threads peak', '%d'], [children_peak => 'children peak', '%d']);
}

sub goals {
    return (
        { key => 'keep_p50_ms', what => 'p50 of the file, kept alive', limit => 3, unit => ' ms' },
        { key => 'keep_p99_ms', what => 'p99 of the file, kept alive', limit => 25, unit => ' ms' },
        { key => 'new_p50_ms', what => 'p50 of the file, new connection', limit => 20, unit => ' ms' },
        { key => 'sleep_p99_ms', what => 'p99 of the sleeps', limit => 260, unit => ' ms' },
        { key => 'p50_ms', what => 'p50 of the computations', limit => 1, of => 'event' });
}

sub notes {
    return (
        sprintf('computations come at a constant rate, on at most %d connections if these are kept alive; all for %d s', CONNECTIONS,
            SECONDS),
        sprintf('computed/s: those that ended in the last %d of them', SECONDS - SETTLE_S));
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my ($mode, $ms, $factor) = split /-/, $variant;
    my $watch = Bench::Watch->new($server->tree);
    my %common = (timeout => TIMEOUT_S, dir => $bench->{dir});
    my $rate   = $factor * cores() * 1000 / $ms;
    my $load   = Bench::OpenLoad->start(
        $server->port, %common, mode => $mode, schedule => sprintf('%.0f:%d', $rate, SECONDS), path => "/adp/spin?ms=$ms",
        connections => CONNECTIONS);
    my %probe = (
        keep  => { mode => 'keep', rate => PROBE_RATE, path => '/1k.html' },
        new   => { mode => 'new',  rate => PROBE_RATE, path => '/1k.html' },
        sleep => { mode => 'keep', rate => SLEEP_RATE, path => sprintf('/adp/sleep?ms=%d', SLEEP_MS) },
    );
    my %run = map {
        my $p = $probe{$_};
        ($_ => Bench::OpenLoad->start(
            $server->port, %common, mode => $p->{mode}, schedule => "$p->{rate}:@{[SECONDS]}", path => $p->{path}, connections => 16))
    } sort keys %probe;
    Bench::Change::attend($load, every => sub { $watch->look if $load->elapsed_s < SECONDS });
    my %result = (threads_peak => $watch->peak('threads'), children_peak => $watch->peak('children'), seen => [$load, $watch]);
    for my $name (sort keys %run) {
        my $seen = Bench::OpenLoad::summary($run{$name}->due_between(SETTLE_S, SECONDS));
        $result{"${name}_$_"} = $seen->{$_} for qw(p50_ms p99_ms failed);
    }
    return { %result, %{ computed($load) } };
}

sub computed {
    my ($load) = @_;
    my @in_time = grep { $_ >= SETTLE_S && $_ < SECONDS }
        map { $_->[Bench::OpenLoad::DUE_S] + $_->[Bench::OpenLoad::LATENCY_MS] / 1e3 }
        grep { !$_->[Bench::OpenLoad::FAILURE] } @{ $load->requests };
    my $all = Bench::OpenLoad::summary(@{ $load->requests });
    return {
        rps => @in_time / (SECONDS - SETTLE_S), p50_ms => $all->{p50_ms}, p99_ms => $all->{p99_ms}, failed => $all->{failed},
        late_p99_ms => $load->totals->{late_p99_ms} };
}

1;
