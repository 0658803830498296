# mod_reqtimeout with the limits that Debian sets, shortened: slow heads and bodies are answered with 408 in time, and any
# number of slow clients does not keep others out.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(time);

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $SLOW_CLIENTS = 100;

my $server = Adaptive::Server->new(
    modules  => [qw(status reqtimeout ssl socache_shmcb cgid)],
    mpm_conf => "StartServers 1\nThreadsPerChild 128\nThreadLimit 128\nMaxRequestWorkers 128\n",
    conf     => <<'CONF',
Listen 127.0.0.1:@PORT2@ https
Listen 127.0.0.1:@PORT3@
AcceptFilter http none
AcceptFilter https none
KeepAlive On
KeepAliveTimeout 60
Timeout 60
RequestReadTimeout header=2-4,minrate=500
RequestReadTimeout body=1,minrate=500
@CGI@
Include @ROOT@/conf/certificate.conf
<VirtualHost *:@PORT2@>
    SSLEngine on
    RequestReadTimeout handshake=2
</VirtualHost>
<VirtualHost *:@PORT3@>
    RequestReadTimeout header=15 body=15
</VirtualHost>
CONF
);
put_file($server->root . '/conf/certificate.conf', make_certificate($server->root));
put_script($server->root . '/length.cgi', <<'CGI');
#!/usr/bin/perl
local $/;
my $body = <STDIN>;
print "Content-Type: text/plain\r\n\r\n", length $body;
CGI
$server->start;

# These take their time, so they begin now.
my $silent     = Adaptive::Client->new($server->port);
my $tls_silent = Adaptive::Client->new($server->port(2));
my $tls_begun  = Adaptive::Client->new($server->port(2));
$tls_begun->send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");

subtest 'slow heads' => sub {
    my $begin  = time;
    my $half   = Adaptive::Client->new($server->port);
    my $second = Adaptive::Client->new($server->port);
    is $second->get('/1k.html')->{status}, 200, 'a first request in time';
    $_->send("GET /1k.html HTTP/1.1\r\nHost: loc") for $half, $second;
    is $half->response->{status}, 408, 'half a head: 408';
    cmp_ok time - $begin, '>=', 1.5, 'not before the time is over';
    ok $half->closed, 'and the end';
    is $second->response->{status}, 408, 'half a head of a second request: 408';

    my $dripping = Adaptive::Client->new($server->port);
    $dripping->send("GET /1k.html HTTP/1.1\r\nX-Slow: ");
    $begin = time;
    my $sent = 0;
    while ($dripping->quiet(0.1) && $sent++ < 300) { $dripping->send('x') }
    is $dripping->response->{status}, 408, 'a byte now and then does not help';
    cmp_ok time - $begin, '<', 25, 'for long';

    ok $silent->closed(30), 'a client that sends nothing is closed';
    is ${ $silent->buffer }, '', 'without a word';
};

subtest 'slow bodies' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send("POST /cgi/length.cgi HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nonly the beginning");
    is $client->response->{status}, 408, 'a body that stops: 408';
    ok $client->closed, 'and the end';

    my $steady = Adaptive::Client->new($server->port);
    $steady->send("POST /cgi/length.cgi HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000\r\n\r\n");
    for (1 .. 30) {
        $steady->send('x' x 1000);
        $steady->quiet(0.1);
    }
    is $steady->response->{body}, 30000, 'one that takes longer, but comes at more than the minimal rate, is read';
};

subtest 'TLS handshakes' => sub {
    ok $_->closed(30), 'one that does not come to an end is closed' for $tls_begun, $tls_silent;
};

subtest "$SLOW_CLIENTS slow clients" => sub {
    my @slow = map { Adaptive::Client->new($server->port(3)) } 1 .. $SLOW_CLIENTS;
    $_->send("GET /1k.html HTTP/1.1\r\nHost: ") for @slow;
    is scalar(grep { http_get($server->url('/1k.html'))->{status} == 200 } 1 .. 50), 50, 'others are served';
    $_->send("localhost\r\n\r\n") for @slow;
    is scalar(grep { $_->response->{status} == 200 } @slow), $SLOW_CLIENTS, 'the slow ones too, at last';

    my @hopeless = map { Adaptive::Client->new($server->port) } 1 .. $SLOW_CLIENTS;
    $_->send("GET /1k.html HTTP/1.1\r\nHost: ") for @hopeless;
    is scalar(grep { http_get($server->url('/1k.html'))->{status} == 200 } 1 .. 50), 50, 'others are served';
    is scalar(grep { $_->response->{status} == 408 } @hopeless), $SLOW_CLIENTS, 'those over the limit all get their 408';
    ok_within { $server->auto->{BusyWorkers} == 1 } 20, 'and no worker stays busy';
};

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
