package Bench::Example::Prefork;

# Browsers: each keeps its connection, and asks for something every two seconds.

use strict;
use warnings;

use parent 'Bench::Example';

use Time::HiRes qw(sleep);

use AB::Watch;
use Bench::Users;

use constant { USERS => 400, PAUSE_MS => 2000, WARM_S => 4, SECONDS => 8, TIMEOUT_S => 10 };

sub name { return 'prefork' }
sub files { return 'prefork' }

sub title {
    return sprintf '%d users with kept-alive connections, each asks for a 1 KB file, pauses for %d s and asks again; lost after %d s',
        USERS, PAUSE_MS / 1000, TIMEOUT_S;
}

sub columns {
    return (
        [judged => 'requests', '%d'], [failed => 'failed', '%d'], [rate => 'answers/s', '%.0f'], [p50_ms => 'p50 ms', '%.1f'],
        [p99_ms => 'p99', '%.1f'], [processes => 'processes', '%d'], [threads => 'threads', '%d'], [pss_mib => 'PSS MiB', '%.1f']);
}

sub heading { return 'Browsers that keep their connections: coming from prefork' }

sub text { return <<'TEXT' }
400 users, each with one kept-alive connection, ask for a 1 KB file, look at it for two seconds, and ask again. Under prefork each of
these connections takes a process, and there are 150. Lost is what has had no answer after ten seconds.
TEXT

sub figures {
    return (
        [judged => 'requests', '%.0f', 'high'], [failed => 'failed', '%.0f', 'low'], [rate => 'answers/s', '%.0f', 'high'],
        [p50_ms => 'p50 ms', '%.1f', 'low'], [p99_ms => 'p99 ms', '%.1f', 'low'], [processes => 'processes', '%.0f'],
        [threads => 'threads', '%.0f'], [pss_mib => 'MiB', '%.1f', 'low']);
}

sub headline { return qw(failed rate pss_mib) }

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my ($users, $warm_s, $seconds, $pause_ms) =
        Bench::Example::quick($bench, [40, 0.5, 1, 200], [USERS, WARM_S, SECONDS, PAUSE_MS])->@*;
    my $load = Bench::Users->start(
        $server->port, path => '/1k.html', users => $users, warm_s => $warm_s, seconds => $seconds, pause_ms => $pause_ms,
        timeout => TIMEOUT_S, keep => 1);
    sleep $warm_s + $seconds;
    my $look = AB::Watch->new($server->tree)->first;
    my $found = $load->result;
    return {
        (map { $_ => $found->{$_} } qw(judged failed rate p50_ms p90_ms p99_ms max_ms)),
        processes => $look->{children}, threads => $look->{threads}, pss_mib => $look->{pss_kib} / 1024 };
}

1;
