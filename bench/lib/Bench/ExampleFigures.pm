package Bench::ExampleFigures;

# One number out of the rounds of an example, and how numbers and contenders are written.

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max min);

use AB::Stats qw(median);

our @EXPORT_OK = qw(cell described figure is_now name_of rounds_of shown with_commas);

# { middle, least, most, rounds } of a figure of a contender; undef where no round has it.
sub figure {
    my ($of, $label, $key) = @_;
    my @values = grep { defined && /^-?[\d.]+(?:e[-+]?\d+)?$/ } map { $_->{$key} } @{ $of->{results}{$label} // [] };
    return undef if !@values;    # one value in a list of arguments, too
    return { middle => scalar median(@values), least => min(@values), most => max(@values), rounds => scalar @values };
}

sub with_commas {
    my ($text) = @_;
    1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
    return $text;
}

sub shown {
    my ($format, $value) = @_;
    return with_commas(sprintf $format, $value);
}

# "440 (438-445)"; only the first when all rounds agree.
sub cell {
    my ($figure, $format, $bold) = @_;
    return '-' if !$figure;
    my ($middle, $least, $most) = map { shown($format, $figure->{$_}) } qw(middle least most);
    $middle = "**$middle**" if $bold;
    return $least eq $most ? $middle : "$middle ($least to $most)";
}

sub is_now { return $_[0] =~ /^adaptive/ }

# $from: the way to conf-examples/.
sub described {
    my ($label, $from) = @_;
    my ($mpm, $file) = split /:/, $label;
    return defined $file ? "now: [$file.conf]($from$file.conf)" : 'now: no directive' if is_now($label);
    return "before: $mpm, [$file.conf](${from}before/$file.conf)";
}

# For a chart.
sub name_of {
    my ($label) = @_;
    my ($mpm, $file) = split /:/, $label;
    return is_now($label) ? 'now: mpm_adaptive, ' . (defined $file ? "$file.conf" : 'no directive') : "before: $mpm, $file.conf";
}

sub rounds_of {
    my ($of) = @_;
    return max(map { scalar @$_ } values %{ $of->{results} });
}

1;
