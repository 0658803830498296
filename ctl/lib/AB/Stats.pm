package AB::Stats;

# The few statistics that the comparison needs.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(median percentile ratio_range);

sub median {
    my @sorted = sort { $a <=> $b } grep { defined } @_;
    return if !@sorted;
    my $middle = int(@sorted / 2);
    return @sorted % 2 ? $sorted[$middle] : ($sorted[$middle - 1] + $sorted[$middle]) / 2;
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

1;
