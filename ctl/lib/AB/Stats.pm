package AB::Stats;

# The few statistics that a comparison needs. Few rounds and long tails rule out normal distributions: medians, and intervals from
# the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). Whole rounds are resampled, so
# that what a round did to both sides stays together.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(bootstrap median middle_of percentile ratio_range slope);

# The chance that an interval has the true value, and how often rounds are drawn again to find it. With few rounds it is less: about
# 88 % for the median of seven.
use constant { CONFIDENCE => 0.95, RESAMPLES => 2000 };

sub median {
    my @sorted = sort { $a <=> $b } grep { defined } @_;
    return if !@sorted;
    my $middle = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$middle] : ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}

# The same of a list that is complete, without a copy: intervals take thousands of them.
sub middle_of {
    my @sorted = sort { $a <=> $b } @{ $_[0] };
    my $middle = @sorted >> 1;
    return @sorted & 1 ? $sorted[$middle] : ($sorted[$middle - 1] + $sorted[$middle]) / 2;
}

# The value that this share (0 to 1) of an ascending list does not exceed.
sub percentile {
    my ($sorted, $share) = @_;
    return if !@$sorted;
    my $index = int($share * @$sorted + 0.999999) - 1;
    $index = 0 if $index < 0;
    return $sorted->[$index];
}

# Smallest and largest ratio of two lists, round by round.
sub ratio_range {
    my ($values, $base) = @_;
    my $rounds = @$values < @$base ? @$values : @$base;
    my @ratios = sort { $a <=> $b }
        map { $values->[$_] / $base->[$_] }
        grep { defined $values->[$_] && $base->[$_] } 0 .. $rounds - 1;
    return @ratios ? ($ratios[0], $ratios[-1]) : ();
}

# Draws places of a list: the same ones each time, so that a report says the same whenever it is written (the generator of
# Park and Miller, Communications of the ACM 31/10, 1988).
sub draws {
    my $state = 20_120_221;
    return sub { $state = $state * 48_271 % 2_147_483_647; return $state % $_[0] };
}

# The places of all resamples of a list, kept: they are the same for all lists of that length.
my %resamples;

sub resamples {
    my ($rounds) = @_;
    return @{ $resamples{$rounds} //= do {
        my $draw = draws();
        [map { [map { $draw->($rounds) } 1 .. $rounds] } 1 .. RESAMPLES];
    } };
}

# The interval of what $statistic makes of several lists: bootstrap(sub { median(@{ $_[0] }) }, \@values). Lists of several sides are of
# the same rounds. Nothing if there are fewer than three rounds, or if the statistic cannot be had of most of what is drawn.
sub bootstrap {
    my ($statistic, @lists) = @_;
    my $rounds = @{ $lists[0] };
    return if $rounds < 3 || grep { @$_ != $rounds } @lists;
    # what never varies needs no resampling
    if (!grep { my $list = $_; grep { $_ != $list->[0] } @$list } @lists) {
        my $value = $statistic->(@lists);
        return defined $value ? ($value, $value) : ();
    }
    my @found;
    for my $places (resamples($rounds)) {
        my $value = $statistic->(map { [@$_[@$places]] } @lists);
        push @found, $value if defined $value;
    }
    return if @found < RESAMPLES / 2;
    @found = sort { $a <=> $b } @found;
    my $outside = (1 - CONFIDENCE) / 2;
    return (percentile(\@found, $outside), percentile(\@found, 1 - $outside));
}

# The slope of points [x, y] by Theil and Sen: the median of the slopes of all pairs, which single outliers do not move.
# Long series are thinned out: pairs grow with the square.
sub slope {
    my (@points) = @_;
    my $every = 1 + int(@points / 400);
    @points = @points[grep { $_ % $every == 0 } 0 .. $#points];
    my @slopes;
    for my $i (0 .. $#points) {
        for my $j ($i + 1 .. $#points) {
            my $run = $points[$j][0] - $points[$i][0];
            push @slopes, ($points[$j][1] - $points[$i][1]) / $run if $run;
        }
    }
    return scalar median(@slopes);
}

1;
