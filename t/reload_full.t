# A reload when the old generation has nearly all slots: it hands over child for child, as fast as new ones are there, and at any
# time at least as many children serve as before.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Load;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

plan skip_all => 'about slots of this MPM' if mpm() ne 'adaptive';

# With so many there is a reserve of eight slots.
use constant { CHILDREN => 24, RELOADS => 2 };

my $s = Adaptive::Server->new(
    mpm_conf => "StartServers @{[CHILDREN]}\nServerLimit @{[CHILDREN]}\nThreadsPerChild 2\n",
    conf     => "LogLevel mpm_adaptive:debug\n",
)->start;
ok_within { $s->child_pids == CHILDREN } 30, 'all children are there';
my $load = Adaptive::Load->start($s->port, mode => 'new', path => '/1k.html', rate => 100, seconds => 120, timeout => 20);
$load->ready;

# What became of the children, in order: [ moment, +1 for one that begins to serve or -1 for one that ends to ].
sub changes {
    my @changes;
    for (split /^/, $s->log_since_mark) {
        my ($minute, $second, $change) = /:(\d\d):(\d\d\.\d+) .*ADP0070: child \d+: (starting -> serving|serving -> draining)/ or next;
        push @changes, [ $minute * 60 + $second, $change =~ /starting/ ? 1 : -1 ];
    }
    return sort { $a->[0] <=> $b->[0] } @changes;
}

for my $reload (1 .. RELOADS) {
    my %old = map { $_ => 1 } $s->child_pids;
    $s->log_mark;
    $s->signal('USR1');
    ok_within { $s->child_pids == CHILDREN && !grep { $old{$_} } $s->child_pids } 60, "reload $reload: all children are new";
    ok_within { (grep { $_->[1] > 0 } changes()) >= CHILDREN } 10, '... and serve';
    my ($surplus, $least, $new, $fastest) = (0, 0, 0, 0);
    my @early;
    for (changes()) {
        my ($moment, $change) = @$_;
        $surplus += $change;
        $least = $surplus if $surplus < $least;
        $new++ if $change > 0;
        push @early, $moment if $change < 0 && $new < CHILDREN;
    }
    for my $i (0 .. $#early) {
        my $together = grep { $_ >= $early[$i] && $_ < $early[$i] + 0.09 } @early;
        $fastest = $together if $together > $fastest;
    }
    is($least, 0, '... there were never fewer than before');
    cmp_ok($fastest, '>', 2, '... and they took over several at a time');
}
my $result = $load->interrupt->result;
is($result->{failed}, 0, 'no request failed') or diag Adaptive::Load::summary($result);
unlike($s->error_log, qr/ADP0081|exit signal/, 'slots did not run out, nothing crashed');
ok($s->stop, 'stops');
done_testing;
