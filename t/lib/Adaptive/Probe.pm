package Adaptive::Probe;

# What can be seen of a server from outside, in /proc, and inside, through the test module.

use strict;
use warnings;

use Exporter 'import';
use POSIX ();

use Adaptive::HTTP;

our @EXPORT = qw(hooks served_by uids_of cpu_seconds open_files hold_requests put_hold lift_hold events_of holding $TEST_CONF);

# Turns the test module on; /adp/hold holds its requests from put_hold to lift_hold.
our $TEST_CONF = "AdpTest On\nAdpTestHoldFile tmp/hold\nAdpTestEventLog logs/events\n";

# The counters of the test module, of all children together.
sub hooks {
    my ($server) = @_;
    return { http_get($server->url('/adp/hooks'))->{body} =~ /^(\w+)=(\d+)$/mg };
}

# The child that answers a new connection.
sub served_by {
    my ($server) = @_;
    my ($pid) = http_get($server->url('/adp/pid'), timeout => 10)->{body} =~ /^pid=(\d+)$/m;
    return $pid;
}

# Real, effective, saved and file system uid.
sub uids_of {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/status" or return;
    local $/;
    return split ' ', (<$in> =~ /^Uid:\s+(.*)$/m)[0];
}

sub cpu_seconds {
    my (@pids) = @_;
    my $ticks = 0;
    for my $pid (@pids) {
        open my $in, '<', "/proc/$pid/stat" or next;
        my ($user, $system) = <$in> =~ /\A\d+ \(.*\) \w (?:\S+ ){10}(\d+) (\d+) / or next;
        $ticks += $user + $system;
    }
    return $ticks / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# The open descriptors of a process by what they are, "socket:[1234]" and the like.
sub open_files {
    my ($pid) = @_;
    return map { readlink } glob "/proc/$pid/fd/*";
}

sub put_hold {
    my ($server) = @_;
    open my $file, '>', $server->root . '/tmp/hold' or die "$!";
    return close $file;
}

sub lift_hold { return unlink $_[0]->root . '/tmp/hold' }

# Opens connections with a request each that holds its thread as soon as it has one.
sub hold_requests {
    my ($server, $count) = @_;
    put_hold($server);
    my @socks = map { tcp($server->port) } 1 .. $count;
    print {$_} http_request('/adp/hold', keep => 1) for @socks;
    return @socks;
}

# Lines of the test module's event log.
sub events_of {
    my ($server, $pattern) = @_;
    open my $in, '<', $server->root . '/logs/events' or return 0;
    return scalar grep {/$pattern/} <$in>;
}

# Requests that ever got a thread and hold it, or held it; who asks the server itself would need one too.
sub holding { return events_of($_[0], qr{ hold$}) }

1;
