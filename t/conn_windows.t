# Windows of a few instructions in the life of a connection, widened, and refusals of the system, injected (src/base/testhook.h).

use strict;
use warnings;
use lib 't/lib';

use IO::Select;
use Test::More;

use Adaptive::Client;
use Adaptive::Probe;
use Adaptive::Server;
use Adaptive::States;
use Adaptive::Wait qw(ok_within);

plan skip_all => 'windows of our own' if mpm() ne 'adaptive';

subtest 'the poller refuses a connection' => sub {
    my $s = states_server(hooked => 1, conf => "AcceptFilter http none\n");
    my @rows = every(
        state => [qw(WRITE_COMPLETION ASYNC_WAITIO LINGER)], sense => [qw(DEFAULT READ)], out => [ 0, 2 ], in => [0],
        clog  => [0], keep => [1], rc => ['OK'], aborted => [0]);
    $s->fault(poller_refuses => 1);
    try_rows($s, 'silent', @rows);
    $s->fault(poller_refuses => 0);
    for my $row (@rows) {
        is($row->{silent}, 'now', row_name($row) . ': it is closed');
        is($row->{fault}, undef, 'by a thread that had it');
        is(scalar(grep { $_->[0] eq 'close' } @{ $row->{events} }), 1, 'and modules hear of it once');
    }
    ok($s->wait_log(qr/ADP0020/, 15), 'the log says why');
    my ($after) = every(%{ { map { $_ => [ $rows[0]{$_} ] } qw(state sense out in clog keep rc aborted) } });
    try_rows($s, 'silent', $after);
    is($after->{silent}, 'keep-alive', 'afterwards connections wait as before') if $after->{state} eq 'WRITE_COMPLETION';
    ok($s->stop, 'stops');
};

subtest 'a callback is faster than the thread that suspends' => sub {
    my $s = Adaptive::Server->new(
        hooked      => 1,
        test_module => 1,
        modules     => ['status'],
        mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n",
        conf        => $TEST_CONF,
    )->start;
    my $client = Adaptive::Client->new($s->port);
    put_hold($s);
    $s->pause_at('hooks_returned');
    $client->send(Adaptive::Client::request_text('GET', '/adp/suspend?ms=1&hold=1'));
    ok($s->wait_paused('hooks_returned', 20), 'a thread has suspended a connection');
    ok_within { events_of($s, qr/ hold$/) } 20, 'the callback has left the next state, and is still at work';
    $s->release('hooks_returned');
    ok_within { $s->auto->{BusyWorkers} == 2 } 20, 'the thread has let go of the connection';
    ok(!IO::Select->new($client->sock)->can_read(0), 'nobody serves it while the callback is at work');
    lift_hold($s);
    is($client->response->{status}, 200, 'it goes on when the callback has ended');
    is($client->get('/1k.html')->{status}, 200, 'and is kept');
    $client->close;
    ok($s->stop, 'stops');
    unlike($s->error_log, qr/exit signal/, 'no crash');
};

subtest 'callbacks hold all workers, and those that are there to help' => sub {
    my $s = Adaptive::Server->new(
        test_module => 1,
        mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild 2\nMaxRequestWorkers 2\n",
        conf        => $TEST_CONF,
    )->start;
    put_hold($s);
    http_get($s->url('/adp/timer?ms=1&step=5&count=6&hold=5'));
    ok_within { events_of($s, qr/ timer \d+ \d+$/) == 6 } 20, 'another callback still runs';
    is(events_of($s, qr/ hold$/), 5, 'while the others hold their threads');
    lift_hold($s);
    ok_within { http_get($s->url('/1k.html'), timeout => 5)->{status} == 200 } 20, 'then it serves';
    ok($s->stop, 'stops');
    unlike($s->error_log, qr/exit signal/, 'no crash');
};

subtest 'a callback that hangs does not hold connections that are suspended later' => sub {
    my $s = Adaptive::Server->new(
        test_module => 1,
        mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n",
        conf        => $TEST_CONF,
    )->start;
    put_hold($s);
    http_get($s->url('/adp/timer?ms=1&hold=1'));
    ok_within { events_of($s, qr/ hold$/) } 20, 'one hangs';
    is(http_get($s->url('/adp/suspend?ms=1'), timeout => 20)->{status}, 200, 'a suspended request is answered meanwhile');
    lift_hold($s);
    ok($s->stop, 'stops');
};

done_testing;
