package Bench::Change::Mixed;

# Requests that compute, below and above what the processors can do, and light ones meanwhile: what does a short request pay for
# long ones? A cell is how long they compute, how many are due, and whether they come on kept-alive or on new connections.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use List::Util qw(max);

use AB::Machine qw(cores);
use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::Contender;
use Bench::OpenLoad;

use constant { CLIENTS => 400, SETTLE_S => 2, AFTER_S => 2, TIMEOUT_S => 20, SLEEP_MS => 200 };
use constant { CALIBRATE_S => 4, CALIBRATE_THREADS => 32, CALIBRATE_CLIENTS_A_CORE => 4 };

my @COMPUTE_MS = (5, 50);
my @LOADS = (0.9, 1.5, 3);
my @WHERE = qw(keep new);

# Light requests: each kind is due at a low rate, on connections of its own.
my %PROBE = (
    keep  => { mode => 'keep', rate => 50, connections => 40, path => '/1k.html' },
    new   => { mode => 'new',  rate => 50, connections => 40, path => '/1k.html' },
    sleep => { mode => 'keep', rate => 30, connections => 20, path => '/adp/sleep?ms=' . SLEEP_MS },
);

sub name { return 'mixed' }
sub title { return 'requests that compute, on at most ' . CLIENTS . ' connections, and light ones meanwhile' }

# keep-5-1.5: on kept-alive connections, 5 ms, 1.5 times what the processors can do
sub variants {
    return map { my $where = $_; map { my $load = $_; map { "$where-$_-$load" } @COMPUTE_MS } @LOADS } @WHERE;
}

# (where, ms, factor)
sub cell { return split /-/, $_[0] }

# Strangers get what they ask for, and are told in the table; a cell is measured once a round.
sub needs_little { return 0 }
sub attempts { return 1 }
sub server { return { modules => ['adaptive_test'], conf => "    AdpTest On\n    MaxKeepAliveRequests 0\n" } }

sub columns {
    return (
        [due_rate => 'due/s', '%.0f'], [rps => 'computed/s', '%.1f'], [[qw(p50_ms p99_ms)], 'p50/p99 ms', '%.0f'], [failed => 'failed', '%d'],
        [[qw(keep_p50_ms keep_p99_ms)], '1 KB kept-alive p50/p99 ms', '%.1f'],
        [[qw(new_p50_ms new_p99_ms)], '1 KB new p50/p99 ms', '%.1f'],
        [[qw(sleep_p50_ms sleep_p99_ms)], SLEEP_MS . ' ms sleep p50/p99 ms', '%.0f'], [probe_failed => 'failed', '%d'],
        [[qw(threads_peak children_peak)], 'threads/children peak', '%d'],
        [late_p99_ms => 'loadgen late p99 ms', '%.2f']);
}

sub goals {
    return (
        { key => 'keep_p50_ms', what => 'p50 of 1 KB, kept-alive', limit => 3, unit => ' ms' },
        { key => 'keep_p99_ms', what => 'p99 of 1 KB, kept-alive', limit => 25, unit => ' ms' },
        { key => 'new_p50_ms', what => 'p50 of 1 KB, new connections', limit => 20, unit => ' ms' },
        { key => 'sleep_p99_ms', what => 'p99 of ' . SLEEP_MS . ' ms sleeps, kept-alive', limit => 260, unit => ' ms' },
        { key => 'rps', what => 'computed to the best of the others', limit => 0.97, at_least => 1, of => 'the others', best => 1 },
        { key => 'p50_ms', what => 'median of those that compute', limit => 1, of => 'event' },
        { key => 'failed_share', what => 'failed beyond event', limit => 0, beyond => 'event', format => '%.4f' });
}

sub reference {
    my ($self, $runs, $label, $goal) = @_;
    return $self->SUPER::reference($runs, $label, $goal) if !$goal->{best};
    return max(
        map { Bench::Change::middle($runs->{results}{$_})->{rps} // 0 }
        grep { $runs->{contender_of}{$_}{name} ne 'adaptive' && $runs->{variant_of}{$_} eq $runs->{variant_of}{$label} }
        @{ $runs->{labels} });
}

# Of what the reference fails too, nobody can be blamed.
sub verdict {
    my ($self, $runs, $label, $goal) = @_;
    return $self->SUPER::verdict($runs, $label, $goal) if !$goal->{beyond};
    my $reference = $self->reference($runs, $label, { %$goal, of => $goal->{beyond} });
    my $found = Bench::Change::middle($runs->{results}{$label})->{ $goal->{key} };
    $found = defined $found && defined $reference ? max(0, $found - $reference) : undef;
    return {
        what => $self->name . ", $label: $goal->{what}", goal => "<= $goal->{limit}",
        found => defined $found ? sprintf($goal->{format}, $found) : 'not measured',
        met => defined $found && $found <= $goal->{limit} ? 1 : 0,
    };
}

sub notes {
    my ($self) = @_;
    return (
        (map { sprintf 'computing %d ms: capacity %.1f/s', $_, $self->{capacity}{$_} } sort keys %{ $self->{capacity} // {} }),
        'computations are due at a constant rate; p50 is from when one was due, and so contains its wait for one of the '
            . CLIENTS . ' connections; what is under way at the end does not count',
        'light requests: latency from when each was due, the first ' . SETTLE_S . ' s left out');
}

# --- capacity

sub prepare {
    my ($self, $bench) = @_;
    my %told = $bench->{option}{CAPACITY} =~ /(\d+):([\d.]+)/g;
    my %wanted = map { (cell($_))[1] => 1 } $self->wanted_variants($bench);
    for my $ms (sort keys %wanted) {
        $self->{capacity}{$ms} = $told{$ms} || $self->calibrate($ms, $bench);
        $bench->{progress}->(sprintf 'mixed: computing %d ms: capacity %.1f/s', $ms, $self->{capacity}{$ms});
    }
    return;
}

# What threads that nothing changes get done in a second of all processors: enough threads for the sleeping ones besides. What the
# generators take is part of it, and what strangers take meanwhile does not matter.
sub calibrate {
    my ($self, $ms, $bench) = @_;
    my $server = $self->start_server(Bench::Contender->fixed(CALIBRATE_THREADS, scalar cores()), $bench);
    my $before_s = $self->used($server)->{ours_s};
    my @probes = map { probe($server, $_, CALIBRATE_S, $bench) } keys %PROBE;
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'keep', schedule => sprintf('%.0f:%d', cores() * 1000 / $ms, CALIBRATE_S), path => path($ms),
        timeout => TIMEOUT_S, connections => CALIBRATE_CLIENTS_A_CORE * cores(), dir => $bench->{dir});
    my ($seen) = map { AB::Requests::summary(@{ $_->requests }) } $load, @probes;
    my $used_s = $self->used($server)->{ours_s} - $before_s;
    $server->stop;
    my $done = $seen->{count} - $seen->{failed};
    die "nothing was computed\n" if !$done;
    return cores() * $done / $used_s;
}

sub done_between {
    my ($load, $from_s, $to_s) = @_;
    return scalar grep { $_ >= $from_s && $_ < $to_s }
        map { $_->[AB::Requests::DUE_S] + $_->[AB::Requests::LATENCY_MS] / 1e3 }
        grep { !$_->[AB::Requests::FAILURE] } @{ $load->requests };
}

# --- one cell

sub path { return "/adp/spin?ms=$_[0]" }

sub probe {
    my ($server, $kind, $seconds, $bench) = @_;
    my %probe = %{ $PROBE{$kind} };
    my $schedule = delete($probe{rate}) . ":$seconds";
    return Bench::OpenLoad->start(
        $server->port, %probe, schedule => $schedule, timeout => TIMEOUT_S, dir => $bench->{dir});
}

# The computing goes on for a while after the last light request was due, so that the last ones wait as the others do.
sub run {
    my ($self, $server, $variant, $bench) = @_;
    my ($where, $ms, $factor) = cell($variant);
    my $seconds = $bench->{option}{CELL_SECONDS};
    my $rate = $factor * $self->{capacity}{$ms};
    my $watch = AB::Watch->new($server->tree);
    my $load = Bench::OpenLoad->start(
        $server->port, mode => $where, schedule => sprintf('%.2f:%d', $rate, $seconds + AFTER_S), at_end => 'drop',
        path => path($ms), timeout => TIMEOUT_S, connections => CLIENTS, at_most => CLIENTS, dir => $bench->{dir});
    my %probe = map { $_ => probe($server, $_, $seconds, $bench) } sort keys %PROBE;
    Bench::Change::attend($load, every => sub { $watch->look });
    my %light = map { light($_, $probe{$_}, $seconds) } sort keys %probe;
    my %computed = computed($load, $seconds);
    my @failures = map { failures($_, $_ eq 'computing' ? $load : $probe{$_}) } 'computing', sort keys %probe;
    return {
        %light, %computed, due_rate => $rate, probe_failed => sum_of(\%light, 'failed'),
        failed_share => share(sum_of(\%light, 'failed') + $computed{failed}, sum_of(\%light, 'count') + $computed{count}),
        late_p99_ms => max(map { $_->totals->{late_p99_ms} } $load, values %probe),
        threads_peak => $watch->peak('threads'), children_peak => $watch->peak('children'), seen => [$load, $watch],
        note => @failures ? join('; ', @failures) : undef,
    };
}

sub light {
    my ($kind, $load, $seconds) = @_;
    my $summary = AB::Requests::summary($load->due_between(SETTLE_S, $seconds));
    return map { ("${kind}_$_" => $summary->{$_}) } qw(p50_ms p99_ms max_ms failed count);
}

sub computed {
    my ($load, $seconds) = @_;
    my $summary = AB::Requests::summary(@{ $load->requests });
    my $done = done_between($load, SETTLE_S, $seconds + AFTER_S);
    return (
        rps => $done / ($seconds + AFTER_S - SETTLE_S), p50_ms => $summary->{p50_ms}, p99_ms => $summary->{p99_ms},
        failed => $summary->{failed}, count => $summary->{count}, unfinished => $load->totals->{unfinished});
}

sub failures {
    my ($kind, $load) = @_;
    my $why = Bench::Change::Burst::why_failed($load->totals);
    return defined $why ? "$kind $why" : ();
}

sub sum_of {
    my ($light, $what) = @_;
    my $sum = 0;
    $sum += $light->{"${_}_$what"} for keys %PROBE;
    return $sum;
}

sub share { return $_[1] ? $_[0] / $_[1] : undef }

1;
