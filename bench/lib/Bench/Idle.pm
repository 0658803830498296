package Bench::Idle;

# Servers with nothing to do, all at the same time: how often any of their tasks wakes up, and how much memory they hold, fresh
# and after they have been busy.

use strict;
use warnings;

use Exporter 'import';
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(watch_idle);

# Keep-alive timeouts have passed by then, and what was started for the load has had time to settle.
use constant SETTLE_SECONDS => 10;

# Returns one { wakeups, cpu_us, pss_mib, processes, tasks } a server; the first two are a second's.
sub watch_idle {
    my ($seconds, @servers) = @_;
    sleep SETTLE_SECONDS;
    my $start = time;
    my @before = map { $_->tree->totals } @servers;
    sleep $seconds;
    my @after = map { $_->tree->totals } @servers;
    my $elapsed = time - $start;
    return map {
        {
            wakeups   => ($after[$_]{switches} - $before[$_]{switches}) / $elapsed,
            cpu_us    => ($after[$_]{cpu_s} - $before[$_]{cpu_s}) * 1e6 / $elapsed,
            pss_mib   => $servers[$_]->tree->pss_kib / 1024,
            processes => scalar($servers[$_]->tree->pids),
            tasks     => $servers[$_]->tree->task_count,
        }
    } 0 .. $#servers;
}

1;
