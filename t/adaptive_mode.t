# AdaptiveMode: on follows the load; observe says what it would do and follows MinSpareThreads and MaxSpareThreads; off has these
# alone. And explicit MinSpareThreads and MaxSpareThreads bound what the controller may do.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Build;
use Adaptive::Probe;
use Adaptive::Server;

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

plan skip_all => 'event does not adapt' if mpm() ne 'adaptive';

use constant { EACH => 8, MOST => 6, BURST => 30 };

# Children go after AdaptiveHold twice, not four times.
local $ENV{ADAPTIVE_BUILD} = other_build(CHILD_HOLDS => 2);

sub new_server {
    my (@directives) = @_;
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'],
        mpm_conf => join("\n", "StartServers 1\nServerLimit @{[MOST]}\nThreadsPerChild @{[EACH]}", @directives) . "\n",
        conf => "${TEST_CONF}LogLevel mpm_adaptive:info\n");
    return $s->start;
}

# Worker threads; one thread more is the steward.
sub threads { return map { Adaptive::Server::threads_of($_) - 1 } $_[0]->child_pids }

# As many requests at once, until that number of children is there, and their end: the connections stay open.
sub burst {
    my ($s, $count, $children) = @_;
    my @socks = hold_requests($s, $count);
    ok((wait_for { hooks($s)->{busy} == $count } 20, 'requests to be under way'), "$count requests are served at once");
    ok((wait_for { $s->child_pids >= $children } 20, "$children children"), "$children children are there");
    lift_hold($s);
    is(scalar(grep { (read_response($_) // {})->{status} } @socks), $count, 'and answered');
    return @socks;
}

# Threads that accepting children have or may start, and that are not busy.
sub spare {
    my ($s) = @_;
    my $auto = $s->auto;
    return $auto->{AdaptiveChildrenServing} * EACH - $auto->{AdaptiveThreadsBusy};
}

sub ends_well {
    my ($s) = @_;
    is(http_get($s->url('/'))->{status}, 200, 'it serves');
    unlike($s->error_log, qr/exit signal|ADP0081/, 'no crash, no full scoreboard');
    return ok($s->stop, 'stops');
}

my @rule = ('MinSpareThreads 4', 'MaxSpareThreads 30', 'AdaptiveHold 1s');

subtest 'off' => sub {
    my $s = new_server('AdaptiveMode off', @rule);
    ok((wait_for { join(' ', threads($s)) eq EACH } 15, 'all threads'), 'a child has all its threads from the start');
    my @socks = burst($s, BURST, 5);
    ok($s->wait_log(qr/ADP0093: growing from 1 to \d children .*MinSpareThreads is 4/, 15), 'children are added by the rule');
    ok((wait_for { spare($s) <= 30 } 20, 'children to go'), 'and go by it');
    ok($s->wait_log(qr/ADP0094: shrinking from \d to \d children: .*MaxSpareThreads is 30/, 15), 'which is logged');
    my $auto = $s->auto;
    is($auto->{AdaptiveMode}, 0, 'the status says so');
    is($auto->{AdaptiveChildrenParked}, 0, 'nobody is parked');
    ok((wait_for { my @t = threads($s); @t && !grep { $_ != EACH } @t } 20, "children to end"), "the others have all their threads");
    unlike($s->error_log, qr/ADP012[01]|would|AdaptiveMode observe/, 'the controller says nothing');
    ends_well($s);
};

subtest 'observe' => sub {
    my $s = new_server('AdaptiveMode observe', @rule);
    ok((wait_for { join(' ', threads($s)) eq EACH } 15, 'all threads'), 'a child has all its threads from the start');
    my @socks = burst($s, BURST, 5);
    ok($s->wait_log(qr/ADP0093: growing from 1 to \d children .*MinSpareThreads is 4/, 15), 'children are added by the rule');
    ok($s->wait_log(qr/ADP0093: AdaptiveMode observe: would grow from 1 to \d children/, 15), 'what the controller would do is said');
    ok((wait_for { spare($s) <= 30 } 20, 'children to go'), 'children go by the rule');
    ok($s->wait_log(qr/ADP0094: shrinking from \d to \d children: .*MaxSpareThreads is 30/, 15), 'which is logged');
    $s->wait_log(qr/ADP0121: AdaptiveMode observe: child \d would shrink/, 20);
    ok((wait_for { my $a = $s->auto; $a->{AdaptiveChildrenTarget} < $a->{AdaptiveChildrenServing} } 20, 'another plan'),
        'the controller would have fewer children');
    ok($s->wait_log(qr/ADP0094: AdaptiveMode observe: would shrink from \d to \d children/, 15), 'and says so');
    my $auto = $s->auto;
    is($auto->{AdaptiveMode}, 1, 'the status says what this is');
    like(http_get($s->url('/server-status'))->{body}, qr/AdaptiveMode observe/, 'the page for people too');
    is($auto->{AdaptiveChildrenParked}, 0, 'but nobody is parked');
    ok((wait_for { my @t = threads($s); @t && !grep { $_ != EACH } @t } 20, "children to end"), "the others have all their threads");
    ends_well($s);
};

subtest 'on' => sub {
    my $s = new_server('AdaptiveMode on', @rule);
    cmp_ok((threads($s))[0], '<', EACH, 'a child begins with few threads');
    my @socks = burst($s, BURST, 4);
    my $log = $s->error_log;
    like($log, qr/ADP0093: growing from 1 to \d children/,             'children are added');
    like($log, qr/ADP0120: child \d: growing from \d to \d+ threads/, 'and threads');
    ok((wait_for { $s->auto->{AdaptiveChildrenParked} > 0 } 20, 'a child to be parked'), 'afterwards children are parked');
    $s->wait_log(qr/ADP0094: shrinking from \d to \d children/, 5);
    ok($s->wait_log(qr/ADP0121: child \d: shrinking from \d to \d threads/, 20), 'and threads leave');
    unlike($s->error_log, qr/would (?!only share)|AdaptiveMode observe/, 'it does what it says');
    is($s->auto->{AdaptiveMode}, 2, 'the status says so');

    $s->write_conf(mpm_conf => $s->{mpm_conf} =~ s/AdaptiveMode on/AdaptiveMode off/r);
    ok($s->graceful, 'a reload changes it');
    is($s->auto->{AdaptiveMode}, 0, 'at once');
    ok((wait_for { my @t = threads($s); @t && !grep { $_ != EACH } @t } 20, 'all threads'), 'with all threads');
    ends_well($s);
};

subtest 'MinSpareThreads' => sub {
    my $s = new_server('MinSpareThreads 20', 'AdaptiveHold 1s');
    ok((wait_for { spare($s) >= 20 } 15, 'spare threads'), 'they are there without load') or diag spare($s);
    my @socks = burst($s, BURST, 4);
    my $least = MOST * EACH;
    ok((wait_for { my $spare = spare($s); $least = $spare if $spare < $least; $s->auto->{AdaptiveChildrenParked} > 0 } 20, 'a child to be parked'),
        'children above are parked');
    wait_for { my $spare = spare($s); $least = $spare if $spare < $least; $spare < 20 + EACH } 20, 'the others';
    cmp_ok($least, '>=', 20, 'never fewer threads to spare');
    ends_well($s);
};

subtest 'MaxSpareThreads' => sub {
    my $s = new_server('MinSpareThreads 4', 'MaxSpareThreads 16', 'AdaptiveHold 1h');
    my @socks = burst($s, BURST, 4);
    ok((wait_for { spare($s) <= 16 } 20, 'children to be parked'), 'which do not stay, though AdaptiveHold would keep them') or diag spare($s);
    ok($s->wait_log(qr/ADP0094: shrinking .*MaxSpareThreads is 16/, 15), 'because of MaxSpareThreads');
    ends_well($s);
};

done_testing;
