# Large downloads to clients that read slowly or not at all, more of them than threads: no thread waits for a client,
# everybody else is served, every byte arrives, and a client that never reads is dropped after Timeout.

use strict;
use warnings;
use lib 't/lib';

use Digest::SHA ();
use IO::Poll qw(POLLIN POLLHUP POLLERR);
use Test::More;
use Time::HiRes qw(time);

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $CLIENTS    = 60;
my $FILE_BYTES = 2_000_000;

# Small buffers, so that only a small part of a file fits into the kernel.
sub new_server {
    my (%opt) = @_;
    return Adaptive::Server->new(
        modules  => [qw(status)],
        mpm_conf => "StartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\n"
            . "SendBufferSize 32768\n",
        # With sendfile the core leaves the rest of a file to the MPM; what it has read or mapped it writes itself first.
        conf => "EnableSendfile On\nKeepAlive On\nKeepAliveTimeout 60\nTimeout $opt{timeout}\n" . ($opt{conf} // ''),
    );
}

# Reads from all the clients at once, a little from each in turn, until all responses are complete or the time is up.
# Returns the number of those whose body has the checksum.
sub read_all_slowly {
    my ($sum, @clients) = @_;
    my ($poll, $good, %state) = (IO::Poll->new, 0);
    for my $client (@clients) {
        $poll->mask($client->sock => POLLIN);
        $state{ fileno $client->sock } = { digest => Digest::SHA->new(256), head => '', left => undef };
    }
    my $deadline = time + 60;
    while ($poll->handles && time < $deadline) {
        $poll->poll(1);
        for my $sock ($poll->handles(POLLIN | POLLHUP | POLLERR)) {
            my $state = $state{ fileno $sock };
            my $got = sysread $sock, my ($piece), 16384;
            take_piece($state, $piece) if $got;
            next if $got && (!defined $state->{left} || $state->{left} > 0);
            $poll->remove($sock);
            $good++ if defined $state->{left} && $state->{left} == 0 && $state->{digest}->hexdigest eq $sum;
        }
    }
    return $good;
}

sub take_piece {
    my ($state, $piece) = @_;
    if (!defined $state->{left}) {
        $state->{head} .= $piece;
        $state->{head} =~ s/\A(.*?)\r\n\r\n//s or return;
        ($state->{left}) = $1 =~ /^Content-Length: (\d+)/mi or return;
        $piece = delete $state->{head};
    }
    $state->{digest}->add($piece);
    $state->{left} -= length $piece;
    return;
}

subtest "$CLIENTS clients, 8 threads" => sub {
    plan skip_all => 'event accepts no more connections than its idle workers times a factor' if mpm() eq 'event';
    my $server = new_server(timeout => 60);
    my $sum = put_big_file($server->docroot . '/file.bin', $FILE_BYTES);
    put_file($server->docroot . '/hello.txt', "hello\n");
    $server->start;

    my @clients = map { Adaptive::Client->new($server->port, rcvbuf => 8192) } 1 .. $CLIENTS;
    $_->send(Adaptive::Client::request_text('GET', '/file.bin')) for @clients;
    ok_within { $server->auto->{ConnsAsyncWriting} == $CLIENTS } 20, 'all wait in write completion';
    ok_within { $server->auto->{BusyWorkers} == 1 } 20, 'no worker is held by them';
    my $other = Adaptive::Client->new($server->port);
    is scalar(grep { $other->get('/hello.txt')->{body} eq "hello\n" } 1 .. 100), 100, 'another client is served';
    is scalar(grep { http_get($server->url('/hello.txt'))->{status} == 200 } 1 .. 20), 20, 'and new ones';
    is read_all_slowly($sum, @clients), $CLIENTS, 'each download is intact';
    is scalar(grep { $_->get('/hello.txt')->{body} eq "hello\n" } @clients), $CLIENTS, 'each connection can be used again';
    ok_within { $server->auto->{ConnsAsyncWriting} == 0 } 20, 'ConnsAsyncWriting is 0 again';
    ok $server->stop, 'the server stops';
};

subtest 'clients that pipeline into their own slow download' => sub {
    my $server = new_server(timeout => 60);
    my $sum = put_big_file($server->docroot . '/file.bin', $FILE_BYTES);
    put_file($server->docroot . '/hello.txt', "hello\n");
    $server->start;
    my @clients = map { Adaptive::Client->new($server->port, rcvbuf => 8192) } 1 .. 20;
    $_->send(join '', map { Adaptive::Client::request_text('GET', $_) } '/file.bin', '/hello.txt', '/file.bin') for @clients;
    my $good = 0;
    for my $client (@clients) {
        my ($first, $second, $third) = map { $client->response->{body} } 1 .. 3;
        $good++ if sha256_of($first) eq $sum && $second eq "hello\n" && sha256_of($third) eq $sum;
    }
    is $good, 20, 'all three responses of each arrive, in order';
    ok $server->stop, 'the server stops';
};

subtest 'a client that never reads' => sub {
    my $server = new_server(timeout => 2);
    put_big_file($server->docroot . '/file.bin', $FILE_BYTES);
    put_file($server->docroot . '/hello.txt', "hello\n");
    $server->start;
    my @clients = map { Adaptive::Client->new($server->port, rcvbuf => 8192) } 1 .. 20;
    $_->send(Adaptive::Client::request_text('GET', '/file.bin')) for @clients;
    is http_get($server->url('/hello.txt'))->{body}, "hello\n", 'others are served';
    # Counted from outside, because a server's own idea of it is not what this is about.
    ok_within { established($server->port) == 0 } 30, 'each is dropped after Timeout';
    is scalar(grep { $_->response->{status} == 0 } @clients), 20, 'in the middle of the response';
    ok_within { $server->auto->{ConnsTotal} <= 1 } 20, 'and forgotten';
    ok $server->stop, 'the server stops';
};

# Connections that the server side has open, as the kernel sees it (states established and closing by either side).
sub established {
    my ($port) = @_;
    my $hex = sprintf '%04X', $port;
    open my $table, '<', '/proc/net/tcp' or die $!;
    return scalar grep {/^\s*\d+: [0-9A-F]+:$hex [0-9A-F]+:[0-9A-F]{4} 0[18] /} <$table>;
}

subtest 'graceful restart during downloads' => sub {
    my $server = new_server(timeout => 60);
    my $sum = put_big_file($server->docroot . '/file.bin', $FILE_BYTES);
    $server->start;
    my @clients = map { Adaptive::Client->new($server->port, rcvbuf => 8192) } 1 .. 20;
    $_->send(Adaptive::Client::request_text('GET', '/file.bin')) for @clients;
    is scalar(grep { !$_->quiet(20) } @clients), 20, 'all have begun';
    ok $server->graceful, 'restarted';
    is read_all_slowly($sum, @clients), 20, 'each download is intact';
    $_->close for @clients;
    ok_within { !$server->auto->{Stopping} } 20, 'then the old child ends';
    ok $server->stop, 'the server stops';
};

done_testing;
