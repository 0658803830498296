# tools/gdb/adaptive.gdb knows the structures of the sources: what it shows of a child is what the child has.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;
use Adaptive::Probe;

plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';
plan skip_all => 'there is no gdb here' if system('gdb --version >/dev/null 2>&1');

my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
    mpm_conf => "StartServers 1\nServerLimit 1\nThreadsPerChild 4\n")->start;
my @held = hold_requests($s, 2);
my @idle = map { my $sock = tcp($s->port); print {$sock} http_request('/1k.html', keep => 1); read_response($sock); $sock } 1 .. 70;
my ($pid) = $s->child_pids;
my $said = qx{gdb -p $pid -batch -x tools/gdb/adaptive.gdb -ex adp-all -ex adp-deadlines 2>&1} // '';
lift_hold($s);
SKIP: {
    skip 'this machine does not let gdb attach', 6 if $said =~ /ptrace: Operation not permitted|Could not attach/;
    like $said, qr/^slot 0, generation 0, phase CHILD_SERVING, accept state ACCEPT_ON$/m, 'phase and listeners';
    like $said, qr/^steward: watching \d, many \d+, target \d+/m, 'the steward';
    cmp_ok scalar(() = $said =~ /^slot +\d+  thread \d+ .* WORKER_BUSY$/mg), '>=', 2, 'the threads that serve';
    cmp_ok scalar(() = $said =~ /CLAIM_PARKED  hint HINT_IDLE  state CONN_STATE_KEEPALIVE/g), '>=', 70, 'connections that wait for a request';
    cmp_ok scalar(() = $said =~ /CLAIM_OWNED  hint HINT_NONE  state CONN_STATE_\w+/g), '>=', 2, 'connections that have a thread';
    like $said, qr/^jobs queued: 0/m, 'jobs';
}
unlike $said, qr/No symbol|has no member|Error in sourced/, 'it finds everything by its name' or diag $said;
is scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @held), 2, 'and nothing has changed';
ok $s->stop, 'stops';

done_testing;
