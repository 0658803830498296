# Requests sent before the answers to earlier ones were read: all answered, in order, whatever the framing and wherever
# the network cuts them.

use strict;
use warnings;
use lib 't/lib';

use IO::Select;
use Test::More;
use Time::HiRes qw(time);

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $server = Adaptive::Server->new(
    modules     => [qw(status)],
    test_module => 1,
    mpm_conf => "StartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 16\n",
    conf     => "${TEST_CONF}KeepAlive On\nKeepAliveTimeout 30\nMaxKeepAliveRequests 0\n",
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

# A client that always has requests on the way, whatever is answered.
sub greedy_client {
    my $batch = Adaptive::Client::request_text('GET', '/1.txt') x 100;
    my $sock  = tcp($server->port);
    my ($read, $write) = (IO::Select->new($sock), IO::Select->new($sock));
    my $left = '';
    $sock->blocking(0);
    while (1) {
        my ($readable, $writable) = IO::Select->select($read, $write, undef, 5);
        sysread $sock, my $answers, 65536 if @{ $readable // [] };
        next if !@{ $writable // [] };
        $left = $batch if $left eq '';
        substr $left, 0, syswrite($sock, $left) // 0, '';
    }
}

subtest 'clients that never cease' => sub {
    my @greedy = map { spawn(\&greedy_client) } 1 .. 24;
    ok((wait_for { $server->auto->{BusyWorkers} >= 4 } 15, 'them to keep the threads busy'), 'have all threads');
    my @others = map { Adaptive::Client->new($server->port) } 1 .. 3;
    my $answered = 0;
    for my $client ((@others) x 5) {
        $client->send(Adaptive::Client::request_text('GET', '/2.txt'));
        $answered += answers_in_order($client, 2);
    }
    is $answered, 15, 'and yet others are served';
    finish($_) for @greedy;
};

subtest 'a turn is more than one request' => sub {
    my $each    = 400;
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. 12;
    my $batch   = Adaptive::Client::request_text('GET', '/1.txt') x $each;
    my $before  = hooks($server)->{suspend};
    $_->send($batch) for @clients;
    is scalar(grep { answers_in_order($_, (1) x $each) == $each } @clients), scalar @clients, 'all are answered';
    cmp_ok hooks($server)->{suspend} - $before, '<', $each * @clients / 4, 'and few of these requests had to queue up again';
};

# Without the test module, in whose presence requests are not collected. mod_logio counts a byte again that somebody has looked at
# ahead of reading it: the figures are those of mpm_event.
subtest 'each request has its own bytes in the log' => sub {
    my $s = Adaptive::Server->new(modules => [qw(status logio)],
        conf => "KeepAlive On\nLogFormat \"%I\" io\nCustomLog \@ROOT\@/logs/io io\n")->start;
    my $get     = Adaptive::Client::request_text('GET', '/1k.html');
    my $options = Adaptive::Client::request_text('OPTIONS', '/1k.html', body => 'x' x 50);
    my $client  = Adaptive::Client->new($s->port);
    $client->send($get . $options . $get);
    is scalar(grep { $client->response->{status} == 200 } 1 .. 3), 3, 'three at once are answered';
    $client->close;
    my @counts;
    ok_within { (@counts = Adaptive::Server::read_text($s->root . '/logs/io') =~ /^(\d+)$/mg) == 3 } 20, 'and logged';
    is join(' ', @counts), join(' ', length $get, 2 + length $options, length $get), 'as under mpm_event';
    ok $s->stop, 'it stops';
};

ok $server->stop, 'the server stops';
done_testing;
