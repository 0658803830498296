# Connections whose input filters hold data back where the MPM cannot see it (clogging_input_filters): with HTTP such a connection
# keeps its thread, as a poll would miss what a filter already has. A module that leaves its waiting to the MPM gets that.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Client;
use Adaptive::Server;
use Adaptive::Probe;

my $s = Adaptive::Server->new(
    test_module => 1,
    modules     => ['status'],
    mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 4\n",
    conf        => "${TEST_CONF}Listen 127.0.0.1:\@PORT2\@\nListen 127.0.0.1:\@PORT3\@\nKeepAliveTimeout 3\n"
        . "<VirtualHost *:\@PORT2\@>\nAdpTestClog On\n</VirtualHost>\n"
        . "<VirtualHost *:\@PORT3\@>\nAdpTestClog On\nAdpTestWaitIO On\n</VirtualHost>\n",
)->start;

sub thread_of {
    my ($client) = @_;
    my $response = $client->get('/adp/pid') or return '';
    return $response->{body} =~ /^tid=(\d+)$/m ? $1 : '';
}

subtest 'one thread for a connection' => sub {
    my $client = Adaptive::Client->new($s->port(2));
    my %threads;
    $threads{ thread_of($client) }++ for 1 .. 10;
    is_deeply([ values %threads ], [10], 'serves all of its requests');
    ok($client->closed(20), 'until it is timed out');
};

subtest 'pipelined requests' => sub {
    my $client = Adaptive::Client->new($s->port(2));
    $client->send(join '', map { Adaptive::Client::request_text('GET', '/1k.html') } 1 .. 10);
    is(scalar(grep { ($client->response // {})->{status} } 1 .. 10), 10, 'all are answered');
    $client->close;
};

subtest 'several connections' => sub {
    my @clients = map { Adaptive::Client->new($s->port(2)) } 1 .. 3;
    for (1 .. 5) {
        is(scalar(grep { $_->get('/1k.html') } @clients), 3, 'all are served');
    }
    is(http_get($s->url('/'))->{status}, 200, 'and one that is not clogged');
    $_->close for @clients;
    ok((wait_for { $s->auto->{BusyWorkers} == 1 } 20, 'the threads to be free'), 'their threads are free again');
};

subtest 'more connections than threads' => sub {
    my @clients = map { Adaptive::Client->new($s->port(2)) } 1 .. 8;
    $_->send(Adaptive::Client::request_text('GET', '/1k.html')) for @clients;
    is(scalar(grep { $_->response(seconds => 30) } @clients), 8, 'are served one after another');
};

subtest 'a protocol that leaves its waiting to the MPM' => sub {
    my @clients = map { Adaptive::Client->new($s->port(3)) } 1 .. 8;
    my $pong = sub {
        my ($client) = @_;
        $client->send("ping\n") or return 0;
        return (Adaptive::HTTP::take_line($client->sock, time + 20) // q{}) =~ /^pong/;
    };
    is(scalar(grep { $pong->($_) } @clients), 8, "round $_: more of them than threads are served") for 1 .. 3;
    $_->close for @clients;
};

subtest 'graceful restart' => sub {
    my $client = Adaptive::Client->new($s->port(2));
    ok($client->get('/1k.html'), 'a connection is kept alive');
    my ($old) = $s->child_pids;
    ok($s->graceful, 'restarted');
    ok($client->closed(20), 'it is closed');
    ok((wait_for { !grep { $_ == $old } $s->direct_children } 20, 'the old child to go'), 'and the old child goes');
};

ok($s->stop, 'stops');
unlike($s->error_log, qr/exit signal/, 'no crash');
done_testing;
