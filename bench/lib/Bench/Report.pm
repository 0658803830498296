package Bench::Report;

# Turns results into tables, and into the raw numbers beside them.

use strict;
use warnings;

use Exporter 'import';

use AB::Stats qw(median ratio_range);
use Bench::Goals qw(idle_verdicts ratio_verdicts);
use Bench::Syscalls qw(@SYSCALLS);
use Bench::Table;

our @EXPORT_OK = qw(load_tables syscall_table idle_table goal_table cost_verdicts raw_numbers);

# key, heading, format
my @COLUMNS = (
    [cpu_us   => 'CPU us/req', '%.1f'],
    [rps      => 'req/s',      '%.0f'],
    [p50_ms   => 'p50 ms',     '%.2f'],
    [p99_ms   => 'p99 ms',     '%.2f'],
    [p999_ms  => 'p99.9 ms',   '%.2f'],
    [switches => 'switches/req', '%.2f'],
);

my @RAW = qw(cpu_us rps p50_ms p99_ms p999_ms switches requests seconds errors strangers overflows);

# What others did on the machine meanwhile is worth a word from this share of one core on.
use constant STRANGERS_WORTH_A_WORD => 0.1;

# $results: { SCENARIO => { PASS => { LABEL => [...] } } }; the first label is the reference.
sub load_tables {
    my ($scenarios, $labels, $results, $setup) = @_;
    my @tables;
    for my $scenario (@$scenarios) {
        for my $pass (grep { $results->{$scenario->{name}}{$_} } qw(quiet competing)) {
            push @tables, load_table($scenario, $pass, $labels, $results->{$scenario->{name}}{$pass}, $setup);
        }
    }
    return @tables;
}

sub load_table {
    my ($scenario, $pass, $labels, $runs, $setup) = @_;
    my $title = "$scenario->{name}, $pass: $scenario->{title}, $setup->{load}{$scenario->{tool}}, $setup->{pass}{$pass}";
    my $table = Bench::Table->new($title, 'median of rounds', (map { $_->[1] } @COLUMNS), 'errors');
    my @measured = grep { $runs->{$_} } @$labels;
    for my $label (@measured) {
        my @good = grep { !$_->{failed} } @{ $runs->{$label} };
        my @medians = map { formatted($_->[2], median(map_key($_->[0], @good))) } @COLUMNS;
        $table->row($label, @medians, total(map_key('errors', @good)));
        add_notes($table, $label, $runs->{$label});
    }
    my ($reference, @others) = @measured;
    add_ratios($table, $runs, $reference, $_) for @others;
    return $table;
}

sub map_key {
    my ($key, @results) = @_;
    return map { $_->{$key} } @results;
}

sub total {
    my $sum = 0;
    $sum += $_ // 0 for @_;
    return $sum;
}

sub formatted {
    my ($format, $value) = @_;
    return defined $value ? sprintf $format, $value : undef;
}

# The ratio of the medians, and below it the smallest and largest ratio of one round.
sub add_ratios {
    my ($table, $runs, $reference, $label) = @_;
    my (@ratios, @ranges);
    for my $column (@COLUMNS) {
        my ($theirs, $ours) = map { [map_key($column->[0], @$_)] } @$runs{$reference, $label};
        my ($their_median, $our_median) = (median(@$theirs), median(@$ours));
        push @ratios, defined $our_median && $their_median ? sprintf('%.3f', $our_median / $their_median) : undef;
        my @range = ratio_range($ours, $theirs);
        push @ranges, @range ? sprintf('%.2f..%.2f', @range) : undef;
    }
    $table->row("$label / $reference", @ratios, '')->row('  of single rounds', @ranges, '');
    return;
}

sub add_notes {
    my ($table, $label, $results) = @_;
    my @failed = grep { $_->{failed} } @$results;
    $table->note("$label failed in " . @failed . ' of ' . @$results . " rounds: $failed[0]{failed}") if @failed;
    my %kinds = map { $_->{error_kinds} => 1 } grep { $_->{error_kinds} } @$results;
    $table->note("$label, errors of single rounds: " . join ', ', sort keys %kinds) if %kinds;
    my $strangers = median(map_key('strangers', @$results));
    $table->note(sprintf '%s: other processes of the machine used %.2f cores meanwhile', $label, $strangers)
        if defined $strangers && $strangers > STRANGERS_WORTH_A_WORD;
    my $overflows = total(map_key('overflows', @$results));
    $table->note("$label: $overflows connections were turned away by a full listening queue (on the whole machine)") if $overflows;
    return;
}

# $counts: { LABEL => what count_syscalls returns }
sub syscall_table {
    my ($labels, $counts) = @_;
    my @counted = grep { $counts->{$_} } @$labels;
    my $title = 'system calls per kept-alive request' . (@counted ? " ($counts->{$counted[0]}{how})" : '');
    my $table = Bench::Table->new($title, 'calls', @counted);
    for my $name (map({ $_->[0] } @SYSCALLS), 'other', 'total') {
        $table->row($name, map { sprintf '%.3f', $counts->{$_}{$name} } @counted);
    }
    $table->row('futex + epoll', map { sprintf '%.3f', total(@{ $counts->{$_} }{qw(futex epoll_ctl epoll_wait)}) } @counted);
    $table->row('requests counted', map { $counts->{$_}{requests} } @counted);
    return $table;
}

# $idle: { fresh|served => { LABEL => what watch_idle returns } }
sub idle_table {
    my ($labels, $idle, $seconds) = @_;
    my $table = Bench::Table->new(
        "idle for $seconds s", 'server', 'wake-ups/s', 'CPU us/s', 'PSS MiB', 'processes', 'tasks');
    for my $when (qw(fresh served)) {
        for my $label (grep { $idle->{$when}{$_} } @$labels) {
            my $found = $idle->{$when}{$label};
            $table->row(
                $when eq 'fresh' ? "$label, just started" : "$label, after load",
                sprintf('%.2f', $found->{wakeups}), sprintf('%.0f', $found->{cpu_us}), sprintf('%.1f', $found->{pss_mib}),
                @$found{qw(processes tasks)});
        }
    }
    return $table;
}

sub cost_verdicts {
    my ($scenarios, $results, $idle, $reference, $ours) = @_;
    my @verdicts;
    for my $scenario (@$scenarios) {
        for my $pass (grep { $results->{$scenario->{name}}{$_} } qw(quiet competing)) {
            push @verdicts, ratio_verdicts($scenario, $pass, $results->{$scenario->{name}}{$pass}, $ours, $reference);
        }
    }
    my %title = (fresh => 'just started', served => 'after load');
    for my $when (grep { $idle->{$_}{$ours} } qw(fresh served)) {
        push @verdicts, idle_verdicts($title{$when}, $idle->{$when}{$ours}, $idle->{$when}{$reference});
    }
    return @verdicts;
}

sub goal_table {
    my (@verdicts) = @_;
    my $table = Bench::Table->new('goals', 'what', 'goal', 'found', 'met');
    $table->row(@$_{qw(what goal found)}, $_->{met} ? 'yes' : 'NO') for @verdicts;
    my $met = grep { $_->{met} } @verdicts;
    return $table->note(sprintf '%d of %d goals met', $met, scalar @verdicts);
}

sub raw_numbers {
    my ($scenarios, $labels, $results) = @_;
    my @lines = (join "\t", qw(scenario pass contender round), @RAW, 'note');
    for my $scenario (@$scenarios) {
        for my $pass (sort keys %{ $results->{$scenario->{name}} }) {
            for my $label (@$labels) {
                my $round = 0;
                for my $result (@{ $results->{$scenario->{name}}{$pass}{$label} // [] }) {
                    (my $note = $result->{failed} // $result->{error_kinds} // '') =~ s/\s+/ /g;
                    push @lines, join "\t", $scenario->{name}, $pass, $label, ++$round, (map { $_ // '' } @$result{@RAW}), $note;
                }
            }
        }
    }
    return join "\n", @lines, '';
}

1;
