# Worker threads that idled for a while leave, the coldest first, also while others serve; when they are needed again they come.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Load;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'the threads of event are not elastic' if mpm() ne 'adaptive';

use constant { THREADS => 24, FEW => 8, CYCLES => 2 };

my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
    mpm_conf => "AdaptiveHold 1s\nServerLimit 1\nStartServers 1\nThreadsPerChild @{[THREADS]}\nMaxRequestWorkers @{[THREADS]}\n")->start;
my ($child) = $s->child_pids;

sub threads { return Adaptive::Server::threads_of($child) }

sub grow {
    my @socks = hold_requests($s, THREADS - 2);
    wait_for { hooks($s)->{busy} == THREADS - 2 } 20, 'requests under way';
    my $threads = threads();
    lift_hold($s);
    is(scalar(grep { (read_response($_) // {})->{status} } @socks), THREADS - 2, 'many requests at once are served');
    cmp_ok($threads, '>=', THREADS - 2, 'each has a thread');
    return;
}

for my $cycle (1 .. CYCLES) {
    subtest "cycle $cycle" => sub {
        grow();
        ok((wait_for { threads() <= FEW } 30, 'threads to leave'), 'threads leave when there is nothing to do');
        is(http_get($s->url('/'))->{status}, 200, 'the others serve');
    };
}

subtest 'while a few are in use' => sub {
    my $load = Adaptive::Load->start($s->port, mode => 'keep', rate => 100, connections => 2, path => '/1k.html', seconds => 40);
    $load->ready;
    grow();
    ok((wait_for { threads() <= FEW } 30, 'threads to leave'), 'those that are not in use leave');
    is($load->interrupt->result->{failed}, 0, 'no request fails meanwhile');
};

is_deeply([ $s->child_pids ], [$child], 'all of that in one child');
# One thread is the steward.
ok((wait_for { threads() - 1 == (() = $s->auto->{Scoreboard} =~ /[_WK]/g) } 10, 'the scoreboard'),
    'the scoreboard shows the threads that are there') or diag threads(), ' ', $s->auto->{Scoreboard};

unlike($s->error_log, qr/exit signal/, 'no crash');
ok($s->stop, 'stops');
done_testing;
