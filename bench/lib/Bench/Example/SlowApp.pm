package Bench::Example::SlowApp;

# A reverse proxy whose application has become slow, and pages that do not need it.

use strict;
use warnings;

use parent 'Bench::Example::Beside';

use Bench::SleepBackend;

use constant { DELAY_MS => 5000 };

sub name { return 'slowapp' }
sub files { return 'reverse-proxy' }
sub server {
    return { modules => [qw(proxy proxy_http)], conf => "    ProxyPass /app/ http://127.0.0.1:\@BACKEND\@/\n" };
}
sub app_path { return '/app/' }
sub app_rate { return 150 }

sub title {
    my ($self) = @_;
    return sprintf '%d/s of requests for which the application needs %d s, beside %d/s for a 1 KB file',
        $self->app_rate, DELAY_MS / 1000, Bench::Example::Beside::PAGE_RATE;
}

sub columns {
    return (
        [page_failed => 'pages failed', '%d'], [[qw(page_p50_ms page_p99_ms)], 'pages p50/p99 ms', '%.1f'],
        [app_failed => 'application failed', '%d'], [[qw(app_p50_ms app_p99_ms)], 'application p50/p99 ms', '%.0f'],
        [[qw(threads_before threads_peak)], 'threads before/peak', '%d'], [pss_peak => 'PSS MiB peak', '%.1f']);
}

sub heading { return 'A reverse proxy whose application has become slow' }

sub text { return <<'TEXT' }
The application needs five seconds for an answer, 150 requests a second come for it, so 750 threads wait. Meanwhile 50 requests a
second ask for a file that has nothing to do with the application ("pages"; judged from the third second on). Lost is what has had no
answer after twenty seconds.
TEXT

sub figures {
    return (
        [page_failed => 'pages failed', '%.0f', 'low'], [page_p50_ms => 'pages p50 ms', '%.1f', 'low'],
        [page_p99_ms => 'pages p99 ms', '%.1f', 'low'], [app_failed => 'application failed', '%.0f', 'low'],
        [app_p50_ms => 'application p50 ms', '%.0f', 'low'], [app_p99_ms => 'application p99 ms', '%.0f', 'low'],
        [threads_peak => 'threads at most', '%.0f'], [pss_peak => 'MiB at most', '%.1f', 'low']);
}

sub headline { return qw(page_p50_ms page_p99_ms app_p99_ms) }

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

1;
