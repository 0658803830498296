# What a comparison computes: medians, their intervals, and what counts as a difference.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use Test::More;

use AB::Measures qw(measure shown);
use AB::Results;
use AB::Stats qw(bootstrap median middle_of percentile slope);
use AB::Words;
use Adaptive::Comparison qw(comparison comparison_data random);

subtest 'medians' => sub {
    is scalar median(3, 1, 2), 2, 'of an odd number';
    is scalar median(4, 1, 3, 2), 2.5, 'of an even number';
    is scalar median(10, 9), 9.5, 'numbers, not texts, are sorted';
    is scalar median(undef, 7, undef), 7, 'what is missing does not count';
    is scalar median(), undef, 'of nothing';
    is middle_of([5, 1, 100]), 5, 'of a complete list';
    is middle_of([4, 1, 3, 2]), 2.5, '... and of an even number';
    is percentile([1 .. 100], 0.99), 99, 'percentile';
    is percentile([7], 0.5), 7, '... of one value';
    my ($slope, $low, $high) = slope(map { [$_, 3 * $_ + ($_ == 5 ? 1_000 : 0)] } 1 .. 9);
    is $slope, 3, 'a slope, with one outlier';
    ok $low <= 3 && $high >= 3 && $low > 0, 'its interval has it, and not 0';
    ($slope, $low, $high) = slope(map { [$_, $_ % 2] } 1 .. 40);
    ok $low <= 0 && $high >= 0, 'what only goes up and down has none';
    is scalar(() = slope([1, 1])), 0, 'nor has one point';
};

# Seven rounds of numbers whose median is 0.5: a percentile interval of so few holds it less often than 95 times in 100.
subtest 'intervals' => sub {
    my $random = random(20_261_102);
    my %covered = (7 => 0, 21 => 0);
    my $trials = 150;
    for my $rounds (sort keys %covered) {
        for (1 .. $trials) {
            my ($low, $high) = bootstrap(\&middle_of, [map { $random->() } 1 .. $rounds]);
            $covered{$rounds}++ if $low <= 0.5 && $high >= 0.5;
        }
        my $percent = 100 * $covered{$rounds} / $trials;
        ok $percent >= ($rounds == 7 ? 80 : 87) && $percent <= 99.5, "$rounds rounds: the interval holds the true median in $percent%";
    }
    my @same = bootstrap(\&middle_of, [5, 5, 5, 5]);
    is "@same", '5 5', 'nothing between the ends where all rounds agree';
    is scalar(my @none = bootstrap(\&middle_of, [1, 2])), 0, 'none of two rounds';
    is scalar(@none = bootstrap(\&middle_of, [1, 2, 3], [1, 2])), 0, 'none of sides of different rounds';
    is_deeply [bootstrap(\&middle_of, [3, 1, 4, 1, 5])], [bootstrap(\&middle_of, [3, 1, 4, 1, 5])], 'the same each time';
};

# Rounds of the keys given, with one measure.
sub results_of {
    my ($measure, %values) = @_;
    my @runs;
    for my $key (sort keys %values) {
        my $round = 0;
        push @runs, map { +{ round => ++$round, contender => $key, values => { $measure => $_ } } } @{ $values{$key} };
    }
    return AB::Results->new({ subject => 'b', reference => 'a', control => ($values{c} ? 'c' : undef),
        contenders => [map { { key => $_, label => $_ } } sort keys %values],
        scenarios => [{ name => 's', measures => [$measure], runs => \@runs }] });
}

sub verdict_of {
    my ($measure, %values) = @_;
    my $results = results_of($measure, %values);
    return ($results->against(($results->scenarios)[0], 'b', $measure) // { verdict => 'nothing' })->{verdict};
}

my @ABOUT_10 = (10, 10.1, 9.9, 10.2, 9.8, 10.05, 9.95);
my @ABOUT_11 = map { $_ * 1.1 } @ABOUT_10;
my @ABOUT_20 = map { $_ * 2 } @ABOUT_10;

subtest 'verdicts' => sub {
    is verdict_of('p99_ms', a => \@ABOUT_10, b => \@ABOUT_10), 'none', 'identical sides do not differ';
    is verdict_of('p99_ms', a => \@ABOUT_20, b => \@ABOUT_10), 'better', 'half the latency is better';
    is verdict_of('p99_ms', a => \@ABOUT_10, b => \@ABOUT_20), 'worse', '... twice as much is worse';
    is verdict_of('rate', a => \@ABOUT_10, b => \@ABOUT_20), 'better', 'twice the rate is better';
    is verdict_of('rate', a => \@ABOUT_20, b => \@ABOUT_10), 'worse', '... half of it is worse';
    is verdict_of('threads_peak', a => \@ABOUT_10, b => \@ABOUT_20), 'other', 'threads are neither';
    is verdict_of('p99_ms', a => [10, 11], b => [1, 1]), 'unknown', 'two rounds tell nothing';
    is verdict_of('p99_ms', a => [10, 11, 10], b => []), 'nothing', 'without values there is no relation';
};

subtest 'with a control' => sub {
    is verdict_of('p99_ms', a => \@ABOUT_10, b => \@ABOUT_11), 'worse', 'without one, a tenth more is worse';
    is verdict_of('p99_ms', a => \@ABOUT_10, b => \@ABOUT_11, c => \@ABOUT_20), 'none', 'not where the reference is that far from itself';
    is verdict_of('p99_ms', a => \@ABOUT_10, b => \@ABOUT_20, c => \@ABOUT_11), 'worse', '... but more than that is';
    is verdict_of('p99_ms', a => \@ABOUT_10, b => [map { $_ / 2 } @ABOUT_10], c => \@ABOUT_11), 'better', '... and much less';
    is verdict_of('failed_percent', a => [(0) x 7], b => [(3) x 7], c => [(0) x 6, 9]), 'worse',
        'one bad round of a control does not hide it';
    is verdict_of('failed_percent', a => [(0) x 7], b => [(3) x 7], c => [(5) x 7]), 'none', '... seven do';
    is verdict_of('p99_ms', a => \@ABOUT_10, b => \@ABOUT_20, c => [(0) x 7]), 'none', 'a control of 0, as a difference';
    is verdict_of('p99_ms', a => [(10) x 7], b => [(0) x 7], c => [(10.5) x 7]), 'better', 'a subject of 0, as a difference';
};

# A server that gives up the slow ones has a good p99 of the others.
subtest 'a side that fails' => sub {
    my $verdict = sub {
        my ($measure, $failed, $p) = @_;
        my @runs = map { my $round = $_; map { my $key = $_;
                { round => $round, contender => $key, values => { $measure => $p->{$key} * (1 + $round / 100), failed_percent => $failed->{$key} } }
            } qw(a b) } 1 .. 7;
        my $results = AB::Results->new({ subject => 'b', reference => 'a', control => undef, contenders => [map { { key => $_, label => $_ } } qw(a b)],
            scenarios => [{ name => 's', measures => [$measure, 'failed_percent'], runs => \@runs }] });
        return $results->against(($results->scenarios)[0], 'b', $measure)->{verdict};
    };
    is $verdict->('p99_ms', { a => 0, b => 2 }, { a => 100, b => 50 }), 'failing', 'the subject is not faster because it failed';
    is $verdict->('p99_ms', { a => 2, b => 0 }, { a => 50, b => 100 }), 'failing', '... nor is the reference';
    is $verdict->('p99_ms', { a => 2, b => 0 }, { a => 100, b => 50 }), 'better', 'faster, and nothing failed';
    is $verdict->('p99_ms', { a => 0, b => 2 }, { a => 50, b => 100 }), 'worse', 'slower, and more failed';
    is $verdict->('p50_ms', { a => 0, b => 2 }, { a => 100, b => 50 }), 'better', 'two in a hundred do not move the median';
    is $verdict->('max_ms', { a => 0, b => 0.01 }, { a => 100, b => 50 }), 'failing', '... but may have been the longest';
    is $verdict->('cpu_us', { a => 0, b => 2 }, { a => 100, b => 50 }), 'better', 'processor time is that of requests that were answered';
};

subtest 'measures that are neutral in a scenario' => sub {
    my $results = results_of('pss_peak_mib', a => \@ABOUT_20, b => \@ABOUT_10);
    my ($scenario) = $results->scenarios;
    $scenario->{neutral} = ['pss_peak_mib'];
    is $results->against($scenario, 'b', 'pss_peak_mib')->{verdict}, 'other', 'differ, and are not better';
    unlike join(' ', AB::Words::sentences($results)), qr/less|better in 1/, '... in sentences neither';
};

subtest 'zeroes and missing rounds' => sub {
    is verdict_of('failed_percent', a => [(0) x 7], b => [(0) x 7]), 'none', 'nothing failed on both sides';
    is verdict_of('p99_ms', a => [(0) x 7], b => [(5) x 7]), 'worse', 'a median of 0 has no ratio, but a difference';
    my $results = results_of('p99_ms', a => [10, 10, 10, 10], b => [20, undef, 20, 30]);
    my ($scenario) = $results->scenarios;
    my $relation = $results->relation($scenario, 'b', 'a', 'p99_ms');
    is "$relation->{by} $relation->{value} $relation->{rounds}", 'ratio 2 3', 'only rounds that both have';
    is $results->figure($scenario, 'b', 'p99_ms')->{rounds}, 3, '... of a figure those that are there';
    $scenario->{runs}[0]{error} = 'did not start';
    is_deeply [$results->errors($scenario)], ['a, round 1: did not start'], 'runs that could not be measured are told';
    is scalar(() = $results->runs($scenario, 'a')), 3, '... and are none of the runs';
};

subtest 'a whole comparison' => sub {
    my $results = comparison();
    my ($burst) = $results->scenarios;
    is join(' ', map { $_->{key} } $results->contenders($burst)), 'event adaptive nginx', 'the control is none of the contenders';
    my @worse = map { join ' ', $_->{scenario}{name}, $_->{measure}{key} } $results->places('adaptive', 'worse');
    is_deeply \@worse, ['burst pss_before_mib', 'burst pss_peak_mib', 'burst pss_after_mib'], 'where the subject is worse';
    my @curve = $results->curve($burst, 'event');
    is join(' ', map { $_->[0] } @curve), '0.1 0.25 0.5 0.9 0.99 0.999 0.9999', 'shares of a curve, in order';
    is scalar(grep { $_->[2] > $_->[1] || $_->[3] < $_->[1] } @curve), 0, '... with the median between the least and the most';
    my @p99 = sort { $a <=> $b } map { $_->{values}{p99_ms} } $results->runs($burst, 'event');
    is(($results->timeline($burst, 'event'))[10][AB::Results::P99_MS()], $p99[3], 'the timeline is that of the middle round');
    my @kinds = map { $_->{failures}{timeout} } $results->runs($burst, 'event');
    my $sum = 0;
    $sum += $_ for @kinds;
    is $results->failures($burst, 'event')->{timeout}, $sum, 'failures of all rounds';
    my $copy = AB::Results->new(JSON::PP::decode_json($results->as_json));
    is $copy->as_json, $results->as_json, 'as JSON, and back';
};

subtest 'a file of another schema' => sub {
    my $data = comparison_data(rounds => 1);
    $data->{schema_version} = 99;
    require File::Temp;
    my $file = File::Temp->new;
    print {$file} AB::Results->new($data)->as_json;
    close $file;
    ok !eval { AB::Results->read_file("$file"); 1 }, 'is refused';
    like $@, qr/\Q$file\E has the schema 99, and not 1/, '... with the reason';
};

subtest 'numbers as they are shown' => sub {
    is shown(measure('p99_ms'), 14_279.4), '14,279 ms', 'large';
    is shown(measure('p99_ms'), 410.66), '410.7 ms', 'usual';
    is shown(measure('p99_ms'), 0.412), '0.41 ms', 'small';
    is shown(measure('failed_percent'), 0), '0%', 'none at all';
    is shown(measure('failed_percent'), 0.001), '0.00%', 'almost none';
    is shown(measure('failed_percent'), -0.001), '0.00%', 'no sign without a digit';
    is shown(measure('rate'), 3_999.6), '4,000/s', 'a rate';
    is shown(measure('rate'), undef), '-', 'nothing';
};

done_testing;
