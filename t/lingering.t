# Lingering close: a client that is still sending when the answer is final gets to read that answer, and while it does,
# no thread waits for it.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(time);

use Adaptive::Client;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $LINGERING = 40;

my $server = Adaptive::Server->new(
    modules  => [qw(status)],
    mpm_conf => "StartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\n",
    conf     => <<'CONF',
Listen 127.0.0.1:@PORT2@
KeepAlive On
KeepAliveTimeout 60
Timeout 60
LimitRequestLine 2000
LimitRequestFields 20
<Location /1k.html>
    LimitRequestBody 1000
</Location>
<VirtualHost *:@PORT2@>
    KeepAliveTimeout 1
</VirtualHost>
CONF
);
$server->start;

# Lingering connections, counted. event counts them late.
my $counts = mpm() ne 'event';
sub closing { return $server->auto->{ConnsAsyncClosing} }

# Sends the head, lets the server answer, goes on sending and reads only then.
sub answer_to_stubborn_client {
    my ($head, $more) = @_;
    my $client = Adaptive::Client->new($server->port);
    $client->send($head);
    $client->quiet(0.3);
    for my $n (1 .. 50) {
        $client->send($more) or last;
        $client->quiet(0.001);
    }
    my $response = $client->response;
    return "$response->{status} " . ($response->{body} =~ m{</html>\s*\z} ? 'whole' : 'cut');
}

subtest 'a client that goes on sending' => sub {
    my %cases = (
        413 => ["POST /1k.html HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3276800\r\n\r\n", 'x' x 65536],
        414 => ['GET /' . 'a' x 3000, 'a' x 65536],
        400 => ["GET / HTTP/1.1\r\nHost: localhost\r\n" . "X-Field: 1\r\n" x 30, "X-Field: 1\r\n" x 5000],
    );
    for my $status (sort keys %cases) {
        is answer_to_stubborn_client(@{ $cases{$status} }), "$status whole", "reads the $status that ended its request"
            for 1 .. 5;
    }
    my $many = Adaptive::Client->new($server->port);
    $many->send(Adaptive::Client::request_text('GET', '/1k.html', headers => { Connection => 'close' }) . 'x' x 500_000);
    is length($many->response->{body}), 1024, 'a response with Connection: close before unread input is whole';
};

subtest "$LINGERING lingering connections, 8 threads" => sub {
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. $LINGERING;
    $_->send(Adaptive::Client::request_text('GET', '/1k.html', headers => { Connection => 'close' })) for @clients;
    is scalar(grep { length $_->response->{body} == 1024 } @clients), $LINGERING, 'are answered';
    is scalar(grep { $_->closed(10) } @clients), $LINGERING, 'and see the end of the stream at once';
    ok_within { closing() == $LINGERING } 10, 'the server waits for their side: ConnsAsyncClosing' if $counts;
    ok_within { $server->auto->{BusyWorkers} == 1 } 10, 'no worker does';
    is scalar(grep { http_get($server->url('/1k.html'))->{status} == 200 } 1 .. 50), 50, 'others are served';
    $clients[0]->send('more') for 1 .. 3;
    my @stay = splice @clients, 0, 5;
    $_->close for @clients;
    if ($counts) {
        ok_within { closing() == 5 } 10, 'those that close are forgotten at once';
        $_->reset for @stay[0, 1];
        ok_within { closing() == 3 } 10, 'those that reset too';
        ok $server->graceful, 'graceful restart';
        ok_within { my $auto = $server->auto; !$auto->{Stopping} } 20, 'the old child does not wait for the others for long';
    }
};

subtest 'a kept-alive connection whose time is over, and whose client does not close' => sub {
    my $client = Adaptive::Client->new($server->port(2));
    is $client->get('/1k.html')->{status}, 200, 'is served';
    ok $client->closed, 'hears that it is over';
    my ($ended, $beats) = (time, 0);
    ok_within { $beats++ % 10 == 0 && !$client->send('x') } 60, 'and is forgotten';
    # Nothing was under way that it might still have to read: 2 s instead of 30.
    cmp_ok time - $ended, '<', 20, 'soon';
};

subtest 'a client that neither reads nor closes' => sub {
    my $opened = time;
    my $client = Adaptive::Client->new($server->port);
    $client->send(Adaptive::Client::request_text('GET', '/1k.html', headers => { Connection => 'close' }));
    is $client->response->{status}, 200, 'is answered';
    ok_within { closing() == 1 } 10, 'lingers' if $counts;
    my $beats = 0;
    ok_within {
        # Sending does not prolong it: after the end there is a reset instead of silence.
        $beats++ % 50 == 0 && !$client->send('x');
    } 60, 'and is given up in the end, however much it sends';
    cmp_ok time - $opened, '>', 10, 'not at once';
    ok_within { closing() == 0 } 10, 'and forgotten' if $counts;
};

ok $server->stop, 'the server stops';
done_testing;
