# A hundred clients that ask for more than their window takes and do not read: whatever the response is made of, no thread
# waits for them and others are served. When they read on, every byte is right, each request has its line in the log, and the
# connection can be used again.

use strict;
use warnings;
use lib 't/lib';

use Compress::Zlib ();
use Test::More;

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Probe qw(open_files);
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within wait_for);

plan skip_all => 'event accepts no more connections than its idle workers times a factor' if mpm() eq 'event';

my $READERS     = 100;
my $FILE_BYTES  = 2_000_000;
# More than the kernel takes of its own accord on the loopback device; that of few readers, because it takes so much.
my $LARGE_BYTES = 10_000_000;
my $FEW         = 10;
# Text that does not compress well: what is sent of it is more than the kernel takes, and less than AdaptiveOutputBuffer.
my $TEXT_BYTES  = 300_000;
my $BELOW       = 200_000;
my $ABOVE       = 2_000_000;

srand 20261127;
my $text = join '', map { sprintf "%08x%s", rand 2**32, $_ % 8 == 7 ? "\n" : '' } 1 .. $TEXT_BYTES / 8.2;

# Small buffers, so that only a small part fits into the kernel; eight threads, so that a few readers that keep one show. What
# is compressed computes, and waits behind whatever else this machine does: no request is refused for that.
my $MPM = "AdaptiveMaxWait off\nAdaptiveBulkheads off\nStartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\nMinSpareThreads 1\nMaxSpareThreads 8\nSendBufferSize 32768\n";

my $backend = Adaptive::Server->new(
    modules     => [qw(status)],
    test_module => 1,
    mpm_conf    => "StartServers 1\nThreadsPerChild 128\nMaxRequestWorkers 128\n",
    conf        => "KeepAlive On\nMaxKeepAliveRequests 0\nEnableSendfile On\nAdpTest On\n",
);
my %sum = (
    below => put_big_file($backend->docroot . '/below.bin', $BELOW),
    above => put_big_file($backend->docroot . '/above.bin', $ABOVE),
);
$backend->start;

sub new_server {
    my (%opt) = @_;
    my $server = Adaptive::Server->new(
        modules     => [qw(status ssl socache_shmcb filter deflate proxy proxy_http)],
        test_module => 1,
        sanitized   => $opt{sanitized} // 0,
        mpm_conf    => $MPM . ($opt{mpm_conf} // ''),
        conf        => <<"CONF",
Listen 127.0.0.1:\@PORT2\@ https
KeepAlive On
KeepAliveTimeout 60
MaxKeepAliveRequests 0
Timeout @{[ $opt{timeout} // 300 ]}
AdpTest On
LogFormat "%U %>s %B %O %X" bytes
CustomLog \@ROOT\@/bytes.log bytes
AddOutputFilterByType DEFLATE text/plain
ProxyPass /b/ http://127.0.0.1:@{[ $backend->port ]}/ retry=0
@{[ $opt{conf} // '' ]}
Include \@ROOT\@/conf/certificate.conf
<VirtualHost *:\@PORT2\@>
    SSLEngine on
</VirtualHost>
CONF
    );
    put_file($server->root . '/conf/certificate.conf', make_certificate($server->root));
    $server->{file_sum} = put_big_file($server->docroot . '/file.bin', $FILE_BYTES);
    put_file($server->docroot . '/text.txt', $text);
    put_file($server->docroot . '/hello.html', "hello\n");
    $server->start;
    return $server;
}

sub readers {
    my ($server, $count, $path, %opt) = @_;
    my ($request, @clients) = Adaptive::Client::request_text('GET', $path, headers => $opt{headers} // {});
    for (1 .. $count) {
        my @tls = $opt{tls} ? (tls => { SSL_verify_mode => 0 }) : ();
        push @clients, Adaptive::Client->new($server->port($opt{tls} ? 2 : 1), rcvbuf => $opt{rcvbuf} // 8192, @tls);
        $clients[-1]->send($request);
    }
    return @clients;
}

# Lines of the log of this request: what was answered, bytes of the body, whether all bytes are counted, how it ended.
sub lines_of {
    my ($server, $path) = @_;
    my %lines;
    for (Adaptive::Server::read_text($server->root . '/bytes.log') =~ /^(\Q$path\E \d+ \d+ \d+ .)$/mg) {
        my (undef, $status, $body, $all, $end) = split / /;
        $lines{ "$status $body " . ($all > $body && $all < $body + 20_000 ? 'counted' : $all) . " $end" }++;
    }
    return \%lines;
}

# Requests whose client had gone before all was sent.
sub cut_off { my ($server) = @_; return scalar(() = Adaptive::Server::read_text($server->root . '/bytes.log') =~ / X$/mg) }

sub busy_is_one { my ($server) = @_; return $server->auto->{BusyWorkers} == 1 }

sub others_are_served {
    my ($server) = @_;
    my $other = Adaptive::Client->new($server->port);
    return grep({ $other->get('/hello.html')->{body} eq "hello\n" } 1 .. 50) == 50
        && grep({ http_get($server->url('/hello.html'))->{status} == 200 } 1 .. 10) == 10;
}

# Waits without threads, then reads. $good tells whether a response is what it should be; $sent is the size of its body.
sub wait_and_read {
    my ($server, $path, $good, %opt) = @_;
    my @clients = readers($server, $READERS, $path, %opt);
    ok_within { $server->auto->{ConnsAsyncWriting} == $READERS } 60, "$READERS wait in write completion";
    ok_within { busy_is_one($server) } 20, 'no thread waits with them';
    ok others_are_served($server), 'others are served';
    my ($intact, $again, $sent) = (0, 0, 0);
    for my $client (@clients) {
        my $response = $client->response;
        $sent = length $response->{body} if $response;
        $intact++ if $response && $good->($response);
        $again++ if $client->get('/hello.html')->{body} eq "hello\n";
    }
    is $intact, $READERS, 'every byte arrives';
    is $again,  $READERS, 'each connection can be used again';
    my $keeps = '200 ' . ($opt{logged} // $sent) . ' counted +';
    ok_within { ((values %{ lines_of($server, $path) })[0] // 0) == $READERS } 20, 'each is logged';
    is_deeply lines_of($server, $path), { $keeps => $READERS }, 'once, complete, with all its bytes';
    ok_within { $server->auto->{ConnsAsyncWriting} == 0 } 20, 'nothing is left';
    return;
}

my %files = (
    'sendfile' => "EnableSendfile On\n",
    'mapped'   => "EnableSendfile Off\nEnableMMAP On\n",
    'read'     => "EnableSendfile Off\nEnableMMAP Off\n",
);
for my $how (sort keys %files) {
    for my $tls (0, 1) {
        next if $tls && $how eq 'sendfile';
        subtest 'a file, ' . ($tls ? 'TLS, ' : '') . $how => sub {
            my $server = new_server(conf => $files{$how});
            wait_and_read($server, '/file.bin', sub { sha256_of($_[0]{body}) eq $server->{file_sum} }, tls => $tls);
            ok $server->stop, 'the server stops';
        };
    }
}

# The kernel chooses the size of its buffer, and a small window makes small packets: each takes memory beside what is in it.
subtest 'a file, mapped, small windows' => sub {
    my $server = new_server(conf => $files{mapped}, mpm_conf => "SendBufferSize 0\n");
    my $sum = put_big_file($server->docroot . '/large.bin', $LARGE_BYTES);
    my @clients = map { readers($server, $FEW, '/large.bin', rcvbuf => $_) } 512, 4096;
    ok_within { $server->auto->{ConnsAsyncWriting} == 2 * $FEW } 60, 'all wait in write completion';
    ok_within { busy_is_one($server) } 20, 'no thread waits with them';
    ok others_are_served($server), 'others are served';
    is sha256_of($clients[-1]->response->{body}), $sum, 'every byte arrives';
    ok $server->stop, 'the server stops';
};

my $gzip = { 'Accept-Encoding' => 'gzip' };
subtest 'deflated' => sub {
    my $server = new_server;
    for my $tls (0, 1) {
        wait_and_read($server, '/text.txt', sub { (Compress::Zlib::memGunzip($_[0]{body}) // '') eq $text }, tls => $tls, headers => $gzip);
        unlink $server->root . '/bytes.log';
        ok $server->restart, 'a new log';
    }
    ok $server->stop, 'the server stops';
};

subtest 'proxied' => sub {
    my $server = new_server;
    for my $tls (0, 1) {
        wait_and_read($server, '/b/below.bin', sub { sha256_of($_[0]{body}) eq $sum{below} }, tls => $tls);
        unlink $server->root . '/bytes.log';
        ok $server->restart, 'a new log';
    }
    ok $server->stop, 'the server stops';
};

subtest 'more than may be held' => sub {
    my $server = new_server(mpm_conf => "AdaptiveOutputBuffer 64K\n");
    my @clients = (readers($server, 3, '/b/above.bin'), readers($server, 2, '/b/above.bin', tls => 1));
    # The backend has sent more than is held, and waits: so do those who read from it.
    ok_within { $server->auto->{BusyWorkers} == 6 } 20, 'keeps a thread each';
    ok others_are_served($server), 'others are served';
    is scalar(grep { sha256_of($_->response->{body}) eq $sum{above} } @clients), 5, 'every byte arrives';
    is scalar(grep { $_->get('/hello.html')->{body} eq "hello\n" } @clients), 5, 'each connection can be used again';
    ok_within { busy_is_one($server) } 20, 'no thread is kept any more';
    ok $server->stop, 'the server stops';

    $server = new_server(mpm_conf => "AdaptiveOutputBuffer off\n");
    @clients = readers($server, 3, '/b/below.bin', tls => 1);
    ok_within { $server->auto->{BusyWorkers} == 4 } 20, 'off: nothing is held';
    is scalar(grep { sha256_of($_->response->{body}) eq $sum{below} } @clients), 3, 'every byte arrives';
    @clients = readers($server, 12, '/file.bin', tls => 1);
    ok_within { $server->auto->{ConnsAsyncWriting} == 12 } 20, '... but files, which take no memory';
    is scalar(grep { sha256_of($_->response->{body}) eq $server->{file_sum} } @clients), 12, 'every byte arrives';
    ok $server->stop, 'the server stops';
};

subtest 'requests that follow' => sub {
    my $server = new_server(conf => $files{mapped});
    my $bytes = Adaptive::Server::read_text($server->docroot . '/file.bin');
    my @ranges = map { [ 100_000 * $_, 100_000 * $_ + 59_999 ] } 1 .. 12;
    my $ranges = 'bytes=' . join ',', map {"$_->[0]-$_->[1]"} @ranges;
    for my $tls (0, 1) {
        for my $client (readers($server, 10, '/file.bin', tls => $tls)) {
            $client->send(join '', map { Adaptive::Client::request_text('GET', @$_) } ['/hello.html'], ['/file.bin'],
                ['/file.bin', headers => { Range => $ranges }], ['/file.bin', headers => { Range => 'bytes=1000-900999' }]);
            my @got = map { $client->response } 1 .. 5;
            my @is = map { $_ ? "$_->{status} " . sha256_of($_->{body}) : 'none' } @got[ 0, 1, 2, 4 ];
            my $parts = join '', map { substr $bytes, $_->[0], 60_000 } @ranges;
            my $body = $got[3]{body};
            my ($bound) = $got[3]{headers}{'content-type'} =~ /boundary="?([^";]+)/;
            my $joined = join '', map { s/\A.*?\r\n\r\n//sr =~ s/\r\n\z//r } grep {/Content-range/i} split /--\Q$bound\E/, $body;
            my $right = "200 $server->{file_sum} 200 " . sha256_of("hello\n") . " 200 $server->{file_sum} 206 " . sha256_of(substr $bytes, 1000, 900_000);
            is join(' ', @is, sha256_of($joined)), $right . ' ' . sha256_of($parts), 'in their order, each whole';
        }
    }
    ok $server->stop, 'the server stops';
};

subtest 'who would rather speak another protocol' => sub {
    my $server  = new_server(conf => $files{mapped});
    my %upgrade = (Connection => 'Upgrade', Upgrade => 'websocket');
    for my $tls (0, 1) {
        my @clients = readers($server, 12, '/file.bin', tls => $tls, headers => \%upgrade);
        ok_within { $server->auto->{ConnsAsyncWriting} == 12 } 20, 'all wait';
        ok_within { busy_is_one($server) } 20, 'no thread waits with them';
        is scalar(grep { sha256_of($_->response->{body}) eq $server->{file_sum} } @clients), 12, 'every byte arrives';
    }
    ok $server->stop, 'the server stops';
};

# A file in more parts than could each have a descriptor of its own. httpd passes on 32 parts at a time.
subtest 'many ranges' => sub {
    my $server = new_server(conf => $files{mapped});
    my ($pid)  = $server->child_pids;
    my $ranges = 'bytes=' . join ',', map { 10_000 * $_ . '-' . (10_000 * $_ + 4_999) } 0 .. 189;
    for my $tls (0, 1) {
        my @clients = readers($server, 10, '/file.bin', tls => $tls, headers => { Range => $ranges });
        ok_within { $server->auto->{ConnsAsyncWriting} == 10 } 20, 'all wait';
        my $open = grep {/file\.bin/} open_files($pid);
        cmp_ok $open, '<=', 10 * 8, 'few descriptors for each';
        my %bodies = map { ($_->{status} . ' ' . length $_->{body}) => 1 } map { $_->response } @clients;
        is scalar(keys %bodies), 1, 'all have the same answer';
        like +(keys %bodies)[0], qr/\A206 9[5-9]\d{4}\d*\z/, '... in parts, all of them';
        ok_within { !grep {/file\.bin/} open_files($pid) } 20, 'then nothing stays open';
    }
    ok $server->stop, 'the server stops';
};

# The backend sends the beginning, and the end when it is told to: mod_proxy flushes what it has read before it waits.
subtest 'a backend that pauses' => sub {
    my ($listener, $server) = (listener(), new_server);
    my ($go, $port) = ($server->root . '/tmp/go', $listener->sockport);
    spawn(sub {
        while (my $peer = $listener->accept) {
            next if fork;
            sysread $peer, my $head, 65536;
            syswrite $peer, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 500010\r\n\r\n";
            syswrite $peer, 'x' x 1000, 1000 for 1 .. 500;
            select undef, undef, undef, 0.01 until -e $go;
            syswrite $peer, 'y' x 10;
            exit;
        }
    });
    (my $conf = $server->{conf}) =~ s{^ProxyPass /b/}{ProxyPass /p/ http://127.0.0.1:$port/\n$&}m;
    $server->write_conf(conf => $conf);
    ok $server->restart, 'with another backend';
    for my $tls (0, 1) {
        my ($client) = readers($server, 1, '/p/', tls => $tls);
        ok_within { $server->auto->{BusyWorkers} == 2 } 20, 'who reads from the backend waits for it';
        my $deadline = time + 30;
        my $x = 0;
        $x = ${ $client->buffer } =~ tr/x// while $x < 500_000 && $client->fill($deadline);
        cmp_ok $x, '>=', 500_000, 'all that it has sent arrives before it goes on';
        put_file($go, '');
        is substr($client->response->{body}, -12), 'xx' . 'y' x 10, 'and then the end';
        unlink $go;
    }
    ok $server->stop, 'the server stops';
};

for my $sanitized (0, 1) {
    subtest 'clients that leave' . ($sanitized ? ', under the sanitizers' : '') => sub {
        my $server = new_server(sanitized => $sanitized, conf => $files{mapped});
        others_are_served($server);
        readers($server, 1, $_, tls => 1) for qw(/file.bin /b/below.bin);
        ok_within { $server->auto->{ConnsTotal} == 1 } 20, 'at rest';
        my ($pid)  = $server->child_pids;
        my $before = cut_off($server);
        my @paths  = ('/file.bin', '/b/below.bin', '/text.txt');
        my %opt    = (headers => $gzip);
        my @clients = map { (readers($server, 10, $_, %opt), readers($server, 10, $_, %opt, tls => 1)) } @paths;
        ok_within { $server->auto->{ConnsAsyncWriting} == 60 } 30, 'all wait';
        $_ % 2 ? $clients[$_]->reset : $clients[$_]->close for 0 .. $#clients;
        ok_within { $server->auto->{ConnsTotal} == 1 } 30, 'all are forgotten';
        is cut_off($server), $before + 60, 'and logged as cut off'
            or diag grep { !/ X$/ } split /^/, Adaptive::Server::read_text($server->root . '/bytes.log');
        is scalar(grep {/htdocs/} open_files($pid)), 0, 'no file stays open';
        ok others_are_served($server), 'the server serves';
        ok $server->stop, 'the server stops';
        unlike $server->error_log, qr/exit signal/, 'no child crashed';
        is join('', $server->sanitizer_reports), '', 'no sanitizer report';
    };
}

subtest 'clients that never read' => sub {
    my $server = new_server(timeout => 2);
    my @clients = map { readers($server, 10, $_, tls => 1) } qw(/file.bin /b/below.bin);
    ok_within { $server->auto->{ConnsTotal} <= 1 } 40, 'are dropped after Timeout';
    ok_within { cut_off($server) == 20 } 20, 'and logged as cut off';
    is scalar(grep { $_->response->{status} } @clients), 0, 'none has a whole response';
    ok $server->stop, 'the server stops';
};

subtest 'the server goes' => sub {
    my $server = new_server(conf => $files{mapped});
    my @clients = map { readers($server, 10, $_->[0], tls => $_->[1]) } ['/file.bin', 0], ['/file.bin', 1], ['/b/below.bin', 1];
    ok_within { $server->auto->{ConnsAsyncWriting} == 30 } 30, 'all wait';
    ok $server->graceful, 'restarted';
    my %right = ($server->{file_sum} => 1, $sum{below} => 1);
    is scalar(grep { $right{ sha256_of($_->response->{body}) } } @clients), 30, 'each response is whole';
    $_->close for @clients;
    @clients = map { readers($server, 10, $_->[0], tls => $_->[1]) } ['/file.bin', 0], ['/file.bin', 1], ['/b/below.bin', 1];
    ok_within { $server->auto->{ConnsAsyncWriting} == 30 } 30, 'all wait again';
    ok $server->stop, 'the server stops at once';
    unlike $server->error_log, qr/exit signal/, 'no child crashed';
};

done_testing;
