# Clients that leave at every stage of a connection, in every way: nothing crashes, nothing stays behind.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $ROUNDS = 15;

my $server = Adaptive::Server->new(
    modules     => [qw(status ssl socache_shmcb reqtimeout)],
    test_module => 1,
    mpm_conf    => "StartServers 1\nThreadsPerChild 32\nMaxRequestWorkers 32\nMinSpareThreads 1\nMaxSpareThreads 32\n"
        . "SendBufferSize 32768\n",
    conf => <<'CONF',
Listen 127.0.0.1:@PORT2@ https
AcceptFilter http none
AcceptFilter https none
EnableSendfile On
KeepAlive On
KeepAliveTimeout 60
Timeout 20
AdpTest On
Include @ROOT@/conf/certificate.conf
<VirtualHost *:@PORT2@>
    SSLEngine on
</VirtualHost>
CONF
);
put_file($server->root . '/conf/certificate.conf', make_certificate($server->root));
put_big_file($server->docroot . '/big.bin', 5_000_000);
$server->start;

sub request { return Adaptive::Client::request_text('GET', @_) }

my $upload = "POST /adp/sleep?ms=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
my $hello  = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . 'r' x 40;

# What a client has done before it leaves: [ what, port, code ].
my @stages = (
    ['after connect',                       1, sub { }],
    ['after one byte',                      1, sub { $_[0]->send('G') }],
    ['after half a request line',           1, sub { $_[0]->send('GET /1k.h') }],
    ['after half a head',                   1, sub { $_[0]->send("GET /1k.html HTTP/1.1\r\nHost: loc") }],
    ['after a head whose body is due',      1, sub { $_[0]->send($upload) }],
    ['after half a body',                   1, sub { $_[0]->send($upload . 'x' x 50_000) }],
    ['after a request',                     1, sub { $_[0]->send(request('/1k.html')) }],
    ['while the server works on a request', 1, sub { $_[0]->send(request('/adp/sleep?ms=100')); $_[0]->quiet(0.02) }],
    ['in the middle of a response',         1, sub { $_[0]->send(request('/big.bin')); $_[0]->quiet(5) }],
    ['in the middle of a generated one',    1, sub { $_[0]->send(request('/adp/bigbody?bytes=5000000')); $_[0]->quiet(5) }],
    ['between two requests',                1, sub { $_[0]->get('/1k.html') }],
    ['after pipelined requests',            1, sub { $_[0]->send(request('/1k.html') x 20) }],
    ['after Connection: close',             1, sub { $_[0]->get('/1k.html', headers => { Connection => 'close' }) }],
    ['after an error with unread input',    1, sub { $_[0]->send("nonsense\r\n\r\n" . 'x' x 50_000) }],
    ['before the TLS handshake',            2, sub { }],
    ['in the middle of the TLS handshake',  2, sub { $_[0]->send($hello) }],
    ['after plain text to the TLS port',    2, sub { $_[0]->send("GET / HTTP/1.0\r\n\r\n") }],
    ['after the TLS handshake',             2, sub { $_[0]->start_tls(SSL_verify_mode => 0) }],
    ['after a request over TLS',            2, sub { $_[0]->start_tls(SSL_verify_mode => 0); $_[0]->send(request('/big.bin')) }],
    ['between two requests over TLS',       2, sub { $_[0]->start_tls(SSL_verify_mode => 0); $_[0]->get('/1k.html') }],
);

# FIN; RST; FIN of the client's side only, which the client follows with its end a little later.
my %ways = (
    close => sub { $_[0]->close },
    reset => sub { $_[0]->reset },
    'half close' => sub { $_[0]->half_close; $_[0]->quiet(0.02); $_[0]->close },
);

# Descriptors that are sockets or files, by child: idle connections would show here.
sub descriptors {
    my ($pid) = @_;
    return scalar(() = glob "/proc/$pid/fd/*");
}

sub at_rest {
    my $auto = $server->auto;
    return 0 if $auto->{BusyWorkers} != 1;
    return 1 if mpm() eq 'event';    # whose counters of connections are brought up to date now and then only
    return $auto->{ConnsTotal} <= 1 && !grep { $auto->{"ConnsAsync$_"} } qw(Writing KeepAlive Closing WaitIO);
}

sub serves { return http_get($server->url('/1k.html'))->{status} == 200 }

# Everything that is made once is there after this.
serves() for 1 .. 50;
Adaptive::Client->new($server->port(2), tls => { SSL_verify_mode => 0 })->get('/1k.html');
my @children = $server->child_pids;
ok_within { at_rest() } 20, 'at rest before it begins';
my %before = map { $_ => descriptors($_) } @children;

for my $way (sort keys %ways) {
    subtest "clients that $way" => sub {
        for my $stage (@stages) {
            my ($what, $port, $code) = @$stage;
            for (1 .. $ROUNDS) {
                my $client = Adaptive::Client->new($server->port($port));
                $code->($client);
                $ways{$way}->($client);
            }
            ok serves(), "$what, $ROUNDS times: the server serves";
        }
        ok_within { at_rest() } 30, 'all counters return to rest';
    };
}

subtest 'a storm' => sub {
    srand 20261121;
    my @clients;
    for my $n (1 .. 600) {
        my ($what, $port, $code) = @{ $stages[ rand @stages ] };
        next if $what =~ /TLS/ && $n % 4;    # handshakes take the client's time
        my $client = Adaptive::Client->new($server->port($port));
        $code->($client);
        push @clients, $client;
        next if @clients <= 60;
        my $leaving = splice @clients, rand @clients, 1;
        $ways{ (sort keys %ways)[ rand 3 ] }->($leaving);
    }
    ok serves(), 'the server serves in the middle of it';
    $_->reset for @clients;
    ok serves(), 'and afterwards';
    ok_within { at_rest() } 30, 'all counters return to rest';
};

is join(' ', $server->child_pids), join(' ', @children), 'the children are the same';
if (mpm() eq 'adaptive') {
    for my $pid (@children) {
        ok_within { descriptors($pid) <= $before{$pid} + 2 } 20, "no descriptor of $pid is left open";
    }
}
unlike $server->error_log, qr/AH00052|exit signal|\[\w*:(?:emerg|alert|crit)\]/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
