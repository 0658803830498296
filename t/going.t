# Children that were told to finish: an order that found the pipe full is repeated, and AdaptiveDrainTimeout holds for a child
# whose main thread is stuck.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Build;
use Adaptive::Server;
use Adaptive::Probe;

plan skip_all => 'event has no bound on draining' if mpm() ne 'adaptive';

sub new_server {
    my ($conf, %opt) = @_;
    return Adaptive::Server->new(test_module => 1, modules => ['status'],
        mpm_conf => "StartServers 2\nServerLimit 2\nThreadsPerChild 8\nMinSpareThreads 1\n", conf => "$TEST_CONF$conf\n", %opt)->start;
}

sub gone {
    my ($seconds, @pids) = @_;
    return wait_for { !grep { Adaptive::Server::threads_of($_) } @pids } $seconds, 'the old children to end';
}

subtest 'an order that was lost' => sub {
    my $s = new_server('', hooked => 1);
    my @old = $s->child_pids;
    $s->fault(order_lost => 1);
    $s->signal('USR1');
    ok((wait_for { ($s->auto->{AdaptiveChildrenDraining} // 0) >= @old } 15, 'them to count as going'), 'the old children are to go');
    is(scalar(grep { Adaptive::Server::threads_of($_) } @old), scalar @old, 'and have not heard of it');
    $s->fault(order_lost => 0);
    ok(gone(15, @old), 'they hear of it later');
    ok($s->stop, 'stops');
};

subtest 'an order that was lost at a graceful stop' => sub {
    my $s = new_server('', hooked => 1);
    $s->fault(order_lost => 1);
    $s->signal('WINCH');
    ok($s->wait_log(qr/ADP0096/, 15), 'a graceful stop');
    $s->fault(order_lost => 0);
    ok($s->wait_gone(15), 'ends');
};

subtest 'a child that is stuck' => sub {
    local $ENV{ADAPTIVE_BUILD} = other_build(DRAIN_GRACE_MS => 1000);
    my $s = new_server('AdaptiveDrainTimeout 1s');
    my @old = $s->child_pids;
    kill 'STOP', @old;
    ok($s->graceful, 'a reload');
    ok(gone(20, @old), 'children that cannot act on AdaptiveDrainTimeout are ended');
    ok($s->wait_log(qr/ADP0078: .*$old[0] was told to finish/, 15), 'which is said');
    is(http_get($s->url('/1k.html'))->{status}, 200, 'the others serve');
    ok((wait_for { ($s->auto->{AdaptiveChildrenDraining} // 1) == 0 } 15, 'the slots'), 'and no slot is held');
    ok($s->stop, 'stops');
};

done_testing;
