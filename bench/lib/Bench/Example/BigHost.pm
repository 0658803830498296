package Bench::Example::BigHost;

# Thousands of clients that keep their connections and are silent, and pages for those who are not.

use strict;
use warnings;

use parent 'Bench::Example::Beside';

use Adaptive::Load;

use constant { HELD => 6000, HELD_S => 40 };

sub name { return 'bighost' }
sub files { return 'big-host' }
sub timeout_s { return 5 }

sub title {
    return sprintf '%d kept-alive connections that say nothing, then %d/s for a 1 KB file on new connections',
        HELD, Bench::Example::Beside::PAGE_RATE;
}

sub columns {
    return (
        [still_held => 'connections kept', '%d'], [page_failed => 'pages failed', '%d'],
        [[qw(page_p50_ms page_p99_ms)], 'pages p50/p99 ms', '%.1f'], [threads_peak => 'threads', '%d'],
        [children_peak => 'children', '%d'], [pss_peak => 'PSS MiB', '%.1f']);
}

sub heading { return 'A large host with many clients' }

sub text { return <<'TEXT' }
6,000 clients get a 1 KB file and keep their connections, in silence. Then 50 requests a second come on new connections. Lost is what has
had no answer after five seconds. (The machine of this measurement is a small one; what shows on it is what a connection costs and
what limits their number.)
TEXT

sub figures {
    return (
        [still_held => 'connections kept', '%.0f', 'high'], [page_failed => 'pages failed', '%.0f', 'low'],
        [page_p50_ms => 'pages p50 ms', '%.1f', 'low'], [page_p99_ms => 'pages p99 ms', '%.1f', 'low'],
        [threads_peak => 'threads', '%.0f'], [children_peak => 'children', '%.0f'], [pss_peak => 'MiB', '%.1f', 'low']);
}

sub headline { return qw(still_held page_failed page_p99_ms pss_peak) }

sub begin {
    my ($self, $server, $bench) = @_;
    $self->{held} = Adaptive::Load->start(
        $server->port, mode => 'hold', kind => 'idle', path => '/1k.html', connections => Bench::Example::quick($bench, 200, HELD),
        seconds => HELD_S);
    $self->{held}->ready;
    return ();
}

sub run {
    my ($self, @how) = @_;
    my $result = $self->SUPER::run(@how);
    my $held = (delete $self->{held})->interrupt->result;
    $result->{still_held} = $held->{held} - $held->{closed_idle};
    $result->{held_failed} = $held->{failed};
    return $result;
}

1;
