# Connections that have sent nothing: they hold no thread, do not keep others out, and are closed after Timeout.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(time);

use Adaptive::Client;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $SILENT = 200;

sub new_server {
    my ($timeout) = @_;
    return Adaptive::Server->new(
        modules  => [qw(status)],
        mpm_conf => "StartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\n",
        # The kernel would keep silent clients to itself for a while.
        conf     => "AcceptFilter http none\nTimeout $timeout\nKeepAlive On\n",
    )->start;
}

subtest "$SILENT silent clients, 8 threads" => sub {
    # event gives each a thread until its Timeout is over.
    plan skip_all => 'event holds a thread for each' if mpm() eq 'event';
    my $server = new_server(120);
    my @silent = map { Adaptive::Client->new($server->port) } 1 .. $SILENT;
    my $client = Adaptive::Client->new($server->port);
    is scalar(grep { $client->get('/1k.html')->{status} == 200 } 1 .. 50), 50, 'another client is served';
    ok_within { $server->auto->{ConnsTotal} >= $SILENT } 20, 'the silent ones are counted';
    ok_within { $server->auto->{BusyWorkers} <= 2 } 20, 'and hold no thread';
    is scalar(grep { !$_->quiet } @silent), 0, 'none of them was closed to make room';

    is scalar(grep { $_->get('/1k.html')->{status} == 200 } @silent), $SILENT, 'each is served when it speaks at last';
    $_->close for @silent;
    ok_within { $server->auto->{ConnsTotal} <= 3 } 20, 'all are forgotten when they have gone';
    ok $server->stop, 'the server stops';
};

subtest 'silent clients are closed in the end' => sub {
    my $server = new_server(2);
    my $opened = time;
    my @silent = map { Adaptive::Client->new($server->port) } 1 .. 6;
    is scalar(grep { $_->closed } @silent), 6, 'after Timeout';
    cmp_ok time - $opened, '>=', 1.5, 'not before';
    is http_get($server->url('/1k.html'))->{status}, 200, 'and the server serves';
    ok_within { $server->auto->{ConnsTotal} <= 2 } 20, 'nothing of them is left';
    ok $server->stop, 'the server stops';
};

subtest 'silent clients during a graceful restart and at the end' => sub {
    my $server = new_server(60);
    my @silent = map { Adaptive::Client->new($server->port) } 1 .. 5;
    is http_get($server->url('/1k.html'))->{status}, 200, 'accepted before this answer';
    ok $server->graceful, 'graceful restart';
    is http_get($server->url('/1k.html'))->{status}, 200, 'the new generation serves';
    $_->close for @silent;
    ok_within { my $auto = $server->auto; !$auto->{Stopping} } 20, 'no old child stays behind';
    @silent = map { Adaptive::Client->new($server->port) } 1 .. 5;
    is http_get($server->url('/1k.html'))->{status}, 200, 'others are connected';
    ok $server->stop, 'and do not hinder the stop';
};

done_testing;
