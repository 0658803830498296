# A reload when children need something that ends with the configuration: helper processes, pipes, semaphores of System V. Then
# the old children accept no more before it goes, and end what they are doing; otherwise there is no moment without somebody who
# accepts. What was decided, and why, is in the log.

use strict;
use warnings;

use lib 't/lib';
use List::Util qw(min);
use Test::More;
use Time::HiRes qw(time);
use Adaptive::Files;
use Adaptive::Load;
use Adaptive::Paths qw(module_file);
use Adaptive::Probe;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

use constant { RATE => 200, RELOADS => 2, MEASURED => 20 };

my $MPM = "StartServers 2\nThreadsPerChild 16\nServerLimit 8\n";

sub prepare {
    my ($s) = @_;
    put_script($s->root . '/map.pl', <<'MAP');
#!/usr/bin/perl
$| = 1;
while (<STDIN>) { print m{^(.*)$} ? "/$1.html\n" : "NULL\n" }
MAP
    # Reads so slowly that there is always something left in the pipe.
    put_script($s->root . '/log.sh', "#!/bin/sh\nwhile read line; do echo \"\$line\"; done >> $s->{root}/logs/piped\n");
    put_script($s->root . '/hello.cgi', "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\nhello'\n");
    put_file($s->root . '/app.wsgi', <<'APP');
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'hello']
APP
    chmod 0755, $s->root;
    return $s;
}

my %CASE = (
    'RewriteMap prg:' => { modules => ['rewrite'], path => '/map/1k', because => 'process \d+ \(map', conf => <<'CONF' },
RewriteEngine On
RewriteMap m "prg:@ROOT@/map.pl"
RewriteRule ^/map/(.*)$ ${m:$1|/missing}
CONF
    'Mutex sysvsem' => { modules => ['rewrite'], path => '/map/1k', because => 'semaphore \d+', conf => <<'CONF' },
Mutex sysvsem
RewriteEngine On
RewriteMap m "prg:@ROOT@/map.pl"
RewriteRule ^/map/(.*)$ ${m:$1|/missing}
CONF
    'a piped log' => { path => '/1k.html', because => 'process \d+ \(log', conf => <<'CONF' },
CustomLog "|@ROOT@/log.sh" "%r %>s"
CONF
    'mod_cgid' => { modules => ['cgid'], path => '/cgi/hello.cgi', rate => 40, because => 'process \d+ \(', conf => <<'CONF' },
@CGI@
CONF
    'mod_wsgi' => { modules => ['wsgi'], path => '/app', because => 'process \d+ \(', conf => <<'CONF' },
WSGIApplicationGroup %{GLOBAL}
WSGISocketPrefix @ROOT@/run/wsgi
WSGIDaemonProcess app processes=1 threads=15
WSGIProcessGroup app
WSGIScriptAlias /app @ROOT@/app.wsgi
<Directory "@ROOT@">
    Require all granted
</Directory>
CONF
    'mod_fcgid' => { modules => ['fcgid'], path => '/1k.html', because => 'process \d+ \(', conf => <<'CONF' },
FcgidIPCDir @ROOT@/run
FcgidProcessTableFile @ROOT@/run/fcgid_shm
CONF
    'nothing of the kind' => { path => '/1k.html', conf => '' },
    'a lock that outlives the configuration' => { path => '/1k.html', modules => [qw(ssl socache_shmcb)], conf => <<'CONF' },
Mutex pthread
SSLSessionCache "shmcb:@ROOT@/run/cache(512000)"
CONF
);

# A rate that leaves most of the time to others: more than it can answer nobody answers in time, with whatever MPM.
sub sustained {
    my ($s, $case) = @_;
    my $begin = time;
    http_get($s->url($case->{path})) for 1 .. MEASURED;
    return min($case->{rate} // RATE, 0.5 * MEASURED / (time - $begin));
}

sub reload {
    my ($s) = @_;
    my %old = map { $_ => 1 } $s->child_pids;
    $s->log_mark;
    $s->signal('USR1');
    return ok_within { (grep { !$old{$_} } $s->child_pids) && !grep { $old{$_} } $s->child_pids } 30, 'the generations have changed';
}

for my $name (sort keys %CASE) {
    my $case = $CASE{$name};
    subtest $name => sub {
        my @missing = grep { !-e module_file($_) } @{ $case->{modules} // [] };
        plan skip_all => "needs mod_@missing" if @missing;
        my $s = prepare(Adaptive::Server->new(mpm_conf => $MPM, modules => $case->{modules} // [],
                conf => "$case->{conf}<IfModule mpm_adaptive_module>\nLogLevel mpm_adaptive:info\n</IfModule>\n"))->start;
        ok_within { http_get($s->url($case->{path}))->{status} == 200 } 15, 'it serves';
        my $load = Adaptive::Load->start($s->port, mode => 'new', path => $case->{path}, rate => sustained($s, $case),
            seconds => 120, timeout => 20);
        $load->ready;
        for my $reload (1 .. RELOADS) {
            my $had = length $s->access_log;
            ok_within { length($s->access_log) > $had + 2000 } 30, 'requests are served';
            reload($s);
            next if mpm() ne 'adaptive';
            if ($case->{because}) {
                like($s->log_since_mark, qr/ADP0043: .*$case->{because}/, 'old children accept no more, and the log says why');
            }
            else {
                like($s->log_since_mark, qr/ADP0042: /, 'old children accept until others are ready, and the log says so');
            }
        }
        my $result = $load->interrupt->result;
        is($result->{failed}, 0, 'no request failed') or diag Adaptive::Load::summary($result);
        cmp_ok($result->{ok}, '>', RELOADS * 20, 'of many');
        $s->signal('WINCH');
        ok($s->wait_gone(30), 'stops');
        unlike($s->error_log, qr/exit signal/, 'no crash');
        if ($name =~ /log/) {
            open my $in, '<', $s->root . '/logs/piped' or die "$!";
            is(scalar(grep {/1k.html/} <$in>), $result->{ok} + 1 + MEASURED, 'each request has its line');
        }
    };
}

done_testing;
