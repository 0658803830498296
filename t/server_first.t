# Protocols in which the server speaks first, and modules that have to see a connection before its first byte: AcceptFilter
# and Protocol say so.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Client;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

use constant { SILENT => 30, THREADS => 4 };

sub new_server {
    my ($conf, %opt) = @_;
    return Adaptive::Server->new(
        modules  => [qw(status adaptive_greet)],
        mpm_conf => "StartServers 1\nServerLimit 1\nThreadsPerChild 4\nMaxRequestWorkers 4\nMinSpareThreads 1\nMaxSpareThreads 4\n",
        conf     => "Listen 127.0.0.1:\@PORT2\@\nTimeout 60\nKeepAlive On\n$conf",
        %opt,
    )->start;
}

# What the server says to a client that says nothing. Waiting does not help where the server waits, too.
sub greeting {
    my ($port) = @_;
    my $client = Adaptive::Client->new($port);
    $client->fill(time + 20);
    my $said = ${ $client->buffer };
    $client->send("thanks\n") if $said;
    return $said . ($client->closed(20) ? ${ $client->buffer } =~ s/\A\Q$said\E//r : ' and no end');
}

subtest 'AcceptFilter http none' => sub {
    my $s = new_server("AcceptFilter http none\n<VirtualHost *:\@PORT2\@>\nAdpGreet On\n</VirtualHost>\n");
    is greeting($s->port(2)), "220 hello\r\nthanks\n", 'the server may speak first, whatever the protocol is called';
    is http_get($s->url('/1k.html'))->{status}, 200, 'another virtual host speaks HTTP';
    ok $s->stop, 'the server stops';
};

subtest 'Protocol of a virtual host' => sub {
    plan skip_all => 'event leaves such a client to the kernel for half a minute (TCP_DEFER_ACCEPT)' if mpm() eq 'event';
    my $s = new_server(<<'CONF');
<VirtualHost 127.0.0.1:@PORT2@>
    Protocol nntp
    AdpGreet On
</VirtualHost>
CONF
    is greeting($s->port(2)), "220 hello\r\nthanks\n", 'is enough';
    is http_get($s->url('/1k.html'))->{status}, 200, 'another virtual host speaks HTTP';
    ok $s->stop, 'the server stops';
};

subtest 'Protocol of any of the virtual hosts that share an address' => sub {
    plan skip_all => 'as above' if mpm() eq 'event';
    my $s = new_server(<<'CONF');
<VirtualHost *:@PORT2@>
    ServerName first
    AdpGreet On
</VirtualHost>
<VirtualHost *:@PORT2@>
    ServerName second
    Protocol nntp
</VirtualHost>
CONF
    is greeting($s->port(2)), "220 hello\r\nthanks\n", 'counts, because the name is not known yet';
    ok $s->stop, 'the server stops';
};

subtest 'pre_connection hooks that want to see each connection' => sub {
    my $s = new_server("AcceptFilter http none\nAdpWatch On\n", defines => ['ADP_NO_PROTOCOL']);
    my @silent = map { Adaptive::Client->new($s->port) } 1 .. (mpm() eq 'event' ? 2 : SILENT);
    ok_within { (() = $s->error_log =~ /seen by pre_connection/g) >= @silent } 20, 'see it before its first byte';
    is http_get($s->url('/1k.html'))->{status}, 200, 'others are served meanwhile';
    ok_within { $s->auto->{BusyWorkers} == 1 } 20, 'none of the silent ones holds a thread' if mpm() ne 'event';
    is scalar(grep { $_->get('/1k.html')->{status} == 200 } @silent), @silent, 'each is served when it speaks at last';
    $silent[0]->half_close;
    ok $silent[0]->closed, 'and closed when it is done';
    $_->close for @silent;
    ok $s->graceful, 'graceful restart';
    ok $s->stop, 'the server stops';
};

done_testing;
