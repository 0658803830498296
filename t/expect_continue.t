# Expect: 100-continue: the interim answer comes before the body is sent, an error answer comes instead of it, and the
# connection is usable afterwards.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;

my $server = Adaptive::Server->new(
    modules  => [qw(status cgid reqtimeout)],
    mpm_conf => "StartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 16\n",
    conf     => <<'CONF',
KeepAlive On
KeepAliveTimeout 30
ScriptSock @ROOT@/cgisock
ScriptAlias /count @ROOT@/count.cgi
<Directory "@ROOT@">
    Require all granted
</Directory>
<Location /denied>
    Require all denied
</Location>
<Location /small>
    LimitRequestBody 10
</Location>
ScriptAlias /small @ROOT@/count.cgi
CONF
);
put_script($server->root . "/count.cgi", <<'CGI');
#!/usr/bin/perl
my ($bytes, $sum) = (0, 0);
while (read STDIN, my $piece, 65536) { $bytes += length $piece; $sum = ($sum + unpack '%32C*', $piece) % 2**32 }
print "Content-Type: text/plain\r\n\r\n$bytes $sum";
CGI
$server->start;

sub expect_head {
    my ($path, @headers) = @_;
    return join "\r\n", "POST $path HTTP/1.1", 'Host: localhost', 'Expect: 100-continue', @headers, '', '';
}

subtest 'the body follows the interim answer' => sub {
    my $client = Adaptive::Client->new($server->port);
    for my $size (1, 10, 70_000, 1_000_000) {
        my $body = 'abc' x ($size / 3 + 1);
        my $sum  = unpack '%32C*', $body;
        $client->send(expect_head('/count', 'Content-Length: ' . length $body));
        my $interim = $client->response;
        is $interim->{status}, 100, length($body) . ' bytes: 100 Continue comes first';
        $client->send($body);
        my $final = $client->response;
        is $final->{status}, 200, 'then the answer';
        is $final->{body}, length($body) . " $sum", 'made from the whole body';
    }
};

subtest 'a chunked body' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send(expect_head('/count', 'Transfer-Encoding: chunked'));
    is $client->response->{status}, 100, 'interim answer';
    $client->send("5\r\nabcde\r\n");
    ok $client->quiet(0.2), 'the server waits for the rest';
    $client->send("3\r\nfgh\r\n0\r\n\r\n");
    is $client->response->{body}, '8 ' . unpack('%32C*', 'abcdefgh'), 'and reads it';
    is $client->get('/none')->{status}, 404, 'the connection goes on';
};

subtest 'refused without a 100' => sub {
    for my $case (['/denied', 403], ['/small', 413]) {
        my ($path, $status) = @$case;
        my $client = Adaptive::Client->new($server->port);
        $client->send(expect_head($path, 'Content-Length: 100000'));
        my $response = $client->response;
        is $response->{status}, $status, "$path: the final answer comes at once";
    }
};

subtest 'a body sent without waiting' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send(expect_head('/count', 'Content-Length: 4') . 'abcd');
    my $response = $client->response;
    $response = $client->response if $response->{status} == 100;
    is $response->{body}, '4 ' . unpack('%32C*', 'abcd'), 'is taken';
};

subtest 'an unknown expectation' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send("POST /count HTTP/1.1\r\nHost: localhost\r\nExpect: the-unexpected\r\nContent-Length: 0\r\n\r\n");
    is $client->response->{status}, 417, 'is refused';
};

subtest 'many waiting clients' => sub {
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. 12;
    $_->send(expect_head('/count', 'Content-Length: 6')) for @clients;
    my @continued = grep { my $r = $_->response; $r && $r->{status} == 100 } @clients;
    is scalar @continued, 12, 'each is told to continue, more of them than threads at the start';
    $_->send('abcdef') for @continued;
    is scalar(grep { my $r = $_->response; $r && $r->{body} =~ /\A6 / } @continued), 12, 'and answered';
};

ok $server->stop, 'the server stops';
done_testing;
