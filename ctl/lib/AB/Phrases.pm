package AB::Phrases;

# How figures, relations and verdicts are written: the same in sentences, tables and charts.

use strict;
use warnings;

use Exporter 'import';

use AB::Measures qw(shown);

our @EXPORT_OK = qw(compared_words count_of interval_shown is_nothing joined label_of latency_words plain_label ran_in_turn
    ratio_shown relation_interval relation_shown rounds_words signed_shown titled verdict_word);

my %WORD = (better => 'better', worse => 'worse', none => 'no difference', other => 'differs', unknown => 'too few rounds',
    failing => 'failures differ');

sub verdict_word { my ($verdict) = @_; return $WORD{$verdict} }

sub label_of {
    my ($results, $key) = @_;
    return ($results->contender($key // '') // {})->{label} // $key // 'unknown';
}

sub titled { my ($scenario) = @_; return "\x{201c}" . ($scenario->{title} // $scenario->{name}) . "\x{201d}" }

sub count_of { my ($n, $one, $more) = @_; return shown({ format => '%.0f', unit => '' }, $n) . ' ' . ($n == 1 ? $one : $more // "${one}s") }

# "a", "a and b", "a, b and c"
sub joined {
    my (@parts) = @_;
    return $parts[0] // '' if @parts < 2;
    my $last = pop @parts;
    return join(', ', @parts) . " and $last";
}

# Three significant digits, as far as they matter.
sub ratio_shown {
    my ($ratio) = @_;
    return 'any number' if $ratio == 9**9**9;
    my $format = $ratio >= 100 ? '%.0f' : $ratio >= 10 ? '%.1f' : $ratio >= 0.1 || $ratio == 0 ? '%.2f' : $ratio >= 0.01 ? '%.3f' : '%.2g';
    return shown({ format => $format, unit => '' }, $ratio);
}

# A difference: "+1.20 ms"; of per cent: "+1.20 points".
sub signed_shown {
    my ($measure, $value) = @_;
    my $of = $measure->{unit} eq '%' ? { %$measure, unit => 'points' } : $measure;
    my $text = shown($of, $value);
    return $text =~ /^-/ || $text !~ /[1-9]/ ? $text : "+$text";
}

# "x 0.64" with a multiplication sign, or "+1.20 ms".
sub relation_shown {
    my ($measure, $relation) = @_;
    return $relation->{by} eq 'ratio' ? "\x{d7} " . ratio_shown($relation->{value}) : signed_shown($measure, $relation->{value});
}

# "x 0.64, better", "no difference"
sub compared_words {
    my ($measure, $against) = @_;
    my $word = verdict_word($against->{verdict});
    return is_nothing($against) ? $word : relation_shown($measure, $against) . ", $word";
}

# No difference at all needs no figure.
sub is_nothing { my ($relation) = @_; return $relation->{by} eq 'difference' && $relation->{value} == 0 }

# "0.61 to 0.67", "+1.10 to +1.30"; '' without an interval or with nothing between its ends.
sub relation_interval {
    my ($measure, $relation) = @_;
    return '' if !defined $relation->{low};
    my $bare = { %$measure, unit => '' };
    my ($low, $high) = map { $relation->{by} eq 'ratio' ? ratio_shown($_) : signed_shown($bare, $_) } @$relation{qw(low high)};
    return $low eq $high ? '' : "$low to $high";
}

# "12.1 to 12.9" of a figure, '' where there is no interval or nothing between its ends.
sub interval_shown {
    my ($measure, $figure) = @_;
    return '' if !$figure || !defined $figure->{low};
    my ($low, $high) = map { shown({ %$measure, unit => '' }, $figure->{$_}) } qw(low high);
    return $low eq $high ? '' : "$low to $high";
}

# Latency as those who wait know it.
my %LATENCY = (
    p50_ms => 'half of the answers came', p90_ms => '90% of the answers came',
    p99_ms => '99% of the answers came', p999_ms => '99.9% of the answers came',
    beside_p50_ms => 'half of the requests beside it were answered', beside_p99_ms => '99% of the requests beside it were answered',
);

sub latency_words { my ($key) = @_; return $LATENCY{$key} }

# The label within a sentence.
my %PLAIN = (failed_percent => 'failed requests', beside_failed_percent => 'failed requests beside it', rate => 'answered requests',
    beside_rate => 'answered requests beside it');

sub plain_label {
    my ($measure) = @_;
    return $PLAIN{ $measure->{key} } // $measure->{label} =~ s/^latency, (.*)/$1 latency/r =~ s/^(.*), (p\d+)$/$2 of $1/r =~ s/ \(PSS\)//r;
}

# Servers that run one after the other in every round see the same machine; those that share the real requests run at once.
sub ran_in_turn {
    my ($results) = @_;
    return 0 if $results->data->{shared};
    for my $scenario ($results->scenarios) {
        my %ran;
        $ran{ $_->{round} }{ $_->{contender} } = 1 for @{ $scenario->{runs} };
        return 0 if grep { keys %$_ < 2 } values %ran;
    }
    return scalar $results->scenarios;
}

# "7 rounds", or "3 to 7 rounds" where scenarios differ.
sub rounds_words {
    my ($results) = @_;
    my @rounds = sort { $a <=> $b } map { $results->rounds($_) } $results->scenarios;
    return 'no rounds' if !@rounds || !$rounds[-1];
    return $rounds[0] == $rounds[-1] ? count_of($rounds[0], 'round') : "$rounds[0] to " . count_of($rounds[-1], 'round');
}

1;
