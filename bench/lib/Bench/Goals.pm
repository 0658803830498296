package Bench::Goals;

# What the MPM promises, held against what was measured. Each verdict is { what, goal, found, met }; nothing is rounded before it
# is compared.

use strict;
use warnings;

use Exporter 'import';

use AB::Stats qw(median);

our @EXPORT_OK = qw(ratio_verdicts idle_verdicts);

use constant IDLE_WAKEUPS_PER_SECOND => 2;

my %TITLE = (
    cpu_us   => 'CPU per request',
    rps      => 'requests per second',
    p99_ms   => 'p99',
    switches => 'context switches per request',
);

# Competing processes take what time they get: under them only the waiting is promised.
my %PROMISED = (quiet => [qw(cpu_us rps p99_ms switches)], competing => [qw(p99_ms)]);

# $runs: { label => [results of the rounds] }
sub ratio_verdicts {
    my ($scenario, $pass, $runs, $label, $reference) = @_;
    return map { ratio_verdict($scenario, $pass, $_, $runs->{$label}, $runs->{$reference}) }
        grep { defined $scenario->{goals}{$_} } @{ $PROMISED{$pass} };
}

sub ratio_verdict {
    my ($scenario, $pass, $key, $ours, $theirs) = @_;
    my ($our_median, $their_median) = map { median(map { $_->{$key} } @$_) } $ours, $theirs;
    my $ratio = defined $our_median && $their_median ? $our_median / $their_median : undef;
    my $goal = $scenario->{goals}{$key};
    my $more_is_better = $key eq 'rps';
    return {
        what  => "$scenario->{name}, $pass: $TITLE{$key}",
        key   => $key,
        goal  => sprintf('%s %.2f x', $more_is_better ? '>=' : '<=', $goal),
        found => defined $ratio ? sprintf('%.3f x', $ratio) : 'not measured',
        met   => defined $ratio && ($more_is_better ? $ratio >= $goal : $ratio <= $goal) ? 1 : 0,
    };
}

sub idle_verdicts {
    my ($title, $ours, $theirs) = @_;
    return (
        {
            what => "idle, $title: wake-ups a second", goal => sprintf('<= %d', IDLE_WAKEUPS_PER_SECOND),
            found => sprintf('%.2f', $ours->{wakeups}), met => $ours->{wakeups} <= IDLE_WAKEUPS_PER_SECOND ? 1 : 0,
        },
        {
            what => "idle, $title: memory (PSS)", goal => '<= 1.00 x',
            found => sprintf('%.3f x', $ours->{pss_mib} / $theirs->{pss_mib}),
            met => $ours->{pss_mib} <= $theirs->{pss_mib} ? 1 : 0,
        });
}

1;
