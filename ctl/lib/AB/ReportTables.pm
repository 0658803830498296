package AB::ReportTables;

# The tables of a report, each in a region of its own that scrolls where it is too wide, by keyboard as well.

use strict;
use warnings;

use Exporter 'import';

use AB::Measures qw(measure shown);
use AB::Phrases qw(interval_shown is_nothing label_of relation_interval relation_shown verdict_word);
use AB::Results;
use AB::Svg qw(attribute escaped);

our @EXPORT_OK = qw(facts_table failures_table key_measures measures_table sides_table);

# Those that stand in the first table.
my %KEY = map { $_ => 1 } qw(failed_percent p50_ms p99_ms p999_ms beside_failed_percent beside_p99_ms cpu_us pss_peak_mib);

sub key_measures {
    my ($results, $scenario) = @_;
    return grep { $KEY{ $_->{key} } } $results->measures($scenario);
}

sub region {
    my ($id, $caption, $class, @rows) = @_;
    my $name = attribute($id);
    return qq{<div class="scroll" role="region" tabindex="0" aria-labelledby="$name">\n<table class="$class">\n<caption id="$name">}
        . '<span>' . escaped($caption) . "</span></caption>\n" . join("\n", @rows) . "\n</table>\n</div>\n";
}

sub head {
    my (@names) = @_;
    my $first = shift @names;
    return '<thead><tr><th scope="col">' . escaped($first) . '</th>'
        . join('', map { '<th scope="col" class="n">' . escaped($_) . '</th>' } @names) . '</tr></thead>';
}

sub row_head { return '<th scope="row">' . escaped($_[0]) . '</th>' }

sub small { return $_[0] eq '' ? '' : '<small>' . escaped($_[0]) . '</small>' }

# The reference and another side: { id, caption, other => key, places => [[scenario, anchor, measures], ...], verdict => sub }
sub sides_table {
    my ($results, %opt) = @_;
    my @bodies;
    for my $place (@{ $opt{places} }) {
        my ($scenario, $anchor, @measures) = @$place;
        my @rows = map { side_row($results, $scenario, $_, %opt) } @measures;
        next if !@rows;
        my $title = escaped($scenario->{title} // $scenario->{name});
        my $link = '<a href="#' . attribute($anchor) . qq{">$title</a>};
        push @bodies, qq{<tbody>\n<tr class="group"><th colspan="4" scope="rowgroup">$link</th></tr>}, @rows, '</tbody>';
    }
    return '' if !@bodies;
    my @labels = map { label_of($results, $_) } $results->reference, $opt{other};
    return region($opt{id}, $opt{caption}, 'sides', head('measure', @labels, 'compared'), @bodies);
}

sub side_row {
    my ($results, $scenario, $measure, %opt) = @_;
    my $against = $opt{relation}->($scenario, $measure);
    my @figures = map { scalar $results->figure($scenario, $_, $measure->{key}) } $results->reference, $opt{other};
    return if !$figures[0] && !$figures[1];
    my @cells = map { '<td class="n">' . shown($measure, $_ && $_->{middle}) . '<small class="of">'
        . escaped(interval_shown($measure, $_)) . '</small></td>' } @figures;
    my $relation = $against ? relation_cell($measure, $against) : '<td class="n">-</td>';
    return '<tr>' . row_head($measure->{label}) . join('', @cells) . $relation . '</tr>';
}

sub relation_cell {
    my ($measure, $against) = @_;
    my ($relation, $interval) = (escaped(relation_shown($measure, $against)), escaped(relation_interval($measure, $against)));
    $relation = '' if is_nothing($against);
    return qq{<td class="n"><span class="$against->{verdict}">} . verdict_word($against->{verdict})
        . qq{</span><small class="by">$relation</small><small>$interval</small></td>};
}

# Everything that was measured of everybody in a scenario.
sub measures_table {
    my ($results, $scenario, $id) = @_;
    my @contenders = $results->contenders($scenario);
    my $rounds = $results->rounds($scenario);
    my @rows;
    for my $measure ($results->measures($scenario)) {
        my @cells = map { measure_cell($results, $scenario, $_->{key}, $measure, $rounds) } @contenders;
        push @rows, '<tr>' . row_head($measure->{label}) . join('', @cells) . '</tr>';
    }
    return region($id, "Medians of $rounds round" . ($rounds == 1 ? '' : 's') . ', with their intervals and how they compare with '
        . label_of($results, $results->reference), 'all', head('measure', map { $_->{label} } @contenders), '<tbody>', @rows, '</tbody>');
}

sub measure_cell {
    my ($results, $scenario, $key, $measure, $rounds) = @_;
    my $figure = $results->figure($scenario, $key, $measure->{key}) // return '<td class="n">-</td>';
    my $against = $key eq $results->reference ? undef : $results->against($scenario, $key, $measure->{key});
    my $few = $figure->{rounds} < $rounds ? small("of $figure->{rounds}") : '';
    my $shown = $against && !is_nothing($against) ? escaped(relation_shown($measure, $against)) . ', ' : '';
    my $compared = $against
        ? qq{<small>$shown<span class="$against->{verdict}">} . verdict_word($against->{verdict}) . '</span></small>' : '';
    return '<td class="n">' . shown($measure, $figure->{middle}) . small(interval_shown($measure, $figure)) . "$few$compared</td>";
}

# Failures by kind, '' without any.
sub failures_table {
    my ($results, $scenario, $id) = @_;
    my @contenders = $results->contenders($scenario);
    my %of = map { $_->{key} => $results->failures($scenario, $_->{key}) } @contenders;
    my %kinds = map { my $sum = $_; map { $_ => 1 } grep { $sum->{$_} } keys %$sum } values %of;
    return '' if !%kinds;
    my $count = { format => '%.0f', unit => '' };
    my @rows;
    for my $kind (sort keys %kinds) {
        my @cells = map { '<td class="n">' . shown($count, $of{ $_->{key} }{$kind} // 0) . '</td>' } @contenders;
        push @rows, '<tr>' . row_head($kind) . join('', @cells) . '</tr>';
    }
    return region($id, 'Failed requests of all rounds, by kind', 'failures', head('kind', map { $_->{label} } @contenders),
        '<tbody>', @rows, '</tbody>');
}

# Names and what is known of them.
sub facts_table {
    my ($id, $caption, $heads, @facts) = @_;
    return '' if !@facts;
    my $head = join '', map { '<th scope="col">' . escaped($_) . '</th>' } @$heads;
    return region($id, $caption, 'facts', "<thead><tr>$head</tr></thead>", '<tbody>',
        (map { '<tr>' . row_head($_->[0]) . '<td class="fact">' . escaped($_->[1]) . '</td></tr>' } @facts), '</tbody>');
}

1;
