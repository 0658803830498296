package AdaptiveCtl::CanarySample;

# What a server says of itself at one moment, in the same terms for both MPMs: the JSON of mpm_adaptive's status, or mod_status's ?auto.
# Figures that only the kernel knows (processor time, memory) come from the processes, if the number of the parent is known.
#
#   my $sample = AdaptiveCtl::CanarySample::sample($text, pid => 1234);
#   # { kind, at_s, requests, busy, threads, children, connections, shed, uptime_s, cpu_s, pss_kib, parent_pid }; undef: not known

use strict;
use warnings;

use POSIX ();

use AB::Tree;
use AdaptiveCtl::JSON qw(decode_json);
use AdaptiveCtl::Say;
use AdaptiveCtl::Steps;

use constant SCHEMA => 1;

sub sample {
    my ($text, %opt) = @_;
    my $sample = $text =~ /\A\s*\{/ ? of_json($text) : $text =~ /^(?:Total Accesses|BusyWorkers|ServerUptimeSeconds): /m ? of_auto($text)
        : fail('this is neither the JSON of mpm_adaptive (adaptivectl status --json) nor the text of mod_status (server-status?auto): '
            . substr($text =~ s/\s+/ /gr, 0, 100));
    my $pid = $opt{pid} // $sample->{parent_pid};
    my @pids = defined $pid ? AB::Tree->of($pid)->pids : ();
    # the kernel knows more exactly than mod_status, which has it from the processes that have ended and some of the others
    if (@pids) { $sample->{cpu_s} = cpu_of(@pids); $sample->{pss_kib} = pss_of(@pids) }
    $sample->{at_s} = time;
    return $sample;
}

sub of_json {
    my ($text) = @_;
    my $state = eval { decode_json($text) };
    fail('the JSON of the status cannot be read: ' . ($@ =~ s/\n\z//r) . '.') if ref $state ne 'HASH';
    my $schema = $state->{schema_version} // 'none';
    fail("the status has schema $schema, which this adaptivectl does not know.") if $schema ne SCHEMA;
    my ($server, $requests, $threads, $children) = @$state{qw(server requests threads children)};
    return { kind => 'adaptive', requests => $requests->{total}, busy => $threads->{busy}, threads => $threads->{running},
        children => scalar @{ $children->{list} // [] }, connections => $state->{connections}{total},
        shed => ($requests->{shed_total} // 0) + ($requests->{refused_total} // 0),
        uptime_s => $server->{uptime_seconds}, parent_pid => $server->{parent_pid}, cpu_s => undef, pss_kib => undef };
}

sub of_auto {
    my ($text) = @_;
    my %has = $text =~ /^([\w ]+): ([-.\d]+)\r?$/mg;
    my $is_known = defined $has{BusyWorkers};
    # prefork has no Processes line: each process is a worker
    my $workers = $is_known ? $has{BusyWorkers} + $has{IdleWorkers} : undef;
    my @cpu = grep {defined} @has{qw(CPUUser CPUSystem CPUChildrenUser CPUChildrenSystem)};
    my $cpu_s;
    if (@cpu) { $cpu_s = 0; $cpu_s += $_ for @cpu }
    return { kind => 'mod_status', requests => $has{'Total Accesses'}, busy => $has{BusyWorkers}, threads => $workers,
        children => $has{Processes} // $workers, connections => $has{ConnsTotal}, shed => undef,
        uptime_s => $has{ServerUptimeSeconds} // $has{Uptime},
        parent_pid => undef, cpu_s => $cpu_s, pss_kib => undef };
}

# --- the kernel -------------------------------------------------------------------------------------------------------

# Processor seconds of processes that run, by their clocks, and of those that have ended and that one of them has waited for. What stat has of
# those that run is counted in ticks, of which a process that is busy for a fraction of each may get none.
sub cpu_of {
    my (@pids) = @_;
    my ($seconds, $ticks) = (0, 0);
    for my $pid (@pids) {
        my $clock_s = AB::Tree::process_clock_s($pid);
        $seconds += $clock_s if $clock_s > 0;
        my ($fields) = (AdaptiveCtl::Steps::read_file("/proc/$pid/stat") // '') =~ /\A\d+ \(.*\) (.*)/s or next;
        # cutime, cstime: 16 and 17 of proc(5)
        $ticks += $_ for (split ' ', $fields)[ 13, 14 ];
    }
    return $seconds + $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# Shared pages are divided among those who share them. Undef if somebody else's may not be read.
sub pss_of {
    my (@pids) = @_;
    my $sum = 0;
    for my $pid (@pids) {
        my $text = AdaptiveCtl::Steps::read_file("/proc/$pid/smaps_rollup");
        my ($kib) = ($text // '') =~ /^Pss:\s+(\d+) kB/m;
        next if !defined $kib && !-d "/proc/$pid";
        return if !defined $kib;
        $sum += $kib;
    }
    return $sum;
}

1;
