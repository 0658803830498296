package Bench::Example::Reloads;

# Graceful restarts while clients are there.

use strict;
use warnings;

use parent 'Bench::Example';

use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { RATE => 300, DELAY_MS => 40, CONNECTIONS => 100, BEFORE_S => 4, RELOADS => 5, AFTER_S => 3 };

sub name { return 'reloads' }
sub files { return qw(worker-150 worker-8000 worker-5000) }
sub server { return Bench::Change::proxy_server() }

sub title {
    return sprintf '%d/s of requests of %d ms at the backend on %d kept-alive connections; %d graceful restarts, one each second',
        RATE, DELAY_MS, CONNECTIONS, RELOADS;
}

sub columns {
    return (
        [failed => 'failed', '%d'], [[qw(before_p99_ms p99_ms)], 'p99 ms before/meanwhile', '%.1f'],
        [[qw(before_max_ms max_ms)], 'max ms before/meanwhile', '%.0f'],
        [[qw(threads_before threads_peak)], 'threads before/peak', '%d'], [pss_peak => 'PSS MiB peak', '%.0f']);
}

sub heading { return 'Reloads' }

sub text { return <<'TEXT' }
A change of a virtual host, a new certificate, log rotation: a graceful restart. Here five of them, one each second, under 300 requests a
second of 40 ms on 100 kept-alive connections. "Meanwhile" is from the first reload until three seconds after the last.
TEXT

sub figures {
    return (
        [failed => 'failed', '%.0f', 'low'], [before_p99_ms => 'p99 ms before', '%.1f', 'low'],
        [p99_ms => 'p99 ms meanwhile', '%.1f', 'low'], [max_ms => 'longest ms meanwhile', '%.0f', 'low'],
        [threads_before => 'threads before', '%.0f'], [threads_peak => 'threads at most', '%.0f'],
        [pss_peak => 'MiB at most', '%.1f', 'low']);
}

sub headline { return qw(failed p99_ms pss_peak) }

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my ($before_s, $reloads) = Bench::Example::quick($bench, [1, 1], [BEFORE_S, RELOADS])->@*;
    my $end_s = $before_s + $reloads + AFTER_S;
    my ($watch, $from_s);
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'keep', schedule => RATE . ":$end_s", connections => CONNECTIONS, dir => $bench->{dir});
    Bench::Change::attend(
        $load,
        at => [
            [$before_s - 0.5, sub { $watch = AB::Watch->new($server->tree) }],
            (map { my $n = $_; [$before_s + $n, sub { $from_s //= $load->elapsed_s; $server->signal('USR1') }] } 0 .. $reloads - 1),
            [$before_s + $reloads - 0.5, sub { $watch->look(memory => 1) }]],
        every => sub { $watch->look if $watch });
    my $before = AB::Requests::summary($load->due_between(0.5, $from_s));
    return {
        seen => [$load, $watch],
        %{ AB::Requests::summary($load->due_between($from_s, $end_s)) }, map({ ("before_$_" => $before->{$_}) } keys %$before),
        threads_before => $watch->first->{threads}, threads_peak => $watch->peak('threads'),
        pss_peak => $watch->peak('pss_kib') / 1024, note => Bench::Change::Burst::why_failed($load->totals),
    };
}

1;
