package AB::Svg;

# What charts are drawn with: texts, lines and scales as SVG.

use strict;
use warnings;

use Exporter 'import';
use POSIX qw(ceil floor);

our @EXPORT_OK = qw(attribute escaped line_from log_ticks mark path_through step_for svg text_at);

# A file of its own. Its title stands above the drawing, too.
sub svg {
    my ($width, $height, $style, $title, @body) = @_;
    my $text = escaped($title);
    return join '', map { "$_\n" }
        qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $height" width="$width" height="$height" role="img">},
        "<title>$text</title>", $style, qq{<text class="t" x="64" y="22">$text</text>}, @body, '</svg>';
}

sub escaped {
    my ($text) = @_;
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
    return clean($text) =~ s/([&<>])/$entity{$1}/gr;
}

# For use between double quotes.
sub attribute { my ($text) = @_; return escaped($text) =~ s/"/&quot;/gr }

# Characters that XML does not have.
sub clean { my ($text) = @_; return ($text // '') =~ s/[\x00-\x08\x0b\x0c\x0e-\x1f\x{fffe}\x{ffff}]/\x{fffd}/gr }

# The next of 1, 2, 5 times a power of ten that makes at most so many steps.
sub step_for {
    my ($most, $steps) = @_;
    my $step = 1;
    for my $factor ((2, 2.5, 2) x 6) {
        return $step if $most / $step <= $steps;
        $step *= $factor;
    }
    return $step;
}

# Values to mark between two ends of a logarithmic axis: powers of ten, with 2 and 5 times these, or only some of them, as there is room.
sub log_ticks {
    my ($low, $high, $most) = @_;
    my ($first, $last) = (floor(log10($low)), ceil(log10($high)));
    for my $factors ([1, 2, 5], [1, 3], [1]) {
        my @marks = map { my $power = $_; map { $_ * 10**$power } @$factors } $first .. $last;
        my @ticks = grep { $_ >= $low * 0.999 && $_ <= $high * 1.001 } @marks;
        return @ticks if @ticks <= $most;
    }
    my $every = ceil(($last - $first + 1) / $most);
    return grep { $_ >= $low * 0.999 && $_ <= $high * 1.001 } map { 10**($first + $every * $_) } 0 .. $most;
}

sub log10 { return POSIX::log10($_[0]) }

sub text_at {
    my ($x, $y, $text, %how) = @_;
    my $class = $how{class} ? qq{ class="$how{class}"} : '';
    my $anchor = $how{anchor} ? qq{ text-anchor="$how{anchor}"} : '';
    return sprintf '<text%s x="%.1f" y="%.1f"%s>%s</text>', $class, $x, $y, $anchor, escaped($text);
}

sub line_from {
    my ($class, $x1, $y1, $x2, $y2) = @_;
    return sprintf '<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>', $class, $x1, $y1, $x2, $y2;
}

# A line through [x, y], ...
sub path_through {
    my ($class, @points) = @_;
    return '' if !@points;
    return sprintf '<path class="%s" d="M%s"/>', $class, join 'L', map { sprintf '%.1f %.1f', @$_ } @points;
}

# Shapes are told apart where colours are not: circle, square, triangle, diamond, bar.
my @OUTLINES = ([], [[-1, -1], [1, -1], [1, 1], [-1, 1]], [[0, -1.2], [1.2, 0.9], [-1.2, 0.9]], [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
    [[-0.5, -1.3], [0.5, -1.3], [0.5, 1.3], [-0.5, 1.3]]);

sub mark {
    my ($shape, $class, $x, $y, $r) = @_;
    $r //= 3.5;
    my @outline = @{ $OUTLINES[$shape % @OUTLINES] };
    return sprintf '<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"/>', $class, $x, $y, $r if !@outline;
    my $points = join 'L', map { sprintf '%.1f %.1f', $x + $r * $_->[0], $y + $r * $_->[1] } @outline;
    return qq{<path class="$class" d="M${points}z"/>};
}

1;
