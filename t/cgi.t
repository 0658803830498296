# Programs behind the server: mod_cgid, mod_cgi and mod_proxy_fcgi with a FastCGI application.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::FastCGI qw(start_fastcgi);
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $CONCURRENT = 30;

sub put_scripts {
    my ($dir) = @_;
    put_script("$dir/sum.cgi", <<'CGI');
#!/usr/bin/perl
use Digest::SHA;
my $sum = Digest::SHA->new(256)->addfile(\*STDIN)->hexdigest;
print "Content-Type: text/plain\r\n\r\n$ENV{REQUEST_METHOD} $ENV{QUERY_STRING} $sum";
CGI
    put_script("$dir/slow.cgi", <<'CGI');
#!/usr/bin/perl
$| = 1;
print "Content-Type: text/plain\r\n\r\nbegin ";
select undef, undef, undef, 1;
print "end";
CGI
    put_script("$dir/large.cgi", <<'CGI');
#!/usr/bin/perl
print "Content-Type: application/octet-stream\r\n\r\n", map { pack('N', $_) x 256 } 1 .. 10000;
CGI
    put_script("$dir/descriptors.cgi", <<'CGI');
#!/usr/bin/perl
opendir my $dir, '/proc/self/fd';
my $own = '/proc/' . $$ . '/fd';
print "Content-Type: text/plain\r\n\r\n";
for my $fd (sort { $a <=> $b } grep { /\d/ } readdir $dir) {
    my $target = readlink "/proc/self/fd/$fd";
    print "$fd $target\n" if $fd > 2 && $target ne $own && $target !~ /\.cgi\z/;
}
CGI
    put_script("$dir/broken.cgi", "#!/usr/bin/perl\ndie 'broken on purpose';\n");
    put_script("$dir/silent.cgi", "#!/usr/bin/perl\nprint STDERR qq{silent began\\n}; sleep 60;\n");
    return;
}

my $large_sum = sha256_of(join '', map { pack('N', $_) x 256 } 1 .. 10000);

sub common_tests {
    my ($server, $path) = @_;
    my $client = Adaptive::Client->new($server->port);
    my $nothing = sha256_of('');
    is $client->get("$path/sum.cgi?a=b")->{body}, "GET a=b $nothing", 'GET';
    for my $bytes (1, 100_000, 3_000_000) {
        my $body = 'xyz' x $bytes;
        my $response = $client->request('POST', "$path/sum.cgi?x", body => $body);
        is $response->{body}, 'POST x ' . sha256_of($body), 'POST of ' . length($body) . ' bytes';
    }
    is sha256_of($client->get("$path/large.cgi")->{body}), $large_sum, 'a response of 10 MB';
    is $client->get("$path/slow.cgi")->{body}, 'begin end', 'one that comes in pieces';

    my @clients = map { Adaptive::Client->new($server->port) } 1 .. $CONCURRENT;
    $_->send(Adaptive::Client::request_text('GET', "$path/slow.cgi")) for @clients;
    is scalar(grep { my $r = $_->response; $r && $r->{body} eq 'begin end' } @clients), $CONCURRENT,
        "$CONCURRENT at once";

    for (1 .. 10) {
        my $leaving = Adaptive::Client->new($server->port);
        $leaving->send(Adaptive::Client::request_text('GET', "$path/large.cgi"));
        $leaving->quiet(0.05);
        $leaving->reset;
    }
    ok_within { $server->auto->{BusyWorkers} <= 1 } 20, 'clients that leave in the middle free their workers';
    is $client->get("$path/sum.cgi")->{status}, 200, 'and the first connection still serves';
    return;
}

for my $module (qw(cgid cgi)) {
    subtest "mod_$module" => sub {
        my $server = Adaptive::Server->new(
            modules  => ['status', $module],
            mpm_conf => "StartServers 1\nThreadsPerChild 40\nMaxRequestWorkers 80\n",
            conf     => <<"CONF",
KeepAlive On
KeepAliveTimeout 30
@{[ $module eq 'cgid' ? 'ScriptSock @ROOT@/cgisock' : '' ]}
ScriptAlias /cgi/ \@ROOT\@/
<Directory "\@ROOT\@">
    Require all granted
</Directory>
Listen 127.0.0.1:\@PORT2\@
<VirtualHost *:\@PORT2\@>
    Timeout 1
</VirtualHost>
CONF
        );
        put_scripts($server->root);
        $server->start;
        common_tests($server, '/cgi');
        my $client = Adaptive::Client->new($server->port);
        is $client->get('/cgi/broken.cgi')->{status}, 500, 'a script that dies';
        is http_get('http://127.0.0.1:' . $server->port(2) . '/cgi/silent.cgi')->{status}, 504, 'a script that says nothing within its time';
        $client = Adaptive::Client->new($server->port);
        my %inherited = map { (readlink // '') => 1 } glob "/proc/$$/fd/*";
        my @open = grep { !$inherited{ (split ' ', $_, 2)[1] } } split /\n/, $client->get('/cgi/descriptors.cgi')->{body};
        is "@open", '', 'no descriptor of the server is open in a script';
        $server->graceful;
        $client = Adaptive::Client->new($server->port);
        is $client->get('/cgi/sum.cgi')->{status}, 200, 'scripts run after a graceful restart';
        unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
        ok $server->stop, 'the server stops';
    };
}

subtest 'mod_proxy_fcgi' => sub {
    my $listener = listener();
    my $port     = $listener->sockport;
    my $large    = join '', map { pack('N', $_) x 256 } 1 .. 10000;
    my @workers  = start_fastcgi($listener, $CONCURRENT, sub {
        my ($environment, $in) = @_;
        my $head = "Content-Type: text/plain\r\n\r\n";
        return $head . $large if $environment->{SCRIPT_NAME} =~ /large/;
        if ($environment->{SCRIPT_NAME} =~ /slow/) {
            select undef, undef, undef, 1;
            return "${head}begin end";
        }
        my $body = '';
        while (read $in, my $piece, 65536) { $body .= $piece }
        return "$head$environment->{REQUEST_METHOD} $environment->{QUERY_STRING} " . sha256_of($body);
    });
    my $server = Adaptive::Server->new(
        modules  => [qw(status proxy proxy_fcgi)],
        mpm_conf => "StartServers 1\nThreadsPerChild 40\nMaxRequestWorkers 40\nMinSpareThreads 1\nMaxSpareThreads 40\n",
        conf     => <<"CONF",
KeepAlive On
KeepAliveTimeout 30
ProxyPass /app/ fcgi://127.0.0.1:$port/ retry=0
ProxyPass /reuse/ fcgi://127.0.0.1:$port/reused/ retry=0 enablereuse=on
CONF
    );
    $server->start;
    common_tests($server, '/app');
    my $client = Adaptive::Client->new($server->port);
    is scalar(grep { $client->get("/reuse/sum.cgi?$_")->{body} eq "GET $_ " . sha256_of('') } 1 .. 100), 100,
        'connections to the application can be reused';
    finish($_) for @workers;
    close $listener;
    is $client->get('/app/sum.cgi')->{status}, 503, 'an application that is gone';
    unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
    ok $server->stop, 'the server stops';
};

done_testing;
