package Adaptive::Comparison;

# Results of comparisons that nobody has run, for tests of what is computed and written from them: two scenarios, seven rounds, event, the
# same once more as the control, adaptive, and nginx from outside.

use strict;
use warnings;

use Exporter 'import';

use AB::Results;

our @EXPORT_OK = qw(comparison comparison_data points_scenario random);

my @CONTENDERS = (
    { key => 'event', label => 'mpm_event', describe => "mpm_event with the configuration that Debian installs", outside => 0 },
    { key => 'control', label => 'mpm_event again', describe => 'the same once more', outside => 0 },
    { key => 'adaptive', label => 'mpm_adaptive', describe => 'mod_mpm_adaptive without a directive', outside => 0 },
    { key => 'nginx', label => 'nginx', describe => 'nginx with one worker process per core', outside => 1 },
);

# p50 in ms, how much slower p99 is, failed in per cent, processor time in us, memory in MiB, threads
my %BURST = (event => [410, 35, 36.5, 92, 61, 400], adaptive => [401, 1.02, 0, 88, 120, 540], nginx => [402, 1.01, 0, 60, 31, 3]);
my %FILES = (event => [0.41, 5, 0, 31, 42, 75], adaptive => [0.39, 4.6, 0, 21, 30.5, 12], nginx => [0.36, 4, 0, 11, 12, 3]);

my @MEASURES = qw(failed_percent p50_ms p90_ms p99_ms p999_ms max_ms rate cpu_us switches syscalls pss_before_mib pss_peak_mib pss_after_mib
    threads_before threads_peak threads_after children_peak children_started children_stopped overflows late_p99_ms
    generator_percent strangers);

# Numbers from 0 to 1, the same ones for the same seed.
sub random {
    my ($state) = @_;
    return sub { $state = ($state * 48_271 + 11) % 2_147_483_647; return $state / 2_147_483_647 };
}

# rounds => 7, control => 1, contenders => [keys], noise => 0.02 (the spread of each value), change => sub ($data) { ... }
sub comparison_data {
    my (%opt) = @_;
    my $random = random($opt{seed} // 4711);
    my %wanted = map { $_ => 1 } @{ $opt{contenders} // [qw(event control adaptive nginx)] };
    my @contenders = map { +{%$_} } grep { $wanted{ $_->{key} } } @CONTENDERS;
    my $data = {
        schema_version => AB::Results::SCHEMA(), title => 'mpm_adaptive and mpm_event on two loads', date => '2026-11-02',
        command => 'adaptivectl compare --rounds 7', seconds => 1_912,
        machine => [['processor', 'AMD EPYC 7B13, 2 cores usable'], ['kernel', '6.1.0-28-amd64'], ['httpd', 'Apache/2.4.66 (Debian)']],
        subject => 'adaptive', reference => 'event', control => ($wanted{control} ? 'control' : undef),
        contenders => \@contenders, notes => ['The machine is a virtual one.'],
    };
    my %how = (random => $random, rounds => $opt{rounds} // 7, noise => $opt{noise} // 0.02, contenders => \@contenders);
    $data->{scenarios} = [
        scenario(\%BURST, %how, name => 'burst', title => 'A burst of slow requests',
            load => 'From 20 to 1,200 requests per second for 12 s, each of which waits 400 ms at a backend.',
            kinds => [qw(timeout refused)]),
        scenario(\%FILES, %how, name => 'files', title => 'A small file, kept alive',
            load => '4,000 requests per second for a file of 1 KB on 64 connections.'),
    ];
    $opt{change}->($data) if $opt{change};
    return $data;
}

sub comparison { return AB::Results->new(comparison_data(@_)) }

# A group of scenarios that differ by the number of users.
sub points_scenario {
    my ($data, @users) = @_;
    my $random = random(99);
    for my $users (@users) {
        my $slow = $users / 100;
        my %of = (event => [100 * (1 + $slow), 3 + $slow, 0, 90 + $slow, 60, 400], adaptive => [100, 1.1, 0, 85, 60 + $users / 20, $users],
            nginx => [100, 1.05, 0, 55, 30, 3]);
        push @{ $data->{scenarios} }, scenario(\%of, random => $random, rounds => 7, noise => 0.02, contenders => $data->{contenders},
            name => "users-$users", title => "$users users", load => "$users users who ask again as soon as they have an answer.",
            group => 'Users of an application that waits', x => $users, x_label => 'users at a time');
    }
    return;
}

sub scenario {
    my ($of, %how) = @_;
    my $kinds = delete $how{kinds} // [];
    my %scenario = (measures => [@MEASURES], date => '2026-11-02',
        map { $_ => $how{$_} } grep { exists $how{$_} } qw(name title load group x x_label));
    for my $round (1 .. $how{rounds}) {
        my $place = $round;
        for my $contender (@{ $how{contenders} }) {
            my $key = $contender->{key};
            push @{ $scenario{runs} }, {
                round => $round, place => 1 + $place++ % @{ $how{contenders} }, contender => $key,
                run($of->{ $key eq 'control' ? 'event' : $key }, $kinds, sub { 1 + $how{noise} * (2 * $how{random}->() - 1) }) };
        }
    }
    return \%scenario;
}

sub run {
    my ($of, $kinds, $about) = @_;
    my ($p50, $slower, $failed, $cpu, $memory, $threads) = @$of;
    my %v = (p50_ms => $p50 * $about->(), failed_percent => $failed * $about->());
    $v{p90_ms} = $p50 * (1 + ($slower - 1) * 0.4) * $about->();
    $v{p99_ms} = $p50 * $slower * $about->();
    $v{p999_ms} = $v{p99_ms} * (1.2 + 0.1 * $about->());
    $v{max_ms} = $v{p999_ms} * 1.3;
    @v{qw(rate cpu_us switches syscalls)} = map { $_ * $about->() } 4_000, $cpu, 2.1, 14;
    @v{qw(pss_before_mib pss_peak_mib pss_after_mib)} = map { $memory * $_ * $about->() } 0.5, 1, 0.6;
    @v{qw(threads_before threads_peak threads_after children_peak)} = (int($threads / 4), $threads, int($threads / 3), 3);
    @v{qw(children_started children_stopped overflows)} = (0, 0, 0);
    @v{qw(late_p99_ms generator_percent strangers)} = (0.03 * $about->(), 34 * $about->(), 0.02 * $about->());
    my %failures;
    @failures{@$kinds} = map { int($failed * 145 * $_ * $about->()) } 0.8, 0.2 if $failed;
    my @shares = ([0.1, 0.8], [0.25, 0.9], [0.5, 1]);
    my @curve = ((map { [$_->[0], $v{p50_ms} * $_->[1]] } @shares), [0.9, $v{p90_ms}], [0.99, $v{p99_ms}], [0.999, $v{p999_ms}],
        [0.9999, $v{max_ms}]);
    my @timeline;
    for my $s (0 .. 24) {
        my $busy = $s >= 6 && $s < 18;
        push @timeline, [$s, int($threads * ($busy ? 1 : 0.3)), $busy ? 3 : 1, int($memory * 1024 * ($busy ? 1 : 0.55)), $busy ? 1200 : 20,
            $busy && $failed ? 300 : 0, $busy ? $v{p99_ms} : $v{p50_ms}];
    }
    return (values => \%v, failures => \%failures, curve => \@curve, timeline => \@timeline);
}

1;
