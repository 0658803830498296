# mod_heartbeat, which lives from mod_watchdog in a child and from what the scoreboard says: its datagrams carry the right
# numbers.

use strict;
use warnings;
use lib 't/lib';

use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

# Of MaxRequestWorkers 64: half; mpm_event has all that its children have.
my $SPARE = 32;

my $monitor = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'udp') or die "udp socket: $!";

my $server = Adaptive::Server->new(
    modules     => [qw(status watchdog heartbeat)],
    test_module => 1,
    mpm_conf    => "StartServers 2\nThreadsPerChild 16\nMaxRequestWorkers 64\n",
    conf        => "HeartbeatAddress 127.0.0.1:@{[ $monitor->sockport ]}\nAdpTest On\nAdpTestHoldFile \@ROOT\@/tmp/hold\n",
);
my $hold = $server->root . '/tmp/hold';
$server->start;

# The fields of the next datagram, nothing when none comes.
sub heartbeat {
    IO::Select->new($monitor)->can_read(20) or return {};
    $monitor->recv(my $text, 1000);
    return { map { split /=/, $_, 2 } split /&/, $text };
}

sub heartbeat_with {
    my ($condition) = @_;
    my $deadline = time + 20;
    while (time < $deadline) {
        my $fields = heartbeat();
        return 1 if $condition->($fields);
    }
    return 0;
}

my $first = heartbeat();
is $first->{v}, 1, 'version of the format';
is $first->{busy}, 0, 'an idle server has no busy worker';
cmp_ok $first->{ready}, '>=', 1, 'but ready ones';
my $auto = $server->auto;
ok heartbeat_with(sub { $_[0]{ready} == $auto->{IdleWorkers} + 1 || $_[0]{ready} == $server->auto->{IdleWorkers} + 1 }),
    'as many as mod_status shows, with the one that made its page';

my @clients = map { Adaptive::Client->new($server->port) } 1 .. 7;
put_file($hold, '');
$_->send(Adaptive::Client::request_text('GET', '/adp/hold')) for @clients;
ok heartbeat_with(sub { $_[0]{busy} == 7 }), '7 requests under way are 7 busy workers';
unlink $hold;
is scalar(grep { $_->response->{status} == 200 } @clients), 7, 'they are answered';
ok heartbeat_with(sub { $_[0]{busy} == 0 }), 'and busy no more';

# A balancer gives each server a part by the threads that are ready: as many as mpm_event would keep, though two were enough. The
# child that sends is not told from its siblings, so look at what runs.
ok heartbeat_with(sub { $_[0]{ready} + $_[0]{busy} >= $SPARE }), "about $SPARE threads are ready, of 64" or diag explain heartbeat();

ok $server->graceful, 'graceful restart';
1 while IO::Select->new($monitor)->can_read(0) && defined $monitor->recv(my $old, 1000);
ok heartbeat_with(sub { $_[0]{ready} && $_[0]{busy} == 0 }), 'the beat goes on';
ok $server->stop, 'the server stops';
done_testing;
