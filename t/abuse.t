# Malformed input of every kind, cut off anywhere, beside ordinary clients, reloads and children that are killed: with our
# objects under AddressSanitizer and UBSan. Ordinary clients notice nothing but a child that was killed, and in the end the
# server holds no more than in the beginning.
#
# ADAPTIVE_ABUSE_SECONDS says how long (make abuse MINUTES=5), ADAPTIVE_ABUSE_SEED repeats the inputs of another run.

use strict;
use warnings;

use lib 't/lib';
use List::Util qw(first shuffle sum0);
use Test::More;
use Time::HiRes qw(sleep time);

use Adaptive::Certificate;
use Adaptive::Files;
use Adaptive::Load;
use Adaptive::Ordinary;
use Adaptive::Paths qw(build_dir);
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::WebSocket qw(serve_echo);

use constant {
    RELOAD_SECONDS => 3,
    KILL_SECONDS   => 7,
    SETTLE_SECONDS => 120,
    BIG            => 2_000_000,
    # A kill may be noticed by a client this long after it.
    AFTERMATH_SECONDS => 2,
    # Or it was before the client began, who reuses what came from that child.
    BEFORE_SECONDS => 1,
};

my $seconds = $ENV{ADAPTIVE_ABUSE_SECONDS} // 20;
my $seed    = $ENV{ADAPTIVE_ABUSE_SEED}    // int rand 1_000_000;
note "$seconds s, ADAPTIVE_ABUSE_SEED=$seed";

my $listener = listener();
my $backend  = $listener->sockport;
spawn(sub { serve_echo($listener) });
close $listener;

my $s = Adaptive::Server->new(
    sanitized => 1,
    modules   => [qw(status reqtimeout ssl socache_shmcb http2 proxy proxy_http proxy_wstunnel dav dav_fs deflate filter)],
    mpm_conf  => mpm() eq 'adaptive' ? "AdaptiveHold 1s\n" : '',
    conf      => <<"CONF");
Listen 127.0.0.1:\@PORT2\@ https
Timeout 5
ProxyTimeout 5
KeepAlive On
KeepAliveTimeout 2
MaxKeepAliveRequests 0
RequestReadTimeout handshake=3 header=3 body=3
Protocols h2c http/1.1
DavLockDB \@ROOT\@/tmp/dav
Alias /dav/ \@ROOT\@/tmp/
<Directory "\@ROOT\@/tmp">
    Dav On
    Require all granted
</Directory>
AddOutputFilterByType DEFLATE text/html
ProxyPass /ws/ http://127.0.0.1:$backend/ upgrade=websocket
ProxyPass /back/ http://127.0.0.1:$backend/
Include \@ROOT\@/conf/certificate.conf
<VirtualHost *:\@PORT2\@>
    SSLEngine on
    Protocols h2 http/1.1
</VirtualHost>
CONF
put_file($s->root . '/conf/certificate.conf', make_certificate($s->root));
put_big_file($s->docroot . '/big.bin', BIG);
$s->start;

# --- what is to come back -------------------------------------------------------------------------------------------

# Everything but the connection that asks: sockets, pipes and files of children, threads, what mod_status counts.
sub holdings {
    my $auto    = $s->auto;
    my @pids    = $s->child_pids;
    my %holding = map { $_ => $auto->{$_} } grep { defined $auto->{$_} }
        qw(ConnsAsyncWriting ConnsAsyncWaitIO ConnsAsyncKeepAlive ConnsAsyncClosing ConnsAsyncSuspended);
    $holding{BusyWorkers} = $auto->{BusyWorkers};
    $holding{Stopping}    = $auto->{Stopping} // 0;
    $holding{children}    = @pids;
    $holding{threads}     = sum0 map { Adaptive::Server::threads_of($_) } @pids;
    $holding{descriptors} = sum0 map { scalar open_files($_) } @pids;
    $holding{parent}      = open_files($s->pid);
    $holding{zombies}     = $s->zombie_pids;
    return \%holding;
}

# A descriptor or two move with what is open at the moment of the look, and a child that has served has its caches open.
sub is_back {
    my ($before, $now) = @_;
    my %slack = (descriptors => 8 * $before->{children}, threads => 2, ConnsAsyncKeepAlive => 1, ConnsAsyncClosing => 1, parent => 1);
    return !grep { ($now->{$_} // 0) > $before->{$_} + ($slack{$_} // 0) } keys %$before;
}

http_get($s->url('/1k.html')) for 1 .. 20;
my $before;
wait_for { $before = holdings(); $before->{ConnsAsyncClosing} == 0 } 15, 'a quiet server';

# --- the clients ----------------------------------------------------------------------------------------------------

my %tls = (tls => { SSL_verify_mode => 0 });
my @ordinary = (
    Adaptive::Ordinary->start('kept alive',    Adaptive::Ordinary::pages($s->port, '/1k.html', 1024)),
    Adaptive::Ordinary->start('TLS',           Adaptive::Ordinary::pages($s->port(2), '/1k.html', 1024, %tls)),
    Adaptive::Ordinary->start('WebSocket',     Adaptive::Ordinary::websocket($s->port, '/ws/')),
    Adaptive::Ordinary->start('upload',        Adaptive::Ordinary::upload($s->port, '/dav/uploaded', 200_000)),
    Adaptive::Ordinary->start('slow download', Adaptive::Ordinary::slow_download($s->port, '/big.bin', BIG)),
    have_command('curl') ? Adaptive::Ordinary->start('HTTP/2', Adaptive::Ordinary::http2('https://127.0.0.1:' . $s->port(2) . '/1k.html', 1024)) : (),
);

my $report = File::Temp->new;
my $abuser = spawn(sub {
    open STDOUT, '>', $report->filename or die "$!";
    exec build_dir() . '/t/abuse', '-p', $s->port, '-q', $s->port(2), '-d', $seconds, '-s', $seed, '-t', 60 or die "$!";
});

# --- reloads and kills ----------------------------------------------------------------------------------------------

my ($reload_at, $kill_at, $until) = (time + RELOAD_SECONDS, time + KILL_SECONDS, time + $seconds);
my (@killed, @reloaded);
while (time < $until && $s->alive) {
    if (time >= $reload_at) {
        $reload_at += RELOAD_SECONDS;
        push @reloaded, time if $s->signal('USR1');
    }
    if (time >= $kill_at) {
        $kill_at += KILL_SECONDS;
        my ($victim) = shuffle $s->child_pids;
        push @killed, time if $victim && kill 'KILL', $victim;
    }
    sleep 0.1;
}
ok($s->alive, 'the server is alive');
note @reloaded . ' reloads, ' . @killed . ' children killed';

wait_for { $report->filename && Adaptive::Server::read_text($report->filename) =~ /^end$/m } 120, 'the last inputs';
my $text   = Adaptive::Server::read_text($report->filename);
my %report = $text =~ /^(\w+) (\d+)$/mg;
note join ' ', map {"$_=$report{$_}"} grep { $_ ne 'ready' } sort keys %report;
finish($abuser);
cmp_ok($report{answered} // 0, '>', 10 * $seconds, 'malformed inputs were answered');
is($report{refused}, 0, 'none was refused a connection');
is($report{stuck}, 0, 'no connection outlives the time-outs') or diag $text;

# A stream of HTTP/2 may cross the GOAWAY of a child that is told to finish, which curl does not try again.
for my $result (map { $_->result } @ordinary) {
    my @unexplained = grep {
        my $bad = $_;
        !((first { $_ > $bad->{begin} - BEFORE_SECONDS && $_ < $bad->{end} + AFTERMATH_SECONDS } @killed)
            || ($result->{name} eq 'HTTP/2' && first { $_ > $bad->{begin} - BEFORE_SECONDS && $_ < $bad->{end} } @reloaded));
    } @{ $result->{bad} };
    note "$result->{name}: $result->{good} served, " . @{ $result->{bad} } . ' lost';
    cmp_ok($result->{good}, '>', 0, "$result->{name}: served");
    is(scalar @unexplained, 0, "$result->{name}: nothing was lost but with a child that was killed")
        or diag map { "$_->{begin} $_->{end} $_->{reason}\n" } @unexplained, map { { begin => sprintf('%.3f', $_), end => '', reason => 'a reload' } } @reloaded;
}

# --- the end --------------------------------------------------------------------------------------------------------

my $after;
ok((wait_for { $after = holdings(); is_back($before, $after) } SETTLE_SECONDS, 'the server to come to rest'),
    'slots, descriptors, threads and counters are back')
    or diag map { sprintf "%-20s %5d before, %5d after\n", $_, $before->{$_}, $after->{$_} // -1 } sort keys %$before;
is(http_get($s->url('/1k.html'))->{status}, 200, 'it serves');
ok($s->stop, 'stops');

my @crashes = grep { !/exit signal Killed/ } $s->error_log =~ /^(.*exit signal.*)$/mg;
is(scalar @crashes, 0, 'no child crashed') or diag join "\n", @crashes;
is(join('', $s->sanitizer_reports), '', 'no sanitizer report');
done_testing;
