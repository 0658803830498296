# A child's steward sleeps while there is nothing for it to do, whatever happened before.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use Adaptive::Probe;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

plan skip_all => 'about the stewards of mod_mpm_adaptive' if mpm() ne 'adaptive';

$SIG{PIPE} = 'IGNORE';

# Processor time of a child's main thread so far, in seconds.
sub steward_seconds {
    my ($pid) = @_;
    return (split ' ', Adaptive::Server::read_text("/proc/$pid/task/$pid/schedstat") || '0')[0] / 1e9;
}

# What part of a processor the steward takes. One that spins gets a fair share of a busy machine in this time, and one that
# sleeps takes next to nothing.
sub steward_part {
    my ($pid) = @_;
    my ($before, $at) = (steward_seconds($pid), time);
    sleep 1.5;
    return (steward_seconds($pid) - $before) / (time - $at);
}

subtest 'a connection ends while the listeners are opened again' => sub {
    my $s = Adaptive::Server->new(
        hooked      => 1,
        test_module => 1,
        conf        => "${TEST_CONF}KeepAliveTimeout 100\n",
        mpm_conf    => "AdaptiveMode off\nStartServers 1\nServerLimit 1\nThreadsPerChild 4\nAsyncRequestWorkerFactor 4\n",
    )->start;
    my ($pid) = $s->child_pids;
    # with three of four threads busy the factor allows few connections
    my @held = hold_requests($s, 3);
    ok_within { hooks($s)->{busy} == 3 } 20, 'three requests are under way';
    my @idle;
    ok_within {
        push @idle, tcp($s->port);
        print { $idle[-1] } http_request('/1k.html', keep => 1);
        !read_response($idle[-1], timeout => 0.3);
    } 20, 'AsyncRequestWorkerFactor pauses the listeners';
    $s->pause_at('accept_gate_hasten');
    close shift @idle;
    ok $s->wait_paused('accept_gate_hasten', 10), 'a thread that has closed a connection is about to have the steward look';
    lift_hold($s);
    ok read_response($idle[-1], timeout => 10), 'the steward finds by itself that it may accept again';
    $s->release('accept_gate_hasten');
    cmp_ok steward_part($pid), '<', 0.1, 'then it sleeps';
    is scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @held), 3, 'all are served';
    ok $s->stop, 'stops';
};

# The descriptors of a process, and what they lead to.
sub descriptors {
    my ($pid) = @_;
    return map { m{/(\d+)\z}, readlink $_ } grep { defined readlink $_ } glob "/proc/$pid/fd/*";
}

# A module that closes what is not its own must not make anybody spin, and costs one child at most.
for my $kind (qw(orders poller wake-ups)) {
    subtest "a module closes descriptors of the steward: $kind" => sub {
        my $s = Adaptive::Server->new(
            modules     => ['status'],
            test_module => 1,
            conf        => $TEST_CONF,
            mpm_conf    => "StartServers 1\nServerLimit 4\nThreadsPerChild 8\n",
        )->start;
        my ($pid)  = $s->child_pids;
        my %fds    = descriptors($pid);
        my %parent = reverse descriptors($s->pid);
        my @chosen = grep {
            my $file = $fds{$_};
            $kind eq 'orders' ? $file =~ /^pipe:/ && $parent{$file}
                : $kind eq 'poller' ? $file =~ /eventpoll/
                :                     $file =~ /eventfd/
        } sort { $a <=> $b } keys %fds;
        ok scalar @chosen, 'there are such';
        my $sock = tcp($s->port);
        for my $fd (@chosen) {
            print {$sock} http_request("/adp/close?fd=$fd", keep => 1);
            read_response($sock, timeout => 3) or last;
        }
        cmp_ok steward_part($pid), '<', 0.1, 'the steward does not spin';
        is http_get($s->url('/1k.html'), timeout => 10)->{status}, 200, 'the server serves';
        close $sock;
        if ($kind ne 'wake-ups') {
            # a steward that sleeps does not need the descriptor, and notices when something wakes it
            kill 'USR2', $pid;
            ok $s->wait_log(qr/ADP00(?:61|50): /, 30), 'it is said';
            ok_within { !grep { $_ == $pid } $s->child_pids } 20, 'the child ends';
            ok_within { http_get($s->url('/1k.html'), timeout => 10)->{status} == 200 } 20, 'another serves';
        }
        cmp_ok scalar(() = $s->error_log =~ /ADP00(?:61|50|62)/g), '<', 10, 'in few lines';
        ok $s->stop, 'it stops';
    };
}

done_testing;
