# Kept-alive connections: the timeout of the right virtual host, the limit of requests a connection, and that an idle
# connection costs no thread.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(time);

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $IDLE_CONNECTIONS = 1000;

my $server = Adaptive::Server->new(
    modules  => [qw(status)],
    mpm_conf => "StartServers 2\nThreadsPerChild 25\nMaxRequestWorkers 200\n",
    conf     => <<'CONF',
Listen 127.0.0.1:@PORT2@
Listen 127.0.0.1:@PORT3@
Timeout 60
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
<VirtualHost *:@PORT@>
    ServerName default
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName quick
    KeepAliveTimeout 500ms
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName limited
    MaxKeepAliveRequests 3
</VirtualHost>
<VirtualHost *:@PORT2@>
    ServerName quick-port
    KeepAliveTimeout 500ms
</VirtualHost>
<VirtualHost *:@PORT3@>
    ServerName off
    KeepAlive Off
</VirtualHost>
CONF
);
put_file($server->docroot . '/hello.txt', "hello\n");
$server->start;

sub get_hello {
    my ($client, $host) = @_;
    return $client->get('/hello.txt', headers => { Host => $host // 'localhost', Connection => 'keep-alive' });
}

subtest 'many requests on one connection' => sub {
    my $client = Adaptive::Client->new($server->port);
    my $good = 0;
    for (1 .. 500) {
        my $response = get_hello($client) or last;
        $good++ if $response->{status} == 200 && $response->{body} eq "hello\n";
    }
    is $good, 500, 'every response is complete';
    ok $client->quiet, 'and the connection is still open';
};

subtest 'the timeout is that of the virtual host of the last request' => sub {
    my $long = Adaptive::Client->new($server->port);
    is get_hello($long)->{status}, 200, 'default virtual host';
    for my $case (['a named virtual host', $server->port, 'quick'], ['a port of its own', $server->port(2), undef]) {
        my ($what, $port, $host) = @$case;
        my $quick = Adaptive::Client->new($port);
        my $response = get_hello($quick, $host);
        my $answered = time;
        is $response->{status}, 200, "$what: served";
        ok $quick->closed(20), "$what: closed by the server";
        cmp_ok time - $answered, '>=', 0.4, "$what: not before its 500 ms were over";
    }
    ok $long->quiet, 'a connection with a long timeout is not closed along with them';
    is get_hello($long)->{status}, 200, 'and still serves';

    my $mixed = Adaptive::Client->new($server->port);
    is get_hello($mixed, 'quick')->{status}, 200, 'first a request to the quick virtual host';
    is get_hello($mixed, 'default')->{status}, 200, 'then one to the slow virtual host, on the same connection';
    ok $mixed->quiet(2), 'which now waits for longer';
};

subtest 'MaxKeepAliveRequests' => sub {
    my $client = Adaptive::Client->new($server->port);
    for my $n (1 .. 3) {
        my $response = get_hello($client, 'limited');
        like $response->{headers}{connection}, qr/keep-alive/i, "response $n keeps the connection";
    }
    is get_hello($client, 'limited')->{headers}{connection}, 'close', 'the last announces the end';
    ok $client->closed, 'which comes';
};

subtest 'KeepAlive Off' => sub {
    my $client = Adaptive::Client->new($server->port(3));
    my $response = get_hello($client);
    is $response->{body}, "hello\n", 'served';
    is $response->{headers}{connection}, 'close', 'announced';
    ok $client->closed, 'and closed';
};

subtest 'a client that asks for the end, HTTP/1.0 with and without keep-alive' => sub {
    my $client = Adaptive::Client->new($server->port);
    my $response = $client->get('/hello.txt', headers => { Connection => 'close' });
    is $response->{headers}{connection}, 'close', 'Connection: close is answered';
    ok $client->closed, 'and done';

    my $old = Adaptive::Client->new($server->port);
    $old->send("GET /hello.txt HTTP/1.0\r\n\r\n");
    is $old->response->{body}, "hello\n", 'HTTP/1.0';
    ok $old->closed, 'is closed after the response';

    my $kept = Adaptive::Client->new($server->port);
    for my $n (1 .. 3) {
        $kept->send("GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        is $kept->response->{body}, "hello\n", "HTTP/1.0 with keep-alive, request $n";
    }
};

subtest "$IDLE_CONNECTIONS idle connections" => sub {
    plan skip_all => 'event limits connections by its idle workers, and most of these would not be served' if mpm() eq 'event';
    my @idle = map { Adaptive::Client->new($server->port) } 1 .. $IDLE_CONNECTIONS;
    my $served = 0;
    for my $client (@idle) {
        last if get_hello($client)->{status} != 200;
        $served++;
    }
    is $served, $IDLE_CONNECTIONS, 'each has been served once';
    ok_within { $server->auto->{ConnsAsyncKeepAlive} >= $IDLE_CONNECTIONS } 20, 'all of them shown as ConnsAsyncKeepAlive';
    ok_within { $server->auto->{BusyWorkers} <= 2 } 20, 'no thread is busy with them';
    cmp_ok $server->auto->{ConnsTotal}, '>=', $IDLE_CONNECTIONS, 'ConnsTotal counts them';

    my $next = Adaptive::Client->new($server->port);
    is get_hello($next)->{status}, 200, 'a further client is served';

    my $again = 0;
    for my $client (@idle) {
        last if get_hello($client)->{status} != 200;
        $again++;
    }
    is $again, $IDLE_CONNECTIONS, 'and every idle connection can be used again';
    $_->close for @idle;
    ok_within { $server->auto->{ConnsAsyncKeepAlive} <= 3 } 20, 'the count falls when the clients leave';
};

ok $server->stop, 'the server stops';
done_testing;
