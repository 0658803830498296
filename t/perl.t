# mod_perl as Debian builds it: handlers, Registry scripts, interpreters for many threads at once, connection handlers,
# and restarts.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Paths qw(module_file);
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

-e module_file('perl') or plan skip_all => 'needs mod_perl (libapache2-mod-perl2)';

my $CONCURRENT = 12;

my $server = Adaptive::Server->new(
    modules  => [qw(status perl)],
    mpm_conf => "StartServers 1\nThreadsPerChild 16\nMaxRequestWorkers 32\n",
    conf     => <<'CONF',
KeepAlive On
KeepAliveTimeout 30
MaxKeepAliveRequests 0
PerlSwitches -I@ROOT@/lib
PerlInterpStart 2
PerlInterpMax 16
PerlModule AdaptiveTest
<Location /handler>
    SetHandler modperl
    PerlResponseHandler AdaptiveTest
</Location>
Alias /registry/ @ROOT@/registry/
<Directory "@ROOT@/registry">
    Require all granted
    SetHandler perl-script
    PerlResponseHandler ModPerl::Registry
    PerlOptions +ParseHeaders
    Options +ExecCGI
</Directory>
CONF
);
mkdir $server->root . "/$_" or die $! for qw(lib registry);
put_file($server->root . '/lib/AdaptiveTest.pm', <<'MODULE');
package AdaptiveTest;
use strict;
use Apache2::Const -compile => qw(OK);
use Apache2::RequestIO ();
use Apache2::RequestRec ();
use Digest::MD5 ();

sub handler {
    my ($r) = @_;
    my $body = '';
    1 while $r->read($body, 65536, length $body);
    my ($pause) = ($r->args // '') =~ /pause=([0-9.]+)/;
    select undef, undef, undef, $pause if $pause;
    $r->content_type('text/plain');
    $r->print(join ' ', $r->method, length $body, Digest::MD5::md5_hex($body));
    return Apache2::Const::OK;
}
1;
MODULE
put_script($server->root . '/registry/script.pl', <<'SCRIPT');
print "Content-Type: text/plain\n\n", "registry $ENV{QUERY_STRING} ", exists $ENV{MOD_PERL} ? 'in mod_perl' : 'as CGI';
SCRIPT
$server->start;

my $empty = 'd41d8cd98f00b204e9800998ecf8427e';

subtest 'handlers' => sub {
    my $client = Adaptive::Client->new($server->port);
    is scalar(grep { $client->get('/handler')->{body} eq "GET 0 $empty" } 1 .. 200), 200, '200 requests on one connection';
    for my $bytes (1, 100_000, 2_000_000) {
        like $client->request('POST', '/handler', body => 'p' x $bytes)->{body}, qr/\APOST $bytes [0-9a-f]{32}\z/,
            "a body of $bytes bytes";
    }
    is $client->get('/registry/script.pl?a=1')->{body}, 'registry a=1 in mod_perl', 'a Registry script';
};

subtest "$CONCURRENT at once" => sub {
    my @clients = map { Adaptive::Client->new($server->port) } 1 .. $CONCURRENT;
    $_->send(Adaptive::Client::request_text('GET', '/handler?pause=0.5')) for @clients;
    is scalar(grep { $_->response->{body} eq "GET 0 $empty" } @clients), $CONCURRENT, 'each gets its answer';
    ok_within { $server->auto->{BusyWorkers} == 1 } 10, 'and the workers are free again';
};

subtest 'clients that leave' => sub {
    for (1 .. 10) {
        my $client = Adaptive::Client->new($server->port);
        $client->send(Adaptive::Client::request_text('POST', '/handler', body => 'x' x 100, headers => { 'Content-Length' => 200 }));
        $client->reset;
    }
    ok_within { $server->auto->{BusyWorkers} == 1 } 20, 'free their workers';
};

subtest 'restarts' => sub {
    ok $server->graceful, 'graceful';
    is http_get($server->url('/handler'))->{body}, "GET 0 $empty", 'handlers work';
    ok $server->restart, 'hard';
    is http_get($server->url('/registry/script.pl'))->{status}, 200, 'Registry scripts work';
};

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
