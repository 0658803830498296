package Adaptive::Client;

# One connection as an object, over TCP or TLS, for tests in which what happens to the connection matters as much as the
# responses: pieces of requests, interim responses, who closes and how.

use strict;
use warnings;

use Carp qw(croak);
use IO::Socket::INET;
use Socket qw(AF_INET SOCK_STREAM SOL_SOCKET SO_LINGER SO_RCVBUF IPPROTO_TCP TCP_NODELAY inet_aton sockaddr_in);
use Time::HiRes qw(time);

use Adaptive::HTTP;

# rcvbuf => bytes has to be set before connect(), or the window has been announced already.
# tls => { options of IO::Socket::SSL }.
sub new {
    my ($class, $port, %opt) = @_;
    my $sock = IO::Socket::INET->new or croak "socket: $!";
    socket $sock, AF_INET, SOCK_STREAM, 0 or croak "socket: $!";
    setsockopt $sock, SOL_SOCKET, SO_RCVBUF, $opt{rcvbuf} if $opt{rcvbuf};
    connect $sock, sockaddr_in($port, inet_aton('127.0.0.1')) or croak "connect to port $port: $!";
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    $sock->autoflush(1);
    my $self = bless { sock => $sock }, $class;
    $self->start_tls(%{ $opt{tls} }) if $opt{tls};
    return $self;
}

sub start_tls {
    my ($self, %opt) = @_;
    require IO::Socket::SSL;
    $self->{sock} = IO::Socket::SSL->start_SSL($self->{sock}, SSL_hostname => 'localhost', Timeout => Adaptive::HTTP::patience(), %opt)
        || croak 'TLS handshake: ' . IO::Socket::SSL::errstr();
    return;
}

sub sock { return $_[0]{sock} }

# True when all of it was taken; false when the peer has gone.
sub send {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $at = 0;
    while ($at < length $bytes) {
        my $sent = syswrite $self->{sock}, $bytes, 16384, $at;
        return 0 if !defined $sent && !$!{EINTR};
        $at += $sent // 0;
    }
    return 1;
}

# The text of a request that keeps the connection. headers => { name => value }, body => text.
sub request_text {
    my ($method, $path, %opt) = @_;
    return http_request($path, keep => 1, %opt, method => $method);
}

# Sends a request and reads its response.
sub request {
    my ($self, $method, $path, %opt) = @_;
    $self->send(request_text($method, $path, %opt));
    return $self->response(%opt, method => $method);
}

sub get { my ($self, $path, %opt) = @_; return $self->request('GET', $path, %opt) }

# The next response as read_response of Adaptive::HTTP has it, interim ones too; status 0 when there is none.
sub response {
    my ($self, %opt) = @_;
    return read_response($self->{sock}, timeout => Adaptive::HTTP::patience(), interim => 1, %opt)
        || { status => 0, headers => {}, body => "no complete response: $!" };
}

# What has been read and belongs to no response yet, as a reference.
sub buffer { return Adaptive::HTTP::buffer_of($_[0]{sock}) }

# Waits for more bytes, which go to the buffer: see fill of Adaptive::HTTP.
sub fill { my ($self, $deadline) = @_; return Adaptive::HTTP::fill($self->{sock}, $deadline) }

# True when the peer closes or resets the connection within the time; what it still sends goes to the buffer.
sub closed {
    my ($self, $seconds) = @_;
    my $deadline = time + ($seconds // Adaptive::HTTP::patience());
    my $bytes;
    1 while $bytes = $self->fill($deadline);
    return defined $bytes || !$!{ETIMEDOUT};
}

# True while nothing has come from the peer, neither bytes nor the end.
sub quiet {
    my ($self, $seconds) = @_;
    vec(my $want = '', fileno $self->{sock}, 1) = 1;
    return !select $want, undef, undef, $seconds // 0;
}

sub half_close { return shutdown $_[0]{sock}, 1 }

sub close { return CORE::close $_[0]{sock} }

# Ends the connection with a RST instead of a FIN.
sub reset {
    my ($self) = @_;
    setsockopt $self->{sock}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) or croak "SO_LINGER: $!";
    return CORE::close $self->{sock};
}

1;
