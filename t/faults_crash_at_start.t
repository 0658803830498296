# Children that crash when they start, again and again: no fork storm, a clear message, recovery.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Adaptive::Server;
use Adaptive::Probe;

# How many forks a second are still no storm. The children that a server starts with come on top.
use constant { FORKS_A_SECOND => 10, WATCH_SECONDS => 4, CHILDREN => 3 };

my $MPM_CONF = 'StartServers ' . CHILDREN . "\nThreadsPerChild 4\nMinSpareThreads 12\nMaxSpareThreads 16\nMaxRequestWorkers 16\n";
my $CONF     = "${TEST_CONF}AdpTestCrashAtStart tmp/crash\nAdpTestExitAtStart tmp/exit 7\n";

sub put {
    my ($s, $name) = @_;
    open my $file, '>', $s->root . "/tmp/$name" or die "$!";
    return close $file;
}

sub lift { return unlink $_[0]->root . "/tmp/$_[1]" }

sub births {
    my ($s) = @_;
    open my $in, '<', $s->root . '/logs/events' or return 0;
    return scalar grep {/ child_init$/} <$in>;
}

# Forks during the next seconds. They may as well have been spent otherwise: this is about the rate.
sub births_while_watching {
    my ($s) = @_;
    my ($before, $end) = (births($s), time + WATCH_SECONDS);
    wait_for { time > $end } WATCH_SECONDS + 5;
    return births($s) - $before;
}

sub has_children {
    my ($s) = @_;
    return wait_for { $s->child_pids >= 2 && served_by($s) } 20, 'children that serve';
}

for my $cause (qw(crash exit)) {
    subtest "$cause, of replacements" => sub {
        my $s = Adaptive::Server->new(test_module => 1, mpm_conf => $MPM_CONF, conf => $CONF)->start;
        wait_for { $s->child_pids >= CHILDREN } 15, 'the children';
        my ($victim, $survivor) = sort { $a <=> $b } $s->child_pids;
        put($s, $cause);
        $s->log_mark;
        kill 'KILL', $victim;
        my $births = births_while_watching($s);
        note "$births forks in " . WATCH_SECONDS . ' s';
        cmp_ok($births, '>', 0,                               'it is tried');
        cmp_ok($births, '<', FORKS_A_SECOND * WATCH_SECONDS, 'but no fork storm');
        ok($s->alive,             'the server is alive');
        ok(kill(0, $survivor),    'a healthy child stays');
        is(http_get($s->url('/'))->{status}, 200, 'it serves');
        ok($s->wait_log(qr/exit signal Aborted|exit signal Abort/, 15), 'the crash is logged') if $cause eq 'crash';
        ok($s->wait_log(qr/ADP\d{4}: .*start/, 15), 'what happens is said in plain words') if mpm() eq 'adaptive';
        lift($s, $cause);
        ok((wait_for { $s->child_pids >= CHILDREN } 20, 'the children'), 'the children come when the cause is gone');
        ok($s->stop, 'stops');
    };
}

# There is nobody to serve, but a file that is missing may come back: it goes on trying.
subtest 'a crash of every child from the start' => sub {
    my $s = Adaptive::Server->new(test_module => 1, mpm_conf => $MPM_CONF, conf => $CONF);
    put($s, 'crash');
    $s->{started} = $s->spawn_httpd($s->root . '/logs/console', '-DFOREGROUND');
    wait_for { births($s) > 0 } 20, 'the first child';
    my $end = time + WATCH_SECONDS;
    wait_for { time > $end } WATCH_SECONDS + 5;
    cmp_ok(births($s), '<', FORKS_A_SECOND * WATCH_SECONDS + CHILDREN, 'no fork storm');
    note births($s) . ' forks in ' . WATCH_SECONDS . ' s';
    $s->is_up;
    ok($s->alive, 'the parent is alive');
    lift($s, 'crash');
    ok(has_children($s), 'children serve when the cause is gone');
    ok($s->stop, 'stops');
};

# Children that serve for a moment: each is tried at once, and once more; then they come one by one.
subtest 'children that crash as soon as they serve' => sub {
    my $children = 8;
    my $s = Adaptive::Server->new(test_module => 1, conf => "${TEST_CONF}AdpTestCrashSoon tmp/soon\n",
        mpm_conf => "StartServers $children\nThreadsPerChild 2\nMinSpareThreads 16\nMaxSpareThreads 18\nMaxRequestWorkers 24\n");
    put($s, 'soon');
    $s->{started} = $s->spawn_httpd($s->root . '/logs/console', '-DFOREGROUND');
    wait_for { births($s) > 0 } 20, 'the first child';
    my $end = time + WATCH_SECONDS;
    wait_for { time > $end } WATCH_SECONDS + 5;
    my $births = births($s);
    note "$births forks in " . WATCH_SECONDS . ' s';
    cmp_ok($births, '>', $children, 'it is tried again');
    cmp_ok($births, '<', 2 * $children + FORKS_A_SECOND * WATCH_SECONDS / 2, 'but no fork storm');
    $s->is_up;
    ok($s->alive, 'the parent is alive');
    my $said = () = $s->error_log =~ /ADP0084/g;
    is($said, 1, 'it is said once') if mpm() eq 'adaptive';
    lift($s, 'soon');
    ok((wait_for { $s->child_pids >= $children && served_by($s) } 20, 'children that serve'), 'all come back when the cause is gone');
    ok($s->stop, 'stops');
};

# APEXIT_CHILDFATAL: the child says that no other one will fare better.
subtest 'a child gives up for all' => sub {
    my $s = Adaptive::Server->new(
        test_module => 1, mpm_conf => $MPM_CONF, conf => "${TEST_CONF}AdpTestExitAtStart tmp/fatal 15\n");
    put($s, 'fatal');
    ok(!$s->try_start, 'the server does not start');
    ok($s->wait_gone(20), 'it has ended');
    like($s->error_log . $s->output, qr/fatal|unable|unrecoverable|giv(?:es|ing) up/i, 'and says why');
};

done_testing;
