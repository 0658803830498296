# The hooks that an MPM runs for other modules: each as often, in such an order and at such a moment as they may rely on.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;
use Adaptive::Probe;

$SIG{PIPE} = 'IGNORE';

sub events {
    my ($s) = @_;
    open my $in, '<', $s->root . '/logs/events' or return;
    return map { my ($ms, $pid, $event, @rest) = split ' '; { pid => $pid, event => $event, rest => "@rest" } } <$in>;
}

sub server {
    return Adaptive::Server->new(test_module => 1, modules => ['status'], conf => "${TEST_CONF}KeepAliveTimeout 2\n",
        mpm_conf => "StartServers 2\nThreadsPerChild 4\nMinSpareThreads 8\nMaxSpareThreads 12\nMaxRequestWorkers 16\n", @_);
}

subtest 'suspend_connection and resume_connection' => sub {
    my $s = server()->start;
    # All the ways out of a connection: by the client, by a time limit, by the server, in the middle of a request.
    my @socks = map { tcp($s->port) } 1 .. 8;
    for (1 .. 5) {
        print {$_} http_request('/1k.html', keep => 1) for @socks;
        read_response($_) for @socks;
    }
    close $_ for splice @socks, 0, 4;
    ok(at_eof($_), 'timed out') for splice @socks, 0, 2;
    print {$_} "GET / HT" for @socks;
    close $_ for @socks;
    http_get($s->url('/')) for 1 .. 10;
    print { tcp($s->port) } "nonsense\r\n\r\n" for 1 .. 3;

    my $count = {};
    ok((wait_for { $count = hooks($s); $count->{suspend} && $count->{suspend} == $count->{resume} } 20, 'balance'),
        'one resume for each suspend') or diag explain $count;
    is($count->{$_}, 0, "$_: never")
        for qw(suspend_twice resume_without_suspend request_while_suspended sbh_null_in_handler);
    ok($s->stop, 'stops');
};

subtest 'c->sbh' => sub {
    my $s = server(mpm_conf => "ServerLimit 1\nStartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 4\n")->start;
    my $sock = tcp($s->port);
    print {$sock} http_request('/adp/suspend?ms=300', keep => 1);
    ok((wait_for { hooks($s)->{sbh_null_while_suspended} } 20, 'the callback'), 'is NULL while a connection is suspended');
    is(hooks($s)->{sbh_set_while_suspended}, 0, 'always');
    ok($s->stop, 'stops');
};

subtest 'child_stopping on a graceful restart' => sub {
    my $s = server()->start;
    wait_for { $s->child_pids >= 2 } 15, 'children';
    my ($held) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} } 15, 'a request under way';
    ok($s->graceful, 'restarted');
    my %old = map { $_->{event} eq 'started' && $_->{rest} =~ /pid=(\d+) generation=0 / ? ($1 => 1) : () } events($s);
    ok((wait_for { hooks($s)->{stopping_graceful} >= keys %old } 10, 'the hook'), 'runs early: a request is still under way');
    lift_hold($s);
    is((read_response($held) // {})->{status}, 200, 'which is answered');
    ok((wait_for { !grep { $old{$_} } $s->direct_children } 20, 'old children to go'), 'the old children have gone');
    my %stopped;
    $stopped{ $_->{pid} }++ for grep { $_->{event} eq 'stopping' && $_->{rest} eq '1' } events($s);
    is_deeply([ sort keys %stopped ], [ sort keys %old ], 'in each of the old children');
    is_deeply([ values %stopped ], [ (1) x keys %old ], 'exactly once');
    ok($s->stop, 'stops');
    my @hard = grep { $_->{event} eq 'stopping' && $_->{rest} eq '0' } events($s);
    cmp_ok(scalar @hard, '>', 0, 'told that it is not graceful when it is not');
    is((grep { $old{ $_->{pid} } } @hard), 0, 'never after it ran as graceful');
};

subtest 'child_status and end_generation' => sub {
    my $s = server()->start;
    wait_for { $s->child_pids >= 2 } 15, 'children';
    my ($victim) = $s->child_pids;
    kill 'KILL', $victim;
    wait_for { $s->child_pids >= 2 } 15, 'a replacement';
    ok($s->graceful, 'restarted');
    ok((wait_for { grep { $_->{event} eq 'end_generation' } events($s) } 20, 'the end of the generation'), 'a generation ends');
    my (%started, %ended, $ended_before);
    for my $event (events($s)) {
        my ($pid, $generation) = $event->{rest} =~ /pid=(\d+) generation=(\d+)/;
        $started{$pid} = $generation if $event->{event} eq 'started';
        $ended{$pid}++               if $event->{event} =~ /^(?:exited|lost_slot)$/;
        if ($event->{event} eq 'end_generation' && $event->{rest} eq '0') {
            $ended_before = grep { $started{$_} == 0 && !$ended{$_} } keys %started;
        }
    }
    is($ended_before, 0, 'when all of its children have ended');
    is($ended{$victim}, 1, 'a child that was killed has ended, once');
    is(scalar(grep { $_->{event} eq 'end_generation' } events($s)), 1, 'only the old generation ends');
    ok($s->stop, 'stops');
    my %exits;
    $exits{ ($_->{rest} =~ /pid=(\d+)/)[0] }++ for grep { $_->{event} eq 'exited' } events($s);
    my %starts;
    $starts{ ($_->{rest} =~ /pid=(\d+)/)[0] }++ for grep { $_->{event} eq 'started' } events($s);
    is_deeply(\%exits, \%starts, 'every child that started has exited, each once');
};

subtest 'monitor' => sub {
    my $s = server()->start;
    ok((wait_for { hooks($s)->{monitor} } 20, 'the monitor hook'), 'runs in the parent of an idle server');
    ok($s->stop, 'stops');
};

done_testing;
