# mod_dav with its file system provider: a large upload, and the methods that make up a DAV server.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $UPLOAD_BYTES = 100 * 1024 * 1024;

my $server = Adaptive::Server->new(
    modules  => [qw(status dav dav_fs dav_lock reqtimeout)],
    mpm_conf => "StartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 32\n",
    conf     => <<'CONF',
KeepAlive On
KeepAliveTimeout 30
Timeout 60
RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500
DavLockDB @ROOT@/tmp/lockdb
<Directory "@DOCROOT@/dav">
    Dav On
</Directory>
CONF
);
my $dav = $server->docroot . '/dav';
mkdir $dav or die $!;
if ($> == 0) {
    my ($uid, $gid) = (getpwnam 'www-data')[2, 3];
    chown $uid, $gid, $dav, $server->root . '/tmp' or die $!;
}
my $upload = $server->root . '/upload.bin';
my $sum = put_big_file($upload, $UPLOAD_BYTES);
$server->start;

subtest 'upload of 100 MB' => sub {
    my $put = run_command(60, 'curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', '-T', $upload, $server->url('/dav/up.bin'));
    is $put->{output}, 201, 'PUT with Expect: 100-continue, as curl does it';
    is -s "$dav/up.bin", $UPLOAD_BYTES, 'all of it is there';
    is sha256_of_file("$dav/up.bin"), $sum, 'and intact';
    my $get = run_command(60, 'curl', '-sS', '-o', $server->root . '/down.bin', '-w', '%{http_code}', $server->url('/dav/up.bin'));
    is $get->{output}, 200, 'GET';
    is sha256_of_file($server->root . '/down.bin'), $sum, 'gives it back';
    $put = run_command(60, 'curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'Transfer-Encoding: chunked',
        '-T', $upload, $server->url('/dav/up.bin'));
    is $put->{output}, 204, 'PUT once more, chunked';
    is sha256_of_file("$dav/up.bin"), $sum, 'intact again';
};

subtest 'collections, properties, locks' => sub {
    my $client = Adaptive::Client->new($server->port);
    is $client->request('MKCOL', '/dav/dir')->{status}, 201, 'MKCOL';
    is $client->request('PUT', '/dav/dir/a.txt', body => 'content a')->{status}, 201, 'PUT';
    is $client->request('COPY', '/dav/dir/a.txt', headers => { Destination => $server->url('/dav/dir/b.txt') })->{status},
        201, 'COPY';
    is $client->request('MOVE', '/dav/dir/b.txt', headers => { Destination => $server->url('/dav/dir/c.txt') })->{status},
        201, 'MOVE';
    is $client->get('/dav/dir/c.txt')->{body}, 'content a', 'GET of the moved copy';

    my $found = $client->request('PROPFIND', '/dav/dir/', headers => { Depth => 1 });
    is $found->{status}, 207, 'PROPFIND';
    my %href = map { $_ => 1 } $found->{body} =~ m{<D:href>([^<]+)</D:href>}g;
    is join(' ', sort keys %href), '/dav/dir/ /dav/dir/a.txt /dav/dir/c.txt', 'lists the collection';

    my $lock = $client->request('LOCK', '/dav/dir/a.txt', headers => { 'Content-Type' => 'text/xml', Timeout => 'Second-600' },
        body => '<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
            . '<D:locktype><D:write/></D:locktype><D:owner>test</D:owner></D:lockinfo>');
    is $lock->{status}, 200, 'LOCK';
    my ($token) = ($lock->{headers}{'lock-token'} // '') =~ /<(.+)>/;
    ok $token, 'gives a token';
    my $other = Adaptive::Client->new($server->port);
    is $other->request('PUT', '/dav/dir/a.txt', body => 'x')->{status}, 423, 'another client cannot write';
    is $client->request('PUT', '/dav/dir/a.txt', body => 'content b', headers => { If => "(<$token>)" })->{status}, 204,
        'the holder can';
    is $client->request('UNLOCK', '/dav/dir/a.txt', headers => { 'Lock-Token' => "<$token>" })->{status}, 204, 'UNLOCK';
    is $client->request('DELETE', '/dav/dir/')->{status}, 204, 'DELETE';
    ok !-e "$dav/dir", 'removes the collection';
};

subtest 'an upload that breaks off' => sub {
    my $client = Adaptive::Client->new($server->port);
    $client->send("PUT /dav/part.bin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n" . 'x' x 2_000_000);
    $client->close;
    ok_within { $server->auto->{BusyWorkers} <= 1 } 20, 'frees its worker';
    ok !-e "$dav/part.bin", 'and leaves no file';
};

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
