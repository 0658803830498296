# Requests that come slowly hold no thread: heads, handshakes, small bodies, over TCP and TLS, the first request of a
# connection, a later one, a pipelined one. Each is served as soon as it is complete, and answered with 408 when its time
# is over.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Trickle qw(slow_line);
use Adaptive::Wait qw(ok_within wait_for);

plan skip_all => 'event holds a thread for each' if mpm() eq 'event';
my $tls = eval { require IO::Socket::SSL; 1 };

my $SLOW    = 60;
my $THREADS = 8;
my $MPM     = "StartServers 1\nThreadsPerChild $THREADS\nThreadLimit $THREADS\nMaxRequestWorkers $THREADS\n";

my $CONF = <<'CONF';
Listen 127.0.0.1:@PORT2@ https
AcceptFilter http none
AcceptFilter https none
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
LogLevel info
SSLSessionCache shmcb:@ROOT@/run/sslcache(512000)
@CGI@
Include @ROOT@/conf/certificate.conf
<VirtualHost *:@PORT2@>
    SSLEngine on
</VirtualHost>
CONF

sub new_server {
    my (%opt) = @_;
    my $server = Adaptive::Server->new(
        modules  => [qw(status reqtimeout ssl socache_shmcb cgid), @{ $opt{modules} // [] }],
        mpm_conf => $MPM . ($opt{mpm_conf} // ''), conf => $CONF . ($opt{conf} // ''));
    put_file($server->root . '/conf/certificate.conf', make_certificate($server->root));
    put_script($server->root . '/echo.cgi', <<'CGI');
#!/usr/bin/perl
local $/;
my $body = <STDIN>;
print "Content-Type: text/plain\r\n\r\n", length $body, " $ENV{HTTP_X_MARK} $body";
CGI
    # says something every now and then until it is let go, and for longer than a Timeout of 2 s if it is told so
    put_script($server->root . '/held.cgi', <<'CGI');
#!/usr/bin/perl
$| = 1;
print "Content-Type: text/plain\r\n\r\nbegin";
my $until = time + ($ENV{QUERY_STRING} || 60);
until (time > $until || -e "$ENV{DOCUMENT_ROOT}/go") {
    select undef, undef, undef, 0.1;
    print '.';
}
CGI
    return $server->start;
}

my $server = new_server(conf => "Timeout 120\nRequestReadTimeout handshake=0 header=0 body=0\n");

sub plain { return Adaptive::Client->new($server->port) }
sub over_tls {
    my ($port, %opt) = @_;
    return Adaptive::Client->new($port // $server->port(2), tls => { SSL_ca_file => $server->root . '/cert.pem', %opt });
}

sub post {
    my ($body, $mark) = @_;
    return Adaptive::Client::request_text('POST', '/cgi/echo.cgi', body => $body, headers => { 'X-Mark' => $mark });
}

# With so few threads, so many clients would leave none.
sub others_are_served {
    my ($s) = @_;
    is scalar(grep { http_get($s->url('/1k.html'))->{status} == 200 } 1 .. 20), 20, 'others are served';
    ok_within { $s->auto->{BusyWorkers} <= 2 } 30, 'they hold no thread';
    return;
}

# The first part of a request from each, others are served, the second part, all are answered.
sub served_when_complete {
    my ($clients, $first, $second, $body) = @_;
    $_->send($first) for @$clients;
    others_are_served($server);
    $_->send($second) for @$clients;
    my @answers = map { $_->response } @$clients;
    my %other;
    $other{"$_->{status} " . substr $_->{body}, 0, 80}++ for grep { $_->{status} != 200 || ($body && $_->{body} !~ $body) } @answers;
    is_deeply \%other, {}, 'each is answered when it is complete';
    return;
}

my $GET = Adaptive::Client::request_text('GET', '/1k.html');

for my $kind (['TCP', \&plain], $tls ? ['TLS', \&over_tls] : ()) {
    my ($name, $new) = @$kind;
    subtest "heads over $name" => sub {
        my @clients = map { $new->() } 1 .. $SLOW;
        subtest 'the first'  => sub { served_when_complete(\@clients, substr($GET, 0, 30), substr($GET, 30)) };
        subtest 'the second' => sub { served_when_complete(\@clients, substr($GET, 0, 1), substr($GET, 1)) };
        subtest 'behind a complete one' => sub {
            $_->send($GET . substr $GET, 0, 40) for @clients;
            is scalar(grep { $_->response->{status} == 200 } @clients), $SLOW, 'the complete ones are answered';
            served_when_complete(\@clients, '', substr $GET, 40);
        };
        subtest 'all but the last byte' => sub { served_when_complete(\@clients, substr($GET, 0, -1), "\n") };
        subtest 'empty lines before it' => sub { served_when_complete(\@clients, "\r\n", "\r\n$GET") };
    };
    subtest "bodies over $name" => sub {
        my @clients = map { $new->() } 1 .. $SLOW;
        my $body    = join '', map { chr(65 + $_ % 57) } 1 .. 3000;
        my $post    = post($body, 'mark');
        my $answer  = qr/\A3000 mark \Q$body\E\z/;
        subtest 'most of it' => sub { served_when_complete(\@clients, substr($post, 0, -1000), substr($post, -1000), $answer) };
        subtest 'nothing of it' => sub { served_when_complete(\@clients, substr($post, 0, -3000), substr($post, -3000), $answer) };
        subtest 'the head in two parts, too' => sub {
            $_->send(substr $post, 0, 20) for @clients;
            served_when_complete(\@clients, substr($post, 20, -2999), substr($post, -2999), $answer);
        };
        subtest 'with another request behind it' => sub {
            served_when_complete(\@clients, substr($post, 0, -10), substr($post, -10) . $GET, $answer);
            is scalar(grep { $_->response->{status} == 200 } @clients), $SLOW, 'which is answered as well';
        };
    };
}

subtest 'a body of the kernel\'s, in pieces' => sub {
    my $body   = join '', map { pack 'N', $_ } 1 .. 15_000;
    my $client = plain();
    my $post   = post($body, 'pieces');
    $client->send(substr $post, $_ * 1000, 1000) for 0 .. length($post) / 1000;
    is $client->response->{body}, "60000 pieces $body", 'arrives as it was sent';
    is $client->get('/1k.html')->{status}, 200, 'the connection goes on';
};

subtest 'Expect: 100-continue' => sub {
    my $client = plain();
    $client->send("POST /cgi/echo.cgi HTTP/1.1\r\nHost: localhost\r\nX-Mark: e\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    is $client->response->{status}, 100, 'is answered before the body comes';
    $client->send('hello');
    is $client->response->{body}, '5 e hello', 'and then with the answer';
};

subtest 'clients that go' => sub {
    my $before = $server->auto->{ConnsTotal};
    my @gone = map { plain() } 1 .. 30;
    $_->send(substr $GET, 0, 30) for @gone;
    others_are_served($server);
    $_->reset for splice @gone, 0, 10;
    $_->half_close for splice @gone, 0, 10;
    $_->close for @gone;
    ok_within { $server->auto->{ConnsTotal} <= $before + 1 } 30, 'nothing is left of them';
    my $client = plain();
    $client->send($GET);
    $client->half_close;
    is $client->response->{status}, 200, 'one that will send no more is answered';
    $client = plain();
    $client->send("GET /1k.html HTTP/1.1\r\nHost: localhost");
    $client->half_close;
    ok $client->closed, 'in the middle of a head it is closed';
};

subtest 'TLS, byte by byte' => sub {
    plan skip_all => 'needs IO::Socket::SSL (libio-socket-ssl-perl)' if !$tls;
    my ($port, $line) = slow_line($server->port(2));
    for my $version (qw(TLSv1_2 TLSv1_3)) {
        my $client = over_tls($port, SSL_version => $version, SSL_verifycn_scheme => 'none');
        is $client->get('/1k.html')->{status}, 200, "$version: served";
        is $client->request('POST', '/cgi/echo.cgi', body => 'x' x 300, headers => { 'X-Mark' => 't' })->{body}, '300 t ' . 'x' x 300, 'a body';
        $client->close;
    }
    finish($line);
};

subtest 'handshakes' => sub {
    plan skip_all => 'needs IO::Socket::SSL (libio-socket-ssl-perl)' if !$tls;
    my @begun = map { Adaptive::Client->new($server->port(2)) } 1 .. $SLOW;
    $_->send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03") for @begun;
    others_are_served($server);
    is over_tls()->get('/1k.html')->{status}, 200, 'over TLS, too';
    $_->close for @begun;
    my $client = Adaptive::Client->new($server->port(2));
    is $client->get('/1k.html')->{status}, 400, 'HTTP where TLS is expected';
};

# PSS of all children, in KB.
sub memory_of {
    my ($s) = @_;
    my $kb = 0;
    for my $pid ($s->child_pids) {
        my ($pss) = Adaptive::Server::read_text("/proc/$pid/smaps_rollup") =~ /^Pss:\s+(\d+)/m;
        $kb += $pss // 0;
    }
    return $kb;
}

# What each of many connections holds while it waits. Measured: 12.8 KB and 46, before a worker lent its memory 36 and 66.
subtest 'memory' => sub {
    plan skip_all => 'sanitizers have memory of their own' if $server->is_sanitized || $ENV{ADAPTIVE_PRELOAD};
    my $count = 300;
    for my $kind (['kept alive', \&plain, $GET, 20], ['in the middle of a head', \&plain, substr($GET, 0, 30), 20], $tls ? ['kept alive, TLS', \&over_tls, $GET, 56] : ()) {
        my ($name, $new, $bytes, $most) = @$kind;
        my @first = map { my $client = $new->(); $client->send($bytes); $client } 1 .. 50;
        others_are_served($server);
        my $before = memory_of($server);
        my @clients = map { my $client = $new->(); $client->send($bytes); $client->response if $bytes eq $GET; $client } 1 .. $count;
        others_are_served($server);
        cmp_ok((memory_of($server) - $before) / $count, '<', $most, "$name: less than $most KB each");
        $_->close for @first, @clients;
    }
};

subtest 'a graceful restart' => sub {
    my @clients = map { plain() } 1 .. 10;
    $_->send(substr $GET, 0, 30) for @clients;
    others_are_served($server);
    ok $server->graceful, 'in the middle of requests';
    $_->send(substr $GET, 30) for @clients;
    is scalar(grep { $_->response->{status} == 200 } @clients), 10, 'they are answered';
    ok_within { !$server->auto->{Stopping} } 30, 'and the old child ends';
};

subtest 'a graceful restart, and what was sent ahead' => sub {
    my $client = plain();
    $client->send(Adaptive::Client::request_text('GET', '/cgi/held.cgi'));
    ok_within { $client->fill(time + 10); ${ $client->buffer } =~ /begin/ } 30, 'a response has begun';
    ok $server->graceful, 'its child is to end';
    ok_within { $server->auto->{Stopping} } 30, '... and knows it';
    $client->send($GET);
    put_file($server->docroot . '/go', '');
    is $client->response->{status}, 200, 'the response is complete';
    is $client->response->{status}, 200, 'the request behind it is answered';
    ok $client->closed, 'then the connection ends';
    unlink $server->docroot . '/go';
};

subtest 'a stop' => sub {
    my @clients = map { plain() } 1 .. 10;
    $_->send(substr $GET, 0, 30) for @clients;
    others_are_served($server);
    ok $server->stop, 'in the middle of requests';
};
unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';

subtest 'AdaptiveBodyWait off' => sub {
    my $s       = new_server(mpm_conf => "AdaptiveBodyWait off\n", conf => "Timeout 120\nRequestReadTimeout body=0\n");
    my @clients = map { Adaptive::Client->new($s->port) } 1 .. 4;
    $_->send("POST /cgi/echo.cgi HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345") for @clients;
    ok_within { $s->auto->{BusyWorkers} >= 5 } 30, 'each body has a thread';
    $_->send('67890') for @clients;
    is scalar(grep { $_->response->{body} =~ /\A10  1234567890\z/ } @clients), 4, 'and is read';
    ok $s->stop, 'it stops';
};

subtest 'times of mod_reqtimeout' => sub {
    my $s    = new_server(conf => "Timeout 60\nRequestReadTimeout handshake=2 header=2-4,minrate=500 body=2,minrate=500\n");
    my $half = Adaptive::Client->new($s->port);
    my $next = Adaptive::Client->new($s->port);
    my $body = Adaptive::Client->new($s->port);
    is $next->get('/1k.html')->{status}, 200, 'a first request in time';
    $_->send(substr $GET, 0, 30) for $half, $next;
    $body->send("POST /cgi/echo.cgi HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345");
    is $_->[1]->response->{status}, 408, "$_->[0]: 408" for ['half a head', $half], ['half a second head', $next], ['half a body', $body];
    ok $_->closed, 'and the end' for $half, $next, $body;
    is scalar(() = $s->error_log =~ /AH01382: Request header read timeout/g), 2, 'the log says so of both heads';
    is scalar(() = $s->error_log =~ /AH01382: Request body read timeout/g), 1, 'and of the body';
    like $s->access_log, qr/"GET \/1k\.html HTTP\/1\.1" 408|"-" 408/, 'the access log has them';
    my $steady = Adaptive::Client->new($s->port);
    my $long   = "GET /1k.html HTTP/1.1\r\nHost: localhost\r\nX-Long: ";
    $steady->send($long);
    for (1 .. 25) { $steady->send('x' x 100); $steady->quiet(0.1) }
    $steady->send("\r\n\r\n");
    is $steady->response->{status}, 200, 'a head that comes at more than the minimal rate is waited for';
    if ($tls) {
        my $begun = Adaptive::Client->new($s->port(2));
        $begun->send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
        ok $begun->closed, 'a handshake that does not come to an end is closed';
        ok $s->wait_log(qr/AH01382: Request handshake read timeout/), 'and the log says so';
    }
    ok $s->stop, 'it stops';
};

# mod_reqtimeout is loaded with its defaults, and one address differs: the others agree all the same.
subtest 'an address with times of its own' => sub {
    my $s = new_server(conf => <<'CONF');
Listen 127.0.0.1:@PORT3@
Timeout 120
<VirtualHost *:@PORT3@>
    RequestReadTimeout body=100
</VirtualHost>
CONF
    my @clients = map { Adaptive::Client->new($s->port($_ % 2 ? 1 : 3)) } 1 .. $SLOW;
    my $post    = post('x' x 100, 'own');
    $_->send(substr $post, 0, -50) for @clients;
    others_are_served($s);
    $_->send(substr $post, -50) for @clients;
    is scalar(grep { $_->response->{body} eq '100 own ' . 'x' x 100 } @clients), $SLOW, 'bodies wait without a thread at both';
    ok $s->stop, 'it stops';
};

subtest 'Timeout alone' => sub {
    my $s = new_server(conf => "Timeout 2\nRequestReadTimeout handshake=0 header=0 body=0\n");
    my $half = Adaptive::Client->new($s->port);
    my $body = Adaptive::Client->new($s->port);
    $half->send(substr $GET, 0, 30);
    $body->send("POST /cgi/echo.cgi HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345");
    is $half->response->{status}, 408, 'half a head: 408';
    like $body->response->{status}, qr/\A(?:408|500)\z/, 'half a body: an error';
    ok $_->closed, 'and the end' for $half, $body;
    my $ahead = Adaptive::Client->new($s->port);
    $ahead->send(Adaptive::Client::request_text('GET', '/cgi/held.cgi?4') . substr $GET, 0, 30);
    is $ahead->response->{status}, 200, 'a request that takes longer than Timeout';
    $ahead->send(substr $GET, 30);
    is $ahead->response->{status}, 200, 'the half a head behind it has Timeout from then on';
    ok $s->stop, 'it stops';
};

done_testing;
