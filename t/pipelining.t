# Requests sent before the answers to earlier ones were read: all answered, in order, whatever the framing and wherever
# the network cuts them.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;

my $server = Adaptive::Server->new(
    modules  => [qw(status)],
    mpm_conf => "StartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 16\n",
    conf     => "KeepAlive On\nKeepAliveTimeout 30\nMaxKeepAliveRequests 0\n",
);
my %content;
for my $n (0 .. 19) {
    $content{$n} = "file $n\n" x ($n % 5 == 4 ? 20_000 : $n + 1);
    put_file($server->docroot . "/$n.txt", $content{$n});
}
$server->start;

sub answers_in_order {
    my ($client, @expected) = @_;
    my $good = 0;
    for my $n (@expected) {
        my $response = $client->response or last;
        last if $response->{status} != 200 || $response->{body} ne $content{$n};
        $good++;
    }
    return $good;
}

subtest 'many requests in one segment' => sub {
    my $client = Adaptive::Client->new($server->port);
    my @order  = map { $_ % 20 } 0 .. 299;
    $client->send(join '', map { Adaptive::Client::request_text('GET', "/$_.txt") } @order);
    is answers_in_order($client, @order), scalar @order, 'answered in order';
    is $client->get('/3.txt')->{body}, $content{3}, 'and the connection goes on';
};

subtest 'cut at every place' => sub {
    my $pair = Adaptive::Client::request_text('GET', '/1.txt') . Adaptive::Client::request_text('GET', '/2.txt');
    my $good = 0;
    my $client = Adaptive::Client->new($server->port);
    for my $cut (1 .. length($pair) - 1) {
        $client->send(substr $pair, 0, $cut);
        $client->quiet(0.002);
        $client->send(substr $pair, $cut);
        $good += answers_in_order($client, 1, 2) == 2;
    }
    is $good, length($pair) - 1, 'both requests answered each time';
};

subtest 'a pipelined request behind a body' => sub {
    my $client = Adaptive::Client->new($server->port);
    my $good = 0;
    for my $size (0, 1, 8191, 8192, 100_000) {
        $client->send(Adaptive::Client::request_text('POST', '/1.txt', body => 'b' x $size)
                . Adaptive::Client::request_text('GET', '/7.txt'));
        my $first = $client->response or last;
        $good += $first->{status} < 500 && answers_in_order($client, 7) == 1;
    }
    is $good, 5, 'is found where the body ends';
};

subtest 'the last one asks for the end' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send(join '',
        (map { Adaptive::Client::request_text('GET', "/$_.txt") } 0 .. 18),
        Adaptive::Client::request_text('GET', '/19.txt', headers => { Connection => 'close' }),
        Adaptive::Client::request_text('GET', '/0.txt'));
    is answers_in_order($client, 0 .. 19), 20, 'everything up to it is answered';
    ok $client->closed, 'then the connection ends';
    is ${ $client->buffer }, '', 'without another answer';
};

subtest 'many pipelining clients at once' => sub {
    my @order   = map { ($_ * 7) % 20 } 0 .. 59;
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. 40;
    my $batch   = join '', map { Adaptive::Client::request_text('GET', "/$_.txt") } @order;
    $_->send($batch) for @clients;
    is scalar(grep { answers_in_order($_, @order) == @order } @clients), 40, 'each gets all its answers in order';
};

ok $server->stop, 'the server stops';
done_testing;
