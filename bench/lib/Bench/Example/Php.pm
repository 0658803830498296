package Bench::Example::Php;

# PHP-FPM with fewer processes than it would need, and pages that are no PHP.

use strict;
use warnings;

use parent 'Bench::Example::Beside';

use Adaptive::Server ();
use Bench::PhpFpm;

use constant { PROCESSES => 10, SLEEP_MS => 200, RATE => 100 };

sub name { return 'php' }
sub files { return 'php-fpm' }
sub server {
    return {
        modules => [qw(proxy proxy_fcgi)],
        conf => qq{<FilesMatch "\\.php\$">\n    SetHandler "proxy:fcgi://127.0.0.1:\@BACKEND\@"\n</FilesMatch>\n} };
}
sub app_path { return '/wait.php' }
sub app_rate { return RATE }

sub title {
    return sprintf '%d/s of scripts of %d ms for %d processes of PHP-FPM, which can do %d/s, beside %d/s for a 1 KB file',
        RATE, SLEEP_MS, PROCESSES, 1000 * PROCESSES / SLEEP_MS, Bench::Example::Beside::PAGE_RATE;
}

sub columns {
    return (
        [page_failed => 'pages failed', '%d'], [[qw(page_p50_ms page_p99_ms)], 'pages p50/p99 ms', '%.1f'],
        [app_failed => 'scripts failed', '%d'], [[qw(app_p50_ms app_p99_ms)], 'scripts p50/p99 ms', '%.0f'],
        [[qw(threads_before threads_peak)], 'threads before/peak', '%d'], [pss_peak => 'PSS MiB peak', '%.1f']);
}

sub heading { return 'PHP by way of PHP-FPM' }

sub text { return <<'TEXT' }
Ten processes of PHP-FPM with scripts of 200 ms can do 50 a second, and 100 come, for twelve seconds. No MPM makes scripts faster that
wait for their turn in the pool. But images and style sheets ("pages", 50 a second, judged from the third second on) should not wait
with them.
TEXT

sub figures {
    return (
        [page_failed => 'pages failed', '%.0f', 'low'], [page_p50_ms => 'pages p50 ms', '%.1f', 'low'],
        [page_p99_ms => 'pages p99 ms', '%.1f', 'low'], [app_failed => 'scripts failed', '%.0f', 'low'],
        [app_p50_ms => 'scripts p50 ms', '%.0f', 'low'], [app_p99_ms => 'scripts p99 ms', '%.0f', 'low'],
        [threads_peak => 'threads at most', '%.0f'], [pss_peak => 'MiB at most', '%.1f', 'low']);
}

sub headline { return qw(page_p50_ms page_p99_ms) }

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::PhpFpm->new(processes => PROCESSES) or return 'there is no php-fpm';
    return;
}

sub begin {
    my ($self, $server, $bench) = @_;
    Adaptive::Server::write_file($server->docroot . '/wait.php', '<?php usleep(' . SLEEP_MS . '000); echo "ok\n";');
    return ();
}

1;
