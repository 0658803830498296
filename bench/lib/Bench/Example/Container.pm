package Bench::Example::Container;

# A burst of slow requests in a container with little memory.

use strict;
use warnings;

use parent 'Bench::Example';

use AB::Requests;
use AB::Watch;
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::Change::Memory ();
use Bench::ControlGroup;
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { LIMIT_MIB => 64, RATE => 200, SECONDS => 10, DELAY_MS => 4000, TIMEOUT_S => 30 };

sub name { return 'container' }
sub files { return 'container' }
sub server { return Bench::Change::proxy_server() }
sub server_options { return (memory_mib => LIMIT_MIB) }

sub title {
    return sprintf '%d MiB for the server, %d/s of requests of %d s at the backend for %d s', LIMIT_MIB, RATE, DELAY_MS / 1000, SECONDS;
}

sub columns {
    return (
        [killed => 'killed by the kernel', '%d'], [failed => 'failed', '%d'], [p50_ms => 'p50 ms', '%.0f'], [p99_ms => 'p99', '%.0f'],
        [threads_peak => 'threads peak', '%d'], [used_mib => 'MiB peak', '%.0f']);
}

sub heading { return 'A small container' }

sub text { return <<'TEXT' }
64 MiB for the server, and for ten seconds 200 requests a second, each of which waits four seconds at the application: 800 threads
would be needed, more than fit. Memory is what the kernel counts in the control group. Failed are those that a killed child had, and
those without an answer after thirty seconds. The latency is that of the others, which is why it is short where most were lost.
TEXT

sub figures {
    return (
        [killed => 'killed by the kernel', '%.0f', 'low'], [failed => 'failed', '%.0f', 'low'], [p50_ms => 'p50 ms', '%.0f', 'low'],
        [p99_ms => 'p99 ms', '%.0f', 'low'], [threads_peak => 'threads at most', '%.0f'], [used_mib => 'MiB at most', '%.0f', 'low']);
}

sub headline { return qw(killed failed p99_ms) }

sub prepare {
    my ($self) = @_;
    return 'no control group with a memory limit can be made here' if !Bench::ControlGroup->may_limit_memory(LIMIT_MIB);
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $schedule = RATE . ':' . Bench::Example::quick($bench, 1, SECONDS);
    my $load = Bench::OpenLoad->start(
        $server->port, mode => 'new', schedule => $schedule, timeout => TIMEOUT_S, dir => $bench->{dir});
    my $watch = AB::Watch->new($server->tree);
    Bench::Change::attend($load, every => sub { $watch->look });
    return {
        seen => [$load, $watch], %{ AB::Requests::summary(@{ $load->requests }) },
        killed => $server->memory_group->kills, used_mib => $server->memory_group->peak_kib / 1024,
        threads_peak => $watch->peak('threads'), children_peak => $watch->peak('children'),
        note => Bench::Change::Burst::why_failed($load->totals) };
}

1;
