package AB::Words;

# What a comparison has found, in five sentences for those who decide and do not read tables. Each has the figures that it rests on, and
# none says more than the data does.

use strict;
use warnings;

use Exporter 'import';
use List::Util qw(sum0);

use AB::Measures qw(measure shown);
use AB::Phrases qw(count_of joined label_of latency_words plain_label ran_in_turn ratio_shown relation_interval relation_shown rounds_words
    titled verdict_word);
use AB::Trust;

our @EXPORT_OK = qw(sentences);

# What people who wait notice. p99.9 has its word where nothing else differs: it rests on few requests.
my @WAITING = qw(p50_ms p90_ms p99_ms beside_p50_ms beside_p99_ms);
my @FAILING = qw(failed_percent beside_failed_percent);

my @MEMORY = qw(pss_peak_mib pss_after_mib pss_before_mib);

sub sentences {
    my ($results) = @_;
    return compared($results), for_people($results), costs($results), where_worse($results), AB::Trust::sentence($results);
}

# --- what was compared ------------------------------------------------------------------------------------------------

sub compared {
    my ($results) = @_;
    my @scenarios = $results->scenarios;
    my $where = @scenarios == 1 ? 'in the scenario ' . titled($scenarios[0]) : 'in ' . count_of(scalar @scenarios, 'scenario');
    my ($subject, $reference) = map { $results->$_ } qw(subject reference);
    my %main = map { $_ => 1 } grep { defined } $subject, $reference, $results->control;
    my @others = map { $_->{label} } grep { !$main{ $_->{key} } } @{ $results->data->{contenders} };
    my $beside = @others ? ', with ' . joined(@others) . ' beside them' : '';
    my $rounds = rounds_words($results);
    my $in_turn = $rounds eq '1 round' ? ', one after the other' : ', in each of which they ran one after the other';
    $in_turn = '' if !ran_in_turn($results);
    return sprintf '%s %s compared with %s %s%s%s, in %s.', label_of($results, $subject), both_ran($results) ? 'was' : 'was to be',
        label_of($results, $reference), $where, on_machine($results), $beside, $rounds . $in_turn;
}

sub both_ran {
    my ($results) = @_;
    return scalar grep { my $scenario = $_; !grep { !(() = $results->runs($scenario, $_)) } $results->subject, $results->reference }
        $results->scenarios;
}

sub on_machine {
    my ($results) = @_;
    my @facts = @{ $results->data->{machine} // [] };
    my ($fact) = ((grep { $_->[0] eq 'processor' } @facts), @facts);
    return $fact ? " on one machine ($fact->[1])" : '';
}

# --- what people notice -----------------------------------------------------------------------------------------------

sub for_people {
    my ($results) = @_;
    my @failing = judged($results, @FAILING);
    my @waiting = judged($results, @WAITING);
    return 'How long people waited is in the access logs of both (%D): the servers themselves do not know it.'
        if $results->data->{shared} && !@failing && !@waiting;
    return 'No scenario has latencies or failures of both ' . label_of($results, $results->reference) . ' and '
        . label_of($results, $results->subject) . ', so nothing can be said about those who wait.' if !@failing && !@waiting;
    my @differ = grep { differs($_) } @failing, @waiting;
    @differ = grep { differs($_) } judged($results, 'p999_ms') if !@differ;
    return nothing_differs($results, \@failing, \@waiting) if !@differ;
    my ($failed) = largest(grep { is_failure($_) } @differ);
    my ($waited) = largest(grep { !is_failure($_) } @differ);
    my $where;
    my @scenarios = $results->scenarios;
    my @clauses = map {
        my $title = titled($_->{scenario});
        my $in = @scenarios == 1 || (defined $where && $where eq $title) ? '' : "in $title ";
        $where = $title;
        $in . place_words($results, $_)
    } grep { defined } $failed, $waited;
    my $rest = $failed ? '' : failures_anyway($results, \@failing);
    return 'The largest difference for those who wait: ' . join(', and ', @clauses) . "$rest.";
}

# [{ scenario, measure, against }, ...]
sub judged {
    my ($results, @keys) = @_;
    my @found;
    for my $scenario ($results->scenarios) {
        for my $key (@keys) {
            next if !grep { $_->{key} eq $key } $results->measures($scenario);
            my $against = $results->against($scenario, $results->subject, $key) // next;
            push @found, { scenario => $scenario, measure => measure($key), against => $against };
        }
    }
    return @found;
}

sub differs { my ($place) = @_; return $place->{against}{verdict} =~ /^(?:better|worse)$/ }

sub is_failure { my ($place) = @_; return $place->{measure}{unit} eq '%' }

# In the unit itself: a request that takes half of 0.4 ms saves nobody any time.
sub largest {
    my (@places) = @_;
    return (sort { distance($b) <=> distance($a) } @places)[0];
}

sub distance { my ($place) = @_; return abs($place->{against}{other} - $place->{against}{base}) }

# "99% of the answers came within 14,279 ms under ... and within 411 ms under ... (x 0.03, 0.02 to 0.04: better)"
sub place_words {
    my ($results, $place) = @_;
    my ($measure, $against) = @$place{qw(measure against)};
    my ($base, $other) = map { shown($measure, $_) } @$against{qw(base other)};
    my ($reference, $subject) = map { label_of($results, $results->$_) } qw(reference subject);
    my $who = $measure->{key} =~ /^beside/ ? 'requests beside it' : 'requests';
    my $sides = is_failure($place)
        ? "$base of the $who failed under $reference and $other under $subject"
        : latency_words($measure->{key}) . " within $base under $reference and within $other under $subject";
    return "$sides (" . judged_words($measure, $against) . ')';
}

sub judged_words {
    my ($measure, $against) = @_;
    my $interval = relation_interval($measure, $against);
    return relation_shown($measure, $against) . ($interval ne '' ? ", interval $interval" : '') . ': ' . verdict_word($against->{verdict});
}

sub nothing_differs {
    my ($results, $failing, $waiting) = @_;
    my ($example) = largest(grep { $_->{measure}{key} eq 'p99_ms' } @$waiting);
    ($example) = largest(@$waiting) if !$example;
    my $in = (() = $results->scenarios) == 1 ? ': ' : ' is in ' . titled($example->{scenario}) . ', where ' if $example;
    my $shows = $example ? "the largest gap$in" . place_words($results, $example) : '';
    $shows .= failures_anyway($results, $failing);
    $shows =~ s/^, and //;
    return "With fewer than three rounds there are no intervals, and nothing is claimed about those who wait; $shows."
        if !grep { $_->{against}{verdict} ne 'unknown' } @$failing, @$waiting;
    return "For those who wait, nothing differs beyond the spread of the rounds: $shows.";
}

# Failures that make no difference have to be told as well. The worst round counts, not the median.
sub failures_anyway {
    my ($results, $failing) = @_;
    return '' if !@$failing;
    my %most;
    for my $place (@$failing) {
        for my $key ($results->reference, $results->subject) {
            my $figure = $results->figure($place->{scenario}, $key, $place->{measure}{key}) // next;
            $most{$key} = $figure->{most} if $figure->{most} > ($most{$key} // -1);
        }
    }
    return ', and no request failed under either' if !grep { $_ } values %most;
    return ', and in the worst round ' . joined(map { shown($failing->[0]{measure}, $most{$_}) . ' failed under ' . label_of($results, $_) }
        $results->reference, $results->subject);
}

# --- what it costs ----------------------------------------------------------------------------------------------------

sub costs {
    my ($results) = @_;
    my @cpu = judged($results, 'cpu_us');
    my ($memory) = grep { @$_ } map { my $key = $_; [grep { AB::Results::better($_->{scenario}, $key) } judged($results, $key)] } @MEMORY;
    my @clauses = (@cpu ? cost_words('processor time per request', @cpu) : (),
        $memory ? cost_words($memory->[0]{measure}{label} =~ s/ \(PSS\)//r, @$memory) : ());
    my @missing = (@cpu ? () : 'processor time', $memory ? () : 'memory');
    return 'Processor time and memory of both are not known, so neither is what it costs.' if !@clauses;
    my $hints = grep { $_->{against}{verdict} eq 'unknown' } @cpu, $memory ? @$memory : ();
    return 'What it costs: ' . join('; ', @clauses) . (@missing ? "; $missing[0] of both cannot be compared" : '')
        . ($hints ? '; too few rounds for intervals, so these are only hints' : '')
        . ($memory && $results->data->{shared} ? '; memory depends on the share of the requests that each of them had' : '') . '.';
}

# From the least to the most of all scenarios.
sub cost_words {
    my ($what, @places) = @_;
    my @sorted = sort { cost_factor($a) <=> cost_factor($b) } @places;
    my $same = @sorted > 1 && !grep { $_->{against}{verdict} ne 'none' } @sorted;
    @sorted = (sort { abs(log_factor($b)) <=> abs(log_factor($a)) } @sorted)[0] if $same;
    my @words = map {
        my ($measure, $against) = @$_{qw(measure against)};
        my $where = $same ? ' in any scenario, with the widest gap in ' : @sorted > 1 ? ' in ' : '';
        $where .= titled($_->{scenario}) if $where ne '';
        sprintf '%s%s (%s instead of %s)', amount_words($_), $where, shown($measure, $against->{other}), shown($measure, $against->{base})
    } @sorted > 1 ? @sorted[0, -1] : @sorted;
    return @words > 1 ? "$what ranges from $words[0] to $words[1]" : "$what is $words[0]";
}

# "31% less", "2.1 times as much"
sub amount_words {
    my ($place) = @_;
    return 'no different' if $place->{against}{verdict} eq 'none';
    my $factor = cost_factor($place);
    return 'more' if $factor == 9**9**9;
    return ratio_shown($factor) . ' times as much' if $factor >= 2;
    my $percent = 100 * abs($factor - 1);
    return sprintf $percent < 1 ? '%.1f%% %s' : '%.0f%% %s', $percent, $factor < 1 ? 'less' : 'more';
}

sub cost_factor {
    my ($place) = @_;
    my ($base, $other) = @{ $place->{against} }{qw(base other)};
    return $base ? $other / $base : $other ? 9**9**9 : 1;
}

# --- where the reference is better ------------------------------------------------------------------------------------

# As many as can be read; all of them stand in the report.
use constant WORST_SHOWN => 3;

sub where_worse {
    my ($results) = @_;
    my ($subject, $reference) = map { label_of($results, $results->$_) } qw(subject reference);
    my %count = (better => 0, worse => 0, none => 0, unknown => 0);
    $count{ $_->{against}{verdict} }++ for all_judged($results);
    my $all = sum0(@count{qw(better worse none)});
    return "Where $reference is better cannot be said: "
        . ($count{unknown} ? 'there are too few rounds for intervals.' : 'there is nothing to compare.') if !$all;
    my $rest = "$subject is better in " . ($count{better} || 'none') . ", and $count{none} show" . ($count{none} == 1 ? 's' : '')
        . ' no difference' . ($count{unknown} ? "; another $count{unknown} had too few rounds" : '');
    return "$reference is nowhere better: of " . count_of($all, 'comparison') . ", $rest." if !$count{worse};
    my @worst = most_telling($results->places($results->subject, 'worse'));
    return "$reference is better in $count{worse} of " . count_of($all, 'comparison')
        . ($count{worse} > @worst ? ', most clearly for ' : ': ') . join('; ', map { worse_words($_) } @worst) . "; $rest.";
}

sub worse_words {
    my ($place) = @_;
    my ($measure, $against) = @$place{qw(measure against)};
    return sprintf '%s in %s (%s against %s, %s)', plain_label($measure), titled($place->{scenario}), shown($measure, $against->{base}),
        shown($measure, $against->{other}), relation_shown($measure, $against);
}

# Of measures that go together, such as memory before and at its peak, one for each scenario.
sub most_telling {
    my (@places) = @_;
    my %seen;
    my @found = grep { !$seen{ $_->{scenario}{name} }{ $_->{measure}{unit} || $_->{measure}{key} }++ }
        sort { prominence($b) <=> prominence($a) } @places;
    return @found > WORST_SHOWN ? @found[0 .. WORST_SHOWN - 1] : @found;
}

# Neutral measures have no better and no worse.
sub all_judged {
    my ($results) = @_;
    my @found;
    for my $scenario ($results->scenarios) {
        for my $measure (grep { AB::Results::better($scenario, $_->{key}) } $results->measures($scenario)) {
            my $against = $results->against($scenario, $results->subject, $measure->{key}) // next;
            push @found, { scenario => $scenario, measure => $measure, against => $against };
        }
    }
    return @found;
}

sub log_factor {
    my ($place) = @_;
    my $factor = cost_factor($place);
    return $factor == 0 || $factor == 9**9**9 ? 1e9 : log $factor;
}

# Failures first, then by how many times the one is the other.
sub prominence {
    my ($place) = @_;
    return 1e12 + distance($place) if $place->{measure}{key} =~ /failed/;
    return abs log_factor($place);
}

1;
