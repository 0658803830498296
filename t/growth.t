# Elastic children and threads: as many requests at once as the configuration allows, with few threads to begin with.

use strict;
use warnings;

use lib 't/lib';
use List::Util qw(sum0);
use Test::More;
use Adaptive::Server;
use Adaptive::Probe;

$SIG{PIPE} = 'IGNORE';

sub threads {
    my ($s) = @_;
    return sum0(map { Adaptive::Server::threads_of($_) } $s->child_pids);
}

sub answered {
    my (@socks) = @_;
    return scalar grep { (read_response($_) // { status => 0 })->{status} == 200 } @socks;
}

subtest 'threads of one child' => sub {
    my $threads = 24;
    my $s = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF,
        mpm_conf => "ServerLimit 1\nStartServers 1\nThreadsPerChild $threads\nMaxRequestWorkers $threads\n")->start;
    ok(served_by($s), 'serves');
    cmp_ok(threads($s), '<', $threads, 'few threads to begin with') if mpm() eq 'adaptive';

    my @socks = hold_requests($s, $threads - 1);
    ok((wait_for { hooks($s)->{busy} == $threads - 1 } 20, 'all to be served'), 'all but one are busy, and one is left to ask');
    my @more = map { tcp($s->port) } 1 .. 4;
    print {$_} http_request('/adp/hold', keep => 1) for @more;
    ok((wait_for { mpm() ne 'adaptive' || threads($s) > $threads } 20, 'the last thread'), 'the last thread is busy too');
    lift_hold($s);
    is(answered(@socks, @more), $threads + 3, 'who had to wait is served in the end');
    my $max = hooks($s)->{busy_max};
    cmp_ok($max, '<=', $threads,     'never more at once than ThreadsPerChild');
    cmp_ok($max, '>=', $threads - 1, 'and no fewer');
    is(scalar(() = $s->child_pids), 1, 'all of that in one child');
    ok($s->stop, 'stops');
};

# Debian's configuration of event.
subtest 'children' => sub {
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF, mpm_conf => <<'CONF')->start;
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
MaxConnectionsPerChild 0
<IfModule mpm_adaptive_module>
    AdaptiveHold 1s
</IfModule>
CONF
    wait_for { $s->child_pids >= 2 } 15, 'children';
    cmp_ok(scalar(() = $s->child_pids), '<=', 3, 'few children to begin with');
    my @socks = hold_requests($s, 149);
    ok((wait_for { hooks($s)->{busy} == 149 } 60, 'all to be served'), '149 requests at once are served, and one to ask');
    is(scalar(() = $s->child_pids), 6, 'by MaxRequestWorkers / ThreadsPerChild children');
    my $auto = $s->auto;
    is($auto->{BusyWorkers}, 150, 'the scoreboard shows them') or diag $auto->{Scoreboard};
    lift_hold($s);
    is(answered(@socks), 149, 'all are answered');
    close $_ for @socks;
    ok((wait_for { $s->child_pids <= 3 } 60, 'children to go'), 'children go until MaxSpareThreads is kept');
    is(http_get($s->url('/'))->{status}, 200, 'the others serve');
    ok((wait_for { $s->auto->{IdleWorkers} >= 25 } 15, 'idle threads'), 'and MinSpareThreads is kept');
    unlike($s->error_log, qr/exit signal/, 'no crash');
    ok($s->stop, 'stops');
};

done_testing;
