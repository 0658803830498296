# How many clients may wait in the kernel: those that come in the same instant should not have to try again a second later.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use IO::Socket::IP;
use Socket qw(SOL_SOCKET SO_ERROR);
use Test::More;
use Adaptive::Server;

plan skip_all => 'other MPMs leave it at what httpd asks for' if mpm() ne 'adaptive';

use constant { CLIENTS => 700, MOMENT_S => 0.3 };

my $somaxconn = Adaptive::Server::read_text('/proc/sys/net/core/somaxconn');
plan skip_all => "the kernel has no longer queue: net.core.somaxconn is $somaxconn" if $somaxconn < CLIENTS;

# How many of them can connect, one after the other, while nobody accepts. The kernel takes one more than the queue's length.
sub connected {
    my ($server) = @_;
    $server->stand_still;
    my @clients;
    while (@clients < CLIENTS) {
        my $client = IO::Socket::IP->new(PeerHost => '127.0.0.1', PeerPort => $server->port, Blocking => 0) // last;
        last if !IO::Select->new($client)->can_write(MOMENT_S) || $client->getsockopt(SOL_SOCKET, SO_ERROR);
        push @clients, $client;
    }
    $server->go_on;
    return scalar @clients;
}

for my $case (
    ['without a directive',   '',                                                                                  CLIENTS],
    ['in the configuration',  "ListenBacklog 100\n",                                                                101],
    ['... within a block',    "<IfModule mpm_adaptive_module>\nListenBacklog 100\n</IfModule>\n",                   101],
    ['several sockets',       "ListenCoresBucketsRatio 1\n",                                                        CLIENTS],
) {
    my ($name, $mpm_conf, $expected) = @$case;
    subtest $name => sub {
        # without TCP_DEFER_ACCEPT, which has those that say nothing wait in a queue of their own
        my $server = Adaptive::Server->new(mpm_conf => $mpm_conf, conf => "AcceptFilter http none\n")->start;
        is connected($server), $expected, 'this is how many find room';
        is http_get($server->url('/'))->{status}, 200, 'the server serves';
        ok $server->restart, 'a reload';
        is connected($server), $expected, '... leaves it as it is';
        ok $server->stop, 'the server stops';
    };
}

done_testing;
