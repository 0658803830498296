# Threads tell what they are: top -H, ps -L, perf and gdb show their names.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;

plan skip_all => 'threads of other MPMs have no names' if mpm() ne 'adaptive';

# The names of a process's threads, by thread id.
sub names {
    my ($pid) = @_;
    my %names;
    for my $comm (glob "/proc/$pid/task/*/comm") {
        my ($tid) = $comm =~ m{(\d+)/comm$};
        chomp($names{$tid} = Adaptive::Server::read_text($comm));
    }
    return %names;
}

my $s = Adaptive::Server->new(mpm_conf => "StartServers 1\nThreadsPerChild 3\nAdaptiveMode off\n")->start;
ok((wait_for { ($s->child_pids)[0] && 4 <= keys %{ { names(($s->child_pids)[0]) } } } 20, 'all threads'), 'there are all threads');
my ($pid) = $s->child_pids;
ok((wait_for { my %n = names($pid); join(' ', sort grep {/^adp/} values %n) eq 'adp-w00 adp-w01 adp-w02' } 20, 'their names'),
    'each worker has the number of its slot') or diag explain { names($pid) };
my %names   = names($pid);
my %parents = names($s->pid);
is $names{$pid}, $parents{ $s->pid }, 'the main thread keeps the name of the process, by which ps and pkill find it';
ok $s->stop, 'stops';

done_testing;
