package Bench::Change::Compute;

# Requests that only compute, half as many again as the processors can serve: more threads than processors serve no more of them,
# and keep everybody else waiting. Others ask for a small file meanwhile.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use AB::Machine qw(cores monotonic_s slurp);
use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::Contender;
use Bench::Load qw(load_command run_to_end read_wrk);
use Bench::OpenLoad;

use constant {
    SPIN_MS => 5, OVERLOAD => 1.5, SECONDS => 10, SETTLE_S => 2, BEFORE_S => 3, PROBE_RATE => 20,
    CONNECTIONS => 400, TIMEOUT_S => 20,
};

# Threads that a child has besides its workers are allowed for: the steward and the janitor.
use constant { THREADS_A_CORE => 4, OTHERS_A_CHILD => 2 };

sub name { return 'compute' }

sub title {
    return sprintf 'requests that compute for %d ms, at %.1f x what the processors can do, and a small file at %d/s meanwhile',
        SPIN_MS, OVERLOAD, PROBE_RATE;
}
sub variants { return qw(open closed after-burst) }

# Who has few threads for good is still at the burst when the computing begins.
sub suits {
    my ($self, $contender, $variant) = @_;
    return $variant ne 'after-burst' || $contender->label !~ /fixed/;
}
sub needs_little { return 0 }
sub server { return { modules => ['adaptive_test'], conf => "    AdpTest On\n" } }

sub chosen {
    my ($self, $bench) = @_;
    return $self->SUPER::chosen($bench) if $bench->{option}{CONTENDERS_SET};
    my $cores = cores();
    return (
        Bench::Contender->list(qw(event adaptive)), map { Bench::Contender->fixed($_ * $cores, $cores) } 1, 2, 4, 8, 16);
}

sub columns {
    return (
        [rps => 'computed/s', '%.0f'], [[qw(p50_ms p99_ms)], 'p50/p99 ms', '%.0f'], [failed => 'failed', '%d'],
        [[qw(probe_p50_ms probe_p99_ms probe_max_ms)], 'small file p50/p99/max ms', '%.1f'], [probe_failed => 'failed', '%d'],
        [[qw(threads_before threads_peak)], 'threads before/peak', '%d'], [children_peak => 'children peak', '%d'],
        [cpu => 'CPUs used', '%.2f'], [per_cpu => 'computed per CPU second', '%.0f']);
}

sub goals {
    return (
        {
            key => 'rps', what => 'throughput to the best fixed number of threads', limit => 0.95, at_least => 1, of => 'event',
            best_fixed => 1,
        },
        { key => 'workers_a_core', what => 'worker threads at most', limit => THREADS_A_CORE, unit => ' a processor' },
        { key => 'probe_p99_ms', what => 'p99 of the small file', limit => 1, of => 'event' });
}

sub reference {
    my ($self, $runs, $label, $goal) = @_;
    return $self->SUPER::reference($runs, $label, $goal) if !$goal->{best_fixed};
    my $variant = $runs->{variant_of}{$label};
    $variant = 'open' if $variant eq 'after-burst';
    my ($best) = sort { $b <=> $a } map { Bench::Change::middle($runs->{results}{$_})->{rps} // 0 }
        grep { $_ =~ /fixed/ && $runs->{variant_of}{$_} eq $variant } @{ $runs->{labels} };
    return $best;
}

sub notes {
    return (
        sprintf('open: due at a constant rate, on at most %d kept-alive connections; throughput of the last %d of %d s',
            CONNECTIONS, SECONDS - SETTLE_S, SECONDS),
        sprintf('closed: wrk with %d connections', CONNECTIONS / 2),
        'after-burst: open, just after a burst of requests that sleep for 400 ms');
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    burst($server, $bench) if $variant eq 'after-burst';
    my $probes = Bench::OpenLoad->start(
        $server->port, mode => 'new', schedule => sprintf('%d:%d', PROBE_RATE, SECONDS), path => '/1k.html', timeout => TIMEOUT_S,
        dir => $bench->{dir});
    my $watch = AB::Watch->new($server->tree);
    my $cpu_s = $server->tree->cpu_s;
    my $load = $variant eq 'closed' ? closed_load($server, $watch, $bench) : open_load($server, $watch, $bench);
    my $elapsed_s = monotonic_s() - $watch->first->{at_s};
    my $used_s = $server->tree->cpu_s - $cpu_s;
    my $probed = AB::Requests::summary($probes->due_between(SETTLE_S, SECONDS));
    my ($threads, $children) = ($watch->peak('threads'), $watch->peak('children'));
    return {
        %$load, (map { ("probe_$_" => $probed->{$_}) } qw(p50_ms p99_ms p999_ms max_ms failed)),
        threads_before => $watch->first->{threads}, threads_peak => $threads, children_peak => $children,
        workers_a_core => ($threads - OTHERS_A_CHILD * $children) / cores(),
        cpu => $used_s / $elapsed_s, per_cpu => $load->{done} / $used_s,
    };
}

# Hundreds of threads for requests that only wait, which are over when the computing begins.
sub burst {
    my ($server, $bench) = @_;
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'new', schedule => sprintf('%d:%d', $bench->{option}{BURST_RATE}, BEFORE_S), timeout => BEFORE_S,
        path => '/adp/sleep?ms=400', dir => $bench->{dir});
    $load->requests;
    return;
}

sub path { return sprintf '/adp/spin?ms=%d', SPIN_MS }

# What is still due to be answered when the schedule is over does not count.
sub open_load {
    my ($server, $watch, $bench) = @_;
    my $rate = OVERLOAD * cores() * 1000 / SPIN_MS;
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'keep', schedule => sprintf('%.0f:%d', $rate, SECONDS), path => path(), timeout => TIMEOUT_S,
        connections => CONNECTIONS, dir => $bench->{dir});
    Bench::Change::attend($load, every => sub { $watch->look if $load->elapsed_s < SECONDS });
    my @done = grep { $_ >= SETTLE_S && $_ < SECONDS }
        map { $_->[AB::Requests::DUE_S] + $_->[AB::Requests::LATENCY_MS] / 1e3 }
        grep { !$_->[AB::Requests::FAILURE] } @{ $load->requests };
    my $all = AB::Requests::summary(@{ $load->requests });
    return {
        done => $all->{count} - $all->{failed},
        rps => @done / (SECONDS - SETTLE_S), p50_ms => $all->{p50_ms}, p99_ms => $all->{p99_ms}, failed => $all->{failed},
        late_p99_ms => $load->totals->{late_p99_ms}, seen => [$load, $watch],
        note => Bench::Change::Burst::why_failed($load->totals) };
}

sub closed_load {
    my ($server, $watch, $bench) = @_;
    my %load = (
        tool => 'wrk', threads => 1, connections => CONNECTIONS / 2, seconds => SECONDS, script => 'bench/report.lua',
        url => $server->url(path()));
    my $output = "$bench->{dir}/wrk.out";
    run_to_end(SECONDS + 20, $output, sub { $watch->look }, load_command(%load));
    my $result = read_wrk(slurp($output) // '') // die "wrk measured nothing\n";
    return {
        done => $result->{requests},
        rps => $result->{requests} / $result->{seconds}, failed => $result->{errors}, p50_ms => $result->{p50_ms},
        p99_ms => $result->{p99_ms}, note => $result->{error_kinds} ? "failed: $result->{error_kinds}" : undef };
}

1;
