# Children that were told to finish and have connections that do not end: AdaptiveDrainTimeout bounds how long they hang on;
# without it they stay, as under every MPM, and the log says for whom. Whoever else is served does not notice.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Build;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::WebSocket qw(serve_echo);

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

plan skip_all => 'event has no bound on draining' if mpm() ne 'adaptive';

# Seconds; the warning comes in a moment instead of in ten minutes.
use constant { LIMIT => 1, LARGE_FILE => 4_000_000 };
local $ENV{ADAPTIVE_BUILD} = other_build(DRAIN_WARN_MS => LIMIT * 1000 + 500, DRAIN_LAST_RESORT_MS => 1500);

my $listener = listener();
my $backend  = $listener->sockport;
my $echo     = spawn(sub { serve_echo($listener) });
close $listener;

# One child, so that all connections of a generation are in it.
sub new_server {
    my ($limit, %opt) = @_;
    my $s = Adaptive::Server->new(test_module => 1, defines => ['ADP_NO_PROTOCOL'], modules => [qw(status proxy proxy_http)],
        mpm_conf => "StartServers 1\nServerLimit 1\nThreadsPerChild 16\nMaxRequestWorkers 16\nMinSpareThreads 1\nSendBufferSize 32768\n",
        conf => "${TEST_CONF}LogLevel mpm_adaptive:info\n$limit\nKeepAliveTimeout 60\nTimeout 60\nEnableSendfile On\nAcceptFilter http none\n"
            . "ProxyPass /ws http://127.0.0.1:$backend/ upgrade=websocket\n", %opt);
    put_file($s->docroot . '/large.bin', 'x' x LARGE_FILE);
    return $s->start;
}

# A reload that sets another limit.
sub reload_with {
    my ($s, $limit) = @_;
    (my $conf = $s->{conf}) =~ s/^AdaptiveDrainTimeout.*\n//m;
    $s->write_conf(conf => "$limit\n$conf");
    return $s->graceful;
}

sub child { return ($_[0]->child_pids)[0] }

sub gone {
    my ($pid, $seconds) = @_;
    return wait_for { !kill 0, $pid } $seconds, "child $pid to end";
}

# A client that does not read: its response waits for it.
sub slow_reader {
    my ($s, $path) = @_;
    my $client = Adaptive::Client->new($s->port, rcvbuf => 4096);
    $client->send(http_request($path, keep => 1));
    return $client->sock;
}

sub ask {
    my ($sock) = @_;
    print {$sock} http_request('/1k.html', keep => 1);
    return (read_response($sock, timeout => 10) // {})->{status} // 0;
}

sub stuck_request {
    my ($s) = @_;
    my ($sock) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} >= 1 } 15, 'a request to be under way';
    return $sock;
}

# Lines name clients like "127.0.0.1:4711 being served".
sub like_client {
    my ($log, $sock, $what, $name) = @_;
    my $port = $sock->sockport;
    return like($log, qr/127\.0\.0\.1:$port \Q$what\E/, $name);
}

subtest 'the limit' => sub {
    my $s   = new_server("AdaptiveDrainTimeout @{[LIMIT]}");
    my $old = child($s);

    my $kept = tcp($s->port);
    is(ask($kept), 200, 'a kept-alive connection');
    my $silent = tcp($s->port);
    my $held   = stuck_request($s);
    my $ws     = Adaptive::WebSocket->connect($s->port, '/ws');
    is($ws->text('hello'), 'hello', 'a websocket');
    my $slow = slow_reader($s, '/large.bin');
    my $suspended = tcp($s->port);
    print {$suspended} http_request('/adp/suspend?ms=600000', keep => 1);
    wait_for { my $a = $s->auto; $a->{ConnsAsyncWriting} >= 1 && hooks($s)->{suspend} >= 3 } 15, 'a response to wait, a request to be suspended';

    $s->log_mark;
    my $began = time;
    ok($s->graceful, 'a graceful restart');
    my ($new) = grep { $_ != $old } $s->child_pids;

    ok(at_eof($kept, 10), q(who waits between two requests is let go at once));
    close $kept;

    # All that is there now is served by the new child, and has to survive.
    my $ws_new   = Adaptive::WebSocket->connect($s->port, '/ws');
    my $kept_new = tcp($s->port);
    is(ask($kept_new), 200, 'the new generation serves');
    my ($held_new) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} >= 2 } 15, 'a request in the new child';

    ok(gone($old, LIMIT + 20), 'the old child ends');
    cmp_ok(time - $began, '>=', LIMIT, 'not before its time');
    my $log = $s->log_since_mark;
    my ($line) = $log =~ /^(.*ADP0103:.*)$/m;
    isnt($line, undef, 'what it cuts off is logged') or diag $log;
    like($line, qr/AdaptiveDrainTimeout is @{[LIMIT]} s/, 'with the limit');
    like($line, qr/5 connections \(1 being served, 1 before its first request, 1 slow to take a response, 1 suspended by a module, 1 websocket\)/, 'how many, and what they are');
    like_client($line, $held,      'being served for',          'who is being served');
    like_client($line, $ws->sock,  'websocket for',             'who has a websocket');
    like_client($line, $slow,      'slow to take a response', 'who reads slowly');
    like_client($line, $suspended, 'suspended by a module',     'who is suspended');
    like_client($line, $silent,    'before its first request',  'who has not said anything');
    like($line, qr{"GET /adp/hold HTTP/1\.1" for localhost}, 'which request');
    like($line, qr{"GET /ws HTTP/1\.1" for localhost}, 'and where the websocket goes');
    unlike($log, qr/ADP0102/, 'without any warning before');
    ok(at_eof($_, 10), 'an old connection is closed') for $silent, $held, $suspended, $ws->sock;

    is_deeply([ $s->child_pids ], [$new], 'the new child is still the same');
    is($ws_new->text('still there'), 'still there', 'its websocket works');
    is(ask($kept_new), 200, 'its kept-alive connection works');
    lift_hold($s);
    is((read_response($held_new) // {})->{status}, 200, 'its request is answered');
    my $auto = $s->auto;
    is($auto->{Processes}, 1, 'the scoreboard has one child') or diag explain $auto;
    is($auto->{Stopping},  0, 'none of them stops');
    ok($s->graceful, 'another restart works');
    unlike($s->error_log, qr/exit signal/, 'no crash');
    ok($s->stop, 'stops');
};

subtest 'no limit' => sub {
    my $s    = new_server('');
    my $old  = child($s);
    my $held = stuck_request($s);
    my $ws   = Adaptive::WebSocket->connect($s->port, '/ws');
    $s->log_mark;
    ok($s->graceful, 'a graceful restart');
    my $log = $s->wait_log(qr/ADP0102:.*\n/, 30);
    like($log, qr/ADP0102: told to finish \d+ s ago, this child still has 2 connections \(1 being served, 1 websocket\): /, 'after a while it is said');
    like_client($log, $held,     'being served for', 'for whom');
    like_client($log, $ws->sock, 'websocket for',    'and for whom');
    like($log, qr{"GET /adp/hold HTTP/1\.1" for localhost.*; AdaptiveDrainTimeout limits}, 'what it asked for, and how to limit it');
    ok(kill(0, $old), 'the old child stays');
    is($ws->text('still there'), 'still there', 'and serves');
    lift_hold($s);
    is((read_response($held) // {})->{status}, 200, 'until it is done');
    close $held;
    $ws->close;
    ok(gone($old, 20), 'then it ends');
    like($s->wait_log(qr/ADP0104:.*\n/, 10), qr/ADP0104: told to finish \d+ s ago/, 'which is said too');

    # A limit that comes later counts from when the child began to drain.
    my ($stuck, $young) = (stuck_request($s), child($s));
    $s->log_mark;
    ok($s->graceful, 'a graceful restart');
    $s->wait_log(qr/ADP0102:.*\n/, 30);
    is($s->log_since_mark =~ /ADP0103/, '', 'nothing is cut off');
    my $began = time;
    ok(reload_with($s, "AdaptiveDrainTimeout 1"), 'a reload sets a limit');
    ok(gone($young, 20), 'it ends the child that drains already');
    ok($s->wait_log(qr/ADP0103: told to finish \d+ s ago, and AdaptiveDrainTimeout is 1 s: .*1 connection \(1 being served\)/, 15), 'and says so');
    lift_hold($s);
    is(http_get($s->url('/'))->{status}, 200, 'the server serves');
    unlike($s->error_log, qr/exit signal/, 'no crash');
    ok($s->stop, 'stops');
};

subtest 'a graceful stop' => sub {
    my $s    = new_server('AdaptiveDrainTimeout 1');
    my $old  = child($s);
    my $held = stuck_request($s);
    $s->log_mark;
    $s->signal('WINCH');
    # which comes later than the limit would
    $s->wait_log(qr/ADP0102:.*\n/, 30);
    ok(kill(0, $old), 'lasts as long as GracefulShutdownTimeout allows');
    unlike($s->error_log, qr/ADP0103/, 'AdaptiveDrainTimeout is not for it');
    lift_hold($s);
    is((read_response($held) // {})->{status}, 200, 'the request is answered');
    close $held;
    ok($s->wait_gone(20), 'then the server ends');
};

subtest 'MaxConnectionsPerChild' => sub {
    my $s    = new_server("AdaptiveDrainTimeout 1\nMaxConnectionsPerChild 20");
    my $old  = child($s);
    my $held = stuck_request($s);
    ok((wait_for { http_get($s->url("/1k.html")); !kill 0, $old } 30, "child $old to end"), "the used-up child ends");
    ok($s->wait_log(qr/ADP0103: .*1 connection \(1 being served\)/, 15), 'and cuts off what holds it');
    ok(at_eof($held, 10), 'which was closed');
    lift_hold($s);
    is(http_get($s->url('/'))->{status}, 200, 'the server serves');
    unlike($s->error_log, qr/exit signal/, 'no crash');
    ok($s->stop, 'stops');
};

subtest 'a module that does not let go' => sub {
    my $s = new_server("AdaptiveDrainTimeout 1\nAdpTestHangAtEnd tmp/hang");
    my $old = child($s);
    open my $file, '>', $s->root . '/tmp/hang' or die "$!";
    my $suspended = tcp($s->port);
    print {$suspended} http_request('/adp/suspend?ms=600000', keep => 1);
    wait_for { hooks($s)->{suspend} >= 1 } 15, 'a request to be suspended';
    ok($s->graceful, 'a graceful restart');
    ok(gone($old, 30), 'the old child ends though its destructors do not');
    unlink $s->root . '/tmp/hang';
    is(http_get($s->url('/'))->{status}, 200, 'the server serves');
    ok($s->stop, 'stops');
};

done_testing;
