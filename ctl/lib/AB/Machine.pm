package AB::Machine;

# The machine: its cores, who may use which, what runs on them, and programs and versions that a report has to name.

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Time::HiRes ();

our @EXPORT_OK = qw(cores split_cores on_cores busy_seconds facts program capture slurp listen_overflows monotonic_s process_cpu_s);

my $TICK = POSIX::sysconf(POSIX::_SC_CLK_TCK());

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or return;
    local $/;
    return scalar <$in>;
}

sub program {
    my ($name) = @_;
    for my $dir (split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin') {
        return "$dir/$name" if -x "$dir/$name";
    }
    return;
}

# Processor time, in seconds, of the first thread of a process: all there is for one that has no other; 0 when it has gone.
sub process_cpu_s {
    my ($pid) = @_;
    return (slurp("/proc/$pid/schedstat") // '') =~ /^(\d+)/ ? $1 / 1e9 : 0;
}

# The clock that the tools in C use, too.
sub monotonic_s { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

# Standard output and error of a command, without a shell.
sub capture {
    my (@command) = @_;
    my $pid = open my $out, '-|';
    die "fork: $!" if !defined $pid;
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec {$command[0]} @command or POSIX::_exit(127);
    }
    local $/;
    my $text = <$out>;
    close $out;
    return $text // '';
}

# Numbers of the cores that this process may use.
sub cores {
    my ($list) = (slurp('/proc/self/status') // '') =~ /^Cpus_allowed_list:\s*(\S+)/m;
    return map { /^(\d+)-(\d+)$/ ? ($1 .. $2) : $_ } split /,/, $list // 0;
}

# (server's cores, everybody else's) as lists for taskset.
sub split_cores {
    my @cores = cores();
    die "PIN=1 needs two cores\n" if @cores < 2;
    my $half = int(@cores / 2);
    return (join(',', @cores[0 .. $half - 1]), join(',', @cores[$half .. $#cores]));
}

# A command, confined to the given cores when there are any.
sub on_cores {
    my ($list, @command) = @_;
    return defined $list ? (program('taskset') // die("taskset is missing\n"), '-c', $list, @command) : @command;
}

# Seconds of processor time that anything has used since the machine started, guests' stolen time included.
sub busy_seconds {
    my ($user, $nice, $system, undef, undef, $irq, $softirq, $steal) =
        (slurp('/proc/stat') // '') =~ /^cpu\s+(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/m;
    return ($user + $nice + $system + $irq + $softirq + $steal) / $TICK;
}

# Connections that the kernel dropped because a listening queue was full. A load generator measures these as nothing
# at all or as a retransmission, so they have to be known.
sub listen_overflows {
    my @lines = grep { /^TcpExt:/ } split /\n/, slurp('/proc/net/netstat') // '';
    return 0 if @lines < 2;
    my %value;
    @value{split ' ', $lines[0]} = split ' ', $lines[1];
    # ListenDrops has those of ListenOverflows
    return $value{ListenDrops} // 0;
}

sub first_line {
    my ($text) = @_;
    return (split /\n/, $text // '')[0] // 'unknown';
}

sub facts {
    my ($httpd) = @_;
    my ($model) = (slurp('/proc/cpuinfo') // '') =~ /^model name\s*:\s*(.*)$/m;
    my ($kernel) = (POSIX::uname())[2];
    my $nginx = program('nginx');
    my ($wrk) = capture(program('wrk') // 'false', '-v') =~ /^(wrk \S+)/m;
    my $autogroup = slurp('/proc/sys/kernel/sched_autogroup_enabled');
    return (
        ['processor', sprintf '%s, %d cores usable', $model // 'unknown', scalar(cores())],
        ['kernel', $kernel],
        ['autogroup scheduling', defined $autogroup ? ($autogroup + 0 ? 'on' : 'off') : 'not built in'],
        ['httpd', first_line(capture($httpd, '-v'))],
        ['nginx', $nginx ? first_line(capture($nginx, '-v')) : 'missing'],
        ['wrk', $wrk // 'missing'],
        ['h2load', program('h2load') ? first_line(capture(program('h2load'), '--version')) : 'missing'],
        ['openssl', first_line(capture(program('openssl') // 'false', 'version'))],
        ['perl', sprintf '%vd', $^V],
    );
}

1;
