# Clients that come at the same moment are spread over the children: each may keep to a processor (law/affinity.h), which then has to
# do all that its clients ask for, for as long as they stay.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'event spreads them otherwise' if mpm() ne 'adaptive';
chomp(my $processors = `nproc`);
plan skip_all => 'with one processor they may gather where the fewest wake-ups are' if $processors < 2;

use constant { CLIENTS => 40, CHILDREN => 2, LEAST => 12, HERDS => 5 };

my $s = Adaptive::Server->new(
    modules     => ['status'],
    test_module => 1,
    conf        => "$TEST_CONF\nKeepAlive On\nKeepAliveTimeout 60\n",
    mpm_conf    => "StartServers @{[CHILDREN]}\nServerLimit @{[CHILDREN]}\nThreadsPerChild 32\n",
)->start;
wait_for { $s->auto->{AdaptiveChildrenServing} == CHILDREN } 20, 'the children to serve';

# How many of a herd the child has that has fewest. Each client is connected before any of them has an answer.
sub fewest_of_herd {
    my @clients = map { tcp($s->port) } 1 .. CLIENTS;
    print {$_} http_request('/1k.html', keep => 1) for @clients;
    is(scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @clients), CLIENTS, 'all are answered');
    my %served;
    for (@clients) {
        print {$_} http_request('/adp/pid', keep => 1);
        my ($pid) = read_response($_)->{body} =~ /^pid=(\d+)$/m;
        $served{$pid}++;
    }
    return (sort { $a <=> $b } values %served, (0) x (CHILDREN - keys %served))[0];
}

# The best of several herds. A sibling is waited for no longer than some milliseconds, so that one that does not get a processor in that
# time, or still counts those of the last herd, has few of this one.
my @fewest = sort { $a <=> $b } map { fewest_of_herd() } 1 .. HERDS;
cmp_ok($fewest[-1], '>=', LEAST, 'each child has its part of them') or diag "@fewest";
ok($s->stop, 'stops');
done_testing;
