# What the benchmark measures with: loadgen keeps its schedule whatever the server does, and counts from when a request was due;
# the backend answers as late as it is told and says when it had the request.

use strict;
use warnings;
use lib 't/lib', 'bench/lib';

use File::Temp qw(tempdir);
use List::Util qw(all max);
use Test::More;

use Bench::Change;
use Bench::OpenLoad;
use Bench::SleepBackend;

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
        ok((all { $_->[Bench::OpenLoad::LATENCY_MS] >= 30 } @requests), 'none was answered before the delay was over');
        ok(
            (all { my ($arrived_ms, $latency_ms) = @$_[Bench::OpenLoad::ARRIVED_MS, Bench::OpenLoad::LATENCY_MS];
                $arrived_ms > 0 && $arrived_ms + 29 < $latency_ms } @requests), 'the backend says when it had each');
    };

    # A tool that waits for an answer before it sends the next request would find one slow request.
    subtest "$mode: a server that stands still for a second" => sub {
        my $load = load(mode => $mode, schedule => '100:2', connections => 20);
        Bench::Change::attend($load, at => [
            [0.5, sub { kill 'STOP', $backend->pid }], [1.5, sub { kill 'CONT', $backend->pid }]]);
        my $found = Bench::OpenLoad::summary(@{ $load->requests });
        is $found->{count}, 200, 'the schedule goes on';
        is $found->{failed}, 0, 'nothing is lost' or diag Adaptive::Load::summary($load->totals);
        cmp_ok $found->{max_ms}, '>=', 950, 'the first one waited the whole second';
        cmp_ok $found->{p99_ms}, '>=', 900, 'p99 has it';
        my $late = grep { $_->[Bench::OpenLoad::LATENCY_MS] >= 100 } @{ $load->requests };
        cmp_ok $late, '>=', 85, 'and all who were due meanwhile waited' or diag "only $late";
    };
}

subtest 'the delay changes while requests come' => sub {
    $backend->delay(0);
    my $load = load(mode => 'new', schedule => '50:2');
    Bench::Change::attend($load, at => [[1, sub { $backend->delay(300) }]]);
    is scalar(grep { $_->[Bench::OpenLoad::FAILURE] } @{ $load->requests }), 0, 'none failed';
    ok((all { $_->[Bench::OpenLoad::LATENCY_MS] >= 300 } $load->due_between(1.5, 2)), 'late requests are answered late');
    my $stats = $backend->stats;
    cmp_ok $stats->{waiting_max}, '>', 1, 'several wait at the same time';
};

subtest 'a server that never answers' => sub {
    $backend->delay(60_000);
    my $load = load(mode => 'keep', schedule => '100:0.5', connections => 10, timeout => 1);
    my %kinds = map { $_->[Bench::OpenLoad::FAILURE] => 1 } @{ $load->requests };
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

done_testing;
