# What waits for others that compute is a request for what is known to compute: nothing else that happens on a connection, and none
# whose client has found a way around it.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'event has no such queue' if mpm() ne 'adaptive';
$SIG{PIPE} = 'IGNORE';

# Milliseconds: long enough to be seen at work.
use constant { SHORT => 20, LONG => 1500, IDLE => 12, LEAVING => 10, HOGS => 5 };

sub new_server {
    my ($mpm_conf, %opt) = @_;
    return Adaptive::Server->new(
        modules     => [qw(status rewrite)],
        test_module => 1,
        mpm_conf    => "ServerLimit 1\nStartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n$mpm_conf",
        conf        => "$TEST_CONF\nMaxKeepAliveRequests 0\nKeepAliveTimeout 300\n" . ($opt{conf} // ''),
    )->start;
}

sub ask {
    my ($sock, $path) = @_;
    print {$sock} http_request($path, keep => 1);
    return $sock;
}

# What computes is lowered, and beside programs of others that compute it gets a hundredth of a processor.
sub status_of { return (read_response($_[0], timeout => 300) // { status => 0 })->{status} }

sub readable {
    my ($sock) = @_;
    vec(my $read = '', fileno $sock, 1) = 1;
    return select $read, undef, undef, 0;
}

sub clients_that_computed {
    my ($s, $count) = @_;
    my @clients = map { ask(tcp($s->port), "/adp/spin?ms=@{[SHORT]}") } 1 .. $count;
    status_of($_) for @clients;
    return @clients;
}

# What is asked of the status page meanwhile may be put off itself, where the machine is slow: its clients look at their own end.
subtest 'who leaves does not wait' => sub {
    my $s    = new_server("AdaptiveMaxWait off\n");
    my @idle = clients_that_computed($s, IDLE);
    my @hogs = map { ask(tcp($s->port), "/adp/spin?ms=@{[LONG]}") } 1 .. HOGS;
    ok((wait_for { ($s->auto->{AdaptiveThreadsLowered} // 0) >= 2 } 20, 'some to be lowered'), 'others compute');
    my @leaving = splice @idle, 0, LEAVING;
    shutdown $_, 1 for @leaving;
    is(scalar(grep { at_eof($_, 20) } @leaving), LEAVING, 'the server closes those that the client has closed');
    cmp_ok(scalar(grep { !readable($_) } @hogs), '>', HOGS / 2, 'before most of what computes is answered');
    is(scalar(grep { status_of($_) == 200 } @hogs), HOGS, 'which it is in the end');
    ok($s->stop, 'stops');
};

subtest 'a method that looks like the preface of HTTP/2' => sub {
    my $s       = new_server("AdaptiveMaxWait off\n");
    my @clients = map {
        my $sock = tcp($s->port);
        print {$sock} "PRI /adp/spin?ms=1 HTTP/1.1\r\nHost: x\r\n\r\n";
        $sock
    } 1 .. HOGS;
    status_of($_) for @clients;
    ask($_, "/adp/spin?ms=@{[LONG]}") for @clients;
    ok((wait_for { ($s->auto->{AdaptiveThreadsLowered} // 0) >= 2 } 20, 'some to be lowered'), 'its requests compute as others do');
    is(scalar(grep { status_of($_) == 200 } @clients), HOGS, 'and are served');
    ok($s->stop, 'stops');
};

subtest 'a redirect within the server' => sub {
    my $s = new_server("AdaptiveMaxWait off\n", conf => <<"CONF");
<Directory />
    Options +FollowSymLinks
    RewriteEngine on
    RewriteRule front\$ /adp/spin?ms=@{[LONG / 10]} [L]
</Directory>
CONF
    my @clients = map { ask(tcp($s->port), '/front') } 1 .. HOGS;
    is(scalar(grep { status_of($_) == 200 } @clients), HOGS, 'requests for /front are served, and compute');
    push @clients, map { tcp($s->port) } 1 .. IDLE;
    ask($_, '/front') for @clients;
    ok((wait_for { ($s->auto->{AdaptiveRequestsPutOff} // 0) > 0 } 20, 'some to be put off'), 'that is known of what the client asks for');
    is(scalar(grep { status_of($_) == 200 } @clients), @clients, 'all are served');
    ok($s->stop, 'stops');
};

done_testing;
