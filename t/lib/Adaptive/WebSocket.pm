package Adaptive::WebSocket;

# As much of RFC 6455 as a test needs: both sides of the handshake, frames, a client object and an echo server that
# carries any number of connections in one process.

use strict;
use warnings;

use Digest::SHA qw(sha1_base64);
use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Exporter 'import';
use IO::Poll qw(POLLIN POLLOUT POLLERR POLLHUP);
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

our @EXPORT_OK = qw(serve_echo OP_TEXT OP_BINARY OP_CLOSE OP_PING OP_PONG);

use constant { OP_TEXT => 1, OP_BINARY => 2, OP_CLOSE => 8, OP_PING => 9, OP_PONG => 10 };

my $GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

sub accept_key {
    my ($key) = @_;
    return sha1_base64($key . $GUID) . '=';
}

sub frame {
    my ($opcode, $payload, $masked) = @_;
    my $bytes = length $payload;
    my $size  = $bytes < 126 ? pack('C', $bytes) : $bytes < 65536 ? pack('Cn', 126, $bytes) : pack('CQ>', 127, $bytes);
    my $mask  = '';
    if ($masked) {
        $mask = pack('N', int rand 2**32);
        $payload ^= substr($mask x ($bytes / 4 + 1), 0, $bytes);
        $size = chr(ord($size) | 0x80) . substr($size, 1);
    }
    return chr(0x80 | $opcode) . $size . $mask . $payload;
}

# Takes one complete frame off the front of $$buffer: (opcode, payload), or nothing while it is incomplete.
sub take_frame {
    my ($buffer) = @_;
    return if length $$buffer < 2;
    my ($first, $second) = unpack 'CC', $$buffer;
    my ($bytes, $at) = ($second & 0x7f, 2);
    if ($bytes == 126) {
        return if length $$buffer < 4;
        ($bytes, $at) = (unpack('n', substr $$buffer, 2, 2), 4);
    }
    elsif ($bytes == 127) {
        return if length $$buffer < 10;
        ($bytes, $at) = (unpack('Q>', substr $$buffer, 2, 8), 10);
    }
    my $mask = '';
    if ($second & 0x80) {
        return if length $$buffer < $at + 4;
        $mask = substr $$buffer, $at, 4;
        $at += 4;
    }
    return if length $$buffer < $at + $bytes;
    my $payload = substr $$buffer, $at, $bytes;
    substr($$buffer, 0, $at + $bytes) = '';
    $payload ^= substr($mask x ($bytes / 4 + 1), 0, $bytes) if $mask ne '';
    return ($first & 0x0f, $payload);
}

# --- client ---------------------------------------------------------------------------------------------------------

# Connects and upgrades; dies when the answer is anything but a correct 101.
sub connect {
    my ($class, $port, $path) = @_;
    my $self = $class->begin($port, $path);
    $self->finish_handshake;
    return $self;
}

# Sends the upgrade request and does not wait, so that many can be under way at once.
sub begin {
    my ($class, $port, $path) = @_;
    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "connect to $port: $!";
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    return $class->begin_on($sock, $path);
}

# Upgrades a connection that has served other requests before.
sub upgrade {
    my ($class, $sock, $path) = @_;
    my $self = $class->begin_on($sock, $path);
    $self->finish_handshake;
    return $self;
}

sub begin_on {
    my ($class, $sock, $path) = @_;
    my $self = bless { sock => $sock, buffer => '', key => sha1_base64(rand) . '=' }, $class;
    print {$sock} "GET $path HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Key: $self->{key}\r\nSec-WebSocket-Version: 13\r\n\r\n";
    return $self;
}

sub finish_handshake {
    my ($self) = @_;
    my $deadline = time + 20;
    while ($self->{buffer} !~ /\r\n\r\n/) {
        $self->fill($deadline) or die "no answer to the upgrade request: '$self->{buffer}'";
    }
    $self->{buffer} =~ s/\A(.*?)\r\n\r\n//s;
    my $head = $1;
    $head =~ m{\AHTTP/1\.1 101 } or die "not upgraded: $head";
    my ($accept) = $head =~ /^Sec-WebSocket-Accept: (\S+)/mi;
    ($accept // '') eq accept_key($self->{key}) or die "wrong Sec-WebSocket-Accept: $head";
    return;
}

# Waits for more bytes: true when some came, false at the end of the stream or of the time.
sub fill {
    my ($self, $deadline) = @_;
    my $left = $deadline - time;
    return 0 if $left <= 0;
    vec(my $want = '', fileno $self->{sock}, 1) = 1;
    return 0 if !select $want, undef, undef, $left;
    return sysread $self->{sock}, $self->{buffer}, 65536, length $self->{buffer};
}

sub send {
    my ($self, $opcode, $payload) = @_;
    local $SIG{PIPE} = 'IGNORE';
    return $self->send_raw(frame($opcode, $payload, 1));
}

sub send_raw {
    my ($self, $bytes) = @_;
    return print { $self->{sock} } $bytes;
}

# The next frame as (opcode, payload), or nothing when the peer closed or the time was up.
sub receive {
    my ($self, $seconds) = @_;
    my $deadline = time + ($seconds // 20);
    while (1) {
        my @frame = take_frame(\$self->{buffer});
        return @frame if @frame;
        $self->fill($deadline) or return;
    }
}

sub text {
    my ($self, $payload, $seconds) = @_;
    $self->send(OP_TEXT, $payload) or return '';
    my ($opcode, $answer) = $self->receive($seconds);
    return $answer // '';
}

sub sock  { return $_[0]{sock} }
sub close { my ($self) = @_; return CORE::close $self->{sock} }

# --- server ---------------------------------------------------------------------------------------------------------

# Echoes every text and binary frame; three texts are commands: "push N BYTES" is answered with N frames of that size,
# "please close" with a close frame and the end of the connection, "please drop" with the end only. Runs until its
# parent is gone.
sub serve_echo {
    my ($listener) = @_;
    my ($parent, $poll) = (getppid, IO::Poll->new);
    local $SIG{PIPE} = 'IGNORE';
    my %peer;
    $listener->blocking(0);
    $poll->mask($listener => POLLIN);
    while (getppid == $parent) {
        $poll->poll(0.5);
        for my $sock ($poll->handles(POLLIN | POLLOUT | POLLHUP | POLLERR)) {
            if ($sock == $listener) {
                while (my $new = $listener->accept) {
                    $new->blocking(0);
                    $peer{ fileno $new } = { in => '', out => '', upgraded => 0 };
                    $poll->mask($new => POLLIN);
                }
                next;
            }
            my $state = $peer{ fileno $sock };
            serve_peer($sock, $state);
            if ($state->{gone}) {
                delete $peer{ fileno $sock };
                $poll->remove($sock);
                CORE::close $sock;
                next;
            }
            $poll->mask($sock => $state->{out} eq '' ? POLLIN : POLLIN | POLLOUT);
        }
    }
    return;
}

sub serve_peer {
    my ($sock, $state) = @_;
    my $got = sysread $sock, $state->{in}, 65536, length $state->{in};
    $state->{gone} = 1 if defined $got ? !$got : !($!{EAGAIN} || $!{EINTR});
    answer_upgrade($state) if !$state->{upgraded};
    while ($state->{upgraded} && !$state->{ending}) {
        my ($opcode, $payload) = take_frame(\$state->{in}) or last;
        $state->{out} .= answer_frame($state, $opcode, $payload);
    }
    if ($state->{out} ne '') {
        my $sent = syswrite $sock, $state->{out};
        if (defined $sent) {
            substr($state->{out}, 0, $sent) = '';
        }
        elsif (!$!{EAGAIN} && !$!{EINTR}) {
            $state->{gone} = 1;
        }
    }
    $state->{gone} = 1 if $state->{ending} && $state->{out} eq '';
    return;
}

sub answer_upgrade {
    my ($state) = @_;
    $state->{in} =~ s/\A(.*?\r\n\r\n)//s or return;
    my ($key) = $1 =~ /^Sec-WebSocket-Key: (\S+)/mi;
    if (!defined $key) {
        $state->{out} = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        $state->{ending} = 1;
        return;
    }
    $state->{out} = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . 'Sec-WebSocket-Accept: ' . accept_key($key) . "\r\n\r\n";
    $state->{upgraded} = 1;
    return;
}

sub answer_frame {
    my ($state, $opcode, $payload) = @_;
    return frame(OP_PONG, $payload) if $opcode == OP_PING;
    if ($opcode == OP_CLOSE || $payload eq 'please close') {
        $state->{ending} = 1;
        return frame(OP_CLOSE, pack 'n', 1000);
    }
    if ($payload eq 'please drop') {
        $state->{ending} = 1;
        return '';
    }
    if ($payload =~ /\Apush (\d+) (\d+)\z/) {
        my ($count, $bytes) = ($1, $2);
        return join '', map { frame(OP_BINARY, pack('N', $_) . ('x' x ($bytes - 4))) } 1 .. $count;
    }
    return frame($opcode, $payload);
}

1;
