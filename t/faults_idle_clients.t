# Thousands of idle kept-alive connections and no directive of the MPM at all: they hold no thread, and one more client is
# served as if they were not there.

use strict;
use warnings;

use lib 't/lib';
use List::Util qw(sum0);
use Test::More;
use Adaptive::Server;
use Adaptive::Load;
use Adaptive::Process;
use Adaptive::Probe;

$SIG{PIPE} = 'IGNORE';

# Where the backlog is short (net.core.somaxconn) the kernel may lose a few of those that it told their clients are open, and a
# client that never sends anything does not learn of it: hence a tenth to spare.
use constant { MOST_CLIENTS => 3000, FEWEST_CLIENTS => 200, FURTHER => 50, OTHER_FILES => 200 };

# Each of them is a descriptor of a child; in the worst case one child has all of them. What a login gets (often 1024) is no
# matter: the hard limit is.
my $descriptors = raise_descriptors(2 * MOST_CLIENTS);
my $clients_most = int(($descriptors - OTHER_FILES) / 1.1);
my $CLIENTS = $clients_most < MOST_CLIENTS ? $clients_most : MOST_CLIENTS;

sub threads {
    my ($s) = @_;
    return sum0(map { Adaptive::Server::threads_of($_) } $s->child_pids);
}

# Event lets a child have as many connections as its idle workers allow, and is lost with these: measured.
plan skip_all => 'event cannot hold them' if mpm() ne 'adaptive';
plan skip_all => "needs more open files than the $descriptors that there may be (ulimit -Hn)" if $CLIENTS < FEWEST_CLIENTS;

for my $kind (qw(idle silent)) {
    subtest "$kind connections" => sub {
        # The kernel itself would keep some of the silent ones from the server. No test module: with AcceptFilter none and
        # a process_connection hook that the MPM does not know, each would have a thread, in case that it is to be greeted.
        my $s = Adaptive::Server->new(
            modules => ['status'],
            conf    => "AcceptFilter http none\nKeepAliveTimeout 200\nTimeout 200\n"
        )->start;
        my $clients = Adaptive::Load->start($s->port,
            mode => 'hold', kind => $kind, connections => int($CLIENTS * 1.1), seconds => 300, timeout => 90);
        cmp_ok($clients->ready, '>=', $CLIENTS, "$CLIENTS connections are open");

        my @further = map { http_get($s->url('/1k.html'), timeout => 10) } 1 .. FURTHER;
        is(scalar(grep { $_->{status} == 200 } @further), FURTHER, 'further clients are served');
        my $sock = tcp($s->port);
        my $answered = grep { print {$sock} http_request('/1k.html', keep => 1); read_response($sock, timeout => 10) } 1 .. FURTHER;
        is($answered, FURTHER, 'also again and again on one connection');

        # Those that were busy with the opening of so many go to rest, sooner or later.
        my $auto;
        ok((wait_for { $auto = $s->auto; $auto->{BusyWorkers} <= 2 } 20), 'no worker is busy with them') or diag $auto->{Scoreboard};
        cmp_ok($auto->{ConnsTotal}, '>=', $CLIENTS, 'the scoreboard shows the connections');
        cmp_ok($auto->{ConnsAsyncKeepAlive}, '>=', $CLIENTS, 'as kept alive') if $kind eq 'idle';
        ok((wait_for { threads($s) < $CLIENTS / 10 } 60), 'and no thread each') or diag threads($s);
        is($clients->interrupt->result->{closed_idle}, 0, 'none of them was closed meanwhile');
        ok((wait_for { $s->auto->{ConnsTotal} <= 2 } 20, 'the connections to be gone'), 'they go when their clients go');
        ok($s->stop, 'stops');
    };
}

done_testing;
