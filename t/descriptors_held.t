# Clients that hold on to their connections use up the descriptors: another child comes while there may be one, and then those
# that only wait make room.

use strict;
use warnings;

use lib 't/lib';
use IO::Poll qw(POLLIN);
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Client;
use Adaptive::Server;

# Event has several children from the start, and gives up those whose descriptors run out.
plan skip_all => 'event ends when descriptors run out' if mpm() ne 'adaptive';

# KeepAliveTimeout is far beyond PATIENCE, in seconds.
use constant { DESCRIPTORS => 120, CLIENTS => 220, FEW => 2, PATIENCE => 25 };

my $REQUEST = "GET /1k.html HTTP/1.1\r\nHost: localhost\r\n\r\n";

sub new_server {
    my ($mpm_conf, %opt) = @_;
    return Adaptive::Server->new(
        modules  => ['status'],
        rlimit   => { nofile => DESCRIPTORS },
        mpm_conf => "ThreadsPerChild 8\nThreadLimit 8\n$mpm_conf",
        conf     => "KeepAlive On\nKeepAliveTimeout 300\nTimeout 300\nLogLevel mpm_adaptive:info\n" . ($opt{conf} // ''),
    )->start;
}

# So many clients send a request each, and keep their end open whatever the server does. How many have an answer in time?
sub answered {
    my ($server, $count, $clients) = @_;
    my ($poll, $deadline) = (IO::Poll->new, time + PATIENCE);
    push @$clients, my @new = map { Adaptive::Client->new($server->port) } 1 .. $count;
    for my $client (@new) {
        $client->send($REQUEST);
        $poll->mask($client->sock => POLLIN);
    }
    my $answered = 0;
    while ($answered < $count && time < $deadline) {
        $poll->poll(0.5);
        for my $sock ($poll->handles(POLLIN)) {
            sysread $sock, my $bytes, 65536;
            $answered++ if defined $bytes && $bytes =~ m{\AHTTP/1\.1 200 };
            $poll->remove($sock);
        }
    }
    return $answered;
}

# The same, a few after the other, so that no child is started because requests wait for a thread.
sub answered_in_turn {
    my ($server, $count, $clients) = @_;
    my $answered = 0;
    while ($answered < $count) {
        my $few = answered($server, FEW, $clients);
        $answered += $few;
        last if $few < FEW;
    }
    return $answered;
}

my %modes = (
    'AdaptiveMode on'      => "StartServers 2\nServerLimit 16\n",
    'AdaptiveMode off'     => "AdaptiveMode off\nStartServers 2\nServerLimit 16\nMinSpareThreads 1\nMaxSpareThreads 16\n",
    'Spare threads bounded' => "StartServers 2\nServerLimit 16\nMinSpareThreads 1\nMaxSpareThreads 16\n",
);
for my $mode (sort keys %modes) {
    subtest "$mode: more clients than two children have descriptors for" => sub {
        my $s = new_server($modes{$mode});
        my $begin = time;
        is(answered_in_turn($s, CLIENTS, \my @clients), CLIENTS, 'all are answered');
        note sprintf '%.2f s, %d children, %d closed to make room', time - $begin, scalar $s->child_pids,
            scalar grep { !$_->quiet } @clients;
        cmp_ok(scalar $s->child_pids, '>', 2, 'with more children');
        ok($s->wait_log(qr/ADP0031: out of descriptors/, 15), 'and the log says what is short');
        unlike($s->error_log, qr/exit signal|ADP0084|AH00529/, 'none of which failed, or was without descriptors for files');
        $_->close for @clients;
        ok($s->stop, 'stops');
    };
}

subtest 'no other child may come' => sub {
    my $s = new_server("StartServers 1\nServerLimit 1\n");
    my $begin = time;
    is(answered($s, CLIENTS, \my @clients), CLIENTS, 'those that wait for a next request make room');
    note sprintf '%.2f s', time - $begin;
    my $slowest = 0;
    for (1 .. 30) {
        $begin = time;
        answered($s, 1, \@clients) or last;
        $slowest = time - $begin if $slowest < time - $begin;
    }
    is(scalar @clients, CLIENTS + 30, 'each further client is answered');
    note sprintf '%.3f s at most', $slowest;
    # An end that is ignored used to hold its descriptor for half a minute.
    cmp_ok($slowest, '<', 10, 'soon');
    unlike($s->error_log, qr/exit signal|AH00529/, 'no crash, and descriptors for files');
    $_->close for @clients;
    ok($s->stop, 'stops');
};

subtest 'log files that leave few descriptors' => sub {
    my $hosts = join '', map {
        "<VirtualHost *:\@PORT\@>\nServerName h$_\nErrorLog logs/error_$_\nCustomLog logs/access_$_ test\n</VirtualHost>\n"
    } 1 .. 35;
    my $s = new_server("StartServers 2\nServerLimit 16\n", conf => $hosts);
    my ($left) = $s->error_log =~ /ADP0011.* (\d+) descriptors per child/;
    cmp_ok($left // DESCRIPTORS, '<=', DESCRIPTORS - 70, 'are not counted as free');
    is(answered($s, 90, \my @clients), 90, 'clients that stay are answered, all the same');
    $_->close for @clients;
    ok($s->stop, 'stops');
};

done_testing;
