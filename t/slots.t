# Load that swings, and in each child a connection that stays: no swing leaves a child behind that holds its slot and serves nobody new.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Build;
use Adaptive::Probe;
use Adaptive::Server;

$SIG{PIPE} = 'IGNORE';

plan skip_all => 'event has no parked children' if mpm() ne 'adaptive';

use constant { EACH => 4, CHILDREN => 4, BURST => 13, SWINGS => 3 };

# Surplus is parked, and would be told to end, after a moment.
local $ENV{ADAPTIVE_BUILD} = other_build(PARKED_MS => 200, CHILD_HOLDS => 1);

# Children that accept, by the status page.
sub accepting {
    my ($s) = @_;
    my $page = http_get($s->url('/server-status'))->{body};
    return scalar grep { $_ eq 'yes' } $page =~ m{<tr><td>\d+</td><td>\d+</td><td>no[^<]*</td>\s*<td>\d+</td><td>(yes|no)</td>}g;
}

# Suspend a request in each child that has none yet, on connections that it has kept.
sub suspend_in_each {
    my ($s, $staying, @kept) = @_;
    for my $sock (@kept) {
        print {$sock} http_request('/adp/pid', keep => 1);
        my ($pid) = ((read_response($sock) // {})->{body} // '') =~ /^pid=(\d+)$/m;
        next if !$pid || $staying->{$pid};
        print {$sock} http_request('/adp/suspend?ms=600000', keep => 1);
        $staying->{$pid} = $sock;
    }
    return wait_for { hooks($s)->{suspend} >= keys %$staying } 15, 'requests to be suspended';
}

sub swings {
    my ($mode) = @_;
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => "${TEST_CONF}KeepAliveTimeout 60\n",
        mpm_conf => "AdaptiveMode $mode\nAdaptiveHold 1s\nStartServers 1\nServerLimit @{[CHILDREN]}\nThreadsPerChild @{[EACH]}\n"
            . "MaxRequestWorkers @{[EACH * CHILDREN]}\nMinSpareThreads 1\nMaxSpareThreads @{[EACH + 1]}\n")->start;
    my %staying;

    for my $swing (1 .. SWINGS) {
        my @socks = hold_requests($s, BURST);
        ok((wait_for { hooks($s)->{busy} == BURST } 40, 'all to be served'), "swing $swing: @{[BURST]} requests at once are served")
            or diag('only ', hooks($s)->{busy});
        cmp_ok(scalar(() = $s->child_pids), '<=', CHILDREN, '... by no more children than there may be');
        lift_hold($s);
        is(scalar(grep { ((read_response($_) // {})->{status} // 0) == 200 } @socks), BURST, '... and answered');
        suspend_in_each($s, \%staying, @socks);
        my %stays = map { $_ => 1 } values %staying;
        close $_ for grep { !$stays{$_} } @socks;
        ok((wait_for { accepting($s) <= 2 } 40, 'surplus to go'), '... then surplus children do not accept any more');
    }
    cmp_ok(scalar(keys %staying), '>=', CHILDREN, 'in each child somebody stays, ');
    is(scalar(grep { at_eof($_, 0.01) } values %staying), 0, '... and is not cut off');
    unlike($s->error_log, qr/ADP0081|exit signal/, 'no slot is missing');
    close $_ for values %staying;
    ok($s->stop, 'stops');
    return;
}

subtest "AdaptiveMode $_" => sub { swings($_) } for qw(off on);

done_testing;
