# adaptivectl compare --canary-read: two servers that are asked how they are, and the report of it.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use File::Temp qw(tempdir);
use IO::Socket::IP;
use POSIX ();
use Test::More;
use Adaptive::Files;
use Adaptive::Load;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);
use AB::Results;
use AdaptiveCtl::CanaryReport;

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';

my $dir = tempdir('adaptive-canary-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $conf = "ExtendedStatus On\n<Location /server-status>\nSetHandler server-status\n</Location>\n";
my $event = Adaptive::Server->new(mpm => 'event', modules => ['status'], conf => $conf)->start;
my $ours = Adaptive::Server->new(mpm => 'adaptive', modules => ['status'],
    conf => "$conf<Location /adaptive-status>\nSetHandler adaptive-status\n</Location>\n")->start;
my @loads = map { Adaptive::Load->start($_->port, mode => 'new', rate => 50, seconds => 120, path => '/') } $event, $ours;
my @places = ('event=http://127.0.0.1:' . $event->port . '/server-status,' . $event->root . '/run/httpd.pid',
    'adaptive=http://127.0.0.1:' . $ours->port . '/adaptive-status');

# Reads both in a process of its own: (its number, what it says).
sub reading {
    my ($name, @both) = @_;
    my $output = "$dir/$name.output";
    my $pid = spawn(sub {
        open STDOUT, '>', $output or die;
        open STDERR, '>&', \*STDOUT;
        exec $^X, 'ctl/adaptivectl', 'compare', (map { ('--canary-read', $_) } @both), '--minutes', 1, '--output', "$dir/$name";
    });
    return ($pid, sub { return Adaptive::Server::read_text($output) });
}

# Its exit status, when it is interrupted.
sub interrupted {
    my ($pid) = @_;
    my $status;
    kill 'INT', $pid;
    ok_within { $status = $? if waitpid($pid, POSIX::WNOHANG()) == $pid; defined $status } 30, 'it ends when it is asked to';
    finish($pid);
    return $status >> 8;
}

subtest 'two servers' => sub {
    my ($pid, $text) = reading('report', @places);
    ok_within { $text->() =~ /stretch 1: event: \d[^;]*; adaptive: \d/s } 90, 'are seen' or diag $text->();
    is interrupted($pid), 130, '... and says so';
    my $results = AB::Results->read_file("$dir/report/results.json");
    my ($scenario) = $results->scenarios;
    for my $key (qw(event adaptive)) {
        my ($run) = $results->runs($scenario, $key);
        cmp_ok $run->{values}{share_rate}, '>', 5, "$key: requests";
        is join(" ", grep { defined $run->{values}{$_} } qw(busy cpu_us threads_peak pss_peak_mib)), "busy cpu_us threads_peak pss_peak_mib", "... threads, processor time and memory";
    }
    like Adaptive::Server::read_text("$dir/report/report.html"), qr/adaptive beside event, with the real traffic/, 'the report has both';
};

# The signal comes while it waits for an answer, where it must not be taken for an instance that does not answer.
subtest 'asked to end while an instance says nothing' => sub {
    my $listener = IO::Socket::IP->new(LocalHost => '127.0.0.1', Listen => 5) or die $@;
    my $asked = "$dir/asked";
    my $silent = spawn(sub {
        my $status = "BusyWorkers: 1\nIdleWorkers: 9\nTotal Accesses: 5\nUptime: 10\n";
        for (1 .. 2) {
            my $peer = $listener->accept;
            sysread $peer, my $head, 65_536;
            syswrite $peer, "HTTP/1.0 200 OK\r\n\r\n$status";
        }
        my $peer = $listener->accept;
        put_file($asked, '');
        1 while sysread $peer, my $more, 65_536;
    });
    my ($pid, $text) = reading('none', 'silent=http://127.0.0.1:' . $listener->sockport . '/server-status', $places[1]);
    ok_within { -e $asked } 30, 'it asks';
    interrupted($pid);
    like $text->(), qr/not one stretch of 20 s was seen/, 'at once';
    finish($silent);
};

subtest 'an instance that goes' => sub {
    my @good = map { { requests => 100 * $_, clock_s => 5 * $_, uptime_s => 5 * $_, cpu_s => $_, busy => 2, threads => 10, children => 1, connections => 3, pss_kib => 2048 } } 1 .. 3;
    my %of = AdaptiveCtl::CanaryReport::stretch(@good);
    is_deeply $of{values}, { share_rate => 20, busy => 2, connections => 3, threads_peak => 10, children_peak => 1, cpu_us => 10_000, pss_peak_mib => 2 }, 'what is computed';
    is {AdaptiveCtl::CanaryReport::stretch($good[0], { failed => 'nobody listens' })}->{error}, 'nobody listens', 'one that does not answer';
    is {AdaptiveCtl::CanaryReport::stretch(@good, { %{ $good[0] }, clock_s => 20 })}->{error}, 'it was restarted in this stretch', 'one that was restarted';
};

$_->interrupt->result for @loads;
ok $_->stop, 'a server stops' for $event, $ours;
done_testing;
