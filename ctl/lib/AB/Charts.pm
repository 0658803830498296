package AB::Charts;

# The charts of a report. Each is drawn twice: as it fits a desk, and as it fits a phone.

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max min);

use AB::ChartFrame;
use AB::Measures qw(measure shown);
use AB::Phrases qw(joined);
use AB::Results;
use AB::SummaryChart qw(summary_svg);
use AB::Svg qw(line_from mark path_through text_at);

our @EXPORT_OK = qw(charts_of key_of points_charts summary_svg);

my @SIZES = ({ class => 'wide', width => 560, height => 300 }, { class => 'narrow', width => 340, height => 270 });

# --- who is drawn how -------------------------------------------------------------------------------------------------

# { class, shape }: the reference is hollow and dashed, the subject is full, others have shapes and dashes of their own.
sub look_of {
    my ($results, $key) = @_;
    return { class => 'reference', shape => 0 } if $key eq $results->reference;
    return { class => 'subject', shape => 0 } if $key eq $results->subject;
    my @others = grep { $_ ne $results->reference && $_ ne $results->subject && $_ ne ($results->control // '') }
        map { $_->{key} } @{ $results->data->{contenders} };
    my ($n) = grep { $others[$_] eq $key } 0 .. $#others;
    return { class => 'other-' . ($n // 0) % 4, shape => 1 + ($n // 0) % 4 };
}

# In the order in which they are drawn: what the report is about lies on top.
sub drawn_in_order {
    my ($results, @contenders) = @_;
    my %rank = ($results->reference => 1, $results->subject => 2);
    return sort { ($rank{ $a->{key} } // 0) <=> ($rank{ $b->{key} } // 0) } @contenders;
}

# For a legend.
sub key_of {
    my ($results, $key) = @_;
    my $look = look_of($results, $key);
    return qq{<svg class="key" viewBox="0 0 36 12" aria-hidden="true">} . line_from("line $look->{class}", 0, 6, 36, 6)
        . mark($look->{shape}, "mark $look->{class}", 18, 6) . '</svg>';
}

# --- one scenario -----------------------------------------------------------------------------------------------------

# [{ title, svg }, ...] of a scenario, as far as there is something to draw.
sub charts_of {
    my ($results, $scenario, $id) = @_;
    my @contenders = drawn_in_order($results, $results->contenders($scenario));
    my %curve = map { my @curve = curve_of($results, $scenario, $_->{key}); @curve ? ($_->{key} => \@curve) : () } @contenders;
    my %timeline = map { my @rows = $results->timeline($scenario, $_->{key}); @rows ? ($_->{key} => \@rows) : () } @contenders;
    my @charts;
    push @charts, both('Latency by share of the answers', "$id-curve", sub { curve_chart($results, \@contenders, \%curve, @_) }) if %curve;
    my @over_time = (['p99 over time', 'p99, ms', AB::Results::P99_MS, 1], ['Threads over time', 'threads', AB::Results::THREADS, 1],
        ['Memory over time', 'PSS, MiB', AB::Results::PSS_KIB, 1 / 1024]);
    for my $n (0 .. $#over_time) {
        my ($title, $label, $column, $scale) = @{ $over_time[$n] };
        next if !grep { defined $_->[$column] } map { @$_ } values %timeline;
        push @charts, both($title, "$id-time-$n", sub { time_chart($results, \@contenders, \%timeline, $label, $column, $scale, @_) });
    }
    return @charts;
}

sub both {
    my ($title, $id, $draw) = @_;
    return { title => $title, svg => join '', map { $draw->(%$_, title => $title, id => "$id-$_->{class}") } @SIZES };
}

# A share of 1 has no place on an axis of 1/(1-share), nor has a latency of 0 on a logarithmic one.
sub curve_of {
    my ($results, $scenario, $key) = @_;
    return grep { $_->[0] < 1 && $_->[1] > 0 && $_->[2] > 0 } $results->curve($scenario, $key);
}

my @SHARES = ([0.5, '50%'], [0.9, '90%'], [0.99, '99%'], [0.999, '99.9%'], [0.9999, '99.99%'], [0.99999, '99.999%']);

sub rarity { return 1 / (1 - $_[0]) }

sub curve_chart {
    my ($results, $contenders, $curves, %how) = @_;
    my @points = map { @$_ } values %$curves;
    my $most_rare = max(map { rarity($_->[0]) } @points);
    my %x = (from => 1, to => max(2.001, $most_rare * 1.0001), log => 1, label => 'share of the answers that came within');
    $x{ticks} = [map { [rarity($_->[0]), $_->[1]] } grep { rarity($_->[0]) <= $x{to} } @SHARES];
    my $y = AB::ChartFrame::around(min(map { $_->[2] } @points), max(map { $_->[3] } @points));
    my @drawn = grep { $curves->{ $_->{key} } } @$contenders;
    my $desc = 'In ms, medians of the rounds: ' . joined(map { told_curve($_->{label}, $curves->{ $_->{key} }) } @drawn) . '.';
    my $frame = AB::ChartFrame->new(%how, desc => $desc, x => \%x, y => { %$y, label => 'ms' });
    my (@bands, @lines);
    for my $contender (@drawn) {
        my $look = look_of($results, $contender->{key});
        my ($middle, $least, $most) = map { my $column = $_;
            [map { [$frame->x(rarity($_->[0])), $frame->y($_->[$column])] } @{ $curves->{ $contender->{key} } }] } 1 .. 3;
        push @bands, path_through("band $look->{class}", @$least, reverse @$most);
        push @lines, lines_of($look, @$middle);
    }
    return $frame->add(@bands, @lines)->text;
}

# Without its unit.
sub bare { my ($key, $value) = @_; return shown({ %{ measure($key) }, unit => '' }, $value) }

sub told_curve {
    my ($label, $curve) = @_;
    my %told = map { sprintf('%.6f', $_->[0]) => $_->[1] } @$curve;
    my @words;
    for my $share (@SHARES) {
        my $ms = $told{ sprintf '%.6f', $share->[0] } // next;
        push @words, "$share->[1] within " . bare('p99_ms', $ms);
    }
    return "$label " . (@words ? joined(@words) : 'at other shares');
}

# A line and its marks. Where points stand close, only some have one.
sub lines_of {
    my ($look, @points) = @_;
    my $every = 1 + int(@points / 12);
    return (path_through("line $look->{class}", @points),
        map { mark($look->{shape}, "mark $look->{class}", @{ $points[$_] }) } grep { $_ % $every == 0 } 0 .. $#points);
}

# --- over time --------------------------------------------------------------------------------------------------------

sub time_chart {
    my ($results, $contenders, $timelines, $label, $column, $scale, %how) = @_;
    my @drawn = grep { $timelines->{ $_->{key} } && grep { defined $_->[$column] } @{ $timelines->{ $_->{key} } } } @$contenders;
    my %points = map {
        my $key = $_->{key};
        $key => [map { [$_->[AB::Results::AT_S], $_->[$column] * $scale] } grep { defined $_->[$column] } @{ $timelines->{$key} }]
    } @drawn;
    my @all = map { @$_ } values %points;
    my ($first_s, $last_s) = (min(map { $_->[0] } @all), max(map { $_->[0] } @all));
    $last_s = $first_s + 1 if $last_s <= $first_s;
    my $most = max(map { $_->[1] } @all);
    my $least = min(map { $_->[1] > 0 ? $_->[1] : () } @all);
    my $y = $column == AB::Results::P99_MS && defined $least ? AB::ChartFrame::around($least, $most) : AB::ChartFrame::from_zero($most);
    my @due = due_of($timelines, @drawn);
    my $most_due = max(0, map { $_->[1] } @due);
    my $desc = "$label, in the round whose p99 is the middle one: " . joined(map { told_points($_->{label}, $points{ $_->{key} }) } @drawn)
        . ($most_due ? '; requests due: up to ' . AB::ChartFrame::number($most_due) : '') . '.';
    my $frame = AB::ChartFrame->new(%how, desc => $desc, x => { from => $first_s, to => $last_s, label => 's' },
        y => { %$y, label => $label });
    $frame->add(load_behind($frame, $most_due, @due)) if $most_due;
    for my $contender (@drawn) {
        my @at = map { [$frame->x($_->[0]), $frame->y($_->[1])] } @{ $points{ $contender->{key} } };
        $frame->add(lines_of(look_of($results, $contender->{key}), @at));
    }
    return $frame->text;
}

# The load as steps, which fill the chart at their highest.
sub load_behind {
    my ($frame, $most, @due) = @_;
    my ($first_s, $last_s) = @{ $frame->{x} }{qw(from to)};
    my $at = sub {
        my ($s, $due) = @_;
        return [$frame->x(min(max($s, $first_s), $last_s)), $frame->{base} - ($frame->{base} - $frame->{top}) * $due / $most];
    };
    my @steps = map { my $until = $_ < $#due ? $due[$_ + 1][0] : $last_s;
        ($at->($due[$_][0], $due[$_][1]), $at->($until, $due[$_][1])) } 0 .. $#due;
    return (path_through('due', $at->($due[0][0], 0), @steps, $at->($last_s, 0)),
        text_at($frame->{right}, 12, 'shaded: requests due, up to ' . AB::ChartFrame::number($most) . '/s', anchor => 'end'));
}

# The load is the same for all: that of the first who has it.
sub due_of {
    my ($timelines, @drawn) = @_;
    for my $rows (map { $timelines->{ $_->{key} } } @drawn) {
        my @due = map { [@$_[AB::Results::AT_S, AB::Results::DUE]] } grep { defined $_->[AB::Results::DUE] } @$rows;
        return @due if @due;
    }
    return;
}

sub told_points {
    my ($label, $points) = @_;
    my @values = map { $_->[1] } @$points;
    my ($least, $most) = map { AB::ChartFrame::number(sprintf '%.4g', $_) } min(@values), max(@values);
    return $least eq $most ? "$label $least" : "$label from $least to $most";
}

# --- a group of scenarios ---------------------------------------------------------------------------------------------

my @POINTS = ([p99_ms => 1], [cpu_us => 0], [failed_percent => 0]);

# What changes along a group: p99, processor time, and failures if there are any.
sub points_charts {
    my ($results, $id, @scenarios) = @_;
    my @charts;
    for my $spec (@POINTS) {
        my ($key, $log) = @$spec;
        my (%points, %contenders);
        for my $scenario (grep { defined $_->{x} } @scenarios) {
            for my $contender ($results->contenders($scenario)) {
                my $figure = $results->figure($scenario, $contender->{key}, $key) // next;
                $contenders{ $contender->{key} } = $contender;
                my $middle = $figure->{middle};
                push @{ $points{ $contender->{key} } }, [$scenario->{x}, $middle, $figure->{low} // $middle, $figure->{high} // $middle];
            }
        }
        next if !%points || !grep { $_->[3] } map { @$_ } values %points;
        my $title = ucfirst(measure($key)->{label});
        my @drawn = drawn_in_order($results, values %contenders);
        @{ $points{$_} } = sort { $a->[0] <=> $b->[0] } @{ $points{$_} } for keys %points;
        my $x_label = $scenarios[0]{x_label} // 'x';
        push @charts, both($title, "$id-$key", sub { points_chart($results, \@drawn, \%points, $key, $log, $x_label, @_) });
    }
    return @charts;
}

# As long as there are no more, their own values stand on the axis.
use constant MOST_POINTS => 6;

sub points_chart {
    my ($results, $drawn, $points, $key, $log, $x_label, %how) = @_;
    my @all = map { @$_ } values %$points;
    my ($first, $last) = (min(map { $_->[0] } @all), max(map { $_->[0] } @all));
    my %x = $first > 0 && $last / $first > 20 ? %{ AB::ChartFrame::around($first, $last) }
        : (from => min(0, $first), to => max($last, $first + 1));
    my $least = min(map { $_->[2] > 0 ? $_->[2] : () } @all);
    my $most = max(map { $_->[3] } @all);
    my $y = $log && defined $least ? AB::ChartFrame::around($least, $most) : AB::ChartFrame::from_zero($most);
    my @told;
    for my $contender (@$drawn) {
        my @values = map { bare($key, $_->[1]) . ' at ' . AB::ChartFrame::number($_->[0]) } @{ $points->{ $contender->{key} } };
        push @told, "$contender->{label} " . join ', ', @values;
    }
    my $desc = "$how{title}, in " . (measure($key)->{unit} || 'numbers') . ", over $x_label: " . join('; ', @told) . '.';
    my %known = map { $_->[0] => 1 } @all;
    $x{ticks} = [map { [$_, AB::ChartFrame::number($_)] } sort { $a <=> $b } keys %known] if keys %known <= MOST_POINTS;
    my $frame = AB::ChartFrame->new(%how, desc => $desc, x => { %x, label => $x_label }, y => { %$y, label => measure($key)->{unit} });
    for my $contender (@$drawn) {
        my $look = look_of($results, $contender->{key});
        my @of = @{ $points->{ $contender->{key} } };
        for my $point (@of) {
            my ($x, $low, $high) = ($frame->x($point->[0]), map { $frame->y($_) } @$point[2, 3]);
            $frame->add(line_from("interval $look->{class}", $x, $low, $x, $high));
        }
        $frame->add(lines_of($look, map { [$frame->x($_->[0]), $frame->y($_->[1])] } @of));
    }
    return $frame->text;
}

1;
