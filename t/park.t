# Load goes: children are parked, which accept no more and go on serving the connections that they have. Load comes back: they
# accept again, and no process is forked. It stays away: they end, their connections too, and nobody is cut off in a request.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use Adaptive::Build;
use Adaptive::Probe;
use Adaptive::Server;

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

plan skip_all => 'event parks no child' if mpm() ne 'adaptive';

use constant { EACH => 8, MOST => 2, BURST => 13 };

# Parked children end after a moment, not 20 s: longer than all that happens meanwhile takes.
local $ENV{ADAPTIVE_BUILD} = other_build(PARKED_MS => 8000, CHILD_HOLDS => 3);
my $s = Adaptive::Server->new(test_module => 1, modules => ['status'],
    mpm_conf => "StartServers 1\nServerLimit @{[MOST]}\nThreadsPerChild @{[EACH]}\nAdaptiveHold 1s\n",
    conf => "${TEST_CONF}LogLevel mpm_adaptive:info\nKeepAliveTimeout 300\nMaxKeepAliveRequests 0\n")->start;

# What the status page says of each process: { pid => accepts }.
sub accepting {
    my $page = http_get($s->url('/server-status'))->{body};
    return { $page =~ m{<tr><td>\d+</td><td>(\d+)</td><td>no[^<]*</td>\s*<td>\d+</td><td>(yes|no)</td>}g };
}

sub parked { my $a = accepting(); return scalar grep { $_ eq 'no' } values %$a }

sub ask {
    my ($sock) = @_;
    print {$sock} http_request('/adp/pid', keep => 1);
    my ($pid) = ((read_response($sock, timeout => 10) // {})->{body} // '') =~ /^pid=(\d+)$/m;
    return $pid // 0;
}

# As many requests at a time as need all children; kept-alive connections remain.
sub burst {
    my ($name) = @_;
    my $before = holding($s);
    my @socks  = hold_requests($s, BURST);
    wait_for { holding($s) - $before == BURST } 20, 'all to be served';
    my $pids = join ' ', sort $s->child_pids;
    lift_hold($s);
    is(scalar(grep { ((read_response($_) // {})->{status} // 0) == 200 } @socks), BURST, "$name: @{[BURST]} requests at once are served");
    return ($pids, @socks);
}

# Asked now and then only: that is load too.
sub all_parked {
    return wait_for { sleep 0.2; $s->auto->{AdaptiveChildrenParked} == MOST - 1 } 40, 'children to be parked';
}

my ($pids, @kept) = burst('load comes');
is(scalar(split ' ', $pids), MOST, 'children are added');
my $started = hooks($s)->{started};
is($started, MOST, 'each was started once');

ok(all_parked(), 'load goes: all but one child are parked');
ok((wait_for { parked() == MOST - 1 } 10, 'it to be shown'), 'the status page shows that they do not accept');
my %accepts = %{ accepting() };
my %pid_of = map { $_ => ask($_) } @kept;
is(scalar(grep {$_} values %pid_of), BURST, 'all kept-alive connections are served');
my %served_by = map { $_ => 1 } values %pid_of;
ok(scalar(grep { $accepts{$_} eq 'no' } keys %served_by), 'some of them by parked children');
my @others = grep { $accepts{$_} ne 'yes' } map { served_by($s) } 1 .. 20;
is("@others", '', 'new connections go to the others');

my ($again, @more) = burst('load comes back');
is($again, $pids, 'the same children serve it');
is(hooks($s)->{started}, $started, 'without a fork');
is(scalar(grep { ask($_) == $pid_of{$_} } @kept), BURST, 'those who waited meanwhile are where they were');
my %used = map { ask($_) => 1 } @more;
is(scalar(keys %used), MOST, 'all children accepted again');

ok(all_parked(), 'it goes: they are parked again');
my $hooks = hooks($s);
is("$hooks->{started} $hooks->{exited}", "$started 0", 'load that comes and goes starts and ends no process');

# Nobody asks meanwhile, which would be load.
ok((wait_for { $s->child_pids == 1 } 40, 'parked children to end'), 'load stays away: they end');
my ($left) = $s->child_pids;
my (@staying, @ended);
push @{ $pid_of{$_} == $left ? \@staying : \@ended }, $_ for @kept;
cmp_ok(scalar @staying, '>', 0, 'it has connections still');
is(scalar(grep { ask($_) == $left } @staying), scalar @staying, 'which are served');
is(scalar(grep { at_eof($_, 10) } @ended), scalar @ended, 'the others, which were idle, were closed in order');
is(http_get($s->url('/'))->{status}, 200, 'and new ones are taken');

unlike($s->error_log, qr/ADP0081|scoreboard slot|scoreboard is full/, 'no slot was ever missing');
unlike($s->error_log, qr/exit signal/, 'no crash');
ok($s->stop, 'stops');
done_testing;
