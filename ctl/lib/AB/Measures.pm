package AB::Measures;

# What is measured in a run: how it is called, in which unit and with how many digits it is shown, which way is better, and whether two
# sides are compared by their ratio or, where 0 is usual, by their difference.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(measure known_measures shown);

# key, label, unit, format, better (low, high, or '' for neither), compared by
my @ALL = (
    [failed_percent => 'failed',                '%',     '%.2f', 'low',  'difference'],
    [p50_ms    => 'latency, p50',               'ms',    '%.1f', 'low',  'ratio'],
    [p90_ms    => 'latency, p90',               'ms',    '%.1f', 'low',  'ratio'],
    [p99_ms    => 'latency, p99',               'ms',    '%.1f', 'low',  'ratio'],
    [p999_ms   => 'latency, p99.9',             'ms',    '%.1f', 'low',  'ratio'],
    [max_ms    => 'latency, longest',           'ms',    '%.0f', 'low',  'ratio'],
    [beside_failed_percent => 'failed, of the requests beside it', '%', '%.2f', 'low', 'difference'],
    [beside_p50_ms => 'requests beside it, p50', 'ms',   '%.1f', 'low',  'ratio'],
    [beside_p99_ms => 'requests beside it, p99', 'ms',   '%.1f', 'low',  'ratio'],
    [beside_rate => 'answered, of the requests beside it', '/s', '%.0f', 'high', 'ratio'],
    [rate      => 'answered',                   '/s',    '%.0f', 'high', 'ratio'],
    [share_rate => 'its share of the requests', '/s',    '%.1f', '',     'ratio'],
    [busy      => 'busy threads',               '',      '%.1f', '',     'ratio'],
    [connections => 'connections',              '',      '%.0f', '',     'ratio'],
    [cpu_us    => 'processor time per request', "\x{b5}s", '%.1f', 'low', 'ratio'],
    [switches  => 'context switches per request', '',    '%.2f', 'low',  'ratio'],
    [syscalls  => 'system calls per request',   '',      '%.1f', 'low',  'ratio'],
    [pss_before_mib => 'memory before (PSS)',   'MiB',   '%.1f', 'low',  'ratio'],
    [pss_peak_mib   => 'memory at its peak (PSS)', 'MiB', '%.1f', 'low', 'ratio'],
    [pss_after_mib  => 'memory at the end (PSS)', 'MiB', '%.1f', 'low',  'ratio'],
    [threads_before => 'threads before',        '',      '%.0f', '',     'ratio'],
    [threads_peak   => 'threads at their peak', '',      '%.0f', '',     'ratio'],
    [threads_after  => 'threads at the end',    '',      '%.0f', '',     'ratio'],
    [children_peak  => 'children at their peak', '',     '%.0f', '',     'ratio'],
    [children_started => 'children started',    '',      '%.0f', 'low',  'difference'],
    [children_stopped => 'children stopped',    '',      '%.0f', 'low',  'difference'],
    [absorbed_s => 'until a burst was absorbed', 's',    '%.2f', 'low',  'difference'],
    [settled_s  => 'until threads and memory were given back', 's', '%.0f', 'low', 'ratio'],
    [overflows  => 'connections dropped by full listen queues of the machine', '', '%.0f', 'low', 'difference'],
    [crossed   => 'requests sent again after a close', '', '%.0f', '',   'difference'],
    [behind    => 'requests at once for which no connection was free', '', '%.0f', '', 'difference'],
    [late_p99_ms => 'lateness of the generator, p99', 'ms', '%.2f', '',  'difference'],
    [generator_percent => 'load of the generator, of a core', '%', '%.0f', '', 'difference'],
    [strangers  => 'processors used by others', 'cores', '%.2f', '',     'difference'],
);

my %by_key = map {
    my ($key, $label, $unit, $format, $better, $by) = @$_;
    $key => { key => $key, label => $label, unit => $unit, format => $format, better => $better, by => $by }
} @ALL;

sub known_measures { return map { $by_key{ $_->[0] } } @ALL }

sub measure { return $by_key{ $_[0] } // die "there is no measure $_[0]\n" }

# A value with its unit: "12.3 ms"; "-" for none. "0" is exactly that, "0.00" is almost.
sub shown {
    my ($measure, $value) = @_;
    return '-' if !defined $value;
    my ($format, $size) = ($measure->{format}, abs $value);
    $format = $size >= 1000 ? '%.0f' : $size < 10 ? '%.2f' : $format if $format eq '%.1f' || $format eq '%.2f';
    my $number = $value == 0 ? '0' : sprintf $format, $value;
    $number =~ s/^-(?=[0.]+$)//;    # rounded
    1 while $number =~ s/^(-?\d+)(\d{3})/$1,$2/;
    my $unit = $measure->{unit};
    return $number . ($unit =~ m{^[%/]|^$} ? $unit : " $unit");
}

1;
