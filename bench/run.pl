#!/usr/bin/perl

# Compares this MPM with mpm_event, and with nginx for what it is worth, in one run. `bench/run.pl --help` lists what can be said.
#
# Every round starts each server anew, warms it up, and measures it alone; rounds alternate in direction (A B C, C B A, ...), so
# that what the machine does meanwhile hits all alike. Figures are medians over the rounds.

use strict;
use warnings;

use lib 'bench/lib', 'ctl/lib', 't/lib';

use Cwd qw(abs_path);
use File::Copy qw(copy cp);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Time::HiRes qw(sleep time);

use AB::Machine qw(busy_seconds cores facts program split_cores);
use Adaptive::Paths qw(httpd);
use Bench::Change;
use Bench::Contender;
use Bench::Example;
use Bench::ExampleReport;
use Bench::Idle qw(watch_idle);
use Bench::Load;
use Bench::Measure qw(measure warm_up);
use Bench::Nginx;
use Bench::Options qw(options usage);
use Bench::Output qw(write_to);
use Bench::Report qw(cost_verdicts goal_table idle_table load_tables raw_numbers syscall_table);
use Bench::Scenario qw(make_certificate scenarios);
use Bench::Spinner;
use Bench::Syscalls qw(count_syscalls);

use constant { ATTEMPTS => 3, CALM_PATIENCE_S => 10, CALM_LOOK_S => 0.5 };

if (@ARGV) {
    print usage();
    exit($ARGV[0] =~ /^(?:-h|--help)$/ ? 0 : 2);
}
my $option = options();
if ($option->{PUBLISH} eq 'anew') {
    Bench::ExampleReport::write_all($option);
    exit 0;
}
my ($cost_names, $change_names, $example_names) = chosen_scenarios(@{ $option->{SCENARIOS} });
my @scenarios = @$cost_names ? scenarios(@$cost_names) : ();
my @examples = Bench::Example->scenarios(@$example_names);
my @changes = (Bench::Change->scenarios(@$change_names), @examples);
my @contenders = Bench::Contender->list(@{ $option->{CONTENDERS} });
my @labels = map { $_->label } @contenders;
$| = 1;

my $dir = tempdir('mpm-bench-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
use_programs($option->{MODULE});
make_path($option->{REPORT_DIR});
my ($certificate, $key) = make_certificate($dir);
my ($server_cores, $other_cores) = $option->{PIN} ? split_cores() : ();

my (%results, %syscalls, %idle, %changed, $accounting);
for my $pass ($option->{QUIET} ? 'quiet' : (), $option->{COMPETE} ne 'none' ? 'competing' : ()) {
    $results{$_->{name}}{$pass} = compare($_, $pass) for @scenarios;
}
count_all() if @scenarios && $option->{SYSCALLS};
watch_all() if @scenarios && $option->{IDLE};
for my $scenario (@changes) {
    $changed{$scenario->name} = $scenario->compare(bench_of_changes());
    Bench::ExampleReport::keep($option, $scenario, $changed{$scenario->name}, facts(httpd())) if $scenario->isa('Bench::Example');
}
report();

# Names of cost scenarios, of those in which the load changes, and of examples; "cost", "change" and "examples" stand for all of a kind.
sub chosen_scenarios {
    my (@wanted) = @_;
    @wanted = qw(cost change) if !@wanted;
    my %is_change = map { $_ => 1 } Bench::Change->names;
    my %is_example = map { $_ => 1 } Bench::Example->names;
    my (@cost, @change, @example);
    for my $name (@wanted) {
        if    ($name eq 'cost')   { push @cost, map { $_->{name} } scenarios() }
        elsif ($name eq 'change') { push @change, Bench::Change->common_names }
        elsif ($name eq 'examples') { push @example, Bench::Example->names }
        elsif ($is_change{$name}) { push @change, $name }
        elsif ($is_example{$name}) { push @example, $name }
        else                      { push @cost, $name }
    }
    return (\@cost, \@change, \@example);
}

sub bench_of_changes {
    return {
        option => $option, dir => $dir, cores => $server_cores, certificate => $certificate, key => $key,
        progress => \&progress, wait_for_calm => \&wait_for_calm };
}

# A build that replaces the module or a tool in the middle of a run would end up in the figures.
sub use_programs {
    my ($module) = @_;
    my $build = abs_path($ENV{ADAPTIVE_BUILD} // '.build') // die "no build directory: run make first\n";
    make_path("$dir/t");
    copy($module, "$dir/mod_mpm_adaptive.so") or die "$module: $! (run make first)\n";
    for my $program (qw(loadgen backend users waiters mod_adaptive_test.so)) {
        cp("$build/t/$program", "$dir/t/$program") or die "$build/t/$program: $! (run make first)\n";
    }
    $ENV{ADAPTIVE_BUILD} = $dir;
    return;
}

sub progress {
    print STDERR @_, "\n";
    return;
}

# One scenario in one pass: { LABEL => [results of the rounds] }.
sub compare {
    my ($scenario, $pass) = @_;
    my @able = grep { $_->can_serve($scenario) } @contenders;
    my $backend = start_backend($scenario);
    my %runs;
    for my $round (1 .. $option->{ROUNDS}) {
        for my $contender ($round % 2 ? @able : reverse @able) {
            my $result = run_calmly($contender, $scenario, $pass, $backend);
            push @{ $runs{$contender->label} }, $result;
            progress(sprintf '%s, %s, round %d, %s: %s', $scenario->{name}, $pass, $round, $contender->label, in_short($result));
        }
    }
    $backend->stop if $backend;
    return \%runs;
}

# What strangers do meanwhile hits the tail of the latency first. Waits for a calm moment, and of several disturbed
# attempts takes the least disturbed one, whatever came out of it.
sub run_calmly {
    my (@run) = @_;
    my $best;
    for (1 .. ATTEMPTS) {
        wait_for_calm();
        my $result = eval { run_once(@run) } // { failed => $@ =~ s{\s+}{ }gr };
        return $result if $result->{failed} || !$option->{CALM} || $result->{strangers} <= $option->{CALM};
        $best = $result if !$best || $result->{strangers} < $best->{strangers};
    }
    return $best;
}

sub wait_for_calm {
    my $deadline = time + CALM_PATIENCE_S;
    while ($option->{CALM} && time < $deadline) {
        my $before = busy_seconds();
        sleep CALM_LOOK_S;
        last if (busy_seconds() - $before) / CALM_LOOK_S <= $option->{CALM};
    }
    return;
}

sub in_short {
    my ($result) = @_;
    return "FAILED: $result->{failed}" if $result->{failed};
    return sprintf '%.1f us/req, %.0f req/s, p99 %.2f ms, %.2f switches/req, %d errors',
        @$result{qw(cpu_us rps p99_ms switches errors)};
}

sub start_backend {
    my ($scenario) = @_;
    return if !$scenario->{backend};
    program('nginx') // die "the scenario $scenario->{name} needs nginx\n";
    return Bench::Nginx->new(cores => $other_cores, max_keepalive_requests => 1_000_000_000)->start;
}

sub start_server {
    my ($contender, $scenario, $backend) = @_;
    my $server = $contender->server(
        $scenario,
        cores => $server_cores, max_keepalive_requests => $option->{MAX_KEEPALIVE_REQUESTS},
        certificate => $certificate, key => $key, backend => $backend ? $backend->port : 0);
    $accounting = $server->tree->cgroup_name ? 'control group of the server' : 'sum over the tasks of the server';
    return $server->start;
}

sub run_once {
    my ($contender, $scenario, $pass, $backend) = @_;
    my $server = start_server($contender, $scenario, $backend);
    my $spinner = Bench::Spinner->new($pass eq 'quiet' ? 0 : spinner_count());
    my %load = load_for($server, $scenario);
    warm_up($option->{WARMUP}, %load);
    my $result = measure($server, [$spinner, $backend ? $backend->tree : ()], %load);
    $spinner->stop;
    $server->stop or $result->{failed} //= 'the server did not end by itself';
    return $result;
}

sub spinner_count { return $option->{COMPETE} eq 'one' ? 1 : scalar cores() }

sub load_threads {
    return $option->{LOAD_THREADS} || (defined $other_cores ? scalar split(/,/, $other_cores) : scalar cores());
}

sub load_for {
    my ($server, $scenario) = @_;
    return (
        tool => $scenario->{tool}, seconds => $option->{SECONDS}, connections => $option->{CONNECTIONS},
        streams => $option->{STREAMS}, threads => load_threads(), cores => $other_cores, dir => $dir,
        script => 'bench/report.lua', header => $scenario->{header},
        url => "$scenario->{scheme}://127.0.0.1:" . $server->port . '/1k.html');
}

sub count_all {
    my ($scenario) = scenarios('keepalive');
    for my $contender (@contenders) {
        my $server = start_server($contender, $scenario);
        my %load = load_for($server, $scenario);
        warm_up($option->{WARMUP}, %load);
        $syscalls{$contender->label} = count_syscalls($server, %load, seconds => $option->{SYSCALLS});
        $server->stop;
        progress('system calls of ', $contender->label, ' counted');
    }
    return;
}

sub watch_all {
    my ($scenario) = scenarios('keepalive');
    my @servers = map { start_server($_, $scenario) } @contenders;
    watch('fresh', @servers);
    for my $server (@servers) {
        warm_up(1, load_for($server, $scenario));
    }
    watch('served', @servers);
    $_->stop for @servers;
    return;
}

sub watch {
    my ($when, @servers) = @_;
    progress("watching idle servers, $when");
    @{ $idle{$when} }{@labels} = watch_idle($option->{IDLE}, @servers);
    return;
}

sub setup {
    my $threads = load_threads();
    my $where = $option->{PIN} ? "server on core $server_cores, load on core $other_cores" : 'server and load share the cores';
    my $spinners = spinner_count();
    return {
        load => {
            wrk    => "wrk -t $threads -c $option->{CONNECTIONS}",
            h2load => "h2load -t $threads -c $option->{CONNECTIONS} -m $option->{STREAMS}",
        },
        pass => {
            quiet     => $where,
            competing => "$where, $spinners spinning process" . ($spinners > 1 ? 'es' : ''),
        },
    };
}

sub introduction {
    my @lines = @scenarios ? cost_introduction() : ();
    push @lines, map { "$_->[0]: $_->[1]" } facts(httpd());
    return @lines;
}

sub cost_introduction {
    return (
        "$option->{ROUNDS} rounds of $option->{SECONDS} s after $option->{WARMUP} s of warm-up, a fresh server each, alternating",
        "CPU: $accounting; switches: voluntary and involuntary, all tasks",
        "latency: as the client measures it after connecting; wrk adds what its closed loop had to leave out",
        "a connection is closed after $option->{MAX_KEEPALIVE_REQUESTS} requests (except HTTP/2)",
        (map { $_->label . ': ' . $_->describe } @contenders));
}

# They are promised of this MPM against another one.
sub has_goals { return @contenders > 1 && $contenders[1]{name} eq 'adaptive' && $contenders[0]{name} ne 'adaptive' }

sub report {
    my @tables = load_tables(\@scenarios, \@labels, \%results, setup());
    push @tables, syscall_table(\@labels, \%syscalls) if %syscalls;
    push @tables, idle_table(\@labels, \%idle, $option->{IDLE}) if %idle;
    push @tables, map { $_->table($changed{$_->name}) } @changes;
    my @verdicts = @scenarios && has_goals() ? cost_verdicts(\@scenarios, \%results, \%idle, @labels[0, 1]) : ();
    push @verdicts, map { $_->verdicts($changed{$_->name}) } @changes;
    push @tables, goal_table(@verdicts) if @verdicts;
    my @introduction = introduction();
    print "\n", (map { "$_\n" } @introduction), "\n", map { $_->as_text } @tables;
    write_to("$option->{REPORT_DIR}/report.md", "# mpm_adaptive compared\n\n", (map { "- $_\n" } @introduction), "\n", map { $_->as_markdown } @tables);
    write_to("$option->{REPORT_DIR}/raw.tsv", raw_numbers(\@scenarios, \@labels, \%results)) if @scenarios;
    write_to("$option->{REPORT_DIR}/change.tsv", map { "$_\n" } map { $_->raw_lines($changed{$_->name}) } @changes) if @changes;
    Bench::ExampleReport::write_all($option) if @examples;
    print "written: $option->{REPORT_DIR}/report.md, and the numbers beside it\n";
    return;
}
