package Bench::Change::Tools;

# The tools against each other, without a server between: what is measured of a server cannot be better than this. And the truth
# about a backend that stands still for a second: a tool that counts from when it sent a request does not see it.

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use AB::Requests;
use Bench::Change ();
use Bench::OpenLoad;
use Bench::SleepBackend;

use constant { DELAY_MS => 400, RATE => 1200, STOP_RATE => 100, STOP_S => 1 };

sub name { return 'tools' }
sub title {
    return sprintf 'loadgen straight at the backend, %d/s for 10 s, %d ms each; then one that is stopped for 1 s', RATE, DELAY_MS;
}
sub variants { return qw(new keep) }
sub contenders { return 'backend' }

sub columns {
    return (
        [failed => 'failed', '%d'], [[qw(late_p99_ms late_max_ms)], 'loadgen late p99/max ms', '%.2f'],
        [[map { "wait_${_}_ms" } qw(p50 p99 p999 max)], 'to the backend p50/p99/p99.9/max ms', '%.2f'],
        [backend_late_ms => 'backend late max ms', '%.2f'], [backend_cpu_us => 'backend us/req', '%.1f'],
        [stopped_p99_ms => 'p99 when stopped 1 s', '%.0f']);
}

sub for_all { return 1 }

sub goals {
    return (
        { key => 'failed', what => 'failed requests', limit => 0, format => '%d' },
        { key => 'late_p99_ms', what => 'lateness of loadgen, p99', limit => 1, unit => ' ms', format => '%.2f' },
        { key => 'wait_p999_ms', what => 'time to the backend, p99.9', limit => 5, unit => ' ms', format => '%.2f' },
        {
            key => 'stopped_p99_ms', what => 'p99 when the backend was stopped for a second', limit => 900, at_least => 1,
            unit => ' ms',
        });
}

# There is no server to be started.
sub chosen { return Bench::Change::Tools::Nobody->new }

sub run_once {
    my ($self, undef, $variant, undef, $bench) = @_;
    my $backend = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    my %mode = (mode => $variant, dir => $bench->{dir}, connections => 4000);
    my $load = Bench::OpenLoad->start($backend->port, %mode, schedule => RATE . ':10');
    my @requests = @{ $load->requests };
    my $stats = $backend->stats;
    my %result = (
        %{ AB::Requests::summary(@requests) }, %{ AB::Requests::waits(0, @requests) }, %{ $load->totals },
        backend_late_ms => $stats->{late_max_us} / 1e3, backend_cpu_us => $stats->{cpu_us} / $stats->{requests});
    delete $result{failures};
    $result{stopped_p99_ms} = stopped($backend, %mode)->{p99_ms};
    return \%result;
}

sub stopped {
    my ($backend, %mode) = @_;
    $backend->delay(0);
    my $load = Bench::OpenLoad->start($backend->port, %mode, schedule => STOP_RATE . ':3');
    Bench::Change::attend(
        $load, at => [[1, sub { kill 'STOP', $backend->pid }], [1 + STOP_S, sub { kill 'CONT', $backend->pid }]]);
    return AB::Requests::summary(@{ $load->requests });
}

package Bench::Change::Tools::Nobody;

sub new { return bless { name => 'backend' }, $_[0] }
sub label { return 'backend alone' }

1;
