# What has waited too long is told so; a burst is not.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Paths;
use Adaptive::Probe;
use Adaptive::Server;
use Adaptive::Wait;

use constant { THREADS => 8, MORE => 6 };

plan skip_all => 'a matter of mod_mpm_adaptive' if mpm() ne 'adaptive';

sub new_server {
    my ($wait, $more) = @_;
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'],
        mpm_conf => join("\n", 'ServerLimit 1', 'StartServers 1', "ThreadsPerChild @{[THREADS]}", "MaxRequestWorkers @{[THREADS]}",
            "AdaptiveMaxWait $wait") . "\n",
        conf => "${TEST_CONF}MaxKeepAliveRequests 0\n" . ($more // ''));
    return $s->start;
}

# A connection that has had an answer: its child keeps a thread for it, by which 503s can be told, and the status be asked.
sub connected {
    my ($s) = @_;
    my $sock = tcp($s->port);
    print {$sock} http_request('/1k.html', keep => 1);
    read_response($sock) or die "no answer\n";
    return $sock;
}

subtest 'all threads are held' => sub {
    my $s    = new_server('300ms', "ErrorDocument 503 /1k.html\n");
    my $mine = connected($s);
    my @held = hold_requests($s, THREADS - 1);
    wait_for { holding($s) == @held } 20, 'threads to be held';
    my @more = map { my $sock = tcp($s->port); print {$sock} http_request('/adp/hold?ms=60000'); $sock } 1 .. MORE;
    my @told = map { read_response($_) } @more;
    is(scalar(grep { $_ && $_->{status} == 503 } @told), MORE, 'who comes now is told after a while') or diag explain \@told;
    is(scalar(grep { $_ && ($_->{headers}{'retry-after'} // '') eq '1' } @told), MORE, '... when to come again');
    is(scalar(grep { $_ && length $_->{body} == 1024 } @told), MORE, '... by the error document of the administrator');
    like($s->wait_log(qr/ADP0066: .*\n/, 20), qr/ADP0066: [1-9]\d* requests are answered with 503.*AdaptiveMaxWait 300 ms/, 'that is said');
    is(scalar(() = $s->error_log =~ /ADP0066/g), 1, '... once');
    print {$mine} http_request('/1k.html', keep => 1);
    is(read_response($mine)->{status}, 200, 'a client who is connected is served');
    lift_hold($s);
    is(scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @held), @held, 'those that hold threads are served');
    cmp_ok($s->auto->{AdaptiveShedTotal}, '>=', MORE, 'they are counted');
    ok($s->stop, 'stops');
};

subtest 'a burst that is over in time, and no limit' => sub {
    for my $wait ('30s', 'off') {
        my $s    = new_server($wait);
        my $mine = connected($s);
        my @held = hold_requests($s, THREADS + MORE);
        wait_for { holding($s) >= THREADS - 1 } 20, 'threads to be held';
        lift_hold($s);
        is(scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @held), THREADS + MORE, "AdaptiveMaxWait $wait: all are served");
        is($s->auto->{AdaptiveShedTotal}, 0, 'nobody is sent away');
        ok($s->stop, 'stops');
    }
};

subtest 'others compute' => sub {
    my $s = new_server('100ms');
    my ($asked, %answers) = 0;
    # while other programs have the processors only those are in time that were begun at once: then others come
    wait_for {
        my @sock = map { my $sock = tcp($s->port); print {$sock} http_request('/adp/spin?ms=200'); $sock } 1 .. 60;
        $answers{ (read_response($_) // { status => 0 })->{status} }++ for @sock;
        $asked += @sock;
        ($answers{200} // 0) > 4;
    } 60, 'enough to be served';
    is(($answers{200} // 0) + ($answers{503} // 0), $asked, 'everybody has an answer');
    cmp_ok($answers{503}, '>', 0, 'some are told that it takes too long');
    cmp_ok($answers{200}, '>', 4, 'others are served');
    ok($s->stop, 'stops');
};

done_testing;
