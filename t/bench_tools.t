# What the benchmark measures with: loadgen keeps its schedule whatever the server does, and counts from when a request was due;
# the backend answers as late as it is told and says when it had the request.

use strict;
use warnings;
use lib 't/lib', 'bench/lib', 'ctl/lib';

use File::Temp qw(tempdir);
use List::Util qw(all max);
use Test::More;

use AB::Requests;
use Adaptive::Paths qw(build_dir);
use Adaptive::Server ();
use Bench::Change;
use Bench::ExampleReport;
use Bench::OpenLoad;
use Bench::SleepBackend;
use Bench::Users;

my $dir = tempdir(CLEANUP => 1);
my $backend = Bench::SleepBackend->new(delay_ms => 30);

sub load {
    my (%opt) = @_;
    return Bench::OpenLoad->start($backend->port, dir => $dir, %opt);
}

for my $mode (qw(new keep)) {
    subtest "$mode: rates that follow each other" => sub {
        my $load = load(mode => $mode, schedule => '20:0.5,0:0.5,200:0.5,10:0.5', connections => 100);
        my @requests = @{ $load->requests };
        is scalar(@requests), 10 + 100 + 5, 'as many requests as the schedule says';
        is scalar($load->due_between(0.5, 1)), 0, 'none while the rate is 0';
        is scalar($load->due_between(1, 1.4999)), 100, 'the others when they are due';
        is $load->totals->{failed}, 0, 'none failed' or diag Adaptive::Load::summary($load->totals);
        ok((all { $_->[AB::Requests::LATENCY_MS] >= 30 } @requests), 'none was answered before the delay was over');
        ok(
            (all { my ($arrived_ms, $latency_ms) = @$_[AB::Requests::ARRIVED_MS, AB::Requests::LATENCY_MS];
                $arrived_ms > 0 && $arrived_ms + 29 < $latency_ms } @requests), 'the backend says when it had each');
    };

    # A tool that waits for an answer before it sends the next request would find one slow request.
    subtest "$mode: a server that stands still for a second" => sub {
        my $load = load(mode => $mode, schedule => '100:2', connections => 20);
        Bench::Change::attend($load, at => [
            [0.5, sub { kill 'STOP', $backend->pid }], [1.5, sub { kill 'CONT', $backend->pid }]]);
        my $found = AB::Requests::summary(@{ $load->requests });
        is $found->{count}, 200, 'the schedule goes on';
        is $found->{failed}, 0, 'nothing is lost' or diag Adaptive::Load::summary($load->totals);
        cmp_ok $found->{max_ms}, '>=', 950, 'the first one waited the whole second';
        cmp_ok $found->{p99_ms}, '>=', 900, 'p99 has it';
        my $late = grep { $_->[AB::Requests::LATENCY_MS] >= 100 } @{ $load->requests };
        cmp_ok $late, '>=', 85, 'and all who were due meanwhile waited' or diag "only $late";
    };
}

subtest 'the delay changes while requests come' => sub {
    $backend->delay(0);
    my $load = load(mode => 'new', schedule => '50:2');
    Bench::Change::attend($load, at => [[1, sub { $backend->delay(300) }]]);
    is scalar(grep { $_->[AB::Requests::FAILURE] } @{ $load->requests }), 0, 'none failed';
    ok((all { $_->[AB::Requests::LATENCY_MS] >= 300 } $load->due_between(1.5, 2)), 'late requests are answered late');
    my $stats = $backend->stats;
    cmp_ok $stats->{waiting_max}, '>', 1, 'several wait at the same time';
};

subtest 'a server that never answers' => sub {
    $backend->delay(60_000);
    my $load = load(mode => 'keep', schedule => '100:0.5', connections => 10, timeout => 1);
    my %kinds = map { $_->[AB::Requests::FAILURE] => 1 } @{ $load->requests };
    is $load->totals->{issued}, 50, 'the schedule goes on';
    is scalar(@{ $load->requests }), 50, 'every request is accounted for';
    is join(' ', keys %kinds), 'timeout', 'all of them as lost';
};

subtest 'no more new connections than are allowed, and an end with the schedule' => sub {
    $backend->delay(500);
    my $load = load(mode => 'new', schedule => '100:1.25', at_most => 4, at_end => 'drop');
    my ($totals, @requests) = ($load->totals, @{ $load->requests });
    is $totals->{issued}, 125, 'the schedule goes on';
    cmp_ok scalar(@requests), '<=', 8, 'four at a time, twice';
    cmp_ok scalar(@requests), '>=', 4, 'they are answered';
    is $totals->{failed}, 0, 'what is left has not failed' or diag Adaptive::Load::summary($totals);
    is $totals->{unfinished}, 125 - @requests, '... it is counted';
};

subtest 'users who wait for an answer before they ask again' => sub {
    $backend->delay(50);
    my $users = sub { return Bench::Users->start($backend->port, seconds => 1, warm_s => 0.5, timeout => 2, @_)->result };
    for my $keep (0, 1) {
        my $found = $users->(users => 20, keep => $keep);
        is $found->{failed}, 0, 'none failed';
        cmp_ok $found->{p50_ms}, '>=', 50, 'none was answered before the delay was over';
        cmp_ok $found->{rate}, '<=', 20 / 0.05, 'these users ask no more often than they are answered';
        cmp_ok $found->{rate}, '>=', 20 / 0.05 / 4, '... and not much less often';
    }
    my $rate = $users->(users => 20, keep => 1, pause_ms => 150)->{rate};
    cmp_ok $rate, '<=', 20 / 0.2 + 20, 'a pause makes them ask less often';
    cmp_ok $rate, '>=', 20 / 0.2 / 4, '... as they are told';

    $backend->delay(60_000);
    my $lost = $users->(users => 5, seconds => 3);
    is $lost->{timeout}, $lost->{judged}, 'what is never answered is lost';
    cmp_ok $lost->{judged}, '>', 0, 'and counted';
};

subtest 'examples run, and write what they found' => sub {
    local @ENV{qw(SCENARIOS QUICK CALM SHIELD REPORT_DIR MODULE)} = (
        'users,prefork,files', 1, 0, 0, $dir, build_dir() . '/mod_mpm_adaptive.so');
    my $said = qx{$^X bench/run.pl 2>&1};
    is $?, 0, 'bench/run.pl goes through' or diag $said;
    my $results = Bench::ExampleReport::read_results("$dir/examples/results.tsv");
    is join(' ', sort keys %$results), 'files prefork users', 'all of them have results';
    is_deeply [ map { map { defined $_->{error} ? $_->{error} : () } map { @$_ } values %{ $_->{results} } } values %$results ], [],
        'no round failed';
    is_deeply $results->{users}{labels}, [qw(worker:worker-150 worker:worker-8000 worker:worker-5000 adaptive)], 'before and now';
    cmp_ok $results->{users}{results}{adaptive}[0]{p50_ms_400}, '>=', 100, 'they have the response time';
    like Adaptive::Server::read_text("$dir/examples/examples.md"), qr/^\| 400 \| [\d,]+/m, 'which stands in the table';
    like Adaptive::Server::read_text("$dir/examples/users.svg"), qr{\A<svg .*</svg>\n\z}s, '... and in the chart';
};

# What is committed has been written by the program, from the numbers beside it.
subtest 'docs/user/examples.md' => sub {
    my $results = Bench::ExampleReport::read_results(Bench::ExampleReport::PUBLISHED . '/results.tsv');
    is join(' ', sort keys %$results), join(' ', sort(Bench::Example->names)), 'every example was measured';
    my %written = Bench::ExampleReport::written($results, Bench::ExampleReport::PUBLISHED . '.md', Bench::ExampleReport::INDEX,
        Bench::ExampleReport::PUBLISHED);
    ok Adaptive::Server::read_text($_) eq $written{$_}, "$_ says what its numbers say" for sort keys %written;
};

done_testing;
