package Bench::Change::Waiting;

# Clients that a server has to wait for: what it keeps for each of them, and what the others notice who come for a small file meanwhile.
# A variant is what they make it wait for (bench/tools/waiters.c).

use strict;
use warnings;

use parent -norequire, 'Bench::Change';

use Time::HiRes qw(sleep);

use AB::Machine qw(monotonic_s);
use AB::Requests;
use AB::Watch;
use Adaptive::Files qw(put_big_file);
use Adaptive::Process qw(raise_descriptors);
use Bench::Change ();
use Bench::Change::Burst ();
use Bench::OpenLoad;
use Bench::Waiters;

use constant { ROUNDS => 3, HEADERS => 2000, UPLOADS => 1000, READERS => 200, IDLE => 2000 };
use constant { BIG_BYTES => 5 * 1024 * 1024, RATE => 50, CONNECTIONS => 20, TIMEOUT_S => 5, TRUST_S => 300 };
use constant { BEFORE_S => 2, STILL_S => 2, SETTLE_PATIENCE_S => 20, QUIET_S => 5, GOOD_S => 6, ARRIVAL_PATIENCE_S => 60 };

# Readers take 20 KB a second, uploads come with 100 bytes a second: none of them gets to its end.
my %KIND = (
    headers          => { kind => 'header', clients => HEADERS },
    'headers-tls'    => { kind => 'header', clients => HEADERS, tls => 1 },
    trickle          => { kind => 'trickle', clients => HEADERS },
    handshakes       => { kind => 'handshake', clients => HEADERS, to_tls => 1 },
    uploads          => { kind => 'upload', clients => UPLOADS, path => '/upload.html', length => 16_384, piece => 100 },
    reads            => { kind => 'read', clients => READERS, path => '/big.bin' },
    'reads-sendfile' => { kind => 'read', clients => READERS, path => '/sendfile/big.bin' },
    'reads-tls'      => { kind => 'read', clients => READERS, path => '/big.bin', tls => 1 },
    idle             => { kind => 'idle', clients => IDLE },
    'idle-tls'       => { kind => 'idle', clients => IDLE, tls => 1 },
);

my %PACE = (read => { interval_ms => 200, piece => 4096 });

sub name { return 'waiting' }
sub title { return 'clients that a server has to wait for, and ' . 2 * RATE . '/s for a 1 KB file meanwhile' }
sub contenders { return qw(event:bench/contenders/tuned.conf adaptive nginx) }

sub variants {
    return qw(headers headers-tls trickle handshakes uploads reads reads-sendfile reads-tls idle idle-tls);
}

sub needs_tls { return $_[0]{tls} || $_[0]{to_tls} }
sub suits { my ($self, undef, $variant) = @_; return $self->{speaks_tls} || !needs_tls($KIND{$variant}) }

# Nobody is sent away for being slow: that is another question, which has the same answer with every MPM. What an upload is for makes
# no difference either, as long as the server wants it: httpd for a file, nginx only for somebody behind it.
sub server {
    my $patience = <<"CONF";
    KeepAliveTimeout @{[TRUST_S]}
    RequestReadTimeout handshake=0 header=@{[TRUST_S]} body=@{[TRUST_S]}
    EnableSendfile Off
    <Directory "\@DOCROOT\@/sendfile">
        EnableSendfile On
    </Directory>
CONF
    return {
        modules => [qw(socache_shmcb ssl)], conf => $patience, nginx => 1, worker_connections => 19_500,
        outer_conf => <<"CONF",
Listen 127.0.0.1:\@PORT2\@
<VirtualHost *:\@PORT2\@>
    DocumentRoot "\@DOCROOT\@"
    SSLEngine on
    SSLCertificateFile "\@CERTIFICATE\@"
    SSLCertificateKeyFile "\@KEY\@"
$patience</VirtualHost>
CONF
        nginx_conf => <<"CONF",
listen 127.0.0.1:\@PORT2\@ ssl;
        ssl_certificate \@CERTIFICATE\@;
        ssl_certificate_key \@KEY\@;
        keepalive_timeout @{[TRUST_S]}s;
        client_header_timeout @{[TRUST_S]}s;
        client_body_timeout @{[TRUST_S]}s;
        sendfile off;
        location /sendfile/ { sendfile on; }
        location = /upload.html { proxy_pass http://127.0.0.1:\@PORT\@/1k.html; }
CONF
    };
}

sub columns {
    return (
        [waiting => 'wait', '%d'], [ended => 'sent away', '%d'],
        [[qw(before_p50_ms before_p99_ms)], 'new p50/p99 ms before', '%.1f'],
        [[qw(new_p50_ms new_p99_ms)], 'new meanwhile', '%.1f'], [[qw(keep_p50_ms keep_p99_ms)], 'kept alive', '%.1f'],
        [failed => 'failed', '%d'], [[qw(threads children)], 'threads/children', '%d'], [descriptors => 'descriptors', '%d'],
        [pss_mib => 'PSS MiB', '%.1f'], [kib_each => 'KiB each', '%.1f'], [cpu_s_a_minute => 'CPU s/min', '%.2f']);
}

sub notes {
    my ($self) = @_;
    return (
        sprintf('"new" and "kept alive" are %d/s each for a 1 KB file, "failed" those of them without an answer within %d s',
            RATE, TIMEOUT_S),
        'threads, children, descriptors, memory and processor time are those while nobody comes but the clients that wait; "KiB each" is'
            . ' what the memory has grown by (PSS), for each of them',
        'descriptors tell whether the server has accepted all of them: what is not accepted waits as well, in the kernel',
        $self->{speaks_tls} ? () : 'nothing with TLS: bench/tools/waiters.c was built without OpenSSL');
}

sub rounds {
    my ($self, $bench) = @_;
    my $option = $bench->{option};
    return $option->{REPEAT_SET} ? $option->{REPEAT} : $option->{ROUNDS_SET} ? $option->{ROUNDS} : $option->{QUICK} ? 1 : ROUNDS;
}

sub prepare {
    my ($self, $bench) = @_;
    raise_descriptors(20_000);
    $self->{speaks_tls} = Bench::Waiters->speaks_tls;
    return;
}

# --- one run

sub run {
    my ($self, $server, $variant, $bench) = @_;
    my $kind = $KIND{$variant};
    put_files($server->docroot);
    my ($short, $quick) = ($bench->{option}{QUICK} ? 0.2 : 1, $bench->{option}{QUICK} ? 0.5 : 1);
    my %before = good_clients($server, BEFORE_S * $quick, $bench);
    my $first = look($server);
    my $waiters = start_waiters($server, $kind, $bench->{option}{CLIENTS} || $kind->{clients});
    $waiters->ready(ARRIVAL_PATIENCE_S);
    settle($server, STILL_S * $quick);
    my %quiet = quiet($server, $first, QUIET_S * $short);
    my %meanwhile = good_clients($server, GOOD_S * $short, $bench);
    my $found = $waiters->stop;
    return {
        %meanwhile, %quiet, before_p50_ms => $before{new_p50_ms}, before_p99_ms => $before{new_p99_ms},
        waiting => $found->{waiting}, ended => $found->{answered} + $found->{closed}, clients => $found->{clients},
        kib_each => $found->{waiting} ? $quiet{grown_kib} / $found->{waiting} : undef,
        note => join('; ', $meanwhile{why} // (), why_not_waiting($found)) || undef };
}

sub put_files {
    my ($docroot) = @_;
    mkdir "$docroot/sendfile" or die "$docroot/sendfile: $!\n";
    put_big_file("$docroot/$_", BIG_BYTES) for qw(big.bin sendfile/big.bin);
    link "$docroot/1k.html", "$docroot/upload.html" or die "$docroot/upload.html: $!\n";
    return;
}

sub start_waiters {
    my ($server, $kind, $clients) = @_;
    my %how = (path => '/1k.html', %{ $PACE{ $kind->{kind} } // {} }, %$kind, clients => $clients, seconds => 240);
    delete $how{to_tls};
    return Bench::Waiters->start($server->port(needs_tls($kind) ? 2 : 1), %how);
}

# New connections and kept ones, at the same time.
sub good_clients {
    my ($server, $seconds, $bench) = @_;
    my %load = map {
        $_ => Bench::OpenLoad->start(
            $server->port, mode => $_, schedule => RATE . ":$seconds", path => '/1k.html', timeout => TIMEOUT_S, dir => $bench->{dir},
            $_ eq 'keep' ? (connections => CONNECTIONS) : ())
    } qw(new keep);
    my %found = (failed => 0);
    my @why;
    for my $mode (sort keys %load) {
        my $summary = AB::Requests::summary(@{ $load{$mode}->requests });
        $found{"${mode}_$_"} = $summary->{$_} for qw(p50_ms p99_ms max_ms count failed);
        $found{failed} += $summary->{failed};
        push @why, "$mode " . (Bench::Change::Burst::why_failed($load{$mode}->totals) // next);
    }
    $found{why} = join '; ', @why if @why;
    return %found;
}

# Until the server has got hold of all who wait, or of no further ones: some have to wait for threads that are still to come.
sub settle {
    my ($server, $still_s) = @_;
    my $start_s = monotonic_s();
    my ($most, $since_s) = (0, $start_s);
    while (monotonic_s() < $since_s + $still_s && monotonic_s() < $start_s + SETTLE_PATIENCE_S) {
        my $now = $server->tree->descriptor_count + $server->tree->task_count;
        ($most, $since_s) = ($now, monotonic_s()) if $now > $most;
        sleep 0.2;
    }
    return;
}

# Nobody comes any more, and nobody looks.
sub quiet {
    my ($server, $first, $seconds) = @_;
    my ($cpu_s, $start_s) = ($server->tree->cpu_s, monotonic_s());
    sleep $seconds;
    my $used_s = ($server->tree->cpu_s - $cpu_s) / (monotonic_s() - $start_s);
    my $look = look($server);
    return (
        threads => $look->{threads}, children => $look->{children}, descriptors => $look->{descriptors},
        pss_mib => $look->{pss_kib} / 1024, grown_kib => $look->{pss_kib} - $first->{pss_kib}, cpu_s_a_minute => 60 * $used_s);
}

sub look {
    my ($server) = @_;
    my $look = AB::Watch->new($server->tree)->first;
    return { %$look, descriptors => $server->tree->descriptor_count };
}

sub why_not_waiting {
    my ($found) = @_;
    my @kinds = map { $found->{$_} ? "$_ $found->{$_}" : () } qw(underway connect refused answered closed done);
    return @kinds ? 'of those who wait: ' . join(', ', @kinds) : ();
}

1;
