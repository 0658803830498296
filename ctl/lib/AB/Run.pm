package AB::Run;

# One run: a server that has just been started, the loads on it, and everything that is seen meanwhile, by the clients, in the kernel's
# accounting, and in the server's processes.
#
# A plan says what happens:
#
#   loads     [{ ... }]: options of AB::Load. What is judged is the first one, the main load, and times count from its beginning; the others
#             are what else the server has to do meanwhile, and have figures of their own.
#   held      [{ ... }]: options of AB::Load::Held: connections that are there before the loads begin, and ask for nothing
#   judge     [from s, to s] of the main load: what was due then
#   burst     [from s, to s]: when the load is far beyond what it was before, if it is
#   events    [[s, code], ...]
#   others    things with cpu_s() that work for this measurement and are no strangers, e.g. a backend

use strict;
use warnings;

use List::Util qw(max sum0);
use Time::HiRes qw(sleep);

use AB::Load;
use AB::Machine qw(busy_seconds listen_overflows monotonic_s);
use AB::Requests;
use AB::Stats qw(median);
use AB::Syscalls;
use AB::Watch;

use constant { LOOK_S => 0.05, MEMORY_EVERY_S => 1, STEPS => 60, STEP_LEAST_S => 0.2, LEAST_FOR_P999 => 1000 };

# A burst is absorbed when nobody is answered later any more than this beyond what was usual before it; a server is small again when
# it has no more than so much of the threads and memory that it had before.
use constant { ABSORBED_MS => 100, SMALL_AGAIN => 1.5 };

# %how: server, plan, program (the load generator), dir (for files), syscalls => 1 to count them. Returns { values, failures, statuses,
# curve, timeline }.
sub run {
    my (%how) = @_;
    my ($server, $plan) = @how{qw(server plan)};
    my %common = (program => $how{program}, dir => $how{dir});
    my $watch = AB::Watch->new($server->tree);
    my @begun;
    my $found = eval {
        push @begun, AB::Load::Held->new(%common, %$_) for @{ $plan->{held} // [] };
        my $before = used($server, $plan);
        my $syscalls = $how{syscalls} ? AB::Syscalls->new($server->tree, $how{dir}) : undef;
        push @begun, $syscalls // ();
        my @loads;
        for my $load (@{ $plan->{loads} }) {
            push @loads, AB::Load->new(%common, %$load);
            push @begun, $loads[-1];
        }
        attend($server, $loads[0], $watch, $plan);
        $watch->look(memory => 1);
        my @results = map { $_->result } @loads;
        my $used = { since($before, used($server, $plan)), syscalls => $syscalls ? $syscalls->count : undef };
        found($loads[0], \@results, $watch, $plan, $used);
    };
    my $error = $@;
    $_->stop for reverse @begun;
    die $error if !$found;
    return $found;
}

sub since {
    my ($before, $after) = @_;
    return map { $_ => $after->{$_} - $before->{$_} } keys %$after;
}

# Processor time and the like so far: of the server, of this measurement, of the machine.
sub used {
    my ($server, $plan) = @_;
    my $totals = $server->tree->totals;
    my ($user, $system, $child_user, $child_system) = times;
    my $others_s = 0;
    $others_s += $_->cpu_s for @{ $plan->{others} // [] };
    return {
        server_s => $totals->{cpu_s}, switches => $totals->{switches}, own_s => $user + $system + $child_user + $child_system,
        others_s => $others_s, busy_s => busy_seconds(), clock_s => monotonic_s(), overflows => listen_overflows() };
}

# Until the main load has ended: looks at the server, and does what is to happen.
sub attend {
    my ($server, $load, $watch, $plan) = @_;
    my @todo = sort { $a->[0] <=> $b->[0] } @{ $plan->{events} // [] };
    my $next_memory_s = MEMORY_EVERY_S;
    until ($load->has_ended) {
        my $now_s = $load->elapsed_s;
        (shift @todo)->[1]->() while @todo && $todo[0][0] <= $now_s;
        my $memory = $now_s >= $next_memory_s;
        $next_memory_s = $now_s + MEMORY_EVERY_S if $memory;
        $watch->look(memory => $memory);
        # what ends before the end has used something, too
        $memory ? $server->tree->look : $server->tree->look_at_processes;
        sleep LOOK_S;
    }
    return;
}

sub found {
    my ($load, $results, $watch, $plan, $used) = @_;
    my ($main, @beside) = @$results;
    my @judged = AB::Requests::between(@{ $plan->{judge} // [0, 'inf'] }, @{ $main->{requests} });
    my $answered = 0;
    $answered += grep { !$_->[AB::Requests::FAILURE] } @{ $_->{requests} } for $main, @beside;
    return {
        values => {
            of_requests('', \@judged), rate($plan, \@judged), beside(@beside), of_burst($plan, $load, $watch, $main->{requests}),
            of_server($watch, $used, $answered), of_generators($used, $main, @beside) },
        failures => AB::Requests::kinds(@judged, map { @{ $_->{requests} } } @beside),
        statuses => statuses($main, @beside),
        curve    => AB::Requests::curve(@judged),
        timeline => timeline($load->{start_s}, $main->{requests}, $watch),
    };
}

sub of_requests {
    my ($prefix, $requests) = @_;
    my $summary = AB::Requests::summary(@$requests);
    # of fewer requests, p99.9 is the longest under another name
    delete $summary->{p999_ms} if $summary->{count} - $summary->{failed} < LEAST_FOR_P999;
    return (
        "${prefix}failed_percent" => @$requests ? 100 * $summary->{failed} / @$requests : undef,
        map { ("$prefix$_" => $summary->{$_}) } qw(p50_ms p90_ms p99_ms p999_ms max_ms));
}

# Latencies of loads that end with their schedule are those of requests that were answered by then. How many these were has to be seen as
# well: a server that leaves most of them waiting has good latencies of the others.
sub beside {
    my (@results) = @_;
    return if !@results;
    my @requests = map { @{ $_->{requests} } } @results;
    # what was left out may have been due later than anything that was answered
    my $last_s = max 0, map { $_->[AB::Requests::DUE_S] + $_->[AB::Requests::LATENCY_MS] / 1e3 } @requests;
    my $answered = grep { !$_->[AB::Requests::FAILURE] } @requests;
    return (of_requests('beside_', \@requests), $last_s > 0 ? (beside_rate => $answered / $last_s) : ());
}

# Those that were answered in the time in which they were due.
sub rate {
    my ($plan, $judged) = @_;
    return if @$judged < 2;
    my ($from_s, $to_s) = $plan->{judge} ? @{ $plan->{judge} } : ($judged->[0][AB::Requests::DUE_S], $judged->[-1][AB::Requests::DUE_S]);
    my $in_time = grep { !$_->[AB::Requests::FAILURE] && $_->[AB::Requests::DUE_S] + $_->[AB::Requests::LATENCY_MS] / 1e3 <= $to_s } @$judged;
    return $to_s > $from_s ? (rate => $in_time / ($to_s - $from_s)) : ();
}

sub of_burst {
    my ($plan, $load, $watch, $requests) = @_;
    my $burst = $plan->{burst} or return;
    return (absorbed_s => absorbed_s($burst, $requests), settled_s => settled_s($burst, $load, $watch));
}

# Seconds into the burst after which nobody waited noticeably longer than before it.
sub absorbed_s {
    my ($burst, $requests) = @_;
    my @before = grep { !$_->[AB::Requests::FAILURE] } AB::Requests::between(0, $burst->[0], @$requests);
    my $most_ms = ABSORBED_MS + (median(map { $_->[AB::Requests::LATENCY_MS] } @before) // 0);
    my $last_s = 0;
    for my $request (AB::Requests::between(@$burst, @$requests)) {
        my $late = $request->[AB::Requests::FAILURE] || $request->[AB::Requests::LATENCY_MS] > $most_ms;
        $last_s = $request->[AB::Requests::DUE_S] - $burst->[0] if $late;
    }
    return $last_s;
}

# Seconds after the burst at which the server was as small again as before; what is left of the run if it was not.
sub settled_s {
    my ($burst, $load, $watch) = @_;
    my $first = $watch->first;
    my $at_s;
    for my $look (grep { defined $_->{pss_kib} } $watch->looks) {
        $at_s = $look->{at_s} - $load->{start_s} - $burst->[1];
        last if $at_s >= 0 && $look->{threads} <= SMALL_AGAIN * $first->{threads} && $look->{pss_kib} <= SMALL_AGAIN * $first->{pss_kib};
    }
    return $at_s;
}

sub of_server {
    my ($watch, $used, $answered) = @_;
    my ($first, $last) = ($watch->first, $watch->last_look);
    return (
        ($answered
            ? (cpu_us => $used->{server_s} * 1e6 / $answered, switches => $used->{switches} / $answered,
                syscalls => defined $used->{syscalls} ? $used->{syscalls} / $answered : undef)
            : ()),
        threads_before => $first->{threads}, threads_peak => $watch->peak('threads'), threads_after => $last->{threads},
        children_peak => $watch->peak('children'), children_started => $watch->started, children_stopped => $watch->stopped,
        pss_before_mib => $first->{pss_kib} / 1024, pss_peak_mib => $watch->peak('pss_kib') / 1024,
        pss_after_mib => $last->{pss_kib} / 1024, overflows => $used->{overflows});
}

# Whether the figures are the server's at all: how late the generators were, how near they came to what one core can do, and what
# others did on the machine meanwhile.
sub of_generators {
    my ($used, @results) = @_;
    my ($late_ms) = sort { $b <=> $a } map { $_->{totals}{late_p99_ms} // 0 } @results;
    my ($busiest_us) = sort { $b <=> $a } map { $_->{totals}{cpu_us} // 0 } @results;
    return (
        crossed => sum0(map { $_->{totals}{crossed} // 0 } @results), behind => $results[0]{totals}{behind_max},
        late_p99_ms => $late_ms, generator_percent => $busiest_us / 1e4 / $used->{clock_s},
        strangers => ($used->{busy_s} - $used->{server_s} - $used->{own_s} - $used->{others_s}) / $used->{clock_s});
}

sub statuses {
    my %count;
    for my $result (@_) {
        $count{ $_->[AB::Requests::STATUS] }++ for grep { $_->[AB::Requests::STATUS] } @{ $result->{requests} };
    }
    return \%count;
}

# [s, threads, children, PSS in KiB, due per second, failed, p99 in ms] (AB::Results) for each of some sixty steps.
sub timeline {
    my ($start_s, $requests, $watch) = @_;
    return [] if !@$requests;
    my $step_s = $requests->[-1][AB::Requests::DUE_S] / STEPS;
    $step_s = STEP_LEAST_S if $step_s < STEP_LEAST_S;
    my @lines;
    for my $step (AB::Requests::steps($step_s, $start_s, $requests, $watch->looks)) {
        my ($from_s, $window, $seen) = @$step;
        my $summary = AB::Requests::summary(@$window);
        my @line = ($from_s, @$seen{qw(threads children pss_kib)}, @$window / $step_s, @$summary{qw(failed p99_ms)});
        push @lines, [map { defined ? 0 + sprintf '%.2f', $_ : undef } @line];
    }
    return \@lines;
}

1;
