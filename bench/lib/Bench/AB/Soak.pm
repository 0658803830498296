package Bench::AB::Soak;

# One server under a mixed load for hours, looked at after each half minute: small files on kept-alive and on new connections, a backend with
# a burst in each half minute, idle and half-open clients that come and go, and a graceful restart now and then. Memory, descriptors,
# threads, latency and processor time may vary; a slope is a leak.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Path qw(make_path);
use JSON::PP ();
use POSIX qw(strftime);

use AB::Load;
use AB::Machine qw(facts monotonic_s);
use AB::Requests;
use AB::Stats qw(median percentile slope);
use AB::Trial;
use Adaptive::Paths qw(httpd);
use Bench::AB;
use Bench::Contender;
use Bench::Options qw(from_environment listed);
use Bench::Output qw(write_to);
use Bench::SleepBackend;

use constant { WINDOW_S => 30, RELOAD_EVERY => 10, DELAY_MS => 50, LEAST_HOURS => 0.1, LEFT_OUT => 0.1, DOCUMENT => 'docs/soak.md' };

my @KNOWN = (
    [HOURS      => 24, 'how long'],
    [CONTENDER  => 'adaptive', 'or event, to see what that does'],
    [PUBLISH    => 0,  '1: writes ' . DOCUMENT . ', too'],
    [REPORT_DIR => '.build/soak', 'where soak.md and the samples go'],
    [MODULE     => '.build/mod_mpm_adaptive.so', 'the module'],
);

# What is looked at: key, what, unit, format
my @WATCHED = (
    [pss_mib => 'memory (PSS)', 'MiB', '%.2f'], [descriptors => 'descriptors', '', '%.0f'], [threads => 'threads', '', '%.1f'],
    [children => 'children', '', '%.1f'], [p50_ms => 'latency, p50', 'ms', '%.3f'], [p99_ms => 'latency, p99', 'ms', '%.2f'],
    [cpu_us => 'processor time per request', 'us', '%.1f'], [failed => 'failed requests', '', '%.0f']);

sub usage { return "usage: [NAME=VALUE ...] make -f Makefile.apxs soak\n" . listed(10, @KNOWN) }

sub options {
    my %option = from_environment(@KNOWN);
    die 'HOURS must be a number from ' . LEAST_HOURS . " on, not '$option{HOURS}'\n" if $option{HOURS} !~ /^\d+(?:\.\d+)?$/ || $option{HOURS} < LEAST_HOURS;
    die "CONTENDER must be adaptive or event, not '$option{CONTENDER}'\n" if $option{CONTENDER} !~ /^(?:adaptive|event)$/;
    return \%option;
}

# True if nothing grows.
sub soak {
    my ($option) = @_;
    my $dir = Bench::AB::private_build($option->{MODULE});
    my $backend = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    my $needs = { modules => [qw(proxy proxy_http)], conf => "    ProxyPass /app http://127.0.0.1:\@BACKEND\@/\n" };
    my $server = Bench::Contender->new($option->{CONTENDER})->server($needs, backend => $backend->port, max_keepalive_requests => 100)->start;
    my $windows = int($option->{HOURS} * 3600 / WINDOW_S + 0.5);
    my $begun_s = monotonic_s();
    my @samples;
    for my $window (1 .. $windows) {
        $server->signal('USR1') if $window % RELOAD_EVERY == 0;
        push @samples, { hours => (monotonic_s() - $begun_s) / 3600, %{ window($server, "$dir/t/loadgen", $dir, $window) } };
        $server->truncate_logs;
        die "the server has gone\n" if !$server->alive;
        print STDERR in_short($samples[-1]), '; ', AB::Trial::in_words(($windows - $window) * WINDOW_S), " left\n";
        write_samples($option, \@samples);
    }
    $server->stop or die "the server did not end by itself\n";
    return report($option, \@samples);
}

# Half a minute of load, and what the server is after it.
sub window {
    my ($server, $program, $dir, $window) = @_;
    my %common = (program => $program, dir => $dir, port => $server->port, seconds => WINDOW_S, timeout => 10, connections => 1000, poisson => $window);
    my @held = map { AB::Load::Held->new(%common, kind => $_->[0], connections => $_->[1]) } [idle => 200], [partial => 50];
    my $before_s = $server->tree->cpu_s;
    my @loads = map { AB::Load->new(%common, %$_) }
        { mode => 'keep', connections => 32, schedule => '200:' . WINDOW_S, path => '/1k.html' },
        { mode => 'new', schedule => '50:' . WINDOW_S, path => '/1k.html' },
        { mode => 'new', schedule => '50:' . (WINDOW_S - 10) . ',400:5,50:5', path => '/app' };
    my @results = map { $_->result } @loads;
    $_->stop for @held;
    my @all = map { @{ $_->{requests} } } @results;
    my $summary = AB::Requests::summary(@{ $results[0]{requests} });
    my $failed = grep { $_->[AB::Requests::FAILURE] } @all;
    my $tree = $server->tree;
    return {
        pss_mib => $tree->pss_kib / 1024, descriptors => $tree->descriptor_count, threads => $tree->task_count, children => $tree->pids - 1,
        p50_ms => $summary->{p50_ms} // 'inf', p99_ms => $summary->{p99_ms} // 'inf', failed => $failed, requests => scalar @all,
        cpu_us => ($tree->cpu_s - $before_s) * 1e6 / @all };
}

sub in_short {
    my ($sample) = @_;
    return sprintf('%.2f h', $sample->{hours}) . join '', map { my ($key, $what, $unit, $format) = @$_;
        ", $what " . sprintf($format, $sample->{$key}) . ($unit ? " $unit" : '') } @WATCHED;
}

sub write_samples {
    my ($option, $samples) = @_;
    make_path($option->{REPORT_DIR});
    write_to("$option->{REPORT_DIR}/samples.json", JSON::PP->new->utf8->canonical->pretty->encode($samples));
    return;
}

# --- what it means

# The beginning is left out: a server that has just been started grows until it has seen what it has to do.
sub judged {
    my ($samples) = @_;
    return @$samples[int(LEFT_OUT * @$samples) .. $#$samples];
}

# { slope, low, high (per hour), middle, least, most, grown (over the time), verdict }
sub trend {
    my ($key, @samples) = @_;
    my @values = sort { $a <=> $b } map { $_->{$key} } @samples;
    my ($slope, $low, $high) = slope(map { [$_->{hours}, $_->{$key}] } @samples);
    my $grown = $slope * ($samples[-1]{hours} - $samples[0]{hours});
    my $spread = percentile(\@values, 0.9) - percentile(\@values, 0.1);
    my $verdict = $key eq 'failed' && $values[-1] > 0 ? 'FAILED' : $low <= 0 && $high >= 0 ? 'no trend' : abs($grown) <= $spread / 2 ? 'within what it varies by' : $grown < 0 ? 'falls' : 'GROWS';
    return { slope => $slope, low => $low, high => $high, middle => scalar median(@values), least => $values[0], most => $values[-1], grown => $grown, verdict => $verdict };
}

sub report {
    my ($option, $samples) = @_;
    my @judged = judged($samples);
    my %trend = map { $_->[0] => trend($_->[0], @judged) } @WATCHED;
    my $text = document($option, $samples, \%trend);
    write_to("$option->{REPORT_DIR}/soak.md", $text);
    write_to(DOCUMENT, $text) if $option->{PUBLISH};
    print $text;
    return !grep { $_->{verdict} =~ /^(?:GROWS|FAILED)$/ } values %trend;
}

sub document {
    my ($option, $samples, $trend) = @_;
    my $hours = $samples->[-1]{hours} + WINDOW_S / 3600;
    my $requests = 0;
    $requests += $_->{requests} for @$samples;
    my @rows = map { row($trend->{ $_->[0] }, @$_) } @WATCHED;
    my @facts = map { "$_->[0]: $_->[1]" } grep { $_->[0] =~ /^(?:processor|kernel|httpd)$/ } facts(httpd());
    return join "\n", '# Does anything grow?', '',
        sprintf('%.1f hours of mixed load on one server (mpm_%s), %d requests, a graceful restart every %d minutes, %s. `make -f Makefile.apxs soak HOURS=%s` does it again.',
            $hours, $option->{CONTENDER}, $requests, RELOAD_EVERY * WINDOW_S / 60, strftime('%Y-%m-%d', gmtime), $option->{HOURS}), '',
        '| | median (least to most) | slope per hour (95 % interval) | |', '|---|---:|---:|---|', @rows, '',
        'A slope is the median of the slopes of all pairs of half minutes (Theil and Sen); the first tenth of the time is left out. "Within what it varies',
        'by": over the whole time less than half of what nine tenths of the half minutes lie apart. A slope that an interval has room for is one that',
        sprintf('%.1f hours could not have shown: to rule out less, let it run longer.', $hours), '', (map { "- $_" } @facts), '';
}

sub row {
    my ($trend, $key, $what, $unit, $format) = @_;
    my $of = sub { return sprintf $format, $_[0] };
    my $with_unit = length $unit ? " $unit" : '';
    return sprintf '| %s | %s%s (%s to %s) | %s (%s to %s) | %s |', $what, $of->($trend->{middle}), $with_unit, $of->($trend->{least}), $of->($trend->{most}),
        (map { sprintf '%+.3f', $trend->{$_} } qw(slope low high)), $trend->{verdict};
}

1;
