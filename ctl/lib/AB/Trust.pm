package AB::Trust;

# How far the figures of a comparison can be trusted: how much the reference differs from itself, what others did on the machine, whether
# the load generator kept up, and what could not be measured.

use strict;
use warnings;

use List::Util qw(max);

use AB::Measures qw(measure shown);
use AB::Phrases qw(count_of joined label_of plain_label ratio_shown signed_shown);
use AB::Stats qw(middle_of);

# From here on a generator may be what was measured: that much of a core, or a request that was sent late by that share of p99, and by
# more than a machine's own jitter.
use constant { BUSY_PERCENT => 80, LATE_SHARE => 0.2, LATE_LEAST_MS => 0.5 };

# What strangers used of a core that is worth a warning.
use constant STRANGERS_CORES => 0.1;

my @SHOWN = qw(failed_percent p99_ms cpu_us);

sub sentence {
    my ($results) = @_;
    # nobody made the real requests, nor watched the machine for a week
    my @seen = $results->data->{shared} ? () : (strangers_words($results), generator_words($results));
    my @parts = (control_words($results), @seen, missing_words($results));
    return 'How far to trust it: ' . join('; ', @parts) . '.';
}

sub control_words {
    my ($results) = @_;
    my $reference = label_of($results, $results->reference);
    return "$reference was not run against itself, so small differences may be chance" if !defined $results->control;
    my @words = grep { defined } map { widest_words($results, measure($_)) } @SHOWN;
    return "$reference was to be run against itself, but there are no figures of that" if !@words;
    my $judged = grep { my $scenario = $_; grep { defined(($results->noise($scenario, $_) // {})->{low}) } @SHOWN } $results->scenarios;
    return "$reference differed from itself by up to " . joined(@words) . ', without intervals in so few rounds' if !$judged;
    return "$reference may differ from itself by up to " . joined(@words) . ', and smaller differences do not count';
}

# "4% in latency, p99": the widest of all scenarios.
sub widest_words {
    my ($results, $measure) = @_;
    my %widest;
    for my $scenario ($results->scenarios) {
        my $noise = $results->noise($scenario, $measure->{key}) // next;
        $widest{ $noise->{by} } = $noise->{spread} if $noise->{spread} > ($widest{ $noise->{by} } // -1);
    }
    my @words = grep { defined } (defined $widest{ratio} ? spread_words($measure, 'ratio', $widest{ratio}) : undef,
        defined $widest{difference} ? spread_words($measure, 'difference', $widest{difference}) : undef);
    return @words ? join(' or ', @words) . " in " . plain_label($measure) : undef;
}

# A factor of 1.04 is 4%.
sub spread_words {
    my ($measure, $by, $spread) = @_;
    return signed_shown($measure, $spread) =~ s/^\+//r if $by eq 'difference';
    return 'a factor of ' . ratio_shown($spread) if $spread >= 2;
    return sprintf '%.1f%%', 100 * ($spread - 1);
}

# All values of a measure in runs that went well.
sub values_of {
    my ($results, $key) = @_;
    return map { $_->{values}{$key} // () } all_runs($results);
}

sub all_runs {
    my ($results) = @_;
    return map { grep { !defined $_->{error} && $_->{values} } @{ $_->{runs} } } $results->scenarios;
}

sub strangers_words {
    my ($results) = @_;
    my @values = values_of($results, 'strangers');
    return 'what other programs did on the machine is not known' if !@values;
    my $most = max @values;
    return 'other programs used ' . shown(measure('strangers'), max(0, middle_of(\@values))) . ' in the middle one of all runs, and up to '
        . shown(measure('strangers'), $most)
        . ($most >= STRANGERS_CORES ? ', which can disturb single rounds' : '');
}

sub generator_words {
    my ($results) = @_;
    my @busy = values_of($results, 'generator_percent');
    my @runs = grep { defined $_->{values}{late_p99_ms} } all_runs($results);
    return 'whether the load generator kept up is not known' if !@busy && !@runs;
    my $latest = max map { $_->{values}{late_p99_ms} } @runs;
    my @figures = (@busy ? 'used up to ' . shown(measure('generator_percent'), max @busy) . ' of a core' : (),
        @runs ? 'sent 99% of the requests no more than ' . shown(measure('late_p99_ms'), $latest) . ' late' : ());
    my $late = grep { is_late($_->{values}) } @runs;
    my $busy = grep { $_ >= BUSY_PERCENT } @busy;
    return 'the load generator ' . joined(@figures) . ', so it was not the bottleneck' if !$late && !$busy;
    my $of_runs = ' of ' . count_of(scalar @runs, 'run');
    return 'the load generator ' . joined(@figures) . ", so that it may have been the bottleneck in $busy$of_runs" if $busy;
    return 'the load generator ' . joined(@figures) . ", which is a part of the latencies of $late$of_runs"
        . ': the machine, not the generator, was too busy to send in time';
}

sub is_late {
    my ($values) = @_;
    return 0 if !$values->{p99_ms};
    return $values->{late_p99_ms} > LATE_LEAST_MS && $values->{late_p99_ms} > LATE_SHARE * $values->{p99_ms};
}

sub missing_words {
    my ($results) = @_;
    my @all = map { @{ $_->{runs} } } $results->scenarios;
    my $errors = grep { defined $_->{error} } @all;
    return $errors ? "$errors of " . count_of(scalar @all, 'run') . ' could not be measured' : ();
}

1;
