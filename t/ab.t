# This repository's own comparison, as far as a test can see it: that it runs and writes what it found, that the guard knows worse from
# other, and the soak a leak from noise.

use strict;
use warnings;

use lib 't/lib', 'bench/lib', 'ctl/lib';
use File::Temp qw(tempdir);
use Test::More;
use Adaptive::Paths qw(build_dir);
use Adaptive::Process;
use Adaptive::Server ();
use AB::Results;
use AB::Trial;
use Bench::AB;
use Bench::AB::Guard;
use Bench::AB::Scenarios;
use Bench::AB::Soak;

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';

my $dir = tempdir('adaptive-ab-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

subtest 'a comparison' => sub {
    local @ENV{qw(ROUNDS SCENARIOS CONTENDERS CALM SHIELD SYSCALLS REPORT_DIR MODULE)} = (
        1, 'connect,dead-backend', 'event,adaptive', 0, 0, 0, $dir, build_dir() . '/mod_mpm_adaptive.so');
    my $run = run_command(300, $^X, 'bench/ab.pl');
    is $run->{status}, 0, 'goes through' or diag $run->{output};
    my $results = AB::Results->read_file("$dir/results.json");
    is join(' ', map { $_->{name} } $results->scenarios), 'connect dead-backend', 'both scenarios';
    for my $scenario ($results->scenarios) {
        is join(', ', map { $_->{contender} } @{ $scenario->{runs} }), 'event, adaptive, event again', "$scenario->{name}: everybody, and the control";
        is_deeply [ map { $_->{error} // () } @{ $scenario->{runs} } ], [], '... ran';
        is scalar(grep { $_->{values}{pss_peak_mib} > 0 && defined $_->{values}{failed_percent} && @{ $_->{timeline} } > 5 } @{ $scenario->{runs} }), 3, '... and was measured';
    }
    my ($dead) = grep { $_->{name} eq 'dead-backend' } $results->scenarios;
    my ($ours) = $results->runs($dead, 'adaptive');
    is $ours->{values}{failed_percent}, 0, 'a dead backend costs the pages beside it nothing';
    cmp_ok $ours->{failures}{timeout}, '>', 100, 'what was asked of the dead one is counted';
    like Adaptive::Server::read_text("$dir/report.html"), qr/Pages beside a dead backend/, 'the report has it';
    like Adaptive::Server::read_text("$dir/results.md"), qr/Pages beside a dead backend/, 'so has the document';
};

subtest 'what it refuses' => sub {
    for ([ ROUNDS => 'x', qr/ROUNDS must be a whole number, not 'x'/ ], [ SCENARIOS => 'nothing', qr/SCENARIOS: there is no nothing; there are: static/ ],
        [ CONTENDERS => 'event,worker', qr/CONTENDERS: adaptive has to be one of them/ ], [ CONTENDERS => 'event,adaptive,iis', qr/CONTENDERS: there is no iis/ ],
        [ CALM => 'no', qr/CALM must be a number of cores/ ]) {
        my ($name, $value, $says) = @$_;
        local @ENV{ 'MODULE', 'REPORT_DIR', $name } = (build_dir() . '/mod_mpm_adaptive.so', $dir, $value);
        my $run = run_command(60, $^X, 'bench/ab.pl');
        isnt $run->{status}, 0, "$name=$value";
        like $run->{output}, $says, '... says why';
    }
};

subtest 'rounds' => sub {
    my @order;
    my $trial = AB::Trial->new(reference => 'a', control => 1, rounds => 4, contenders => [ map { { key => $_, label => $_ } } qw(a b c) ]);
    no warnings 'redefine';
    local *AB::Trial::run_once = sub { my ($self, $scenario, $contender, $round) = @_; $order[$round] .= substr "$contender->{key}!", 0, $contender->{key} =~ /again/ ? 9 : 1; return { values => {} } };
    my ($found) = $trial->measure([ { name => 'x', seconds => 1 } ]);
    is_deeply [ @order[ 1 .. 4 ] ], [ 'abca again!', 'a again!cba', 'bca again!a', 'aa again!cb' ], 'alternate and begin with another one, so that a drift hits all alike';
    is scalar @{ $found->{runs} }, 16, 'all are kept';
    my @again = AB::Trial->new(reference => 'a', control => 0, rounds => 5, most_s => 1e-9, contenders => [ { key => 'a', label => 'a' } ])->measure([ { name => 'y', seconds => 1 } ]);
    is scalar @{ $again[0]{runs} }, 3, 'three rounds in any case, no more when the time is over';
};

subtest 'the same arrivals for all' => sub {
    my ($scenario) = Bench::AB::Scenarios::scenarios('static');
    my $server = bless {}, 'Adaptive::Test::Nobody';
    my @seeds = map { $scenario->{plan}->($server, $_)->{loads}[0]{poisson} } 1, 1, 2;
    is $seeds[0], $seeds[1], 'in a round';
    isnt $seeds[0], $seeds[2], 'others in the next one';
    for my $each (Bench::AB::Scenarios::scenarios()) {
        my ($from_s, $to_s) = @{ $each->{judge} };
        my $length_s = 0;
        $length_s += $_ for $each->{schedule} =~ /:([\d.]+)/g;
        ok $from_s < $to_s && $to_s <= $length_s + 0.5, "$each->{name}: judged while there is load";
    }
};

sub Adaptive::Test::Nobody::port { return 1 }

subtest 'the guard' => sub {
    my $then = { static => { cpu_us => { by => 'ratio', value => 0.6, low => 0.55, high => 0.65 }, failed_percent => { by => 'difference', value => 0, low => 0, high => 0 } } };
    my $now = sub { my ($value, $low, $high) = @_; return { static => { cpu_us => { by => 'ratio', value => $value, low => $low, high => $high } } } };
    is_deeply [ Bench::AB::Guard::slower_than($then, $now->(0.7, 0.62, 0.78)) ], [], 'intervals that touch: nothing';
    my @slower = Bench::AB::Guard::slower_than($then, $now->(0.8, 0.7, 0.9));
    like "@slower", qr/static: processor time per request, beside mpm_event: x 0\.800 \(0\.700 to 0\.900\); it was x 0\.600/, 'that do not: slower';
    is_deeply [ Bench::AB::Guard::slower_than($then, $now->(0.4, 0.3, 0.5)) ], [], 'better is no fault';
    is_deeply [ Bench::AB::Guard::slower_than($then, { other => $now->(9, 9, 9)->{static} }) ], [], 'what the baseline does not have';
    my $failing = { static => { failed_percent => { by => 'difference', value => 2, low => 1, high => 3 } } };
    like join(' ', Bench::AB::Guard::slower_than($then, $failing)), qr/static: failed/, 'failures, which have differences';
    eval { Bench::AB::Guard::build_of('no-such-commit', $dir) };
    like $@, qr/BASE=no-such-commit is no commit of this repository/, 'a commit that is not there';
    my $baseline = Bench::AB::Guard::stored();
    ok $baseline && $baseline->{relations}{static}{cpu_us}{value} > 0, 'a baseline is stored';
};

# What is committed has been written by the program, from the numbers beside it.
subtest 'what is published' => sub {
    my $results = AB::Results->read_file(Bench::AB::PUBLISHED);
    my %written = (Bench::AB::DOCUMENT, AB::Markdown::document($results), Bench::AB::CHART, AB::Charts::summary_svg($results));
    for my $path (sort keys %written) {
        utf8::encode($written{$path}) if utf8::is_utf8($written{$path});
        ok Adaptive::Server::read_text($path) eq $written{$path}, "$path says what its numbers say";
    }
    my %measured = map { $_->{name} => 1 } $results->scenarios;
    is_deeply [ grep { !$measured{$_} } Bench::AB::Scenarios::names() ], [], 'every scenario was measured';
};

subtest 'the soak' => sub {
    my $samples = sub { my ($of) = @_; return map { { hours => $_ / 120, pss_mib => $of->($_) } } 1 .. 60 };
    is Bench::AB::Soak::trend('pss_mib', $samples->(sub { 10 + $_[0] % 5 }))->{verdict}, 'no trend', 'what goes up and down';
    my $leak = Bench::AB::Soak::trend('pss_mib', $samples->(sub { 10 + $_[0] % 5 + 0.1 * $_[0] }));
    is $leak->{verdict}, 'GROWS', 'what grows as well';
    ok $leak->{low} <= 12 && $leak->{high} >= 12, '... by 12 per hour';
    is Bench::AB::Soak::trend('pss_mib', $samples->(sub { 20 - 0.1 * $_[0] }))->{verdict}, 'falls', 'what falls';
    is Bench::AB::Soak::trend('pss_mib', $samples->(sub { 7 }))->{verdict}, 'no trend', 'what never changes';
    is Bench::AB::Soak::trend('failed', map { { hours => $_, failed => $_ == 7 ? 1 : 0 } } 1 .. 20)->{verdict}, 'FAILED', 'one failure';
    is scalar(() = Bench::AB::Soak::judged([ 1 .. 20 ])), 18, 'the beginning is left out';
};

done_testing;
