# mod_status tells the truth at any moment: workers, connections, children and the scoreboard's letters.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $SLEEPERS = 10;

my $server = Adaptive::Server->new(
    modules     => [qw(status info)],
    test_module => 1,
    mpm_conf    => "StartServers 2\nThreadsPerChild 16\nMaxRequestWorkers 64\nMinSpareThreads 4\nMaxSpareThreads 64\n",
    conf        => <<'CONF',
KeepAlive On
KeepAliveTimeout 60
AdpTest On
AdpTestHoldFile @ROOT@/tmp/hold
<Location /server-info>
    SetHandler server-info
</Location>
CONF
);
$server->start;

# Requests to /adp/hold wait for as long as this file is there.
my $hold = $server->root . '/tmp/hold';

# The scoreboard's letters, counted.
sub letters {
    my ($auto) = @_;
    my %count = map { $_ => 0 } qw(_ S R W K D C L G I .);
    $count{$_}++ for split //, $auto->{Scoreboard};
    return \%count;
}

subtest 'an idle server' => sub {
    my $auto;
    ok_within { $auto = $server->auto; $auto->{BusyWorkers} == 1 } 20, 'one worker is busy: it makes this page';
    my $letters = letters($auto);
    is $auto->{ServerMPM}, mpm(), 'ServerMPM';
    is $letters->{W}, 1, 'with the letter W';
    is $letters->{_}, $auto->{IdleWorkers}, 'each idle worker with an underscore';
    is $auto->{Processes}, scalar($server->child_pids), 'Processes';
    is $auto->{Stopping}, 0, 'Stopping';
    ok_within { $server->auto->{ConnsTotal} == 1 } 10, 'ConnsTotal: this connection';
    is $auto->{"ConnsAsync$_"}, 0, "ConnsAsync$_" for qw(Writing KeepAlive Closing WaitIO);
    cmp_ok length $auto->{Scoreboard}, '>=', 64, 'the scoreboard has a place for each worker';
};

subtest "$SLEEPERS requests under way" => sub {
    put_file($hold, '');
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. $SLEEPERS;
    for my $n (1 .. $SLEEPERS) {
        $clients[ $n - 1 ]->send(Adaptive::Client::request_text('GET', '/adp/hold'));
        ok_within { $server->auto->{BusyWorkers} == $n + 1 } 10, "BusyWorkers is right with $n of them" if $n % 3 == 1;
    }
    my $auto;
    ok_within { $auto = $server->auto; $auto->{BusyWorkers} == $SLEEPERS + 1 } 10, 'BusyWorkers counts them and this page';
    my $letters = letters($auto);
    is $letters->{W}, $SLEEPERS + 1, 'the letters too';
    is $letters->{_}, $auto->{IdleWorkers}, 'the rest is idle';
    # The connections that asked before are still closing now and then.
    ok_within { $server->auto->{ConnsTotal} == $SLEEPERS + 1 } 10, 'ConnsTotal';
    unlink $hold;
    is scalar(grep { $_->response->{status} == 200 } @clients), $SLEEPERS, 'they are answered';
    ok_within { my $now = $server->auto; $now->{BusyWorkers} == 1 && $now->{ConnsAsyncKeepAlive} == $SLEEPERS } 10,
        'then they are kept alive and busy no more';
    $_->close for @clients;
    ok_within { my $now = $server->auto; $now->{ConnsAsyncKeepAlive} == 0 && $now->{ConnsTotal} == 1 } 10,
        'and gone when the clients have gone';
};

subtest 'the letters of what a worker does' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send("POST /adp/bigbody?bytes=10 HTTP/1.1\r\nHost: loc");
    ok_within { letters($server->auto)->{R} == 1 } 10, 'R while the head of a request is incomplete';
    $client->close;
    ok_within { letters($server->auto)->{R} == 0 } 10, 'no more when the client has gone';
};

subtest 'graceful restart' => sub {
    put_file($hold, '');
    my $client = Adaptive::Client->new($server->port);
    $client->send(Adaptive::Client::request_text('GET', '/adp/hold'));
    ok_within { $server->auto->{BusyWorkers} == 2 } 10, 'a request under way';
    my $generation = $server->auto->{ParentServerMPMGeneration};
    ok $server->graceful, 'restarted';
    my $auto;
    ok_within { $auto = $server->auto; letters($auto)->{G} >= 1 } 10, 'the old worker shows as G';
    is $auto->{ParentServerMPMGeneration}, $generation + 1, 'the generation counts up';
    ok_within { $server->auto->{Stopping} == 1 } 10, 'Stopping is 1';
    unlink $hold;
    is $client->response->{status}, 200, 'the request ends well';
    ok_within { my $now = $server->auto; !$now->{Stopping} && !letters($now)->{G} } 10, 'then nothing of it is left';
    my $last = $server->auto;
    is $last->{Processes}, scalar($server->child_pids), 'Processes are those of the new generation';
};

subtest 'accounting' => sub {
    my $before = $server->auto;
    my $client = Adaptive::Client->new($server->port);
    $client->get('/1k.html') for 1 .. 100;
    my $auto;
    ok_within { $auto = $server->auto; $auto->{'Total Accesses'} - $before->{'Total Accesses'} >= 101 } 10,
        'Total Accesses counts every request';
    cmp_ok $auto->{'Total kBytes'} - $before->{'Total kBytes'}, '>=', 100, 'Total kBytes every byte';
};

subtest 'pages' => sub {
    my $page = http_get($server->url('/server-status'));
    is $page->{status}, 200, 'the page for people';
    like $page->{body}, qr/Async connections/, 'has the columns of an asynchronous MPM';
    like $page->{body}, qr/GET \/server-status/, 'and, with ExtendedStatus, the requests';
    my $info = http_get($server->url('/server-info'))->{body};
    my $name = mpm() eq 'adaptive' ? 'mod_mpm_adaptive.c' : mpm() . '.c';
    like $info, qr/\Q$name\E/, "server-info shows $name";
    like $info, qr/MPM Name:.*\Q@{[mpm()]}\E/i, 'and the name of the MPM';
    like $info, qr/Threaded:.*yes/i, 'which is threaded';
};

ok $server->stop, 'the server stops';
done_testing;
