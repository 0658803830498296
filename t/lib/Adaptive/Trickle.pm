package Adaptive::Trickle;

# A slow line: what a client sends arrives at the server in pieces of one byte, each on its own; what the server sends
# arrives at once. For clients that cannot be slow themselves, those that speak TLS above all.

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(usleep);

use Adaptive::Process;

our @EXPORT_OK = qw(slow_line);

# Time for the server to take one byte before the next comes. If it does not, the line is less slow, and nothing breaks.
use constant PAUSE_US => 500;

sub connect_to {
    my ($port) = @_;
    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or return;
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    return $sock;
}

sub pass_slowly {
    my ($to, $bytes) = @_;
    for my $byte (split //, $bytes) {
        syswrite $to, $byte or return 0;
        usleep PAUSE_US;
    }
    return 1;
}

# One piece from one side to the other; false at the end.
sub pass_on {
    my ($from, $to, $slowly) = @_;
    my $count = sysread $from, my $bytes, 16384;
    return 0 if !$count;
    return $slowly ? pass_slowly($to, $bytes) : syswrite $to, $bytes;
}

sub carry {
    my ($client, $port) = @_;
    my $server = connect_to($port) or return;
    my $select = IO::Select->new($client, $server);
    local $SIG{PIPE} = 'IGNORE';
    while (1) {
        for my $ready ($select->can_read) {
            my $is_client = $ready == $client;
            pass_on($ready, $is_client ? $server : $client, $is_client) or return;
        }
    }
}

# Listens on a port of its own for slow lines to a server's port: (its port, its process, for finish()).
sub slow_line {
    my ($port) = @_;
    my $listener = listener();
    my $own      = $listener->sockport;
    my $line     = spawn(sub {
        local $SIG{CHLD} = 'IGNORE';
        while (my $client = $listener->accept) {
            my $pid = fork;
            if (defined $pid && !$pid) { carry($client, $port); exit 0 }
            close $client;
        }
    });
    close $listener;
    return ($own, $line);
}

1;
