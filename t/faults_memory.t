# A child that gets no more memory refuses new connections, and keeps and serves those that it has.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

plan skip_all => 'event loses the child with all its connections' if mpm() ne 'adaptive';

sub server {
    my (%opt) = @_;
    return Adaptive::Server->new(
        test_module => 1,
        mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 4\nThreadStackSize 262144\n",
        conf        => "${TEST_CONF}KeepAliveTimeout 120\nMaxKeepAliveRequests 0\n",
        %opt,
    )->start;
}

sub kept_alive {
    my ($s, $seconds) = @_;
    my $client = Adaptive::Client->new($s->port);
    $client->send(Adaptive::Client::request_text('GET', '/1k.html'));
    return ($client, $client->response(timeout => $seconds)->{status} == 200);
}

subtest 'no memory for a new connection' => sub {
    my $s = server(hooked => 1);
    my ($old) = kept_alive($s, 20);
    my ($pid) = $s->child_pids;
    $s->fault(no_memory => 1);
    my $new = Adaptive::Client->new($s->port);
    $new->send(Adaptive::Client::request_text('GET', '/1k.html'));
    ok($s->wait_log(qr/ADP0032/, 20), 'the log says so');
    is($old->get('/1k.html')->{status}, 200, 'one that is there is served');
    $s->fault(no_memory => 0);
    ok_within { (kept_alive($s, 5))[1] } 20, 'a new one is served when there is memory again';
    is_deeply([ $s->child_pids ], [$pid], 'by the same child');
    ok($s->stop, 'stops');
};

SKIP: {
    skip 'sanitizers reserve more address space than there is', 1 if $ENV{ADAPTIVE_SANITIZER_DIR} || $ENV{ADAPTIVE_PRELOAD};
    subtest 'the address space is used up' => sub {
        # one heap: the others reserve space that they may use later
        my %env = (env => { MALLOC_ARENA_MAX => 1 });
        my $s = server(%env);
        is((kept_alive($s, 20))[1], 1, 'serves without a limit');
        my ($kb) = Adaptive::Server::read_text("/proc/@{[$s->child_pids]}/status") =~ /^VmPeak:\s+(\d+) kB/m;
        ok($s->stop, 'stops');
        $s = server(%env, rlimit => { as => ($kb + 9_000) * 1024 });
        is((kept_alive($s, 20))[1], 1, 'serves with 9 MB more than that');
        my ($pid) = $s->child_pids;
        my (@kept, $refused);
        while (@kept < 750 && !$refused) {
            my ($client, $served) = kept_alive($s, 3);
            push @kept, $client;
            $refused = !$served;
        }
        (pop @kept)->close;
        cmp_ok(scalar @kept, '>', 50, @kept . ' connections are opened');
        is_deeply([ $s->child_pids ], [$pid], 'the child lives');
        is(scalar(grep { $_->get('/adp/pool?kb=200')->{status} == 200 } @kept[-3 .. -1]), 3, 'requests find memory that was kept for them');
        is_deeply([ $s->child_pids ], [$pid], 'the child still lives');
        # Idle ones are closed for new ones, the oldest first; how many depends on who is faster.
        my @closed = grep { $kept[$_]->get('/1k.html')->{status} != 200 } 0 .. $#kept;
        ok($refused || @closed, 'memory is used up: ' . @closed . ' were closed for others' . ($refused ? ', and no more are served' : ''));
        cmp_ok(scalar(grep { $_ > $#kept - 20 } @closed), '==', 0, '... and none of the last');
        $_->close for @kept;
        ok_within { (kept_alive($s, 5))[1] } 20, 'new ones are served when others have gone';
        is_deeply([ $s->child_pids ], [$pid], 'by the same child');
        ok($s->wait_log(qr/ADP0032/, 15), 'the log says that memory was short');
        ok($s->stop, 'stops');
        unlike($s->error_log, qr/exit signal/, 'no crash') or diag $s->error_log;
    };
}

done_testing;
