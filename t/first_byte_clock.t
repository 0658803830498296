# How long a client may take for its first byte: RequestReadTimeout of its virtual host, handshake= where TLS begins and
# header= elsewhere, or Timeout.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(time);

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

# Seconds. Short limits are 2 s; long ones, 60 s, outlast what a busy machine makes of that.
use constant PATIENCE => 45;

my $ACCEPT_AT_ONCE = "AcceptFilter http none\nAcceptFilter https none\n";

sub new_server {
    my ($conf, @modules) = @_;
    my $server = Adaptive::Server->new(
        modules  => [ 'status', @modules ],
        mpm_conf => "StartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 16\n",
        conf     => "Listen 127.0.0.1:\@PORT2\@\nListen 127.0.0.1:\@PORT3\@\n${ACCEPT_AT_ONCE}Timeout 100\n$conf",
    );
    put_file($server->root . '/conf/certificate.conf', make_certificate($server->root)) if grep { $_ eq 'ssl' } @modules;
    return $server->start;
}

# Clients that send nothing, one a port: those that have a short limit are closed while the others are not.
sub is_closed_soon {
    my ($client, $expected) = @_;
    my $deadline = time + PATIENCE;
    my @short = grep { $expected->{$_} eq 'short' } sort keys %$expected;
    ok $client->{$_}->closed($deadline - time), "port $_: closed" for @short;
    ok $client->{$_}->quiet, "port $_: not yet" for grep { $expected->{$_} eq 'long' } sort keys %$expected;
    return;
}

sub silent_clients {
    my ($server, $expected) = @_;
    return { map { $_ => Adaptive::Client->new($server->port($_)) } keys %$expected };
}

my %hosts = (
    'a virtual host with less than the main server' => [
        ['reqtimeout'], "RequestReadTimeout header=60\n<VirtualHost *:\@PORT2\@>\nRequestReadTimeout header=2\n</VirtualHost>\n",
        { 1 => 'long', 2 => 'short' } ],
    'a virtual host with more' => [
        ['reqtimeout'],
        "RequestReadTimeout header=2-4,MinRate=500\n<VirtualHost *:\@PORT2\@>\nRequestReadTimeout header=60-90,MinRate=500\n</VirtualHost>\n",
        { 1 => 'short', 2 => 'long' } ],
    'no limit for one of them' => [
        ['reqtimeout'], "RequestReadTimeout header=2\n<VirtualHost *:\@PORT2\@>\nRequestReadTimeout header=0\n</VirtualHost>\n",
        { 1 => 'short', 2 => 'long', 3 => 'short' } ],
    'a range, its rate, and other stages on the line' => [
        ['reqtimeout'], "RequestReadTimeout handshake=60 header=2-40,MinRate=1 body=60\n", { 1 => 'short' } ],
    'Timeout where mod_reqtimeout is not loaded' => [ [], "<VirtualHost *:\@PORT2\@>\nTimeout 2\n</VirtualHost>\n", { 1 => 'long', 2 => 'short' } ],
    'Timeout if it is less' => [ ['reqtimeout'], "Timeout 2\nRequestReadTimeout header=60\n", { 1 => 'short' } ],
);

# All at once: what they do most is wait.
my (%server, %client);
for my $name (sort keys %hosts) {
    my ($modules, $conf, $expected) = @{ $hosts{$name} };
    $server{$name} = new_server($conf, @$modules);
    $client{$name} = silent_clients($server{$name}, $expected);
}
for my $name (sort keys %hosts) {
    subtest $name => sub {
        is_closed_soon($client{$name}, $hosts{$name}[2]);
        ok $server{$name}->stop, 'the server stops';
    };
}

subtest 'TLS' => sub {
    my $server = new_server(<<'CONF', qw(reqtimeout ssl socache_shmcb));
Include @ROOT@/conf/certificate.conf
RequestReadTimeout handshake=0 header=2
<VirtualHost *:@PORT2@>
    SSLEngine on
    RequestReadTimeout handshake=2 header=60
</VirtualHost>
<VirtualHost *:@PORT3@>
    SSLEngine on
    RequestReadTimeout handshake=60
</VirtualHost>
CONF
    my $expected = { 1 => 'short', 2 => 'short', 3 => 'long' };
    is_closed_soon(silent_clients($server, $expected), $expected);
    my $client = Adaptive::Client->new($server->port(3), tls => { SSL_verify_mode => 0 });
    is $client->get('/1k.html')->{status}, 200, 'one that speaks is served';
    ok $server->stop, 'the server stops';
};

subtest 'what is logged of a client that says nothing' => sub {
    my $server = new_server("Timeout 2\n");
    my $silent = Adaptive::Client->new($server->port);
    ok $silent->closed(PATIENCE), 'it is closed';
    is ${ $silent->buffer }, '', 'without a word';
    ok_within { $server->access_log =~ /^127\.0\.0\.1 \d+ "-" 408 / } 20, 'and logged with status 408';
    is http_get($server->url('/1k.html'))->{status}, 200, 'the server serves';
    ok_within { $server->auto->{BusyWorkers} == 1 } 20, 'and no worker is busy';
    ok $server->stop, 'the server stops';
};

done_testing;
