package Bench::Example::Files;

# Small files, as fast as the clients ask for them: what the server's processor time is spent on.

use strict;
use warnings;

use parent 'Bench::Example';

use Bench::Users;

use constant { USERS => 200, WARM_S => 2, SECONDS => 5 };

sub name { return 'files' }
sub files { return 'static-files' }

sub title { return sprintf '%d kept-alive clients without a pause, a 1 KB file', USERS }

sub columns {
    return (
        [rate => 'answers/s', '%.0f'], [p50_ms => 'p50 ms', '%.1f'], [p99_ms => 'p99', '%.1f'], [cpu_us => 'CPU us/request', '%.0f'],
        [failed => 'failed', '%d'], [threads => 'threads', '%d']);
}

sub heading { return 'Static files' }

sub text { return <<'TEXT' }
200 kept-alive clients ask for a 1 KB file as fast as they get it. The processors are the limit, and what counts is how much of them the
server needs for a request.
TEXT

sub figures {
    return (
        [rate => 'answers/s', '%.0f', 'high'], [cpu_us => 'CPU us/request', '%.0f', 'low'], [p50_ms => 'p50 ms', '%.1f', 'low'],
        [p99_ms => 'p99 ms', '%.1f', 'low'], [failed => 'failed', '%.0f', 'low'], [threads => 'threads', '%.0f']);
}

sub headline { return qw(rate cpu_us p99_ms) }

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $cpu_s = $server->tree->cpu_s;
    my $found = Bench::Users->start(
        $server->port, path => '/1k.html', users => USERS, warm_s => Bench::Example::quick($bench, 0.5, WARM_S),
        seconds => Bench::Example::quick($bench, 0.5, SECONDS), keep => 1)->result;
    return {
        (map { $_ => $found->{$_} } qw(judged failed rate p50_ms p90_ms p99_ms max_ms)),
        cpu_us => ($server->tree->cpu_s - $cpu_s) * 1e6 / $found->{answered}, threads => $server->tree->task_count - 1 };
}

1;
