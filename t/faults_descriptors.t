# Fewer descriptors than clients: the server stays up, does not spin, says so now and then, and serves again as soon as some
# are free.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Adaptive::Server;
use Adaptive::Load;
use Adaptive::Probe;
use Adaptive::Wait qw(ok_within slowness);

# Event gives up the child that cannot accept, and after that the server: measured, "AH02324: A resource shortage or other
# unrecoverable failure was encountered before any child process initialized successfully".
plan skip_all => 'event ends when descriptors run out' if mpm() ne 'adaptive';

use constant { DESCRIPTORS => 64, CLIENTS => 300, WATCH_SECONDS => 2, ROUNDS => 3 };

# What the MPM says. That files cannot be opened for requests either is said by others.
my $SHORTAGE = qr/ADP\d{4}: [^\n]*descriptors/;

# The share of one core that all processes of the server used meanwhile.
sub load_of {
    my ($s) = @_;
    my @pids = $s->tree_pids;
    my ($start, $cpu) = (time, cpu_seconds(@pids));
    wait_for { time - $start >= WATCH_SECONDS } WATCH_SECONDS + 5;
    return (cpu_seconds(@pids) - $cpu) / (time - $start);
}

sub time_to_serve {
    my ($s) = @_;
    my $start = time;
    my $served = wait_for { http_get($s->url('/'), timeout => 5)->{status} == 200 } 30, 'an answer';
    return $served ? (time - $start) / slowness() : 1000;
}

for my $kind (qw(silent idle)) {
    subtest "$kind clients" => sub {
        # no test module: with AcceptFilter none its process_connection hook would be given a thread for each
        my $s = Adaptive::Server->new(
            rlimit => { nofile => DESCRIPTORS },
            conf   => "AcceptFilter http none\nKeepAliveTimeout 120\nTimeout 120\n",
        )->start;
        my @children = $s->child_pids;
        my @took;
        for my $round (1 .. ROUNDS) {
            my $begun = time;
            $s->log_mark;
            my $clients = Adaptive::Load->start($s->port,
                mode => 'hold', kind => $kind, connections => CLIENTS, seconds => 300, timeout => 300);
            ok($s->wait_log($SHORTAGE, 20), "round $round: it is said");
            $clients->ready;
            # What spins does so for as long as descriptors are short; what is only late comes to rest.
            ok_within { load_of($s) < 0.05 } 30, "round $round: it does not spin";
            my @lines = $s->log_since_mark =~ /^(.*$SHORTAGE.*)$/mg;
            cmp_ok(scalar @lines, '<=', (time - $begun + 1) * @children, "round $round: at most once a second and child")
                or diag join "\n", @lines;
            ok($s->alive, "round $round: it is alive");
            $clients->interrupt->result;
            push @took, time_to_serve($s);
        }
        @took = sort { $a <=> $b } @took;
        note join ' ', map { sprintf '%.3f', $_ } @took;
        cmp_ok($took[0],  '<', 1,  'it serves within a second of the descriptors being free');
        cmp_ok($took[-1], '<', 30, 'every time');
        unlike($s->error_log, qr/exit signal|child pid \d+ exit|resource shortage/, 'no child was given up');
        ok($s->stop, 'stops');
    };
}

# The log files of many virtual hosts leave less than would be kept in reserve for requests.
subtest 'descriptors that are not connections' => sub {
    my $hosts = join '', map {"<VirtualHost *:\@PORT\@>\nServerName h$_\nErrorLog logs/error_$_\n</VirtualHost>\n"} 1 .. 50;
    my $s = Adaptive::Server->new(test_module => 1, rlimit => { nofile => 90 }, conf => "$TEST_CONF$hosts");
    $s->start;
    is(scalar(grep { http_get($s->url('/1k.html'), timeout => 10)->{status} == 200 } 1 .. 20), 20, 'every request is served');
    ok($s->stop, 'stops');
};

done_testing;
