# Start, stop and restart in every run mode: pid file, exit codes, privileges, requests under way, nothing left behind.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;
use Adaptive::Probe;

sub server { return Adaptive::Server->new(test_module => 1, conf => $TEST_CONF, @_) }

sub file_text {
    my ($path) = @_;
    open my $in, '<', $path or return '';
    local $/;
    return <$in>;
}

sub serves {
    my ($s, $what) = @_;
    my $response = http_get($s->url('/1k.html'));
    ok($response->{status} == 200 && length $response->{body} == 1024, $what);
    return;
}

sub nothing_left {
    my ($s, $what) = @_;
    ok(!-e $s->root . '/run/httpd.pid', "$what: no pid file");
    is_deeply([ glob $s->root . '/run/*' ], [], "$what: no file in the run directory");
    ok(!eval { tcp($s->port) }, "$what: the port is free");
    return;
}

# As one process it has no parent left with the right to remove the pid file.
sub nothing_left_alone {
    my ($s) = @_;
    return nothing_left($s, 'stopped') if $> != 0 && mpm() eq 'adaptive';
    unlike($s->error_log, qr{:(?:error|crit|alert|emerg)\]}, 'no error in the log');
    return ok(!eval { tcp($s->port) }, 'the port is free');
}

# One that holds its thread until the hold is lifted; it has reached its handler when this returns.
sub held_request {
    my ($s) = @_;
    my ($sock) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} } 15, 'the held request to be in its handler';
    return $sock;
}

subtest 'foreground' => sub {
    my $s = server()->start;
    is($s->pid, $s->{started}, 'the process that was started is the server');
    is(file_text($s->root . '/run/httpd.pid'), $s->pid . "\n", 'its pid file says so');
    serves($s, 'serves');
    if ($> == 0) {
        my $www = getpwnam 'www-data';
        is_deeply([ uids_of($s->pid) ], [ (0) x 4 ], 'the parent keeps its rights');
        is_deeply([ uids_of($_) ], [ ($www) x 4 ], 'a child has none') for $s->child_pids;
    }
    ok($s->stop, 'TERM ends all of its processes');
    is($s->exit_status, 0, 'exit code 0');
    nothing_left($s, 'stopped');
};

subtest 'INT stops' => sub {
    my $s = server()->start;
    $s->signal('INT');
    ok($s->wait_gone(20), 'all processes end');
    is($s->exit_status, 0, 'exit code 0');
    nothing_left($s, 'interrupted');
};

subtest 'TERM does not wait for a request' => sub {
    my $s    = server()->start;
    my $sock = held_request($s);
    ok($s->stop, 'all processes end');
    ok(!read_response($sock, timeout => 5), 'the request was cut');
    nothing_left($s, 'stopped');
};

subtest 'graceful stop' => sub {
    my $s    = server()->start;
    my $sock = held_request($s);
    $s->signal('WINCH');
    ok((wait_for { !eval { tcp($s->port) } } 15, 'the port to be closed'), 'new connections are refused');
    ok($s->alive, 'the server waits for the request');
    lift_hold($s);
    is(read_response($sock)->{body}, "x\0", 'the request is answered');
    ok($s->wait_gone(20), 'all processes end');
    is($s->exit_status, 0, 'exit code 0');
    nothing_left($s, 'stopped gracefully');
};

subtest 'graceful stop with a time limit' => sub {
    my $s    = server(mpm_conf => "GracefulShutdownTimeout 1\n")->start;
    my $sock = held_request($s);
    $s->signal('WINCH');
    ok($s->wait_gone(15), 'all processes end although a request is under way');
    ok(-e $s->root . '/tmp/hold', '(it was)');
    ok(!read_response($sock, timeout => 5), 'the request was cut');
    is($s->exit_status, 0, 'exit code 0');
    nothing_left($s, 'time limit');
};

subtest 'restart' => sub {
    my $s    = server(modules => ['status'])->start;
    my $pid  = $s->pid;
    my $sock = held_request($s);
    my @old  = $s->child_pids;
    $s->write_conf(conf => "$TEST_CONF\nHeader set X-Generation second\n");
    ok($s->restart, 'new children serve');
    is($s->pid, $pid, 'the parent is the same');
    my %now = map { $_ => 1 } $s->child_pids;
    is_deeply([ grep { $now{$_} } @old ], [], 'no old child is left');
    ok(!read_response($sock, timeout => 5), 'the request under way was cut');
    is(http_get($s->url('/'))->{headers}{'x-generation'}, 'second', 'the new configuration holds');
    ok($s->stop, 'stops');
};

subtest 'graceful restart' => sub {
    my $s    = server(modules => ['status'])->start;
    my $pid  = $s->pid;
    my $sock = held_request($s);
    my %old  = map { $_ => 1 } $s->child_pids;
    $s->write_conf(conf => "$TEST_CONF\nHeader set X-Generation second\n");
    ok($s->graceful, 'new children serve');
    is($s->pid, $pid, 'the parent is the same');
    ok(!$old{ served_by($s) // die }, "a new child answers (try $_)") for 1 .. 5;
    is(http_get($s->url('/'))->{headers}{'x-generation'}, 'second', 'the new configuration holds');
    ok((grep { $old{$_} } $s->child_pids), 'an old child still has the request');
    lift_hold($s);
    is(read_response($sock)->{body}, "x\0", 'the request is answered');
    ok((wait_for { !grep { $old{$_} } $s->direct_children } 15, 'the old children to end'), 'then the old children end');
    ok($s->stop, 'stops');
};

# A broken configuration ends the server, whatever the MPM: httpd reads it before it asks the MPM.
subtest 'exit codes' => sub {
    my $bad = server(mpm_conf => "ThreadsPerChild none\nNoSuchDirective\n");
    ok(!$bad->try_start, 'a broken configuration does not start');
    isnt($bad->exit_status, 0, 'and the exit code says so');
    like($bad->output, qr/NoSuchDirective|ThreadsPerChild/, 'the console says why');

    my $first  = server()->start;
    my $second = server(listen => 0, conf => 'Listen 127.0.0.1:' . $first->port);
    ok(!$second->try_start, 'a port in use does not start');
    isnt($second->exit_status, 0, 'and the exit code says so');
    like($second->output, qr/could not bind to address/, 'the console says why');
    serves($first, 'the other server is not disturbed');
    ok($first->stop, 'stops');
};

for my $mode (['-X'], ['-DONE_PROCESS'], ['-DONE_PROCESS', '-DFOREGROUND']) {
    subtest "one process: @$mode" => sub {
        my $s = server(foreground => 0, args => $mode)->start;
        is($s->pid, $s->{started}, 'not detached');
        is_deeply([ $s->tree_pids ], [ $s->pid ], 'it is alone');
        serves($s, 'serves');
        ok($s->stop, 'TERM ends it');
        is($s->exit_status, 0, 'exit code 0');
        nothing_left_alone($s);
    };
}

subtest 'one process: INT' => sub {
    my $s = server(foreground => 0, args => ['-X'])->start;
    $s->signal('INT');
    ok($s->wait_gone(20), 'ends');
    is($s->exit_status, 0, 'exit code 0');
    nothing_left_alone($s);
};

subtest '-DNO_DETACH' => sub {
    my $s = server(foreground => 0, defines => ['NO_DETACH'])->start;
    is($s->pid, $s->{started}, 'not detached');
    ok(scalar $s->child_pids, 'it has children');
    serves($s, 'serves');
    ok($s->stop, 'stops');
    is($s->exit_status, 0, 'exit code 0');
    nothing_left($s, 'stopped');
};

subtest 'daemon' => sub {
    my $s = server(foreground => 0)->start;
    ok((wait_for { defined $s->exit_status } 15, 'the started process to end'), 'the started process ends');
    is($s->exit_status, 0, 'with exit code 0');
    isnt($s->pid, $s->{started}, 'the server is another process');
    isnt(getpgrp $s->pid, getpgrp 0, 'in a process group of its own');
    is(readlink '/proc/' . $s->pid . '/fd/0', '/dev/null', 'without a terminal');
    serves($s, 'serves');
    my $before = $s->pid;
    ok($s->graceful, 'a graceful restart works');
    is($s->pid, $before, 'the same parent');
    serves($s, 'serves again');
    ok($s->stop, 'stops');
    nothing_left($s, 'stopped');
};

subtest 'apachectl-like command line' => sub {
    my $s = server()->start;
    is($s->run_httpd('-k', 'graceful')->{status}, 0, '-k graceful');
    ok((wait_for { served_by($s) } 15, 'an answer'), 'serves');
    is($s->run_httpd('-k', 'stop')->{status}, 0, '-k stop');
    ok($s->wait_gone(20), 'all processes end');
    nothing_left($s, 'stopped');
};

subtest 'the parent is killed' => sub {
    plan skip_all => 'children of event stay for ever' if mpm() ne 'adaptive';
    my $s    = server()->start;
    my @kids = $s->child_pids;
    cmp_ok(scalar @kids, '>', 0, 'there are children');
    kill 'KILL', $s->pid;
    ok($s->wait_gone(20), 'the children end by themselves');
    ok(!eval { tcp($s->port) }, 'the port is free');
};

done_testing;
