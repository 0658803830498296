package AB::ReportText;

# What a report says beside its figures. Plain text: whoever writes HTML or Markdown escapes it.

use strict;
use warnings;

use Exporter 'import';

use AB::Measures qw(measure);
use AB::Phrases qw(count_of label_of rounds_words);
use AB::Results;
use AB::Stats;

our @EXPORT_OK = qw(about_line control_of control_text how_measured raw_text took wins_text);

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
    my @judged = map { $results->places($results->subject, $_) } qw(better none other);
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
    return ("$reference was not run against itself. What differs by chance alone can be told from the intervals only.") if !defined $results->control;
    my ($all, $differ) = (0, 0);
    for my $scenario ($results->scenarios) {
        for my $measure ($results->measures($scenario)) {
            my $control = control_of($results, $scenario, $measure) // next;
            next if $control->{verdict} eq 'unknown';
            $all++;
            $differ++ if $control->{verdict} ne 'none';
        }
    }
    return ("$reference ran twice in each round, the second time as if it were another server. What it differs from itself is what strangers, "
            . 'chance and the order of the runs do.',
        $all ? "By their intervals, $differ of " . count_of($all, 'comparison') . " of $reference with itself would differ. That is why a difference counts "
            . 'only where it is larger than that between the two.' : 'With fewer than three rounds there are no intervals.');
}

sub how_measured {
    my ($results) = @_;
    my $reference = label_of($results, $results->reference);
    my ($percent, $resamples) = (100 * AB::Stats::CONFIDENCE(), AB::Stats::RESAMPLES());
    return (
        'In each round the servers ran one after the other, so that what changes on the machine from minute to minute meets all of them.',
        "Figures are medians of the rounds. Small print gives $percent% intervals of them (percentile bootstrap of whole rounds, $resamples resamples). With "
            . 'few rounds such intervals are narrow: that of a median of seven rounds holds the true value about 88 times in 100. Below three rounds there is none.',
        'A relation is that of the medians of rounds that both sides have: a ratio, or a difference where 0 is usual. It is "better" or "worse" if its '
            . "interval leaves no difference out and, where there is a control, if it is larger than what $reference differs from itself, up to the farther end "
            . 'of that interval.',
        'With many comparisons some differ by chance. The control shows how many.',
        'Memory is the proportional set size (PSS) of all processes of a server. Curves are medians of the rounds, their bands reach from the smallest to the largest. '
            . 'What is drawn over time is the round whose p99 is the middle one.',
    );
}

sub raw_text { my ($file) = @_; return "The runs as they were measured are in $file, from which this report can be written again." }

1;
