# A thread that has a connection never looks idle on the status page, whatever it does before there is a request: a TLS
# handshake, a protocol of some module, a timed callback. And httpd knows which thread it is, in all hooks of a child.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Certificate;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Probe;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

use constant STALLED => 20;

my $s = Adaptive::Server->new(
    modules     => [qw(status ssl socache_shmcb states_test)],
    test_module => 1,
    mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild 64\nMaxRequestWorkers 64\n",
    conf        => <<"CONF" . $TEST_CONF,
Listen 127.0.0.1:\@PORT2\@ https
Listen 127.0.0.1:\@PORT3\@
Timeout 60
Include \@ROOT\@/conf/certificate.conf
<VirtualHost *:\@PORT2\@>
SSLEngine on
</VirtualHost>
<VirtualHost *:\@PORT3\@>
StatesTest htdocs/1k.html
</VirtualHost>
CONF
);
put_file($s->root . '/conf/certificate.conf', make_certificate($s->root));
$s->start;

sub shows {
    my ($letter, $count, $name) = @_;
    my $auto;
    ok_within {
        $auto = $s->auto;
        my $busy = () = ($auto->{Scoreboard} // '') =~ /$letter/g;
        $busy >= $count && $auto->{BusyWorkers} > $count;
    } 20, $name or diag("BusyWorkers $auto->{BusyWorkers}, $auto->{Scoreboard}");
    return;
}

sub stalled {
    my ($port, $bytes, $name) = @_;
    my @clients = map { Adaptive::Client->new($port) } 1 .. STALLED;
    $_->send($bytes) for @clients;
    shows('R', STALLED, "$name: R for each");
    $_->close for @clients;
    ok_within { $s->auto->{BusyWorkers} == 1 } 20, 'and idle when they have gone';
    return;
}

stalled($s->port(2), "\x16\x03\x01", 'TLS handshakes that go no further');
stalled($s->port(3), '1;', 'a protocol of a module');

SKIP: {
    skip 'event shows them as idle', 2 if mpm() ne 'adaptive';
    put_hold($s);
    http_get($s->url('/adp/timer?ms=1&count=5&hold=5'));
    shows('W', 5, 'timed callbacks: W for each');
    lift_hold($s);
    ok_within { $s->auto->{BusyWorkers} == 1 } 20, 'and idle when they have ended';
}

ok($s->graceful, 'restarted');
ok($s->stop, 'stops');
open my $in, '<', $s->root . '/logs/events' or die "$!";
my %threads;
/ thread (\w+) (\w+)$/ and $threads{"$1 $2"}++ while <$in>;
is_deeply([ sort keys %threads ], [ 'child_init known', 'child_stopping known' ], 'hooks of the child know their thread');
done_testing;
