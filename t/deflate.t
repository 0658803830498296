# mod_deflate: compressed responses on kept-alive connections, static and dynamic, large ones to slow readers, and
# compressed request bodies.

use strict;
use warnings;
use lib 't/lib';

use Compress::Zlib ();
use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;

my $server = Adaptive::Server->new(
    modules  => [qw(status filter deflate cgid)],
    mpm_conf => "StartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 32\n",
    conf     => <<'CONF',
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
@CGI@
AddOutputFilterByType DEFLATE text/plain
<Location /cgi/>
    SetInputFilter DEFLATE
</Location>
CONF
);
put_script($server->root . '/echo.cgi', <<'CGI');
#!/usr/bin/perl
local $/;
my $body = <STDIN>;
print "Content-Type: text/plain\r\n\r\n$body";
CGI
my $small = "compressible " x 100;
my $large = join '', map {"line $_ of a text that compresses\n"} 1 .. 300_000;
put_file($server->docroot . '/small.txt', $small);
put_file($server->docroot . '/large.txt', $large);
$server->start;

my @gzip = (headers => { 'Accept-Encoding' => 'gzip' });

sub plain {
    my ($response) = @_;
    return "encoding '" . ($response->{headers}{'content-encoding'} // '') . "'"
        if ($response->{headers}{'content-encoding'} // '') ne 'gzip';
    return Compress::Zlib::memGunzip($response->{body}) // 'not gzip';
}

subtest 'on one connection' => sub {
    my $client = Adaptive::Client->new($server->port);
    is scalar(grep { plain($client->get('/small.txt', @gzip)) eq $small } 1 .. 200), 200, '200 small responses';
    my $response = $client->get('/large.txt', @gzip);
    cmp_ok length $response->{body}, '<', length($large) / 4, 'a large one is compressed';
    is sha256_of(plain($response)), sha256_of($large), 'and whole';
    is $client->get('/small.txt')->{body}, $small, 'without Accept-Encoding as it is';
};

subtest 'to many clients at once that begin to read late' => sub {
    my @clients = map { Adaptive::Client->new($server->port, rcvbuf => 4096) } 1 .. 10;
    $_->send(Adaptive::Client::request_text('GET', '/large.txt', @gzip)) for @clients;
    is http_get($server->url('/small.txt'))->{body}, $small, 'another client is served meanwhile';
    is scalar(grep { plain($_->response) eq $large } @clients), 10, 'each gets the whole text';
};

subtest 'compressed request bodies' => sub {
    my $client = Adaptive::Client->new($server->port);
    my $response = $client->request('POST', '/cgi/echo.cgi', body => Compress::Zlib::memGzip($large),
        headers => { 'Content-Encoding' => 'gzip', 'Accept-Encoding' => 'gzip' });
    is sha256_of(plain($response)), sha256_of($large), 'are inflated for the script, whose answer is compressed';
};

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
