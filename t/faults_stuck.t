# Requests that do not end, and graceful restarts one after another: the children that have them stay, one generation upon the
# other, until no slot of the scoreboard is left. The server serves all the time, says what is wrong, and recovers.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Probe;
use Adaptive::Server;

# Event stops its old children at once and then has no slot for new ones: measured, nobody serves until a request ends.
plan skip_all => 'event does not serve any more' if mpm() ne 'adaptive';

use constant { MOST_RESTARTS => 30, AFTERWARDS_SECONDS => 7 };

my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
    mpm_conf => "ServerLimit 1\nStartServers 1\nThreadsPerChild 4\nMaxRequestWorkers 4\nMinSpareThreads 1\nMaxSpareThreads 4\n")->start;

sub serves { return http_get($s->url('/1k.html'), timeout => 10)->{status} == 200 }

# A child of the newest generation answers, or there is no place for one.
sub settled {
    my ($generation) = @_;
    return $s->log_since_mark =~ /ADP\d{4}: [^\n]*slot/ || ($s->auto->{ParentServerMPMGeneration} // 0) >= $generation
        && serves();
}

my (@stuck, $restarts, $failed);
$s->log_mark;
while ($restarts++ < MOST_RESTARTS && $s->log_since_mark !~ /ADP\d{4}: [^\n]*slot/) {
    push @stuck, hold_requests($s, 1);
    wait_for { holding($s) == @stuck } 15, 'a request to get stuck';
    $s->signal('USR1');
    wait_for { $failed++ if !serves(); settled($restarts) } 15, 'the restart';
}
note "$restarts restarts";
cmp_ok($restarts, '>=', 3, 'it has slots for some old generations');
cmp_ok($restarts, '<', MOST_RESTARTS, 'that the scoreboard is full is said');

my $end = time + AFTERWARDS_SECONDS;
wait_for { $failed++ if !serves(); time > $end } AFTERWARDS_SECONDS + 20;
is($failed, undef, 'it serves all the time');
my @lines = $s->log_since_mark =~ /ADP0081: [^\n]*slot/g;
is(scalar @lines, 1, 'the message does not fill the log') or diag join "\n", @lines;

lift_hold($s);
is(scalar(grep { (read_response($_) // {})->{status} } @stuck), scalar @stuck, 'the requests are answered');
close $_ for @stuck;
ok((wait_for { $s->auto->{Stopping} == 0 && $s->auto->{Processes} == 1 } 30, 'the old children to go'), 'the old children go');
ok(serves(), 'it serves');
ok($s->graceful, 'a further restart works');
ok($s->stop, 'stops');
unlike($s->error_log, qr/exit signal/, 'no crash');
done_testing;
