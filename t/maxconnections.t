# MaxConnectionsPerChild: children are replaced after that many connections, and no client notices.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;
use Adaptive::Load;
use Adaptive::Probe;
use Adaptive::Wait qw(slowness);

use constant { CONNECTIONS => 40, CHILDREN => 2, RATE => 150, RECYCLED => 12 };

sub server {
    my (%opt) = @_;
    return Adaptive::Server->new(
        test_module => 1,
        mpm_conf    => 'StartServers ' . CHILDREN . "\nThreadsPerChild 10\nMinSpareThreads 11\nMaxSpareThreads 30\n"
            . "MaxRequestWorkers 60\nMaxConnectionsPerChild " . CONNECTIONS . "\n",
        conf => "${TEST_CONF}MaxKeepAliveRequests 0\n",
        %opt
    )->start;
}

# What happened to the children, in order: [ pid, 'child_init' | 'stopping' ].
sub events {
    my ($s) = @_;
    open my $in, '<', $s->root . '/logs/events' or return;
    return map { /^\d+ (\d+) (child_init|stopping)/ ? [ $1, $2 ] : () } <$in>;
}

sub stopped { return scalar grep { $_->[1] eq 'stopping' } events(@_) }

subtest 'many connections' => sub {
    my $s    = server();
    my $load = Adaptive::Load->start($s->port, mode => 'new', rate => RATE, path => '/adp/sleep?ms=20', seconds => 60);
    $load->ready;
    # A child accepts until its successor is ready, and where others compute that takes longer: so much longer that many more come meanwhile.
    my @slowness;
    ok((wait_for { push @slowness, slowness(); stopped($s) >= RECYCLED } 40, 'children to be replaced'), 'children are replaced');
    my $slowness = 0;
    $slowness += $_ / @slowness for @slowness;
    my $result = $load->interrupt->result;
    note Adaptive::Load::summary($result);
    is($result->{failed}, 0, 'no request fails');
    note 'connections by child: ', join ' ', sort { $a <=> $b } values %{ taken($s) };
    cmp_ok($result->{sent} / stopped($s), '<', CONNECTIONS * (CHILDREN + 1) * $slowness, 'after about as many connections as configured');
    my ($ready, $least) = (0, 1000);
    for my $event (events($s)) {
        $ready += $event->[1] eq 'child_init' ? 1 : -1;
        $least = $ready if $event->[1] eq 'stopping' && $ready < $least;
    }
    SKIP: {
        skip 'event replaces a child after it has gone', 1 if mpm() ne 'adaptive';
        cmp_ok($least, '>=', CHILDREN, 'a replacement is ready before a child goes');
    }
    my %times;
    $times{ $_->[0] }++ for grep { $_->[1] eq 'stopping' } events($s);
    is_deeply([ grep { $_ > 1 } values %times ], [], 'no child goes twice');
    ok($s->stop, 'stops');
    unlike($s->error_log, qr/exit signal|scoreboard is full/, 'no complaint in the log');
};

# Connections that each child took, as the access log has them.
sub taken {
    my ($s) = @_;
    my %count;
    open my $in, '<', $s->root . '/logs/access_log' or return;
    while (my $line = <$in>) { $count{$1}++ if $line =~ /^\S+ (\d+) / }
    return \%count;
}

# A successor takes its time to be there, and the child knows how long by its own start: at this rate its quota will be used up
# by then, though it is not yet.
subtest 'a successor is asked for in time' => sub {
    plan skip_all => 'event replaces a child after it has gone' if mpm() ne 'adaptive';
    my $s = server(
        mpm_conf => "StartServers 1\nThreadsPerChild 10\nMaxConnectionsPerChild 200\n",
        conf     => "${TEST_CONF}AdpTestSlowStart 2000\n"
    );
    my $pid = served_by($s);
    http_get($s->url('/adp/pid')) for 1 .. 160;
    ok((wait_for { stopped($s) } 30, 'the child to be replaced'), 'a child is replaced');
    is((events($s))[0][0], $pid, '(the first)');
    cmp_ok(taken($s)->{$pid}, '<=', 175, 'that has taken 160 connections, of 180 to 200') or diag explain taken($s);
    ok($s->stop, 'stops');
};

# Above ten children a second the quota is exceeded, by all of them alike.
subtest 'everybody is replaced in turn' => sub {
    plan skip_all => 'event replaces a child after it has gone' if mpm() ne 'adaptive';
    my ($children, $rate) = (8, 400);
    my $s = server(mpm_conf => "StartServers $children\nThreadsPerChild 10\nMaxConnectionsPerChild 4\nAdaptiveMode off\n");
    wait_for { $s->child_pids == $children } 30, 'the children';
    my %first = map { $_ => 1 } $s->child_pids;
    my $load  = Adaptive::Load->start($s->port, mode => 'new', rate => $rate, path => '/adp/sleep?ms=15', seconds => 60);
    # Who has taken 4 asks, and asks before those that come later. Some ask, and are replaced, with one or two left.
    my $idle = sub {
        my $taken = taken($s);
        my %gone  = map { $_->[1] eq 'stopping' ? ($_->[0] => 1) : () } events($s);
        grep { !$gone{$_} && ($taken->{$_} // 0) < 4 } keys %first;
    };
    ok((wait_for { !$idle->() } 40, 'the first children to use up their quotas'), 'the first children have used up their quotas');
    my $before = stopped($s);
    ok((wait_for { my %gone = map { $_->[1] eq 'stopping' ? ($_->[0] => 1) : () } events($s); !grep { !$gone{$_} } keys %first }
            40, 'them to be replaced'), 'they are replaced');
    # Counted up to the last of them: more may have gone by the time this looks.
    my @gone = map { $_->[1] eq 'stopping' ? $_->[0] : () } events($s);
    pop @gone while @gone && !$first{ $gone[-1] };
    cmp_ok(@gone - $before, '<=', 2 * $children, 'before those that came after them');
    is($load->interrupt->result->{failed}, 0, 'no request fails');
    ok($s->stop, 'stops');
};

# Ten children a second, however small the limit.
subtest 'no storm of children' => sub {
    plan skip_all => 'event replaces a child after it has gone' if mpm() ne 'adaptive';
    my $s     = server(mpm_conf => "StartServers 2\nThreadsPerChild 10\nMaxConnectionsPerChild 2\n");
    my $begin = time;
    my $load  = Adaptive::Load->start($s->port, mode => 'new', rate => 400, path => '/adp/pid', seconds => 3);
    my $result = $load->result;
    my $started = grep { $_->[1] eq 'child_init' } events($s);
    is($result->{failed}, 0, 'no request fails');
    cmp_ok($started, '<=', 12 * (time - $begin + 1), "$started children in " . (time - $begin) . ' s');
    ok($s->stop, 'stops');
};

subtest 'connections count, not requests' => sub {
    my $s    = server();
    my $sock = tcp($s->port);
    my %pids;
    for (1 .. CONNECTIONS * CHILDREN * 2) {
        print {$sock} http_request('/adp/pid', keep => 1);
        my $response = read_response($sock) or last;
        $pids{$1}++ if $response->{body} =~ /^pid=(\d+)$/m;
    }
    is_deeply([ values %pids ], [ CONNECTIONS * CHILDREN * 2 ], 'one child answers all requests of a connection');
    is(stopped($s), 0, 'and does not go');
    ok($s->stop, 'stops');
};

subtest 'a request under way' => sub {
    my $s = server();
    my ($held) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} } 15, 'the held request to be in its handler';
    wait_for { http_get($s->url('/')); stopped($s) >= CHILDREN + 1 } 30, 'children to be replaced';
    lift_hold($s);
    is((read_response($held) // {})->{status}, 200, 'is answered by the child that goes');
    ok($s->stop, 'stops');
};

done_testing;
