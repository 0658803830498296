# mod_ssl with real TLS clients: versions, kept-alive connections, large bodies both ways, sessions, silent clients.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

eval { require IO::Socket::SSL; 1 } or plan skip_all => 'needs IO::Socket::SSL (libio-socket-ssl-perl)';

my $server = Adaptive::Server->new(
    modules  => [qw(status ssl socache_shmcb cgid reqtimeout)],
    mpm_conf => "StartServers 1\nThreadsPerChild 32\nMaxRequestWorkers 64\n",
    conf     => <<'CONF',
Listen 127.0.0.1:@PORT2@ https
Listen 127.0.0.1:@PORT3@ https
Timeout 60
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
AcceptFilter https none
RequestReadTimeout handshake=0 header=0 body=0
SSLSessionCache shmcb:@ROOT@/run/sslcache(512000)
@CGI@
LogFormat "%{remote}p %k %s" connections
Include @ROOT@/conf/certificate.conf
<VirtualHost *:@PORT2@>
    SSLEngine on
    CustomLog @ROOT@/connections.log connections
</VirtualHost>
<VirtualHost *:@PORT3@>
    SSLEngine on
    KeepAliveTimeout 500ms
    Timeout 2
</VirtualHost>
CONF
);
put_file($server->root . '/conf/certificate.conf', make_certificate($server->root));
put_script($server->root . '/sum.cgi', <<'CGI');
#!/usr/bin/perl
use Digest::SHA;
print "Content-Type: text/plain\r\n\r\n", Digest::SHA->new(256)->addfile(\*STDIN)->hexdigest;
CGI
my $big_sum = put_big_file($server->docroot . '/big.bin', 40_000_000);
put_file($server->docroot . '/hello.txt', "hello\n");
$server->start;

my $https = $server->port(2);

sub tls_client {
    my ($port, %opt) = @_;
    return Adaptive::Client->new($port, tls => { SSL_ca_file => $server->root . '/cert.pem', %opt });
}

# The numbers that the server gave to the requests of one connection: how many came before on the same.
sub request_numbers {
    my ($local_port) = @_;
    open my $log, '<', $server->root . '/connections.log' or die $!;
    return map { /\A$local_port (\d+) 200/ ? $1 : () } <$log>;
}

for my $version (qw(TLSv1_2 TLSv1_3)) {
    subtest $version => sub {
        my $client = tls_client($https, SSL_version => $version);
        is $client->sock->get_sslversion, $version, 'negotiated';
        my $local_port = $client->sock->sockport;
        my $good = grep { $client->get('/hello.txt')->{body} eq "hello\n" } 1 .. 500;
        is $good, 500, '500 requests on one connection';
        ok $client->quiet, 'which is still open';
        ok_within { join(' ', request_numbers($local_port)) eq join(' ', 0 .. 499) } 10, 'and the server counts them as requests of one connection';

        is sha256_of($client->get('/big.bin')->{body}), $big_sum, 'a response of 40 MB';
        my $body = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 1_000_000;
        is $client->request('POST', '/cgi/sum.cgi', body => $body)->{body}, sha256_of($body), 'a request body of 4 MB';
        $client->send(join '', map { Adaptive::Client::request_text('GET', '/hello.txt') } 1 .. 50);
        is scalar(grep { $client->response->{body} eq "hello\n" } 1 .. 50), 50, 'pipelined requests in one record';
        $client->close;
    };
}

subtest 'a request in many small records' => sub {
    my $client = tls_client($https);
    $client->send($_) for split //, Adaptive::Client::request_text('GET', '/hello.txt');
    is $client->response->{body}, "hello\n", 'is put together';
};

subtest 'session resumption' => sub {
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $context = IO::Socket::SSL::SSL_Context->new(
            SSL_version => $version, SSL_ca_file => $server->root . '/cert.pem', SSL_session_cache_size => 10) or die;
        my @reused;
        for (1 .. 3) {
            my $client = tls_client($https, SSL_reuse_ctx => $context, SSL_session_key => 'the server');
            is $client->get('/hello.txt')->{status}, 200, "$version: served";
            push @reused, $client->sock->get_session_reused ? 1 : 0;
            $client->close;
        }
        is "@reused", '0 1 1', "$version: the session is used again";
    }
};

subtest 'keep-alive timeout over TLS' => sub {
    my $client = tls_client($server->port(3));
    is $client->get('/hello.txt')->{status}, 200, 'served';
    ok $client->closed(20), 'closed after it';
    is ${ $client->buffer }, '', 'with nothing more than the close notify';
};

subtest 'idle connections hold no thread' => sub {
    my @idle = map { tls_client($https) } 1 .. 60;
    is scalar(grep { $_->get('/hello.txt')->{status} == 200 } @idle), 60, '60 clients, each served once';
    if (mpm() ne 'event') {    # which brings its counters up to date only now and then
        ok_within { $server->auto->{ConnsAsyncKeepAlive} >= 60 } 10, 'shown as ConnsAsyncKeepAlive';
    }
    ok_within { $server->auto->{BusyWorkers} <= 2 } 20, 'no worker is busy';
    is scalar(grep { $_->get('/hello.txt')->{status} == 200 } @idle), 60, 'each is served again';
};

subtest 'handshakes that do not come to an end' => sub {
    my @silent = map { Adaptive::Client->new($server->port(3)) } 1 .. 5;
    my @begun  = map { Adaptive::Client->new($server->port(3)) } 1 .. 5;
    $_->send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") for @begun;
    is tls_client($https)->get('/hello.txt')->{status}, 200, 'others are served';
    is scalar(grep { $_->closed } @silent, @begun), 10, 'they are closed after Timeout';
};

subtest 'plain HTTP to the TLS port' => sub {
    my $client = Adaptive::Client->new($https);
    is $client->get('/hello.txt')->{status}, 400, 'is told so';
};

subtest 'other clients' => sub {
    my $curl = run_command(30, 'curl', '-sS', '--http1.1', '--cacert', $server->root . '/cert.pem', '-w', '%{num_connects} ',
        map { ('-o', '/dev/null', "https://localhost:$https/hello.txt") } 1 .. 10);
    is $curl->{output}, '1 0 0 0 0 0 0 0 0 0 ', 'curl makes ten requests on one connection';
};

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
