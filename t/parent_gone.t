# kill -9 of the parent: its children see it and end, whoever else holds a copy of what they were started with. A daemon of
# another module that was forked again after the children were, as mod_cgid's is when it has died, has copies of everything.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Probe;

sub new_server {
    return Adaptive::Server->new(
        test_module => 1,
        modules     => [qw(status cgid)],
        mpm_conf    => "StartServers 2\nServerLimit 4\nThreadsPerChild 8\nMinSpareThreads 1\n",
        conf        => "${TEST_CONF}ScriptSock \@ROOT\@/run/cgisock\nScriptAlias /cgi/ \@ROOT\@/cgi/\n"
            . "<Directory \"\@ROOT\@/cgi\">\n    Require all granted\n</Directory>\n", @_);
}

# mod_cgid's daemon dies, and the parent forks it again: after its children.
sub renew_daemon {
    my ($s) = @_;
    my ($old) = wait_for { ($s->daemon_pids)[0] } 15, 'the daemon';
    kill 'KILL', $old or return;
    return wait_for { (grep { $_ != $old } $s->daemon_pids)[0] } 20, 'another daemon';
}

sub alive {
    my (@pids) = @_;
    return grep { Adaptive::Server::threads_of($_) > 0 } @pids;
}

subtest 'children that serve' => sub {
    my $s = new_server()->start;
    my $daemon = renew_daemon($s) or return fail('the daemon was forked again');
    my @children = $s->child_pids;
    cmp_ok(scalar @children, '>=', 2, 'children serve');
    kill 'KILL', $s->pid;
    ok((wait_for { !alive(@children) } 15, 'the children to end'), 'they end with the parent');
    ok(alive($daemon), 'although the daemon lives on');
    ok((wait_for { !Adaptive::Server::is_listening($s->port) } 5, 'the port'), 'the port is free');
    $s->kill_all;
};

subtest 'on a Linux without pidfds' => sub {
    my $s = new_server(hooked => 1);
    $s->fault('no_pidfd', 1);
    $s->start;
    my $daemon = renew_daemon($s) or return fail('the daemon was forked again');
    my @children = $s->child_pids;
    kill 'HUP', @children;
    is(http_get($s->url('/'))->{status}, 200, 'SIGHUP does nothing to a child');
    is(scalar alive(@children), scalar @children, 'nor ends it');
    kill 'KILL', $s->pid;
    ok((wait_for { !alive(@children) } 15, 'the children to end'), 'they end with the parent');
    ok((wait_for { !Adaptive::Server::is_listening($s->port) } 5, 'the port'), 'the port is free');
    $s->kill_all;
} if mpm() eq 'adaptive';

subtest 'a child that drains' => sub {
    my $s = new_server()->start;
    my @socks = hold_requests($s, 2);
    wait_for { hooks($s)->{busy} >= 2 } 15, 'requests under way';
    my @old = $s->child_pids;
    ok($s->graceful, 'a reload');
    renew_daemon($s) or return fail('the daemon was forked again');
    kill 'KILL', $s->pid;
    ok((wait_for { !Adaptive::Server::is_listening($s->port) } 15, 'the port'), 'nobody listens any more');
    lift_hold($s);
    is(scalar(grep { (read_response($_) // {})->{status} } @socks), 2, 'what it had under way it finishes');
    ok((wait_for { !alive(@old) } 15, 'the old children to end'), 'and then ends');
    $s->kill_all;
};

done_testing;
