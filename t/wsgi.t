# mod_wsgi as Debian builds it: an application embedded in the server's children, and one in a daemon process of its own.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Paths qw(module_file);
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

-e module_file('wsgi') or plan skip_all => 'needs mod_wsgi (libapache2-mod-wsgi-py3)';

my $CONCURRENT = 12;

my $server = Adaptive::Server->new(
    modules  => [qw(status wsgi)],
    mpm_conf => "StartServers 1\nThreadsPerChild 32\nMaxRequestWorkers 64\n",
    conf     => <<'CONF',
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
# A sub-interpreter would take ten seconds to end, whatever the MPM.
WSGIApplicationGroup %{GLOBAL}
WSGISocketPrefix @ROOT@/run/wsgi
WSGIDaemonProcess app processes=1 threads=15
WSGIScriptAlias /embedded @ROOT@/app.wsgi
WSGIScriptAlias /daemon @ROOT@/app.wsgi
<Location /daemon>
    WSGIProcessGroup app
</Location>
<Directory "@ROOT@">
    Require all granted
</Directory>
CONF
);
put_file($server->root . '/app.wsgi', <<'APP');
import hashlib
import time

def application(environ, start_response):
    body = environ['wsgi.input'].read()
    query = environ['QUERY_STRING']
    if query.startswith('pause='):
        time.sleep(float(query[6:]))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    if query.startswith('bytes='):
        return [b'y' * 65536] * (int(query[6:]) // 65536)
    group = environ['mod_wsgi.process_group'] or 'embedded'
    text = '%s %s %s' % (group, environ['REQUEST_METHOD'], hashlib.sha256(body).hexdigest())
    return [text.encode()]
APP
$server->start;

for my $case (['embedded', '/embedded', 'embedded'], ['in a daemon', '/daemon', 'app']) {
    my ($how, $path, $group) = @$case;
    subtest $how => sub {
        my $client = Adaptive::Client->new($server->port);
        my $empty  = "$group GET " . sha256_of('');
        is scalar(grep { $client->get($path)->{body} eq $empty } 1 .. 200), 200, '200 requests on one connection';
        my $body = 'wsgi' x 500_000;
        is $client->request('POST', $path, body => $body)->{body}, "$group POST " . sha256_of($body), 'a body of 2 MB';
        is length($client->get("$path?bytes=6553600")->{body}), 6_553_600, 'a response of 6 MB';

        my @clients = map { Adaptive::Client->new($server->port) } 1 .. $CONCURRENT;
        $_->send(Adaptive::Client::request_text('GET', "$path?pause=0.5")) for @clients;
        is scalar(grep { $_->response->{body} eq $empty } @clients), $CONCURRENT, "$CONCURRENT at once";

        for (1 .. 10) {
            my $leaving = Adaptive::Client->new($server->port);
            $leaving->send(Adaptive::Client::request_text('GET', "$path?bytes=6553600"));
            $leaving->quiet(0.05);
            $leaving->reset;
        }
        ok_within { $server->auto->{BusyWorkers} == 1 } 20, 'clients that leave free their workers';

        ok $server->graceful, 'graceful restart';
        is http_get($server->url($path))->{body}, $empty, 'the application serves';
    };
}

ok $server->restart, 'hard restart';
is http_get($server->url($_))->{status}, 200, "$_ serves" for '/embedded', '/daemon';
unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
