package Bench::Example::WebSockets;

# Many WebSockets that are open and silent, and pages beside them. mod_proxy has a thread wait for each, under every MPM.

use strict;
use warnings;

use parent 'Bench::Example::Beside';

use Time::HiRes qw(sleep time);

use AB::Machine qw(process_cpu_s);
use Adaptive::Process qw(finish listener raise_descriptors spawn);
use Adaptive::WebSocket qw(serve_echo);

use constant { SOCKETS => 800, OPENED_A_SECOND => 400, PATIENCE_S => 5 };

sub name { return 'websockets' }
sub files { return 'websockets' }
sub server {
    return {
        modules => [qw(proxy proxy_http)],
        conf => "    ProxyPass /ws/ http://127.0.0.1:\@BACKEND\@/ upgrade=websocket\n" };
}
sub timeout_s { return 5 }

sub title {
    return sprintf '%d WebSockets that say nothing, then %d/s for a 1 KB file', SOCKETS, Bench::Example::Beside::PAGE_RATE;
}

sub columns {
    return (
        [upgraded => 'WebSockets open', '%d'], [page_failed => 'pages failed', '%d'],
        [[qw(page_p50_ms page_p99_ms)], 'pages p50/p99 ms', '%.1f'], [threads_peak => 'threads', '%d'],
        [children_peak => 'children', '%d'], [pss_peak => 'PSS MiB', '%.1f']);
}

sub heading { return 'Many idle WebSockets' }

sub text { return <<'TEXT' }
800 WebSockets through mod_proxy that are open and say nothing, then 50 requests a second for a file. mod_proxy has a thread wait
for each WebSocket, under this MPM as well: what differs is how many threads there may be. Lost is what has had no answer after five
seconds.
TEXT

sub figures {
    return (
        [upgraded => 'WebSockets open', '%.0f', 'high'], [page_failed => 'pages failed', '%.0f', 'low'],
        [page_p50_ms => 'pages p50 ms', '%.1f', 'low'], [page_p99_ms => 'pages p99 ms', '%.1f', 'low'],
        [threads_peak => 'threads', '%.0f'], [children_peak => 'children', '%.0f'], [pss_peak => 'MiB', '%.1f', 'low']);
}

sub headline { return qw(upgraded page_failed page_p99_ms) }

sub prepare {
    my ($self) = @_;
    raise_descriptors(2 * SOCKETS + 100);
    my $listener = listener();
    my $port = $listener->sockport;
    my $pid = spawn(sub { serve_echo($listener) });
    $self->{backend} = bless { port => $port, pid => $pid }, 'Bench::Example::WebSockets::Echo';
    return;
}

sub release {
    my ($self) = @_;
    my $echo = delete $self->{backend};
    finish($echo->{pid}) if $echo;
    return;
}

# They stay open until the run has ended: the next one begins with others.
sub begin {
    my ($self, $server, $bench) = @_;
    my $count = Bench::Example::quick($bench, 50, SOCKETS);
    my @sockets;
    for (1 .. $count) {
        push @sockets, Adaptive::WebSocket->begin($server->port, '/ws/echo');
        sleep 1 / OPENED_A_SECOND;
    }
    $self->{sockets} = \@sockets;
    my ($upgraded, $deadline) = (0, time + PATIENCE_S);
    my @waiting = @sockets;
    while (@waiting && time < $deadline) {
        sleep 0.05;
        @waiting = grep { !has_answer($_) } @waiting;
    }
    return (upgraded => scalar grep { $_->{buffer} =~ m{\AHTTP/1\.1 101 } } @sockets);
}

sub has_answer {
    my ($socket) = @_;
    vec(my $look = '', fileno $socket->sock, 1) = 1;
    return 0 if !select $look, undef, undef, 0;
    sysread $socket->sock, $socket->{buffer}, 65536, length $socket->{buffer} or return 1;
    return $socket->{buffer} =~ /\r\n\r\n/ ? 1 : 0;
}

sub run {
    my ($self, @how) = @_;
    my $result = $self->SUPER::run(@how);
    $_->close for @{ delete $self->{sockets} };
    return $result;
}

package Bench::Example::WebSockets::Echo;

sub port { return $_[0]{port} }
sub cpu_s { return AB::Machine::process_cpu_s($_[0]{pid}) }

1;
