package Bench::Change::Reload;

# A graceful restart under load: nobody should notice. Then one each second, which nobody does, but configuration management does.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { RATE => 500, DELAY_MS => 40, WARM_S => 3, WINDOW_S => 5, RELOADS => 10, CALM_S => 3, CONNECTIONS => 200 };

use constant {
    RELOAD_S => WARM_S + WINDOW_S,
    MANY_S   => WARM_S + 2 * WINDOW_S + CALM_S,
    END_S    => WARM_S + 2 * WINDOW_S + CALM_S + RELOADS + CALM_S,
};

sub name { return 'reload' }

sub title {
    return sprintf '%d/s of requests of %d ms at the backend; one graceful restart, then %d, one each second',
        RATE, DELAY_MS, RELOADS;
}
sub variants { return qw(new keep) }
sub server { return Bench::Change::proxy_server() }

sub columns {
    return (
        [[qw(before_p99_ms after_p99_ms)], 'p99 ms before/after', '%.1f'], [dip => 'ratio', '%.2f'],
        [[qw(before_max_ms after_max_ms)], 'max ms before/after', '%.1f'], [failed_once => 'failed', '%d'],
        [[qw(many_p99_ms many_max_ms)], 'one a second: p99/max ms', '%.1f'], [failed_many => 'failed', '%d'],
        [crossed => 'crossed a close', '%d'], [[qw(threads_before threads_peak)], 'threads before/peak', '%d'],
        [children_peak => 'children peak', '%d'], [pss_peak => 'PSS MiB peak', '%.0f']);
}

sub goals {
    return (
        { key => 'dip', what => 'p99 in the 5 s after to the 5 s before', limit => 1.5, unit => ' x', format => '%.2f' },
        { key => 'failed_once', what => 'failed requests, one restart', limit => 0, format => '%d' },
        { key => 'failed_many', what => 'failed requests, a restart each second', limit => 0, format => '%d' });
}

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my ($watch, $reload_s, $many_s);
    my $load = Bench::OpenLoad->start(
        $server->port, mode => $variant, schedule => sprintf('%d:%d', RATE, END_S), connections => CONNECTIONS,
        dir => $bench->{dir});
    my $restart = sub { $server->signal('USR1') };
    Bench::Change::attend(
        $load,
        at => [
            [WARM_S, sub { $watch = AB::Watch->new($server->tree) }],
            [RELOAD_S, sub { $reload_s = $load->elapsed_s; $restart->() }],
            (map { my $n = $_; [MANY_S + $n, sub { $many_s //= $load->elapsed_s; $restart->() }] } 0 .. RELOADS - 1),
            [MANY_S + RELOADS - 0.5, sub { $watch->look(memory => 1) }]],
        every => sub { $watch->look if $watch });
    my %of = (
        before => AB::Requests::summary($load->due_between($reload_s - WINDOW_S, $reload_s)),
        after  => AB::Requests::summary($load->due_between($reload_s, $reload_s + WINDOW_S)),
        many   => AB::Requests::summary($load->due_between($many_s, END_S)));
    my $once = AB::Requests::summary($load->due_between(0, $many_s));
    return {
        seen => [$load, $watch],
        (map { my $part = $_; map { ("${part}_$_" => $of{$part}{$_}) } qw(p50_ms p99_ms p999_ms max_ms) } keys %of),
        dip => $of{before}{p99_ms} ? $of{after}{p99_ms} / $of{before}{p99_ms} : undef,
        failed_once => $once->{failed}, failed_many => $of{many}{failed}, crossed => $load->totals->{crossed},
        threads_before => $watch->first->{threads}, threads_peak => $watch->peak('threads'),
        children_peak => $watch->peak('children'), pss_peak => $watch->peak('pss_kib') / 1024,
        note => Bench::Change::Burst::why_failed($load->totals),
    };
}

1;
