package AB::ReportText;

# What a report says beside its figures. Plain text: whoever writes HTML or Markdown escapes it.

use strict;
use warnings;

use Exporter 'import';

use AB::Measures qw(measure);
use AB::Phrases qw(count_of label_of ran_in_turn rounds_words);
use AB::Results;
use AB::Stats;

our @EXPORT_OK = qw(about_line contender_facts control_of control_text groups how_measured load_text notes_of nothing_failed raw_text
    wins_text);

sub about_line {
    my ($results) = @_;
    my $data = $results->data;
    return join ', ', grep { defined } $data->{date}, count_of(scalar($results->scenarios), 'scenario'), rounds_words($results),
        defined $data->{seconds} ? 'in ' . took($data->{seconds}) : undef;
}

sub took {
    my ($s) = @_;
    return count_of(int $s, 'second') if $s < 60;
    return sprintf '%d min %d s', $s / 60, $s % 60 if $s < 3600;
    return sprintf '%d h %d min', $s / 3600, $s / 60 % 60;
}

# What is worse is said as plainly as what is better.
sub wins_text {
    my ($results) = @_;
    my ($subject, $reference) = map { label_of($results, $results->$_) } qw(subject reference);
    my @worse = $results->places($results->subject, 'worse');
    return "These are all figures in which $reference is better than $subject beyond the spread of the rounds"
        . (defined $results->control ? " and beyond what $reference differs from itself." : '.') if @worse;
    my @judged = map { $results->places($results->subject, $_) } qw(better none other failing);
    return "No figure of $reference is better than that of $subject beyond the spread of the rounds." if @judged;
    return 'That cannot be said: it takes three rounds of both to tell a difference from chance.';
}

# The reference against itself: relation(), "differs" or "no difference" by the interval alone.
sub control_of {
    my ($results, $scenario, $measure) = @_;
    my $noise = $results->noise($scenario, $measure->{key}) // return;
    return { %$noise, verdict => AB::Results::verdict($noise, undef, '') };
}

sub control_text {
    my ($results) = @_;
    my $reference = label_of($results, $results->reference);
    return "$reference was not run against itself. What differs by chance alone can be told from the intervals only."
        if !defined $results->control;
    my ($all, $differ) = (0, 0);
    for my $scenario ($results->scenarios) {
        for my $measure ($results->measures($scenario)) {
            my $control = control_of($results, $scenario, $measure) // next;
            next if $control->{verdict} eq 'unknown';
            $all++;
            $differ++ if $control->{verdict} ne 'none';
        }
    }
    my $counted = "By the intervals alone, $differ of " . count_of($all, 'comparison') . " of $reference with itself would be differences. "
        . 'That is why one counts only where it is larger than what the control shows.';
    return ("$reference ran once more in each round, as if it were another server. What differs between the two is due to chance, to "
        . 'other programs on the machine and to the order of the runs.',
        $all ? $counted : 'With fewer than three rounds there are no intervals.');
}

# [{ name, scenarios }] in the order in which they come.
sub groups {
    my ($results) = @_;
    my (%of, @names);
    for my $scenario (grep { defined $_->{group} && defined $_->{x} } $results->scenarios) {
        push @names, $scenario->{group} if !$of{ $scenario->{group} };
        push @{ $of{ $scenario->{group} } }, $scenario;
    }
    return map { { name => $_, scenarios => $of{$_} } } grep { @{ $of{$_} } > 1 } @names;
}

# Shares can be known where kinds are not.
sub nothing_failed {
    my ($results, $scenario) = @_;
    my @failed = grep { ($_->{values}{failed_percent} // 0) > 0 } @{ $scenario->{runs} };
    return @failed ? 'Of what kind the failures were is not known.' : 'No request failed.';
}

# What was noted of single runs.
sub notes_of {
    my ($results, $scenario) = @_;
    my @noted = grep { ($_->{note} // '') ne '' } @{ $scenario->{runs} };
    return map { label_of($results, $_->{contender}) . ", round $_->{round}: $_->{note}" } @noted;
}

# The load in a sentence, and the day where it is another one than the report's.
sub load_text {
    my ($results, $scenario) = @_;
    my $date = $scenario->{date} // '';
    my $another_day = $date ne '' && $date ne ($results->data->{date} // '') ? "Measured on $date." : undef;
    return join ' ', grep { defined } $scenario->{load}, $another_day;
}

# [label, description] of each server.
sub contender_facts {
    my ($results) = @_;
    return map { [$_->{label}, ($_->{describe} // '-') . ($_->{outside} ? ' (a server of another kind, for orientation)' : '')] }
        @{ $results->data->{contenders} };
}

sub how_measured {
    my ($results) = @_;
    my $reference = label_of($results, $results->reference);
    my ($percent, $resamples) = (100 * AB::Stats::CONFIDENCE(), AB::Stats::RESAMPLES());
    my $resampled = count_of($resamples, 'resample');
    return (
        (ran_in_turn($results) ? 'In each round the servers ran one after the other, so that what changes on the machine from minute to '
            . 'minute meets all of them.' : ()),
        "Figures are medians of the rounds, with $percent% intervals (percentile bootstrap of whole rounds, $resampled). With few "
            . 'rounds such intervals are too narrow: that of a median of seven rounds holds the true value about 88 times in 100. Below '
            . 'three rounds there is none.',
        'Two servers are compared by the medians of the rounds that both have: as a ratio, or as a difference where 0 is usual. One is '
            . '"better" or "worse" if the interval excludes that there is no difference'
            . (defined $results->control ? " and the difference is larger than what the control makes likely between $reference and itself."
                : '. There is no control.'),
        'Memory is the proportional set size (PSS) of all processes of a server. A latency curve is the median of the rounds, and its band '
            . 'reaches from the smallest to the largest. What is drawn over time is the round whose p99 is the middle one.',
    );
}

sub raw_text { my ($file) = @_; return "The runs as they were measured are in $file, from which this report can be written again." }

1;
