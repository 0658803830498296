# While all processors are busy each child keeps to one of those that the server was given, and lets go of it afterwards.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use POSIX ();
use Test::More;
use Adaptive::Paths;
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait;

use constant { CLIENTS => 16, ENOUGH => 3000 };

plan skip_all => 'a matter of mod_mpm_adaptive' if mpm() ne 'adaptive';

# The processors that a process may run on.
sub allowed {
    my ($id) = @_;
    open my $in, '<', "/proc/$id/status" or return '';
    my ($list) = map {/^Cpus_allowed_list:\s*(\S+)/} <$in>;
    return $list // '';
}

sub processors { return map { /(\d+)-(\d+)/ ? ($1 .. $2) : $_ } split /,/, allowed(shift) }

# This test, its clients and its servers have two of them: all the same on machines of any size.
my @two = (processors('self'))[0, 1];
plan skip_all => 'this machine has one processor for us' if !defined $two[1];
my $mask = join ',', @two;
plan skip_all => 'no taskset here' if system("taskset -p -c $mask $$ >/dev/null 2>&1") != 0;
my $both = join ',', processors($$);

sub new_server {
    my (@mpm) = @_;
    return Adaptive::Server->new(test_module => 1, modules => ['status'],
        mpm_conf => join("\n", 'ServerLimit 2', 'StartServers 2', @mpm) . "\n",
        conf     => "${TEST_CONF}MaxKeepAliveRequests 0\nLogLevel mpm_adaptive:debug\n")->start;
}

# Clients that have something computed again and again, for as long as they are let.
sub busy_clients {
    my ($s) = @_;
    my $done = $s->root . '/done';
    my $pid  = spawn(sub {
        local $SIG{PIPE} = 'IGNORE';
        my $request = http_request('/adp/spin?ms=1', keep => 1);
        my $select  = IO::Select->new(map { tcp($s->port) } 1 .. CLIENTS);
        my $answers = 0;
        syswrite $_, $request for $select->handles;
        while (getppid() != 1 && (my @ready = $select->can_read(30))) {
            for my $sock (@ready) {
                my $read = sysread $sock, my $response, 4096;
                POSIX::_exit(1) if !$read;
                syswrite $sock, $request;
            }
            $answers += @ready;
            if ($answers >= ENOUGH && !-e $done) {
                open my $out, '>', $done;
            }
        }
        POSIX::_exit(0);
    });
    return ($pid, $done);
}

sub end_clients {
    my ($pid) = @_;
    kill KILL => $pid;
    waitpid $pid, 0;
    return;
}

# Where all threads of a child may run, if it is the same for all.
sub place_of {
    my ($pid) = @_;
    my %seen = map { (join(',', processors("$pid/task/" . s{.*/}{}r)) => 1) } glob "/proc/$pid/task/*";
    return keys %seen == 1 ? (keys %seen)[0] : '';
}

subtest 'on' => sub {
    my $s = new_server();
    my @children = $s->child_pids;
    is(scalar(grep { place_of($_) eq $both } @children), 2, 'at rest children run anywhere that the server may');
    my ($clients) = busy_clients($s);
    my $apart = sub {
        return join(q( ), sort map { place_of($_) } @children) eq join q( ), sort @two;
    };
    ok((wait_for { $apart->() } 60, 'the children to have a processor each'), 'busy ones have a processor each');
    ok($s->wait_log(qr/ADP0065: child \d: stays on processor/, 15), 'that is logged at debug');
    end_clients($clients);
    ok((wait_for { 2 == grep { place_of($_) eq $both } @children } 120, 'the children to let go'), 'when the load is over they let go');
    ok($s->stop, 'stops');
};

for my $not ('AdaptiveAffinity off', 'AdaptiveMode observe', 'AdaptiveMode off') {
    subtest $not => sub {
        my $s = new_server($not);
        my ($clients, $done) = busy_clients($s);
        wait_for { -e $done } 60, 'enough answers';
        is(scalar(grep { place_of($_) eq $both } $s->child_pids), 2, 'children run anywhere');
        unlike($s->error_log, qr/ADP0065/, 'all the time');
        end_clients($clients);
        ok($s->stop, 'stops');
    };
}

done_testing;
