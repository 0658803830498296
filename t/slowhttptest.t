# slowhttptest's four modes in a small form: many more clients than there are threads send their requests slowly, ask for many
# ranges, or read slowly. Others are served all the time, and so says its own probe.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within wait_for);

plan skip_all => 'event has no thread left for others' if mpm() eq 'event';
plan skip_all => 'needs slowhttptest'                  if !have_command('slowhttptest');

my $CLIENTS = 150;
my $THREADS = 16;

my $server = Adaptive::Server->new(
    modules  => [qw(status reqtimeout)],
    mpm_conf => "StartServers 1\nThreadsPerChild $THREADS\nThreadLimit $THREADS\nMaxRequestWorkers $THREADS\n",
    conf     => "AcceptFilter http none\nTimeout 60\nRequestReadTimeout header=0 body=0\nKeepAlive On\n",
);
put_big_file($server->docroot . '/big.bin', 40_000_000);
$server->start;

my @modes = (
    ['slow heads',   '/1k.html', qw(-H)],
    ['slow bodies',  '/1k.html', qw(-B -s 8192)],
    ['many ranges',  '/big.bin', qw(-R -t HEAD -a 10 -b 3000)],
    ['slow readers', '/big.bin', qw(-X -w 512 -y 1024 -n 1 -z 32)],
);

for my $mode (@modes) {
    my ($name, $path, @options) = @$mode;
    subtest $name => sub {
        my $log = $server->root . '/slowhttptest';
        my $attack = spawn(sub {
            open STDOUT, '>', $log;
            open STDERR, '>&', \*STDOUT;
            exec 'slowhttptest', @options, '-c', $CLIENTS, '-r', $CLIENTS, qw(-i 1 -x 10 -p 15 -l 4 -v 1 -u), $server->url($path);
        });
        my ($asked, $served, $connections) = (0, 0, 0);
        while (waitpid($attack, 1) == 0) {
            $asked++;
            $served++ if http_get($server->url('/1k.html'))->{status} == 200;
            my $auto = $server->auto;
            $connections = $auto->{ConnsTotal} if $auto->{ConnsTotal} > $connections;
        }
        cmp_ok $asked, '>', 3, 'others ask meanwhile';
        is $served, $asked, '... and are served';
        my $said = Adaptive::Server::read_text($log) =~ s{\e\[[\d;]*[A-Za-z]}{}gr;
        like $said, qr/service available: +YES/, 'its probe says so';
        unlike $said, qr/service available: +NO/, '... always';
        cmp_ok $connections, '>', $THREADS, 'more clients than threads' if $name ne 'many ranges';
        ok_within { $server->auto->{BusyWorkers} <= 2 } 30, 'no thread is left busy';
    };
}

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'it stops';
done_testing;
