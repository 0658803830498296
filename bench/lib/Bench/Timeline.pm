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
    my @requests = @{ $load->requests };
    my @looks = $watch ? $watch->looks : ();
    my @lines = (join "\t", qw(at_s due failed p50_ms p99_ms max_ms arrived_p99_ms arrived_max_ms threads children pss_kib));
    my $look = {};
    for (my $from_s = 0; @requests; $from_s += STEP_S) {
        my $to_s = $from_s + STEP_S;
        my @window;
        push @window, shift @requests while @requests && $requests[0][AB::Requests::DUE_S] < $to_s;
        while (@looks && $looks[0]{at_s} - $load->start_s < $to_s) {
            $look = { %$look, %{ shift @looks } };
        }
        my $of_window = AB::Requests::summary(@window);
        my $arrived = AB::Requests::waits(0, @window);
        push @lines, join "\t", sprintf('%.1f', $from_s), scalar(@window), $of_window->{failed},
            (map { defined ? sprintf '%.1f', $_ : '' }
                @$of_window{qw(p50_ms p99_ms max_ms)}, @$arrived{qw(wait_p99_ms wait_max_ms)}),
            map { $_ // '' } @$look{qw(threads children pss_kib)};
    }
    return map { "$_\n" } @lines;
}

1;
