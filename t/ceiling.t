# A ceiling that is hit is named in the log, once a minute at most, and so is its end; what stays below is not.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Probe;
use Adaptive::Server;

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

plan skip_all => 'event has its own message' if mpm() ne 'adaptive';

use constant { EACH => 4, MOST => 3 };

sub new_server {
    my (@directives) = @_;
    return Adaptive::Server->new(test_module => 1, modules => ['status'], conf => "${TEST_CONF}LogLevel mpm_adaptive:info\n",
        mpm_conf => join("\n", 'StartServers 1', 'ThreadsPerChild ' . EACH, 'AdaptiveHold 1s', 'AdaptiveMaxWait off', @directives) . "\n")->start;
}

sub answered { return scalar grep { ((read_response($_) // {})->{status} // 0) == 200 } @_ }

sub lines { my ($s, $number) = @_; return scalar(() = $s->error_log =~ /$number:/g) }

subtest 'MaxRequestWorkers' => sub {
    my $all = 2 * EACH;
    my $s   = new_server('ServerLimit ' . MOST, "MaxRequestWorkers $all");

    my @few = hold_requests($s, $all - EACH);
    wait_for { holding($s) == @few } 20, 'requests to be under way';
    wait_for { $s->auto->{AdaptiveThreadsBusy} > @few } 10, 'the parent to see them';
    lift_hold($s);
    is(answered(@few), @few, 'half as many requests as there may be are served');
    is(lines($s, 'ADP0091'), 0, 'no ceiling is reached by them') or diag $s->error_log;
    close $_ for @few;

    my $before = holding($s);
    my @many   = hold_requests($s, $all + 4);
    ok((wait_for { holding($s) - $before == $all } 20, 'all threads to be busy'), 'as many as MaxRequestWorkers says are served at once')
        or diag(holding($s) - $before, ' have had a thread; hold ', (-e $s->root . '/tmp/hold' ? 'stands' : 'is gone'), "\n", substr $s->error_log, -3000);
    like($s->wait_log(qr/ADP0091:.*\n/, 20), qr/ADP0091: MaxRequestWorkers $all reached: .* busy in 2 children.*raise MaxRequestWorkers/,
        'it is named, with numbers and what to do');
    is(holding($s) - $before, $all, 'no more than that are served');
    lift_hold($s);
    is(answered(@many), @many, 'who had to wait is served in the end');
    close $_ for @many;
    like($s->wait_log(qr/ADP0092:.*\n/, 30), qr/ADP0092: below MaxRequestWorkers $all again after /, 'the end is logged');

    $before = holding($s);
    @many   = hold_requests($s, $all + 4);
    wait_for { holding($s) - $before == $all } 20, 'all threads to be busy again';
    my $end = time + 1;
    wait_for { time > $end } 5, 'a moment';
    lift_hold($s);
    is(answered(@many), @many, 'the same again');
    is(lines($s, 'ADP0091'), 1, 'is not named again within the minute');
    unlike($s->error_log, qr/exit signal|ADP0081/, 'no crash, no full scoreboard');
    ok($s->stop, 'stops');
};

subtest 'ServerLimit' => sub {
    my $s    = new_server('ServerLimit 1');
    my @many = hold_requests($s, EACH + 2);
    like($s->wait_log(qr/ADP0091:.*\n/, 20), qr/ADP0091: ServerLimit 1 reached: .*raise ServerLimit/, 'it is named by its own name');
    lift_hold($s);
    is(answered(@many), @many, 'all are served in the end');
    unlike($s->error_log, qr/MaxRequestWorkers \d+ reached/, 'and no other');
    ok($s->stop, 'stops');
};

done_testing;
