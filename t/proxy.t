# mod_proxy_http in front of a second httpd: bodies both ways, a slow and an absent backend, reuse of the backend's
# connections, graceful restarts of either side.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $backend = Adaptive::Server->new(
    modules  => [qw(status cgid)],
    mpm_conf => "ThreadsPerChild 64\nMaxRequestWorkers 128\n",
    conf     => <<'CONF',
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
@CGI@
LogFormat "%{remote}p %s %U" ports
CustomLog @ROOT@/ports.log ports
CONF
);
put_script($backend->root . '/sum.cgi', <<'CGI');
#!/usr/bin/perl
use Digest::SHA;
my $sum = Digest::SHA->new(256)->addfile(\*STDIN)->hexdigest;
print "Content-Type: text/plain\r\n\r\n$ENV{REQUEST_METHOD} $sum";
CGI
# A request for slow.cgi (which runs in the server root) ends when this file is gone.
my $hold = $backend->root . '/tmp/hold';
put_script($backend->root . '/slow.cgi', <<'CGI');
#!/usr/bin/perl
$| = 1;
print "Content-Type: text/plain\r\n\r\nbegin ";
select undef, undef, undef, 0.1;
select undef, undef, undef, 0.02 while -e "tmp/hold";
print "end";
CGI
my $big_sum = put_big_file($backend->docroot . '/big.bin', 30_000_000);
put_file($backend->docroot . '/small.txt', "small\n");
$backend->start;

my $server = Adaptive::Server->new(
    modules  => [qw(status proxy proxy_http)],
    mpm_conf => "StartServers 1\nThreadsPerChild 64\nMaxRequestWorkers 64\nMinSpareThreads 1\nMaxSpareThreads 64\n",
    conf     => <<"CONF",
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
ProxyPass /b/ http://127.0.0.1:@{[ $backend->port ]}/ retry=0
ProxyPassReverse /b/ http://127.0.0.1:@{[ $backend->port ]}/
CONF
);
put_file($server->docroot . '/local.txt', "local\n");
$server->start;

sub gets {
    my ($count, $path) = @_;
    my $client = Adaptive::Client->new($server->port);
    return scalar grep { my $response = $client->get($path); $response && $response->{status} == 200 } 1 .. $count;
}

subtest 'responses' => sub {
    my $client = Adaptive::Client->new($server->port);
    is $client->get('/b/small.txt')->{body}, "small\n", 'a small one';
    is $client->get('/b/none')->{status}, 404, 'an error of the backend';
    my $response = $client->get('/b/big.bin');
    is sha256_of($response->{body}), $big_sum, '30 MB arrive whole';
    is $client->request('HEAD', '/b/big.bin')->{headers}{'content-length'}, 30_000_000, 'HEAD';
    my $part = $client->get('/b/big.bin', headers => { Range => 'bytes=1000000-1000009' });
    is $part->{status} . ' ' . length $part->{body}, '206 10', 'a range';
};

subtest 'request bodies' => sub {
    my $client = Adaptive::Client->new($server->port);
    for my $bytes (0, 1, 20_000, 5_000_000) {
        my $body     = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. $bytes / 4 + 1;
        my $response = $client->request('POST', '/b/cgi/sum.cgi', body => $body);
        is $response->{body}, 'POST ' . sha256_of($body), length($body) . ' bytes reach the backend';
    }
    my $pieces = join '', map { sprintf "%x\r\n%s\r\n", length, $_ } map { 'chunk' x $_ } 1 .. 200;
    $client->send(Adaptive::Client::request_text('PUT', '/b/cgi/sum.cgi', headers => { 'Transfer-Encoding' => 'chunked' }));
    $client->send("${pieces}0\r\n\r\n");
    is $client->response->{body}, 'PUT ' . sha256_of(join '', map { 'chunk' x $_ } 1 .. 200), 'a chunked body';
};

subtest 'connections to the backend are reused' => sub {
    my $mark = -s $backend->root . '/ports.log';
    is gets(200, '/b/small.txt'), 200, 'requests';
    my %ports;
    ok_within {
        %ports = ();
        open my $log, '<', $backend->root . '/ports.log' or die $!;
        seek $log, $mark, 0;
        /\A(\d+) 200/ and $ports{$1}++ while <$log>;
        my $lines = 0;
        $lines += $_ for values %ports;
        $lines >= 200;
    } 10, 'all of them logged by the backend';
    cmp_ok scalar(keys %ports), '<=', 5, 'over a handful of connections';
};

subtest 'a slow backend' => sub {
    put_file($hold, '');
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. 40;
    $_->send(Adaptive::Client::request_text('GET', '/b/cgi/slow.cgi')) for @clients;
    ok_within { $server->auto->{BusyWorkers} >= 40 } 10, '40 requests wait for it at once';
    my $client = Adaptive::Client->new($server->port);
    is $client->get('/local.txt')->{body}, "local\n", 'something else is served meanwhile';
    unlink $hold;
    my $whole = grep { my $r = $_->response; $r && $r->{body} eq 'begin end' } @clients;
    is $whole, 40, 'all get their answer';
};

subtest 'the client leaves during a slow response' => sub {
    for (1 .. 20) {
        my $client = Adaptive::Client->new($server->port);
        $client->send(Adaptive::Client::request_text('GET', '/b/cgi/slow.cgi'));
        $client->reset;
    }
    ok_within { $server->auto->{BusyWorkers} <= 1 } 20, 'the workers are free again';
    is gets(5, '/b/small.txt'), 5, 'and serve';
};

subtest 'graceful restart of the proxy' => sub {
    put_file($hold, '');
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. 10;
    $_->send(Adaptive::Client::request_text('GET', '/b/cgi/slow.cgi')) for @clients;
    ok_within { $server->auto->{BusyWorkers} >= 10 } 10, 'requests under way';
    $server->graceful;
    is gets(20, '/b/small.txt'), 20, 'the new generation serves';
    unlink $hold;
    is scalar(grep { my $r = $_->response; $r && $r->{body} eq 'begin end' } @clients), 10,
        'the old one finishes its requests';
};

subtest 'graceful restart of the backend' => sub {
    is gets(5, '/b/small.txt'), 5, 'before';
    my %old = map { $_ => 1 } $backend->child_pids;
    $backend->graceful;
    ok_within { !grep { $old{$_} } $backend->child_pids } 20, 'its old children are gone';
    is gets(50, '/b/small.txt'), 50, 'after it every request is served';
};

subtest 'the backend is down' => sub {
    ok $backend->stop, 'stopped';
    my $client = Adaptive::Client->new($server->port);
    is $client->get('/b/small.txt')->{status}, 503, 'the answer is 503';
    is http_get($server->url('/local.txt'))->{body}, "local\n", 'what needs no backend is served';
    $backend->start;
    is gets(20, '/b/small.txt'), 20, 'it is used again when it is back';
};

unlike $_->error_log, qr/AH00052|exit signal/, 'no child crashed' for $server, $backend;
ok $server->stop,  'the proxy stops';
ok $backend->stop, 'the backend stops';
done_testing;
