package AB::ChartFrame;

# Axes, grid and scales of one chart, and the texts that say what it shows to those who do not see it.

use strict;
use warnings;

use POSIX qw(floor);

use AB::Svg qw(attribute escaped line_from log_ticks step_for text_at);

use constant { LEFT => 54, RIGHT => 26, TOP => 24, BOTTOM => 40, X_EVERY => 56, Y_EVERY => 34, CHARACTER => 8 };

# width, height, class, id, title, desc, x and y: { from, to, log, ticks => [[value, text], ...], label }
sub new {
    my ($class, %opt) = @_;
    my $self = bless { body => [], %opt }, $class;
    @$self{qw(left right top base)} = (LEFT, $opt{width} - ($opt{right_room} // RIGHT), TOP, $opt{height} - BOTTOM);
    $self->{x}{ticks} //= ticks($self->{x}, ($self->{right} - LEFT) / X_EVERY);
    $self->{y}{ticks} //= ticks($self->{y}, ($self->{base} - TOP) / Y_EVERY);
    return $self;
}

sub ticks {
    my ($axis, $most) = @_;
    return [map { [$_, number($_)] } log_ticks(@$axis{qw(from to)}, $most)] if $axis->{log};
    my $step = linear_step($axis->{to} - $axis->{from}, $most);
    my $first = $step * floor($axis->{from} / $step + 0.999999);
    return [map { [$first + $step * $_, number($first + $step * $_)] } 0 .. floor(($axis->{to} - $first) / $step + 1e-6)];
}

sub linear_step {
    my ($range, $most) = @_;
    my $unit = 10**(floor(AB::Svg::log10($range)) - 1);
    return $unit * step_for($range / $unit, $most);
}

# 0.02, 5, 12,000
sub number {
    my ($value) = @_;
    my $text = sprintf '%.6g', $value;
    1 while $text =~ s/^(-?\d+)(\d{3})/$1,$2/;
    return $text;
}

# A linear axis from 0 whose end is a step.
sub from_zero {
    my ($most) = @_;
    $most = 1 if !$most || $most <= 0;
    my $step = linear_step($most, 5);
    return { from => 0, to => $step * floor($most / $step + 0.999999) };
}

# A logarithmic one with a little room at both ends.
sub around {
    my ($least, $most) = @_;
    my $room = $most / $least < 1.5 ? 1.5 : 1.1;
    return { from => $least / $room, to => $most * $room, log => 1 };
}

sub x { my ($self, $value) = @_; return $self->{left} + ($self->{right} - $self->{left}) * share($self->{x}, $value) }
sub y { my ($self, $value) = @_; return $self->{base} - ($self->{base} - $self->{top}) * share($self->{y}, $value) }

sub share {
    my ($axis, $value) = @_;
    my ($from, $to) = @$axis{qw(from to)};
    return ($value - $from) / ($to - $from) if !$axis->{log};
    return 0 if $value <= $from;
    return log($value / $from) / log($to / $from);
}

sub add { my ($self, @parts) = @_; push @{ $self->{body} }, @parts; return $self }

sub text {
    my ($self) = @_;
    my ($left, $right, $top, $base) = @$self{qw(left right top base)};
    my ($id, $title, $desc) = (attribute($self->{id}), map { escaped($self->{$_}) } qw(title desc));
    my (@grid, @below);
    for my $tick (@{ $self->{y}{ticks} }) {
        my $y = $self->y($tick->[0]);
        push @grid, line_from('grid', $left, $y, $right, $y), text_at($left - 6, $y + 4, $tick->[1], anchor => 'end');
    }
    my $free_from = 0;
    for my $tick (@{ $self->{x}{ticks} }) {
        my ($x, $half) = ($self->x($tick->[0]), CHARACTER * length($tick->[1]) / 2);
        push @below, line_from('axis', $x, $base, $x, $base + 4);
        next if $x - $half < $free_from;
        push @below, text_at($x, $base + 17, $tick->[1], anchor => 'middle');
        $free_from = $x + $half;
    }
    return join '', map { "$_\n" }
        qq{<svg class="chart $self->{class}" viewBox="0 0 $self->{width} $self->{height}" role="img" aria-labelledby="$id-t $id-d">},
        qq{<title id="$id-t">$title</title><desc id="$id-d">$desc</desc>}, @grid, @below, line_from('axis', $left, $base, $right, $base),
        text_at(4, 12, $self->{y}{label}), text_at($right, $self->{height} - 5, $self->{x}{label}, anchor => 'end'),
        @{ $self->{body} }, '</svg>';
}

1;
