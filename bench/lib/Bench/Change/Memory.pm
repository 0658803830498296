package Bench::Change::Memory;

# Thousands of slow requests in a control group with too little memory for as many threads: the server has to find out by itself
# how many it can have, and say so, before the kernel kills it.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::ControlGroup;
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { LIMIT_MIB => 128, RATE => 600, SECONDS => 10, DELAY_MS => 10_000, TIMEOUT_S => 60 };

sub name { return 'memory' }

sub title {
    return sprintf '%d MiB for the server, %d requests of %d s each at the backend within %d s',
        LIMIT_MIB, RATE * SECONDS, DELAY_MS / 1000, SECONDS;
}
sub contenders { return qw(event:bench/contenders/tuned.conf adaptive) }
sub server { return Bench::Change::proxy_server() }

sub columns {
    return (
        [count => 'requests', '%d'], [failed => 'failed', '%d'], [p50_ms => 'p50 ms', '%.0f'], [p99_ms => 'p99', '%.0f'],
        [killed => 'killed by the kernel', '%d'], [used_mib => 'MiB peak', '%.0f'], [threads_peak => 'threads peak', '%d'],
        [children_peak => 'children peak', '%d'], [ceiling => 'ceiling named', '%s']);
}

sub goals {
    return (
        { key => 'killed', what => 'processes killed for memory', limit => 0, format => '%d' },
        { key => 'ceilings', what => 'times that the log names memory as the ceiling', limit => 1, at_least => 1, format => '%d' });
}

sub prepare {
    my ($self) = @_;
    return 'no control group with a memory limit can be made here' if !Bench::ControlGroup->may_limit_memory(LIMIT_MIB);
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

sub server_options { return (memory_mib => LIMIT_MIB) }

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'new', schedule => sprintf('%d:%d', RATE, SECONDS), timeout => TIMEOUT_S, dir => $bench->{dir});
    my $watch = AB::Watch->new($server->tree);
    Bench::Change::attend($load, every => sub { $watch->look });
    my $all = AB::Requests::summary(@{ $load->requests });
    my @named = $server->error_log =~ /(ADP0091: [^\n]*memory[^\n]*)/g;
    return {
        seen => [$load, $watch],
        %$all, killed => $server->memory_group->kills, used_mib => $server->memory_group->peak_kib / 1024,
        ceilings => scalar @named,
        threads_peak => $watch->peak('threads'), children_peak => $watch->peak('children'), ceiling => @named ? 'yes' : 'no',
        note => join('; ', grep { defined } $named[0], Bench::Change::Burst::why_failed($load->totals)) || undef };
}

1;
