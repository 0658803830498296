# Children that take too long to become ready, or for ever: requests do not wait for them, a reload is not held up, and reloads
# that come faster than children start do not pile them up.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);
use Adaptive::Probe;
use Adaptive::Server;

use constant SECONDS => 40;

# More than a start may take when others took a moment (src/parent/start_pace.c).
use constant PATIENCE_S => 3.5;

sub server {
    my ($children, $conf) = @_;
    return Adaptive::Server->new(test_module => 1,
        mpm_conf => "StartServers $children\nServerLimit 16\nThreadsPerChild 2\nThreadLimit 2\nMaxRequestWorkers 32\n"
            . "MinSpareThreads 2\nMaxSpareThreads 32\n",
        conf => "${TEST_CONF}AdpTestHangAtStart tmp/hang\n$conf");
}

sub put_hang {
    my ($s) = @_;
    unlink $s->root . '/tmp/hang.found';
    open my $file, '>', $s->root . '/tmp/hang' or die "$!";
    return close $file;
}

# The child that hangs.
sub hanging {
    my ($s) = @_;
    open my $in, '<', $s->root . '/logs/events' or return 0;
    my ($pid) = map {/^\d+ (\d+) child_init hangs/} <$in>;
    return $pid // 0;
}

# Which configuration answers.
sub conf_now { my ($s) = @_; return (eval { http_get($s->url('/'), timeout => 5)->{headers}{'x-conf'} }) // '' }

sub load_conf {
    my ($s, $number, $conf) = @_;
    $s->write_conf(conf => "${TEST_CONF}AdpTestHangAtStart tmp/hang\nHeader always set X-Conf $number\n$conf");
    return $s->signal('USR1');
}

# Living processes of the server, whatever they do.
sub children {
    my ($s) = @_;
    my %zombie = map { $_ => 1 } $s->zombie_pids;
    return grep { !$zombie{$_} } $s->direct_children;
}

# How often a process has slept.
sub wakeups {
    my ($pid) = @_;
    return Adaptive::Server::read_text("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m ? $1 : 0;
}

subtest 'a child that hangs when it starts' => sub {
    plan skip_all => 'event waits for ever' if mpm() ne 'adaptive';
    my $s = server(2, '');
    put_hang($s);
    $s->start;
    ok((wait_for { hanging($s) } SECONDS, 'a child to hang'), 'a child hangs');
    my $pid = hanging($s);
    my ($wakeups, $began) = (wakeups($s->pid), time);
    ok($s->wait_log(qr/ADP0086: child process $pid /, SECONDS), 'it is said');
    my $rate = (wakeups($s->pid) - $wakeups) / (time - $began);
    cmp_ok($rate, '<', 10, sprintf 'the parent sleeps meanwhile: it woke up %.1f times a second', $rate);
    ok((wait_for { $s->child_pids >= 2 } SECONDS, 'another child'), 'another takes its place');
    ok($s->wait_log(qr/ADP0087: child process $pid /, SECONDS), 'it is said that it is killed');
    ok((wait_for { !kill 0, $pid } SECONDS, 'it to end'), 'it ends');
    is(scalar(children($s)), 2, 'there are as many as there should be');
    ok($s->stop, 'stops');
};

subtest 'a reload whose children hang' => sub {
    plan skip_all => 'event waits for ever' if mpm() ne 'adaptive';
    my $s = server(1, 'Header always set X-Conf 1')->start;
    wait_for { conf_now($s) eq '1' } SECONDS, 'an answer';
    put_hang($s);
    load_conf($s, 2, '');
    ok((wait_for { hanging($s) } SECONDS, 'a child to hang'), 'the new child hangs');
    # of the last configuration, or a second child of the new one that does not hang
    like(conf_now($s), qr/\A[12]\z/, 'somebody answers meanwhile');
    ok((wait_for { conf_now($s) eq '2' } SECONDS, 'the new configuration'), 'then another is started, and the new one does');
    ok($s->stop, 'stops');
};

subtest 'a reload that is late' => sub {
    plan skip_all => 'event has no message' if mpm() ne 'adaptive';
    my $s = server(1, 'Header always set X-Conf 1')->start;
    wait_for { conf_now($s) eq '1' } SECONDS, 'an answer';
    load_conf($s, 2, "AdpTestSlowStart 6500\n");
    ok($s->wait_log(qr/ADP0088: .* initialisation; the last one serves/, SECONDS), 'it is said, with the reason');
    is(conf_now($s), '1', 'the last configuration answers meanwhile');
    ok((wait_for { conf_now($s) eq '2' } SECONDS, 'the new configuration'), 'then the new one does');
    ok($s->stop, 'stops');
};

subtest 'reloads faster than children start' => sub {
    my ($wanted, $reloads, $start_ms) = (4, 12, 800);
    my $s = server($wanted, "AdpTestSlowStart $start_ms\nHeader always set X-Conf 0\n")->start;
    ok((wait_for { $s->child_pids == $wanted } SECONDS, 'the children'), 'all are there');
    my ($most, @failed) = 0;
    for my $number (1 .. $reloads) {
        load_conf($s, $number, "AdpTestSlowStart $start_ms\n");
        my $next = time + $start_ms / 2000;
        while (time < $next) {
            my $count = children($s);
            $most = $count if $count > $most;
            push @failed, $number if conf_now($s) eq '';
            sleep 0.05;
        }
    }
    my $began = time;
    my $newest = wait_for { conf_now($s) eq $reloads } SECONDS, 'the newest configuration';
    note sprintf '%d children at most; the newest configuration answered after %.1f s', $most, time - $began;
    # Those that serve, those that start, and those of one older generation, which may all be ending at that moment.
    cmp_ok($most, '<=', 3 * $wanted, 'children do not pile up');
    ok($newest, 'the newest configuration answers');
    is("@failed", '', 'somebody answered all the time') if mpm() eq 'adaptive';
    ok((wait_for { $s->child_pids == $wanted && children($s) == $wanted } SECONDS, 'the others to end'), 'as many stay as before');
    is(scalar(grep { conf_now($s) ne $reloads } 1 .. 10), 0, 'no older configuration answers any more');
    ok($s->stop, 'stops');
};

# The parent hears of it when it has the next configuration. By then the time that a start may take is over.
subtest 'a child that becomes ready while the next configuration is read' => sub {
    plan skip_all => 'the pauses are in the module under test' if mpm() ne 'adaptive';
    my $s = Adaptive::Server->new(hooked => 1, test_module => 1,
        mpm_conf => "StartServers 1\nServerLimit 1\nThreadsPerChild 2\nThreadLimit 2\n", conf => $TEST_CONF)->start;
    my ($oldest) = $s->child_pids;
    my @full = hold_requests($s, 2);
    $s->log_mark;
    load_conf($s, 1, "AdpTestSlowStart 1500\n");
    $s->wait_log(qr/ADP0098/, SECONDS);
    my $pid = wait_for { (grep { $_ != $oldest } $s->direct_children)[0] } SECONDS, 'another child';
    my $forked = time;
    $s->pause_at('open_logs');
    load_conf($s, 2, '');
    $s->wait_paused('open_logs', SECONDS);
    # The oldest has no thread left, so that the other one serves this.
    my $sock = tcp($s->port);
    print {$sock} http_request('/adp/pid', keep => 1);
    like((read_response($sock, timeout => SECONDS) // {})->{body} // '', qr/^pid=$pid$/m, 'it is ready, and serves a connection');
    print {$sock} http_request('/adp/hold', keep => 1);
    wait_for { time > $forked + PATIENCE_S } SECONDS, 'its time to pass';
    $s->release('open_logs');
    ok((wait_for { conf_now($s) eq '2' } SECONDS, 'the newest configuration'), 'the newest configuration answers');
    lift_hold($s);
    is((read_response($sock, timeout => SECONDS) // {})->{status}, 200, 'and the connection has not been cut');
    unlike($s->error_log, qr/ADP0087/, 'for nobody was killed');
    ok($s->stop, 'stops');
};

# One socket is served by the new children while the other waits for one that hangs.
subtest 'bucket by bucket' => sub {
    plan skip_all => 'event hands over at once' if mpm() ne 'adaptive';
    my $s = server(2, "AdpTestSlowStart 800\n");
    $s->{mpm_conf} .= "ListenCoresBucketsRatio 1\n";
    $s->write_conf->start;
    my @inodes = grep {/^\s*\d+: 0100007F:@{[sprintf '%04X', $s->port]} 00000000:0000 0A/}
        split /^/, Adaptive::Server::read_text('/proc/net/tcp');
    if (@inodes != 2) {
        $s->stop;
        plan skip_all => 'needs a machine with two processors';
    }
    wait_for { $s->child_pids == 2 } SECONDS, 'the children';
    my @old = $s->child_pids;
    put_hang($s);
    $s->signal('USR1');
    ok((wait_for { hanging($s) } SECONDS, 'a child to hang'), 'a child hangs');
    ok((wait_for { grep { !kill 0, $_ } @old } SECONDS, 'a child to end'), 'an old child whose successor is there ends');
    unlike($s->error_log, qr/ADP0086/, 'before the one that hangs is given up');
    is(scalar(grep { kill 0, $_ } @old), 1, 'the other one serves on');
    ok((wait_for { !grep { kill 0, $_ } @old } SECONDS, 'the other to end'), 'until it has a successor');
    ok($s->stop, 'stops');
};

done_testing;
