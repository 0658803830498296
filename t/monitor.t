# The monitor hook, which mod_systemd's watchdog and mod_heartbeat live from, is called at its times however often the
# configuration is loaded anew.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Build;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'event calls it every ten seconds: too long to wait for' if mpm() ne 'adaptive';

use constant { EVERY_S => 1, CALLS => 3 };

local $ENV{ADAPTIVE_BUILD} = other_build(MONITOR_INTERVAL_US => EVERY_S * 1_000_000);
my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
    mpm_conf => "StartServers 1\nThreadsPerChild 4\n")->start;
wait_for { served_by($s) } 15, 'an answer';

# More often than the hook is due.
my ($reloads, $before, $began) = (0, hooks($s)->{monitor}, time);
my $called = wait_for {
    my $next = time + EVERY_S / 5;
    $s->signal('USR1');
    $reloads++;
    wait_for { time > $next } 5;
    (hooks($s)->{monitor} // 0) - $before >= CALLS;
} 30, CALLS . ' calls';
my $took = time - $began;
ok($called, "called under $reloads reloads");
cmp_ok($reloads, '>', $took / EVERY_S, '(reloads came more often than the hook is due)');
cmp_ok(hooks($s)->{monitor} - $before, '<=', (time - $began) / EVERY_S + 1, 'and no more often than it is due');
ok($s->stop, 'stops');
done_testing;
