# A request that has arrived on a kept-alive connection while all threads are busy: it waits for a thread, however short
# KeepAliveTimeout is.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Server;
use Adaptive::Probe;

# Event times such a connection out when its poll thread waits for a worker: measured.
plan skip_all => 'event closes such connections' if mpm() ne 'adaptive';

use constant { THREADS => 3, KEEP_ALIVE_SECONDS => 1 };

my $s = Adaptive::Server->new(
    test_module => 1,
    mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild @{[THREADS]}\nMaxRequestWorkers @{[THREADS]}\n",
    conf        => "${TEST_CONF}KeepAliveTimeout @{[KEEP_ALIVE_SECONDS]}\n",
)->start;

my @kept = map { tcp($s->port) } 1 .. 5;
my $new = tcp($s->port);
for my $sock (@kept) {
    print {$sock} http_request('/1k.html', keep => 1);
    is(read_response($sock)->{status}, 200, 'a connection is kept alive');
}
my $idle = pop @kept;
my @held = hold_requests($s, THREADS);
wait_for { holding($s) == THREADS } 15, 'all threads to be busy';
print {$_} http_request('/1k.html', keep => 1) for @kept, $new;

# This one is closed when its time is over; the time of the others was over before.
ok(at_eof($idle, 20), 'an idle one is timed out');
my $later = time + KEEP_ALIVE_SECONDS;
wait_for { time > $later } 10;
lift_hold($s);
is((read_response($_) // {})->{status}, 200, 'a request that waited for a thread is answered') for @kept, $new;
is((read_response($_) // {})->{status}, 200, 'so are those that held the threads') for @held;
ok($s->stop, 'stops');
done_testing;
