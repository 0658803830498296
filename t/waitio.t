# CONN_STATE_ASYNC_WAITIO: a module's own protocol that leaves all its waiting to the MPM. More connections than threads wait
# for their client to send or to read, within Timeout.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Client;
use Adaptive::Server;
use Adaptive::Probe;

use constant { THREADS => 2, CONNECTIONS => 12, BYTES => 8_000_000 };

sub server {
    my ($timeout) = @_;
    return Adaptive::Server->new(
        test_module => 1,
        modules     => ['status'],
        mpm_conf    => 'ServerLimit 4' . "\nStartServers 1\nThreadsPerChild @{[THREADS]}\nMaxRequestWorkers @{[THREADS]}\n"
            . "AsyncRequestWorkerFactor 20\n",
        conf => "${TEST_CONF}Listen 127.0.0.1:\@PORT2\@\nTimeout $timeout\n"
            . "<VirtualHost *:\@PORT2\@>\nAdpTestWaitIO On\n</VirtualHost>\n",
    )->start;
}

sub ping {
    my ($client) = @_;
    $client->send("ping\n") or return '';
    return Adaptive::HTTP::take_line($client->sock, time + 10) // q{};
}

my $s = server(60);

# Event refreshes the figures of mod_status when one of its queues expires, so only now and then.
sub is_waiting {
    my ($count, $what) = @_;
  SKIP: {
        skip 'event may show it much later', 1 if mpm() ne 'adaptive';
        ok((wait_for { $s->auto->{ConnsAsyncWaitIO} == $count } 30, $what), $what);
    }
    return;
}

my @clients = map { Adaptive::Client->new($s->port(2)) } 1 .. CONNECTIONS;

subtest 'waiting for the client to send' => sub {
    for my $round (1 .. 3) {
        is(scalar(grep { ping($_) =~ /^pong pid=\d+/ } @clients), CONNECTIONS, "round $round: each of them is served");
    }
    is(http_get($s->url('/1k.html'))->{status}, 200, 'and HTTP beside it');
    is_waiting(CONNECTIONS, 'mod_status shows how many wait');
    my @calls = map { ping($_) =~ /calls=(\d+)/ } @clients;
    is_deeply([ grep { $_ > 6 } @calls ], [], 'process_connection runs when there is something to do, and not else');
};

subtest 'waiting for the client to read' => sub {
    $_->send('write ' . BYTES . "\n") for @clients;
    is(http_get($s->url('/1k.html'), timeout => 15)->{status}, 200, 'no thread is held');
    for my $client (@clients) {
        my $got = length(Adaptive::HTTP::take_bytes($client->sock, BYTES, time + 30) // q{});
        is($got, BYTES, 'everything arrives') if $got != BYTES || $client == $clients[-1];
        like(ping($client), qr/^pong/, 'and the connection goes on') if $client == $clients[-1];
    }
};

subtest 'the client closes' => sub {
    $_->close for splice @clients, 0, CONNECTIONS / 2;
    is_waiting(scalar @clients, 'they go');
    $_->reset for splice @clients, 0;
    is_waiting(0, 'also after a reset');
};

subtest 'graceful restart' => sub {
    my $client = Adaptive::Client->new($s->port(2));
    like(ping($client), qr/^pong/, 'a connection waits');
    my ($old) = $s->child_pids;
    ok($s->graceful, 'restarted');
    like(ping($client), qr/^pong pid=$old /, 'its child still serves it');
    $client->send("bye\n");
    $client->close;
    ok((wait_for { !grep { $_ == $old } $s->direct_children } 20, 'the old child to go'), 'then the old child goes');
};
ok($s->stop, 'stops');

subtest 'Timeout' => sub {
    $s = server(2);
    my ($reads, $writes) = map { Adaptive::Client->new($s->port(2)) } 1 .. 2;
    like(ping($_), qr/^pong/, 'serves') for $reads, $writes;
    $writes->send('write ' . BYTES * 4 . "\n");
    ok($reads->closed(30), 'a client that sends nothing is closed');
    is_waiting(0, 'so is one that reads nothing');
    $writes->closed(30);
    cmp_ok(length ${ $writes->buffer }, '<', BYTES * 4, '(which had not got everything)');
    ok($s->stop, 'stops');
};

done_testing;
