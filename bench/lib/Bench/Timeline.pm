package Bench::Timeline;

# What happened when, for a closer look than a table allows: one line for each fifth of a second.

use strict;
use warnings;

use Exporter 'import';

use AB::Requests;
use Bench::OpenLoad;

our @EXPORT_OK = qw(timeline);

use constant STEP_S => 0.2;

# The text of a file of tab-separated values, from the requests of a load and the looks of a watch (or undef).
sub timeline {
    my ($load, $watch) = @_;
    my @lines = (join "\t", qw(at_s due failed p50_ms p99_ms max_ms arrived_p99_ms arrived_max_ms threads children pss_kib));
    for my $step (AB::Requests::steps(STEP_S, $load->start_s, $load->requests, $watch ? $watch->looks : ())) {
        my ($from_s, $window, $look) = @$step;
        my $of_window = AB::Requests::summary(@$window);
        my $arrived = AB::Requests::waits(0, @$window);
        push @lines, join "\t", sprintf('%.1f', $from_s), scalar(@$window), $of_window->{failed},
            (map { defined ? sprintf '%.1f', $_ : '' }
                @$of_window{qw(p50_ms p99_ms max_ms)}, @$arrived{qw(wait_p99_ms wait_max_ms)}),
            map { $_ // '' } @$look{qw(threads children pss_kib)};
    }
    return map { "$_\n" } @lines;
}

1;
