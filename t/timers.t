# Timed callbacks: on time although the child has nothing else to do, in any number, and from one another. Requests that are
# suspended until one fires hold no thread.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Server;
use Adaptive::Probe;

$SIG{PIPE} = 'IGNORE';

# A future timer does not bound the poll of event: on an idle child it fires when something else happens.
plan skip_all => 'event does not fire timers of an idle child' if mpm() ne 'adaptive';

# A busy machine may be late; a child that waits for something else first is later than that.
use constant LATE_MS => 2000;

my $MPM_CONF = "ServerLimit 1\nStartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 4\n";

sub server {
    return Adaptive::Server->new(test_module => 1, modules => ['dialup'], mpm_conf => $MPM_CONF, conf => $TEST_CONF, @_);
}

# Nothing is asked meanwhile: the child is idle until all have fired.
sub fired {
    my ($s, $count) = @_;
    wait_for {
        open my $in, '<', $s->root . '/logs/events' or return 0;
        (grep {/ timer /} <$in>) >= $count;
    } 20, "$count timers to fire";
    return map { [ split ' ' ] } split /\n/, http_get($s->url('/adp/timers'))->{body};
}

sub on_time {
    my ($count, @timers) = @_;
    is(scalar @timers, $count, "all fire, each once");
    is_deeply([ grep { $_->[1] < $_->[0] } @timers ], [], 'none is early');
    is_deeply([ grep { $_->[1] > $_->[0] + LATE_MS } @timers ], [], 'none is late');
    return;
}

for my $case (
    [ 'one',                    'ms=700',                     1 ],
    [ 'many, each at its time', 'ms=100&count=50&step=20',    50 ],
    [ 'in any order',           'ms=1100&count=50&step=-20',  50 ],
    [ 'many at once',           'ms=300&count=2000',          2000 ],
    [ 'from one another',       'ms=50&chain=9',              10 ],
    [ 'at once',                'ms=0&count=3',               3 ],
) {
    my ($name, $query, $count) = @$case;
    subtest $name => sub {
        my $s = server()->start;
        is(http_get($s->url("/adp/timer?$query"))->{status}, 200, 'registered');
        on_time($count, fired($s, $count));
        ok($s->stop, 'stops');
    };
}

subtest 'while all threads are busy' => sub {
    my $s     = server()->start;
    my @socks = hold_requests($s, 3);
    wait_for { hooks($s)->{busy} == 3 } 15, 'requests under way';
    http_get($s->url('/adp/timer?ms=300'));
    lift_hold($s);
    read_response($_) for @socks;
    is(scalar(fired($s, 1)), 1, 'it fires');
    ok($s->stop, 'stops');
};

subtest 'those that have not fired' => sub {
    my $s = server()->start;
    http_get($s->url('/adp/timer?ms=600000&count=10'));
    ok($s->stop, 'do not hinder a stop');
    $s = server()->start;
    http_get($s->url('/adp/timer?ms=600000&count=10'));
    $s->signal('WINCH');
    ok($s->wait_gone(20), 'nor a graceful one');
    unlike($s->error_log, qr/exit signal/, 'no crash');
};

subtest 'suspended requests' => sub {
    my $s = server()->start;
    my @socks = map { tcp($s->port) } 1 .. 12;
    print {$_} http_request('/adp/suspend?ms=1500', keep => 1) for @socks;
    wait_for { hooks($s)->{suspend} >= 12 } 15, 'the requests to be suspended';
    is(http_get($s->url('/'))->{status}, 200, 'more of them than threads, and another one is served');
    my @done = grep { ($_->{body} // '') =~ /^finished/ } map { read_response($_, timeout => 20) // {} } @socks;
    is(scalar @done, 12, 'all are answered');
    close $_ for @socks;
    is(http_get($s->url('/'))->{status}, 200, 'it serves on');
    ok($s->stop, 'stops');
};

subtest 'a suspended request and a graceful restart' => sub {
    my $s    = server()->start;
    my $sock = tcp($s->port);
    print {$sock} http_request('/adp/suspend?ms=2500', keep => 1);
    wait_for { hooks($s)->{suspend} } 15, 'the request to be suspended';
    ok($s->graceful, 'restarted');
    my $response = read_response($sock, timeout => 15);
    like(($response // {})->{body} // '', qr/^finished/, 'the request is answered');
    close $sock;
    ok($s->stop, 'stops');
    unlike($s->error_log, qr/exit signal/, 'no crash');
};

# Sends some of the file a second, from one callback to the next.
subtest 'mod_dialup' => sub {
    my $s = server(conf => "${TEST_CONF}<Location /1k.html>\nModemStandard V.32\n</Location>\n")->start;
    my $response = http_get($s->url('/1k.html'), timeout => 20);
    is(length($response->{body}), 1024, 'the file arrives');
    ok($s->stop, 'stops');
};

done_testing;
