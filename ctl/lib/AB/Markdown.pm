package AB::Markdown;

# The report of a comparison as Markdown, for documents that live beside the sources.

use strict;
use warnings;

use Exporter 'import';

use AB::Measures qw(shown);
use AB::Phrases qw(compared_words interval_shown is_nothing label_of relation_interval relation_shown verdict_word);
use AB::ReportTables qw(key_measures);
use AB::ReportText qw(about_line contender_facts control_of control_text how_measured load_text notes_of nothing_failed raw_text wins_text);
use AB::Words qw(sentences);

our @EXPORT_OK = qw(document summary_table);

# As characters, to be written as UTF-8. json => the name of the file with the raw data.
sub document {
    my ($results, %opt) = @_;
    my $data = $results->data;
    my $reference = label_of($results, $results->reference);
    my @command = defined $data->{command} ? ('', code_block($data->{command})) : ();
    return join "\n", '# ' . plain($data->{title} // 'Comparison of two servers'), '', plain(about_line($results)) . '.', '',
        bullets(sentences($results)), '',
        '## Medians', '', summary_table($results),
        '## Where ' . plain($reference) . ' wins', '', plain(wins_text($results)), '', wins_table($results),
        '## The control', '', (map { (plain($_), '') } control_text($results)), control_table($results),
        (map { scenario_part($results, $_) } $results->scenarios),
        '## Machine and servers', '', table(['machine', ''], map { [map { plain($_) } @$_] } @{ $data->{machine} // [] }),
        table(['server', ''], map { [map { plain($_) } @$_] } contender_facts($results)),
        '## How it was measured', '', (map { (plain($_), '') } how_measured($results)), bulleted_part(@{ $data->{notes} // [] }),
        plain(raw_text($opt{json} // 'results.json')) . (@command ? ' The command was:' : ''), @command, '';
}

# Characters that mean something in Markdown or HTML mean nothing here. An underscore within a word never does.
sub plain {
    my ($text) = @_;
    $text = ($text // '') =~ s/[\x00-\x20\x7f]+/ /gr =~ s/^ | $//gr;
    $text =~ s/([\\`*\[\]|~!])/\\$1/g;
    $text =~ s/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/\\_/g;
    my %entity = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;');
    $text =~ s/([&<>])/$entity{$1}/g;
    return $text =~ s/^([#+-]+(?:\s|$)|=+$)/\\$1/r =~ s/^(\d+)([.)](?:\s|$))/$1\\$2/r;
}

sub code_block { my ($text) = @_; return join "\n", map { '    ' . s/[\x00-\x1f\x7f]+/ /gr } split /[\r\n]+/, $text }

sub bullets { return join "\n", map { '- ' . plain($_) } @_ }

sub bulleted_part { return @_ ? (bullets(@_), '') : () }

# Rows of cells that are Markdown already; '' without any.
sub table {
    my ($heads, @rows) = @_;
    return () if !@rows;
    return join('', map { '| ' . join(' | ', @$_) . " |\n" } $heads, ['---', map { '---' } 2 .. @$heads], @rows);
}

# The medians that matter most, of the reference and the subject.
sub summary_table {
    my ($results) = @_;
    my $subject = $results->subject;
    return sides($results, $subject, sub { scalar $results->against($_[0], $subject, $_[1]{key}) },
        map { [$_, key_measures($results, $_)] } $results->scenarios);
}

sub wins_table {
    my ($results) = @_;
    my $subject = $results->subject;
    return sides($results, $subject, sub { scalar $results->against($_[0], $subject, $_[1]{key}) },
        map { [$_->{scenario}, $_->{measure}] } $results->places($subject, 'worse'));
}

sub control_table {
    my ($results) = @_;
    return () if !defined $results->control;
    return sides($results, $results->control, sub { scalar control_of($results, @_) },
        map { [$_, key_measures($results, $_)] } $results->scenarios);
}

# [scenario, measures], ...
sub sides {
    my ($results, $key, $relation, @places) = @_;
    my @rows;
    for my $place (@places) {
        my ($scenario, @measures) = @$place;
        for my $measure (@measures) {
            my @figures = map { scalar $results->figure($scenario, $_, $measure->{key}) } $results->reference, $key;
            next if !$figures[0] && !$figures[1];
            push @rows, [plain($scenario->{title} // $scenario->{name}), plain($measure->{label}),
                (map { figure_cell($measure, $_) } @figures), relation_cell($measure, $relation->($scenario, $measure))];
        }
    }
    return table(['scenario', 'measure', (map { plain(label_of($results, $_)) } $results->reference, $key), 'compared'], @rows);
}

sub figure_cell {
    my ($measure, $figure) = @_;
    my $interval = interval_shown($measure, $figure);
    return plain(shown($measure, $figure && $figure->{middle})) . ($interval ne '' ? ' (' . plain($interval) . ')' : '');
}

sub relation_cell {
    my ($measure, $relation) = @_;
    return '-' if !$relation;
    my $word = verdict_word($relation->{verdict});
    my $interval = relation_interval($measure, $relation);
    return $word if is_nothing($relation);
    return ($relation->{verdict} =~ /^(?:better|worse)$/ ? "**$word**" : $word) . ', ' . plain(relation_shown($measure, $relation))
        . ($interval ne '' ? " ($interval)" : '');
}

sub scenario_part {
    my ($results, $scenario) = @_;
    my @contenders = $results->contenders($scenario);
    my @errors = $results->errors($scenario);
    return ('## ' . plain($scenario->{title} // $scenario->{name}), '', plain(load_text($results, $scenario)), '',
        measures_table($results, $scenario, @contenders), failures_part($results, $scenario, @contenders), '',
        (@errors ? ('Runs that could not be measured:', '', bullets(@errors), '') : ()), bulleted_part(notes_of($results, $scenario)));
}

sub measures_table {
    my ($results, $scenario, @contenders) = @_;
    my @rows;
    for my $measure ($results->measures($scenario)) {
        push @rows, [plain($measure->{label}), map { measure_cell($results, $scenario, $_->{key}, $measure) } @contenders];
    }
    return table(['measure', map { plain($_->{label}) } @contenders], @rows);
}

sub measure_cell {
    my ($results, $scenario, $key, $measure) = @_;
    my $figure = $results->figure($scenario, $key, $measure->{key}) // return '-';
    my $against = $key eq $results->reference ? undef : $results->against($scenario, $key, $measure->{key});
    my $few = $figure->{rounds} < $results->rounds($scenario) ? " of $figure->{rounds}" : '';
    return figure_cell($measure, $figure) . $few
        . ($against ? '; ' . plain(compared_words($measure, $against)) : '');
}

sub failures_part {
    my ($results, $scenario, @contenders) = @_;
    my @lines;
    for my $contender (@contenders) {
        my $of = $results->failures($scenario, $contender->{key});
        my @kinds = map { shown({ format => '%.0f', unit => '' }, $of->{$_}) . " $_" } sort grep { $of->{$_} } keys %$of;
        push @lines, "$contender->{label}: " . join ', ', @kinds if @kinds;
    }
    return @lines ? ('Failed requests of all rounds, by kind:', '', bullets(@lines)) : plain(nothing_failed($results, $scenario));
}

1;
