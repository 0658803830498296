# A child that had many threads gives back what they needed when they have gone, also if it has a little to do all the time and never
# comes to rest: it is kept for the next burst, and costs little meanwhile.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Adaptive::Load;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'the threads of event are not elastic' if mpm() ne 'adaptive';

use constant { THREADS => 64, BURST => 40, HEADERS => 7, CYCLES => 2 };

my $s = Adaptive::Server->new(test_module => 1, conf => "${TEST_CONF}MaxKeepAliveRequests 0\n",
    mpm_conf => "AdaptiveHold 1s\nServerLimit 1\nStartServers 1\nThreadsPerChild @{[THREADS]}\n")->start;
my ($child) = $s->child_pids;

sub threads { return Adaptive::Server::threads_of($child) }

# What is the child's alone, in KiB.
sub private_kib {
    open my $in, '<', "/proc/$child/smaps_rollup" or return;
    my ($kib) = join('', <$in>) =~ /^Private_Dirty:\s+(\d+) kB/m;
    return $kib;
}

plan skip_all => 'this kernel does not tell what a process holds' if !defined private_kib();

# Some at a time, which is no rest: threads come and go for them.
my $load = Adaptive::Load->start($s->port, mode => 'new', rate => 40, path => "/adp/sleep?ms=400", seconds => 120);
$load->ready;
ok((wait_for { threads() > 12 } 20, 'threads for it'), 'some requests at a time');
my $before = private_kib();

# Each fills some pages of its connection's pool.
sub hold_large_requests {
    my %headers = map { ("X-Large-$_" => 'x' x 7000) } 1 .. HEADERS;
    put_hold($s);
    my @socks = map { tcp($s->port) } 1 .. BURST;
    print {$_} http_request('/adp/hold', keep => 1, headers => \%headers) for @socks;
    return @socks;
}

for my $cycle (1 .. CYCLES) {
    my $held = holding($s);
    my @socks = hold_large_requests();
    wait_for { holding($s) - $held == BURST } 20, 'requests under way';
    my $in_burst = private_kib();
    lift_hold($s);
    is(scalar(grep { ((read_response($_) // {})->{status} // 0) == 200 } @socks), BURST, "$cycle: a burst is served");
    close $_ for @socks;
    my $after;
    ok((wait_for { sleep 0.1; ($after = private_kib()) - $before < 0.5 * ($in_burst - $before) } 30, 'memory to be given back'),
        "$cycle: most of what it took is given back, with something to do all the time")
        or diag "KiB: $before before, $in_burst in the burst, $after after it; threads: ", threads();
}
is_deeply([ $s->child_pids ], [$child], 'all of that in one child');
is($load->interrupt->result->{failed}, 0, 'no request of those meanwhile has failed');

unlike($s->error_log, qr/exit signal/, 'no crash');
ok($s->stop, 'stops');
done_testing;
