package AB::SummaryChart;

# One small picture of a comparison, for a README: p99 of each scenario on a logarithmic axis, and the failed requests beside it.

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(max min);

use AB::Measures qw(measure shown);
use AB::Phrases qw(label_of);
use AB::Svg qw(line_from log_ticks mark svg text_at);

our @EXPORT_OK = qw(summary_svg);

my $STYLE = join '', '<style>',
    'svg{background:#fff;font:12px system-ui,sans-serif}text{fill:#333}.t{font-size:15px;font-weight:600}.s{fill:#606060}',
    '.g{stroke:#ddd}.x{stroke:#888}.reference{stroke:#d55e00;fill:#fff;stroke-width:2}.subject{stroke:#0072b2;fill:#0072b2;stroke-width:2}',
    '@media(prefers-color-scheme:dark){svg{background:#16191d}text{fill:#ddd}.s{fill:#9aa4ad}',
    '.g{stroke:#2c3238}.x{stroke:#66707a}.reference{stroke:#f08a3c;fill:#16191d}.subject{stroke:#56b4e9;fill:#56b4e9}}</style>';

use constant { WIDTH => 900, LEFT => 300, RIGHT => 690, FAILED => 724, TOP => 84, ROW => 34, BETWEEN => 5, TITLE_CHARACTERS => 40 };

sub summary_svg {
    my ($results) = @_;
    my @keys = map { $results->$_ } qw(reference subject);
    my @rows = grep { $_->{p99}[0] || $_->{p99}[1] } map { my $scenario = $_;
        +{ scenario => $scenario, p99 => [map { scalar $results->figure($scenario, $_, 'p99_ms') } @keys],
            failed => [map { scalar $results->figure($scenario, $_, 'failed_percent') } @keys] } } $results->scenarios;
    my $title = sprintf 'p99 latency: %s and %s', map { label_of($results, $_) } @keys;
    my @ends = grep { $_ > 0 } map { ($_->{low} // $_->{middle}, $_->{high} // $_->{middle}) } grep { $_ } map { @{ $_->{p99} } } @rows;
    return svg(WIDTH, TOP, $STYLE, $title, text_at(64, 48, 'No scenario has a p99.', class => 's')) if !@ends;
    my ($low, $high) = (min(@ends) / 1.3, max(@ends) * 1.3);
    my $x = sub { LEFT + (RIGHT - LEFT) * log(max($_[0], $low) / $low) / log($high / $low) };
    my $base = TOP + ROW * @rows;
    my @body;
    for my $ms (log_ticks($low, $high, 7)) {
        push @body, line_from('g', $x->($ms), TOP - 6, $x->($ms), $base),
            text_at($x->($ms), $base + 16, shown({ format => '%.6g', unit => 'ms' }, $ms), class => 's', anchor => 'middle');
    }
    push @body, line_from('x', LEFT, $base, RIGHT, $base), legend($results, @keys),
        text_at(FAILED, TOP - 28, 'failed requests', class => 's'),
        mark(0, 'reference', FAILED + 8, TOP - 14, 4.5), mark(0, 'subject', FAILED + 88, TOP - 14, 4.5);
    for my $n (0 .. $#rows) {
        push @body, row($rows[$n], TOP + ROW * $n + ROW / 2, $x);
    }
    return svg(WIDTH, $base + 26, $STYLE, $title, @body);
}

sub legend {
    my ($results, @keys) = @_;
    my @words = map { label_of($results, $_) } @keys;
    return (mark(0, 'reference', 70, 44, 4.5), text_at(82, 48, "$words[0]"), mark(0, 'subject', 70, 62, 4.5),
        text_at(82, 66, "$words[1]; bars: intervals of the medians"));
}

sub row {
    my ($row, $y, $x) = @_;
    my $title = $row->{scenario}{title} // $row->{scenario}{name};
    $title = substr($title, 0, TITLE_CHARACTERS - 1) . "\x{2026}" if length $title > TITLE_CHARACTERS;
    my @parts = text_at(LEFT - 12, $y + 4, $title, anchor => 'end');
    my @classes = qw(reference subject);
    for my $side (0, 1) {
        my $figure = $row->{p99}[$side] // next;
        my $at = $y + ($side ? BETWEEN : -BETWEEN);
        push @parts, line_from($classes[$side], $x->($figure->{low}), $at, $x->($figure->{high}), $at) if defined $figure->{low};
        push @parts, mark(0, $classes[$side], $x->($figure->{middle}), $at, 4.5);
    }
    my @failed = map { shown(measure('failed_percent'), $_ && $_->{middle}) } @{ $row->{failed} };
    return (@parts, map { text_at(FAILED + 80 * $_, $y + 4, $failed[$_]) } 0, 1);
}

1;
