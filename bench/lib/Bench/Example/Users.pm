package Bench::Example::Users;

# More and more users before an application that needs its time and next to no processor: how long each waits.

use strict;
use warnings;

use parent 'Bench::Example';

use Bench::Change ();
use Bench::SleepBackend;
use Bench::Users;

use constant { DELAY_MS => 100, SECONDS => 3, WARM_S => 1.5, TIMEOUT_S => 30 };

my @USERS = (50, 100, 150, 200, 400, 800, 1600);

sub name { return 'users' }
sub files { return qw(worker-150 worker-8000 worker-5000) }
sub server { return Bench::Change::proxy_server() }

sub title {
    return sprintf 'so many users at a time, each of whom asks again when there is an answer; %d ms at the backend; p50/p99 ms', DELAY_MS;
}

sub columns {
    return (
        (map { [["p50_ms_$_", "p99_ms_$_"], $_, '%.0f'] } @USERS), [failed => 'failed', '%d'],
        [[qw(rate_400 rate_1600)], 'answers/s at 400/1600', '%.0f'], [busy_1600 => 'machine busy % at 1600', '%.0f'],
        [[qw(threads_before threads_peak)], 'threads before/peak', '%d']);
}

sub heading { return 'More and more users before an application that waits' }

sub text { return <<'TEXT' }
Somebody's response time grew in proportion to the number of users, although the application behind the proxy, written in Go, had nothing
to do. It took 100 ms for an answer and the proxy had 150 threads, each of which waits with its request: no more than 1,500 answers a
second, however many ask. From 150 users on each additional one makes everybody wait longer. Raising the limit by hand (the other two
blocks) helps as well, and has its own price: see the memory below.

Here so many users ask at a time, each on a new connection, and again as soon as there is an answer. The application needs 100 ms and
next to no processor time. Where the two processors themselves are the limit, which the row "processors busy" tells, more threads
cannot help, and no MPM answers within 100 ms. With 150 threads the listening queue of 511 is full from 661 users on: the kernel lets
clients try again after one, three and seven seconds, and some give up after thirty. That is in the p99, and only in part in a
mean over three seconds. The number of users divided by the answers a second is the one that a long measurement would have.
TEXT

sub figures {
    return (
        [mean_ms_400 => 'mean ms, 400 users', '%.0f', 'low'], [mean_ms_1600 => 'mean ms, 1,600 users', '%.0f', 'low'],
        [p99_ms_1600 => 'p99 ms, 1,600 users', '%.0f', 'low'], [rate_400 => 'answers/s, 400 users', '%.0f', 'high'],
        [rate_1600 => 'answers/s, 1,600 users', '%.0f', 'high'], [busy_400 => 'processors busy %, 400 users', '%.0f'],
        [busy_1600 => 'processors busy %, 1,600 users', '%.0f'], [failed => 'failed', '%.0f', 'low'],
        [threads_before => 'threads at the start', '%.0f'], [threads_peak => 'threads at most', '%.0f', 'low']);
}

sub headline { return qw(mean_ms_400 mean_ms_1600 rate_400) }

sub users { return @USERS }

sub prepare {
    my ($self) = @_;
    $self->{backend} = Bench::SleepBackend->new(delay_ms => DELAY_MS);
    return;
}

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my @users = Bench::Example::quick($bench, [50, 400], \@USERS)->@*;
    my %result = (failed => 0, threads_before => $server->tree->task_count - 1);
    for my $users (@users) {
        my $since = Bench::Example::processors($server);
        my $found = Bench::Users->start(
            $server->port, users => $users, warm_s => Bench::Example::quick($bench, 0.5, WARM_S),
            seconds => Bench::Example::quick($bench, 0.5, SECONDS), timeout => TIMEOUT_S)->result;
        $result{threads_peak} = $server->tree->task_count - 1;
        @result{"server_cores_$users", "busy_$users"} = Bench::Example::processors($server, $since);
        $result{"${_}_$users"} = $found->{$_} for qw(mean_ms p50_ms p90_ms p99_ms max_ms rate failed judged);
        $result{failed} += $found->{failed};
    }
    return \%result;
}

1;
