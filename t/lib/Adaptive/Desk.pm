package Adaptive::Desk;

# A client of the desk: one request over its Unix socket.

use strict;
use warnings;

use Errno ();
use Exporter 'import';
use IO::Socket::UNIX;
use JSON::PP ();

our @EXPORT = qw(desk_socket desk_connect desk_read desk_get desk_state);

use constant SECONDS => 30;

sub desk_socket { my ($s) = @_; return $s->root . '/run/adaptive-status.sock' }

sub desk_connect {
    my ($path) = @_;
    return IO::Socket::UNIX->new(Peer => $path, Timeout => SECONDS);
}

# Everything that comes until the end: { status, head, body }, or nothing.
sub desk_read {
    my ($socket) = @_;
    my $all = '';
    local $SIG{ALRM} = sub { die "late\n" };
    my $n;
    # a signal to the test itself may interrupt it
    eval { alarm SECONDS; do { $n = sysread $socket, $all, 65536, length $all } while $n || !defined $n && $!{EINTR}; alarm 0; 1 } or return;
    my ($head, $body) = $all =~ /\A(HTTP\/1\.1 .*?\r\n)\r\n(.*)\z/s or return;
    return { status => $head =~ /\AHTTP\/1\.1 (\d{3}) / ? $1 : 0, head => $head, body => $body };
}

sub desk_get {
    my ($path, $target, %option) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $socket = desk_connect($path) or return;
    syswrite $socket, ($option{method} // 'GET') . " $target HTTP/1.1\r\nHost: localhost\r\n" . ($option{headers} // '') . "\r\n";
    return desk_read($socket);
}

# What the server says of itself, or nothing.
sub desk_state {
    my ($path) = @_;
    my $answer = desk_get($path, '/?json') or return;
    return $answer->{status} == 200 ? eval { JSON::PP::decode_json($answer->{body}) } : undef;
}

1;
