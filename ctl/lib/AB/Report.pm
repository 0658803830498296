package AB::Report;

# The report of a comparison as one HTML page that needs nothing else: no script, no other file, no network. First for those who decide,
# then for those who want to know, and at the end for those who want to repeat it.

use strict;
use warnings;

use Exporter 'import';

use AB::Charts qw(charts_of key_of points_charts);
use AB::Phrases qw(label_of);
use AB::ReportStyle;
use AB::ReportTables qw(facts_table failures_table key_measures measures_table sides_table);
use AB::ReportText qw(about_line contender_facts control_of control_text groups how_measured load_text notes_of nothing_failed raw_text
    wins_text);
use AB::Svg qw(attribute escaped);
use AB::Words qw(sentences);

our @EXPORT_OK = qw(html);

# As characters, to be written as UTF-8. json => the name of the file with the raw data.
sub html {
    my ($results, %opt) = @_;
    my $data = $results->data;
    my $title = escaped($data->{title} // 'Comparison of two servers');
    my @scenarios = $results->scenarios;
    my %anchor = map { $scenarios[$_]{name} => 's-' . ($_ + 1) } 0 .. $#scenarios;
    my @groups = groups($results);
    my @parts = (
        found($results), table_part($results, \%anchor), wins_part($results, \%anchor), control_part($results, \%anchor),
        (map { group_part($results, $_, $groups[$_]) } 0 .. $#groups),
        (map { scenario_part($results, $_, $anchor{ $_->{name} }) } @scenarios),
        machine_part($results), how_part($results, $opt{json} // 'results.json'));
    return join "\n", '<!DOCTYPE html>', '<html lang="en">', '<head>', '<meta charset="utf-8">', policy(),
        '<meta name="viewport" content="width=device-width, initial-scale=1">', '<meta name="referrer" content="no-referrer">',
        "<title>$title</title>", AB::ReportStyle::element(), '</head>', '<body>', '<a class="skip" href="#found">To the result</a>',
        "<header>\n<h1>$title</h1>", paragraph(about_line($results), 'about'), '</header>', contents($results, \%anchor, \@groups),
        '<main>', @parts, '</main>', "</body>\n</html>\n";
}

sub policy {
    my $policy = "default-src 'none'; style-src '" . AB::ReportStyle::hash() . "'; base-uri 'none'; form-action 'none'";
    return qq{<meta http-equiv="Content-Security-Policy" content="$policy">};
}

sub paragraph {
    my ($text, $class) = @_;
    return '<p' . (defined $class ? qq{ class="$class"} : '') . '>' . escaped($text) . '</p>';
}

sub section {
    my ($id, $title, @parts) = @_;
    my $name = attribute($id);
    return join "\n", qq{<section id="$name" aria-labelledby="$name-h">}, qq{<h2 id="$name-h">} . escaped($title) . '</h2>',
        grep({ $_ ne '' } @parts), '</section>';
}

sub contents {
    my ($results, $anchor, $groups) = @_;
    my @links = (
        ['found', 'Result'], ['medians', 'Medians'], ['wins', 'Where ' . label_of($results, $results->reference) . ' wins'],
        ['control', 'The control'],
        (map { ['g-' . ($_ + 1), $groups->[$_]{name}] } 0 .. $#$groups),
        (map { [$anchor->{ $_->{name} }, $_->{title} // $_->{name}] } $results->scenarios),
        ['machine', 'Machine'], ['how', 'How it was measured']);
    my @items = map { '<li><a href="#' . attribute($_->[0]) . '">' . escaped($_->[1]) . '</a></li>' } @links;
    return '<nav aria-label="Contents"><ul>' . join('', @items) . '</ul></nav>';
}

sub found {
    my ($results) = @_;
    return section('found', 'Result', '<ul class="found">', (map { '<li>' . escaped($_) . '</li>' } sentences($results)), '</ul>');
}

sub table_part {
    my ($results, $anchor) = @_;
    my ($subject, $reference) = map { label_of($results, $results->$_) } qw(subject reference);
    my $table = sides_table($results, id => 'medians-c', caption => "Medians with their intervals, and $subject compared with $reference",
        other => $results->subject, relation => subject_relation($results),
        places => [map { [$_, $anchor->{ $_->{name} }, key_measures($results, $_)] } $results->scenarios]);
    return section('medians', 'Medians', $table || paragraph('There are no figures.'));
}

sub subject_relation {
    my ($results) = @_;
    return sub { my ($scenario, $measure) = @_; return scalar $results->against($scenario, $results->subject, $measure->{key}) };
}

sub wins_part {
    my ($results, $anchor) = @_;
    my %of;
    push @{ $of{ $_->{scenario}{name} } }, $_->{measure} for $results->places($results->subject, 'worse');
    my ($subject, $reference) = map { label_of($results, $results->$_) } qw(subject reference);
    my $table = sides_table($results, id => 'wins-c', caption => "Where $subject is worse than $reference", other => $results->subject,
        relation => subject_relation($results),
        places => [map { [$_, $anchor->{ $_->{name} }, @{ $of{ $_->{name} } }] } grep { $of{ $_->{name} } } $results->scenarios]);
    return section('wins', "Where $reference wins", paragraph(wins_text($results)), $table);
}

sub control_part {
    my ($results, $anchor) = @_;
    my $reference = label_of($results, $results->reference);
    my $table = !defined $results->control ? '' : sides_table($results, id => 'control-c', caption => "$reference against itself",
        other => $results->control, relation => sub { return scalar control_of($results, @_) },
        places => [map { [$_, $anchor->{ $_->{name} }, key_measures($results, $_)] } $results->scenarios]);
    return section('control', 'The control', (map { paragraph($_) } control_text($results)), $table);
}

sub group_part {
    my ($results, $n, $group) = @_;
    my $id = 'g-' . ($n + 1);
    my %there = map { my $scenario = $_; map { $_->{key} => 1 } $results->contenders($scenario) } @{ $group->{scenarios} };
    return section($id, $group->{name}, legend($results, grep { $there{ $_->{key} } } @{ $results->data->{contenders} }),
        figures(points_charts($results, $id, @{ $group->{scenarios} })));
}

sub legend {
    my ($results, @contenders) = @_;
    my @items = map { '<li>' . key_of($results, $_->{key}) . escaped($_->{label}) . '</li>' } @contenders;
    return '<ul class="legend">' . join('', @items) . '</ul>';
}

sub figures {
    my (@charts) = @_;
    return '' if !@charts;
    my @figures = map { "<figure>\n<figcaption>" . escaped($_->{title}) . "</figcaption>\n$_->{svg}</figure>\n" } @charts;
    return '<div class="charts">' . join('', @figures) . '</div>';
}

sub scenario_part {
    my ($results, $scenario, $id) = @_;
    my @contenders = $results->contenders($scenario);
    my @charts = charts_of($results, $scenario, $id);
    my @errors = $results->errors($scenario);
    my $failures = failures_table($results, $scenario, "$id-failures");
    return section($id, $scenario->{title} // $scenario->{name}, paragraph(load_text($results, $scenario)),
        (@charts ? (legend($results, @contenders), figures(@charts)) : ()),
        '<h3>All measures</h3>', measures_table($results, $scenario, "$id-all"),
        '<h3>Failures</h3>', $failures || paragraph(nothing_failed($results, $scenario)),
        list('Runs that could not be measured', @errors), list('Notes', notes_of($results, $scenario)));
}

sub list {
    my ($title, @items) = @_;
    return @items ? ('<h3>' . escaped($title) . '</h3>', '<ul>', (map { '<li>' . escaped($_) . '</li>' } @items), '</ul>') : ();
}

sub machine_part {
    my ($results) = @_;
    my $data = $results->data;
    return section('machine', 'Machine and servers',
        facts_table('machine-c', 'The machine', ['part', 'what it is'], @{ $data->{machine} // [] }),
        facts_table('contenders-c', 'The servers', ['server', 'how it is configured'], contender_facts($results)));
}

sub how_part {
    my ($results, $json) = @_;
    my $data = $results->data;
    return section('how', 'How it was measured', (map { paragraph($_) } how_measured($results)), list('Notes', @{ $data->{notes} // [] }),
        '<h3>Raw data and the command</h3>', paragraph(raw_text($json)),
        defined $data->{command} ? '<pre><code>' . escaped($data->{command}) . '</code></pre>' : '');
}

1;
