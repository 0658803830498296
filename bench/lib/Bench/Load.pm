package Bench::Load;

# Runs a load generator and says what it measured: { requests, seconds, p50_ms, p99_ms, p999_ms, errors }.

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Time::HiRes qw(sleep time);

use AB::Machine qw(on_cores program slurp);
use AB::Stats qw(percentile);
use Adaptive::Process qw(finish spawn);

our @EXPORT_OK = qw(run_load read_wrk load_command run_to_end time_limit);

# Runs a command with its output in a file, calling $meanwhile about once a second; returns its wait status. A load generator may
# wait for a dead server for ever, so its time is limited.
sub run_to_end {
    my ($limit, $output, $meanwhile, @command) = @_;
    my $pid = spawn(sub {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $output or die "$output: $!\n";
        open STDERR, '>&', \*STDOUT;
        exec {$command[0]} @command or die "$command[0]: $!\n";
    });
    my ($next, $deadline) = (time + 1, time + $limit);
    while (waitpid($pid, POSIX::WNOHANG()) == 0) {
        sleep 0.02;
        kill 'KILL', $pid if time > $deadline;
        next if time < $next;
        $meanwhile->() if $meanwhile;
        $next += 1;
    }
    my $status = $?;
    finish($pid);
    return $status;
}

# %load: tool, seconds, connections, streams, threads, url, header, cores, dir (for output)
sub load_command {
    my (%load) = @_;
    my $tool = program($load{tool}) // die "$load{tool} is missing\n";
    my @command = $load{tool} eq 'wrk'
        ? ($tool, '-t', $load{threads}, '-c', $load{connections}, '-d', "$load{seconds}s", '--timeout', '10s',
            '-s', $load{script}, ($load{header} ? ('-H', $load{header}) : ()), $load{url})
        : ($tool, '-t', $load{threads}, '-c', $load{connections}, '-m', $load{streams}, '-D', $load{seconds},
            "--log-file=$load{dir}/h2load.log", $load{url});
    return on_cores($load{cores}, @command);
}

# Far longer than it takes when all is well.
sub time_limit {
    my (%load) = @_;
    return $load{seconds} + 20;
}

sub run_load {
    my ($meanwhile, %load) = @_;
    my $output = "$load{dir}/load.out";
    unlink $output, "$load{dir}/h2load.log";
    my $status = run_to_end(time_limit(%load), $output, $meanwhile, load_command(%load));
    my $text = slurp($output) // '';
    my $result = $status ? undef : $load{tool} eq 'wrk' ? read_wrk($text) : read_h2load($text, "$load{dir}/h2load.log");
    return $result // { failed => "$load{tool} ended with status $status: " . substr $text, -300 };
}

sub read_wrk {
    my ($text) = @_;
    my %value = $text =~ /^measured (\w+) (\d+)$/mg;
    return if !$value{duration_us};
    my %errors = map { /^(\w+)_errors$/ ? ($1 => $value{$_}) : () } keys %value;
    return {
        requests => $value{requests},
        seconds  => $value{duration_us} / 1e6,
        p50_ms   => $value{p50_us} / 1e3,
        p99_ms   => $value{p99_us} / 1e3,
        p999_ms  => $value{p999_us} / 1e3,
        errors   => sum_of(values %errors),
        error_kinds => join(' ', map { "$_=$errors{$_}" } grep { $errors{$_} } sort keys %errors),
    };
}

sub sum_of {
    my $sum = 0;
    $sum += $_ for @_;
    return $sum;
}

# h2load prints no percentiles: they are taken from its log of every request. It cuts off what is under way when the time is
# over, and those are no errors of the server.
sub read_h2load {
    my ($text, $log) = @_;
    my ($seconds) = $text =~ /^finished in ([\d.]+)s/m or return;
    my ($succeeded, $failed, $errored, $timeout) =
        $text =~ /(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/ or return;
    my @latency;
    my $refused = 0;
    open my $in, '<', $log or return;
    while (my $line = <$in>) {
        my (undef, $status, $us) = split ' ', $line;
        if ($status == 200) { push @latency, $us }
        else                { $refused++ }
    }
    close $in;
    @latency = sort { $a <=> $b } @latency;
    return {
        requests => $succeeded,
        seconds  => $seconds,
        p50_ms   => (percentile(\@latency, 0.5)   // 0) / 1e3,
        p99_ms   => (percentile(\@latency, 0.99)  // 0) / 1e3,
        p999_ms  => (percentile(\@latency, 0.999) // 0) / 1e3,
        errors   => $refused,
        error_kinds => $refused ? "failed=$failed errored=$errored timeout=$timeout" : '',
    };
}

1;
