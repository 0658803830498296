# mod_http2 over TLS and in the clear, with h2load, curl and nghttp: every request of every run must succeed.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Time::HiRes qw(time);

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

have_command('h2load') && have_command('nghttp') or plan skip_all => 'needs h2load and nghttp (nghttp2-client)';

my $CLIENTS = 50;

my $server = Adaptive::Server->new(
    modules  => [qw(status ssl socache_shmcb http2 cgid)],
    mpm_conf => '',
    conf     => <<'CONF',
Listen 127.0.0.1:@PORT2@ https
Timeout 8
KeepAlive On
KeepAliveTimeout 5
MaxKeepAliveRequests 0
ProtocolsHonorOrder On
SSLSessionCache shmcb:@ROOT@/run/sslcache(512000)
@CGI@
Include @ROOT@/conf/certificate.conf
Protocols h2c http/1.1
<VirtualHost *:@PORT2@>
    SSLEngine on
    Protocols h2 http/1.1
</VirtualHost>
CONF
);
put_file($server->root . '/conf/certificate.conf', make_certificate($server->root));
put_script($server->root . '/sum.cgi', <<'CGI');
#!/usr/bin/perl
use Digest::SHA;
print "Content-Type: text/plain\r\n\r\n", Digest::SHA->new(256)->addfile(\*STDIN)->hexdigest;
CGI
my $big_sum = put_big_file($server->docroot . '/big.bin', 40_000_000);
put_big_file($server->docroot . '/mid.bin', 300_000);
put_file($server->docroot . '/hello.txt', "hello\n");
$server->start;

my $tls   = 'https://localhost:' . $server->port(2);
my $clear = 'http://127.0.0.1:' . $server->port;

# started/succeeded/failed of one run of h2load.
sub h2load {
    my ($requests, $streams, $url) = @_;
    my $run = run_command(120, 'h2load', '-n', $requests, '-c', $CLIENTS, '-m', $streams, $url);
    my ($started, $succeeded, $failed) = $run->{output} =~
        /^requests: \d+ total, (\d+) started, \d+ done, (\d+) succeeded, (\d+) failed/m or return "no summary: $run->{output}";
    return "$started/$succeeded/$failed";
}

# Twice each, because lost responses show in some runs only.
my @plan = ([1, $tls, 30_000], [10, $tls, 30_000], [1, $clear, 10_000], [10, $clear, 10_000]);
for my $round (1, 2) {
    for my $case (@plan) {
        my ($streams, $url, $first) = @$case;
        my $requests = $round == 1 ? $first : 10_000;
        # event closes kept-alive connections when its workers are busy, and h2load counts their requests as failed.
        local $TODO = 'event loses some' if mpm() eq 'event';
        is h2load($requests, $streams, "$url/hello.txt"), "$requests/$requests/0", "$url, $streams at a time, round $round";
    }
}

subtest 'large bodies' => sub {
    my @curl = ('curl', '-sS', '--cacert', $server->root . '/cert.pem');
    for my $case (['over TLS', $tls, '--http2'], ['in the clear', $clear, '--http2-prior-knowledge']) {
        my ($how, $url, $option) = @$case;
        my $file = $server->root . '/down.bin';
        my $get = run_command(60, @curl, $option, '-o', $file, '-w', '%{http_version} %{http_code}', "$url/big.bin");
        is $get->{output}, '2 200', "$how: download of 40 MB";
        is sha256_of_file($file), $big_sum, 'is intact';
        my $post = run_command(60, @curl, $option, '--data-binary', "\@$file", "$url/cgi/sum.cgi");
        is $post->{output}, $big_sum, 'upload of 40 MB to a script';
    }
    my $slow = run_command(60, @curl, '--http2', '--limit-rate', '10M', '-o', $server->root . '/slow.bin', "$tls/big.bin");
    is sha256_of_file($server->root . '/slow.bin'), $big_sum, 'a client that reads slowly';
};

subtest 'upgrade from HTTP/1.1' => sub {
    my $run = run_command(60, 'curl', '-sS', '--http2', '-w', '%{http_version}', "$clear/hello.txt");
    is $run->{output}, "hello\n2", 'curl --http2 in the clear';
    $run = run_command(60, 'nghttp', '-nv', '-u', "$clear/hello.txt");
    like $run->{output}, qr/HTTP Upgrade success/, 'nghttp -u';
    like $run->{output}, qr/:status: 200/, 'is answered';
};

subtest 'priorities and many streams' => sub {
    my $run = run_command(60, 'nghttp', '-ans', '-p', 200, '-m', 40, "$tls/mid.bin", "$tls/hello.txt");
    my @stats = $run->{output} =~ /\s200\s+(\d+\w?)\s+\//g;
    is scalar @stats, 80, '40 times two streams on one connection, all answered';
    unlike $run->{output}, qr/error|not processed/i, 'without an error';
};

subtest 'idle sessions' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . "\0\0\0\x04\0\0\0\0\0");
    $client->fill(time + 20);
    like ${ $client->buffer }, qr/\A...\x04/s, 'the server sends its settings';
    ok((wait_for { $server->auto->{BusyWorkers} <= 1 } 15, 'its worker to be free'), 'an idle session holds no worker') if mpm() ne 'event';
    ok $client->closed(30), 'and ends after Timeout';
    ok_within { $server->auto->{BusyWorkers} <= 1 } 20, 'no worker stays busy';
};

# A session goes on for as long as its client likes, and what its thread does itself is short: it is no request that computes. Once
# such sessions were lowered, and others put off behind them, for seconds.
subtest 'sessions are no requests that compute' => sub {
    plan skip_all => 'event has no such queue' if mpm() eq 'event';
    for my $url ($clear, $tls) {
        my $load = spawn(sub { put_file($server->root . '/tmp/sessions', h2load(40_000, 10, "$url/hello.txt")) });
        my ($looks, $put_off) = (0, 0);
        until (waitpid($load, 1) == $load) {
            $put_off += $server->auto->{AdaptiveRequestsPutOff};
            $looks++;
        }
        note "$looks looks";
        is $put_off, 0, "$url: no session is put off";
        is do { local (@ARGV, $/) = $server->root . '/tmp/sessions'; <> }, '40000/40000/0', 'all streams are answered';
    }
};

subtest 'graceful restart under load' => sub {
    my $load = spawn(sub {
        my $result = h2load(5000, 4, "$tls/hello.txt");
        put_file($server->root . '/tmp/result', $result);
    });
    ok_within { $server->auto->{BusyWorkers} > 1 } 10, 'requests under way';
    ok $server->graceful, 'restarted';
    is http_get("$clear/hello.txt")->{body}, "hello\n", 'the new generation serves';
    finish($load) if !ok_within { waitpid($load, 1) == $load } 60, 'the load comes to an end';
    is h2load(1000, 4, "$tls/hello.txt"), '1000/1000/0', 'and everything is served afterwards';
};

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
