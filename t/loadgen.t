# The load generator replays a site: arrivals as of a Poisson process, requests of a trace to their hosts, with and without TLS, and
# the answers that sites give. (t/bench_tools.t is about schedules; t/unit/loadgen_http.c about where answers end.)

use strict;
use warnings;
use lib 't/lib', 'bench/lib', 'ctl/lib';

use File::Temp qw(tempdir);
use List::Util qw(sum);
use Test::More;
use Time::HiRes ();

use Adaptive::Certificate;
use Adaptive::Files;
use Adaptive::Load;
use Adaptive::Paths qw(build_dir);
use Adaptive::Process;
use Adaptive::Server;
use Bench::SleepBackend;

my $dir = tempdir(CLEANUP => 1);
my $backend = Bench::SleepBackend->new(delay_ms => 0);
my $loadgen = build_dir() . '/t/loadgen';

my $server = Adaptive::Server->new(
    modules => [qw(ssl socache_shmcb cgid)],
    conf    => <<'CONF',
Listen 127.0.0.1:@PORT2@ https
MaxKeepAliveRequests 0
@CGI@
LogFormat "%{usec}t\t%{SSL_TLS_SNI}x\t%v\t%m\t%U%q\t%>s\t%{X-All}i\t%{SSL_SESSION_RESUMED}x\t%{remote}p" visits
CustomLog @ROOT@/logs/visits visits
SSLSessionCache shmcb:@ROOT@/run/sslcache(512000)
Include @ROOT@/conf/certificate.conf
<VirtualHost *:@PORT@>
    ServerName other.test
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName one.test
</VirtualHost>
<VirtualHost *:@PORT@>
    ServerName two.test
</VirtualHost>
<VirtualHost *:@PORT2@>
    SSLEngine on
    ServerName other.test
</VirtualHost>
<VirtualHost *:@PORT2@>
    SSLEngine on
    ServerName one.test
</VirtualHost>
<VirtualHost *:@PORT2@>
    SSLEngine on
    ServerName two.test
</VirtualHost>
CONF
);
put_file($server->root . '/conf/certificate.conf', make_certificate($server->root));
put_script($server->root . '/chunked.cgi', <<'CGI');
#!/usr/bin/perl
$| = 1;
print "Content-Type: text/plain\r\n\r\n";
print 'x' x 30_000, "\n" for 1 .. 4;
CGI
put_script($server->root . '/failing.cgi', "#!/usr/bin/perl\nprint \"Status: 500\\r\\nContent-Type: text/plain\\r\\n\\r\\nno\\n\";\n");
put_file($server->docroot . '/hello.txt', "hello\n");
$server->start;

# Whether this build has TLS.
my $has_tls = run_command(20, $loadgen, qw(-m keep -d 0.01 -S 1))->{output} !~ /built without OpenSSL/;

# A trace with these lines, columns separated by blanks.
sub trace_of {
    return put_file("$dir/trace", join '', map { s/ +/\t/gr =~ s/_/ /gr . "\n" } @_);
}

# The totals, and what the log says, by INDEX.
sub played {
    my ($port, %opt) = @_;
    my $result = Adaptive::Load->start($port, log => "$dir/log", %opt)->result;
    my @log;
    for (split /\n/, Adaptive::Server::read_text("$dir/log")) {
        my %of;
        @of{qw(due_us late_us done_us received_us kind status index bytes)} = split;
        push @log, \%of;
    }
    return ($result, sort { $a->{index} <=> $b->{index} } @log);
}

# What the server has logged since the last time.
my $seen = 0;
sub visits_text { my @lines = Adaptive::Server::read_text($server->root . '/logs/visits') =~ /^(.*)\n/mg; return @lines[$seen .. $#lines] }
sub visited { return scalar(() = visits_text()) }

# The same, once there are as many as there should be: [name of TLS, host, method, path, status, ...].
# Threads log when an answer has gone out, which the next request may overtake; so the order is that in which requests came.
sub visits {
    my ($wanted) = @_;
    wait_for { visited() >= $wanted } 15, 'the access log';
    my @visits = sort { $a->[0] <=> $b->[0] } map { [split /\t/] } visits_text();
    $seen += @visits;
    return map { [ @$_[1 .. $#$_] ] } @visits;
}

sub gaps_of {
    my (@log) = @_;
    return map { $log[$_]{due_us} - $log[$_ - 1]{due_us} } 1 .. $#log;
}

subtest 'Poisson arrivals' => sub {
    my %due;
    for my $run (['first', 7], ['second', 7], ['other', 8]) {
        my ($result, @log) = played($backend->port, mode => 'keep', schedule => '500:1,0:0.5,1000:1', poisson => $run->[1]);
        is $result->{failed}, 0, 'none failed' or diag Adaptive::Load::summary($result);
        $due{ $run->[0] } = [ map { $_->{due_us} } @log ];
        my $count = @log;
        cmp_ok abs($count - 1500), '<', 4 * sqrt 1500, "as many as can be expected: $count";
        is_deeply [ map { $_->{index} } @log ], [0 .. $count - 1], 'numbered one after the other';
        is_deeply $due{ $run->[0] }, [sort { $a <=> $b } @{ $due{ $run->[0] } }], '... as they are due';
        is scalar(grep { $_->{due_us} >= 1e6 && $_->{due_us} < 1.5e6 } @log), 0, 'none while the rate is 0';

        # Of exponential gaps the standard deviation is the mean, and one of e is longer than that.
        my @gaps = gaps_of(grep { $_->{due_us} >= 1.5e6 } @log);
        my $mean = sum(@gaps) / @gaps;
        my $deviation = sqrt(sum(map { ($_ - $mean)**2 } @gaps) / @gaps);
        cmp_ok abs($mean - 1000), '<', 150, "the mean gap is that of the rate: $mean us";
        cmp_ok abs($deviation / $mean - 1), '<', 0.2, "gaps vary as they should: $deviation us";
        my $long = grep { $_ > $mean } @gaps;
        cmp_ok abs($long / @gaps - exp -1), '<', 0.06, "and so many are longer than the mean: $long of " . @gaps;
    }
    is_deeply $due{first}, $due{second}, 'the same seed gives the same arrivals';
    isnt "@{ $due{first} }", "@{ $due{other} }", 'another one gives others';
};

subtest 'without it they are evenly spaced' => sub {
    my ($result, @log) = played($backend->port, mode => 'keep', schedule => '200:0.5');
    is_deeply [gaps_of(@log)], [(5000) x 99], 'each 5 ms after the last';
    is $result->{status_2xx}, 100, 'their status is counted';
    cmp_ok $result->{bytes}, '>', 0, 'their bytes, too';
    cmp_ok $result->{cpu_us}, '>', 0, 'and what it took';
};

# On one connection, so that they come in order, and that each change of the host takes the connection of the other.
subtest 'a trace and the answers of a site' => sub {
    my $long = '/hello.txt?' . 'q' x 8000;
    my @lines = (
        '0     GET  http one.test /hello.txt',
        '0     HEAD http two.test /hello.txt',
        '1000  GET  http two.test /cgi/chunked.cgi?a=b&c',
        '20000 GET  http one.test /hello.txt If-None-Match:_*\nX-All:_mine',
        '20000 GET  http one.test /missing',
        '20000 HEAD http one.test /cgi/chunked.cgi',
        '30000 GET  http two.test /cgi/failing.cgi',
        "30000 GET  http one.test $long");
    my @expected = (
        [qw(one.test GET /hello.txt 200)], [qw(two.test HEAD /hello.txt 200)], [qw(two.test GET /cgi/chunked.cgi?a=b&c 200)],
        [qw(one.test GET /hello.txt 304)], [qw(one.test GET /missing 404)], [qw(one.test HEAD /cgi/chunked.cgi 200)],
        [qw(two.test GET /cgi/failing.cgi 500)], [qw(one.test GET), $long, 200]);
    for my $mode (qw(keep new)) {
        my ($result, @log) = played($server->port,
            mode => $mode, connections => 1, at_most => 1, trace => trace_of(@lines), header => ['X-All: yes', 'Accept: */*']);
        my @visits = visits(scalar @lines);
        is_deeply [ map { [ @$_[1 .. 4] ] } @visits ], \@expected, "$mode: each comes to its host, in order";
        is_deeply [ map { $_->[5] } @visits ], [('yes') x 3, 'yes, mine', ('yes') x 4], '... with the header lines of all, and its own';
        is_deeply [ map { $_->{kind} } @log ], [('ok') x 6, 'status', 'ok'], 'what is below 500 is ok';
        is_deeply [ map { $_->{status} } @log ], [200, 200, 200, 304, 404, 200, 500, 200], 'the log has the status';
        is_deeply [ map { $_->{index} } @log ], [0 .. 7], '... and the line of the trace';
        is_deeply [ map { $_->{due_us} } @log ], [0, 0, 1000, (20_000) x 3, (30_000) x 2], '... and when each was due';
        is_deeply [ map { $_->{bytes} } @log[0 .. 3, 5] ], [6, 0, 4 * 30_001, 0, 0], '... and the bytes of bodies, without chunks';
        is $result->{failed}, 1, 'one has failed';
        is $result->{bytes}, sum(map { $_->{bytes} } @log), 'bytes are the sum';
        is_deeply [ @$result{qw(status_2xx status_3xx status_4xx status_5xx)} ], [5, 1, 1, 1], 'statuses are counted';
        cmp_ok $result->{behind_max}, '>=', 1, 'some waited for the connection';
        my %ports = map { $_->[7] => 1 } @visits;
        is scalar keys %ports, $mode eq 'keep' ? 5 : 8, 'as many connections as it takes';
        # httpd itself closes that of the status 500
        is $result->{evicted}, $mode eq 'keep' ? 3 : 0, 'that of the other host makes room';
    }
};

subtest 'time goes faster' => sub {
    my ($result, @log) = played($server->port, mode => 'keep', scale => 4,
        trace => trace_of(map { $_ * 100_000 . ' GET http one.test /hello.txt' } 0 .. 4));
    is_deeply [ map { $_->{due_us} } @log ], [ map { $_ * 25_000 } 0 .. 4 ], 'four times as fast';
    is $result->{ok}, 5, 'all are answered';
    visits(5);
};

subtest 'TLS' => sub {
    plan skip_all => 'built without OpenSSL' if !$has_tls;
    my @hosts = map { $_ % 2 ? 'one.test' : 'two.test' } 0 .. 9;
    my @lines = map { $_ * 20_000 . " GET https $hosts[$_] /hello.txt?$_" } 0 .. 9;
    push @lines, '200000 GET http one.test /hello.txt?10', '200000 GET https one.test:8443 /cgi/chunked.cgi';
    for my $mode (qw(keep new)) {
        my ($result, @log) = played($server->port, mode => $mode, connections => 1, at_most => 1,
            trace => trace_of(@lines), https_port => $server->port(2));
        is $result->{ok}, 12, "$mode: all are answered" or diag Adaptive::Load::summary($result);
        my @visits = visits(12);
        is_deeply [ map { [ @$_[0, 1] ] } @visits ], [(map { [$_, $_] } @hosts), ['-', 'one.test'], ['one.test', 'one.test']],
            'the server name is that of the host';
        is_deeply [ map { $_->{bytes} } @log ], [(6) x 11, 4 * 30_001], 'bodies are read to their end';
        my $resumed = grep { $_->[6] eq 'Resumed' } @visits;
        cmp_ok $resumed, '>=', 8, 'all but the first one to a host resume a session';
        is $result->{resumed}, $resumed, '... which is counted';
    }
    # An answer that comes at once may have been read by who looked for a close.
    my ($result) = played(undef, mode => 'keep', schedule => '2000:1', connections => 50, https_port => $server->port(2), host => 'two.test',
        path => '/hello.txt');
    is $result->{ok}, 2000, 'a schedule, too' or diag Adaptive::Load::summary($result);
    is_deeply [ grep { $_->[0] ne 'two.test' || $_->[1] ne 'two.test' } visits(2000) ], [], '... with the host that it is told';
};

# It waits for no answer, and what it has measured counts from when a request was due.
subtest 'a server that stands still for a second' => sub {
    # longer than it takes, however busy this machine is; it is told when to end
    my @lines = map { $_ * 10_000 . ' GET http ' . ($_ % 2 ? 'one' : 'two') . '.test /hello.txt' } 0 .. 29_999;
    for my $mode (qw(keep new)) {
        my $load = Adaptive::Load->start($server->port, mode => $mode, connections => 20, at_most => 20, timeout => 60,
            trace => trace_of(@lines), log => "$dir/log");
        $load->ready;
        my ($start_us) = $load->text =~ /^start_us (\d+)$/m;
        my $now_us = sub { Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) * 1e6 - $start_us };
        wait_for { $now_us->() > 1e5 } 15, 'some requests';
        $server->stand_still;
        my $stopped_us = $now_us->();
        wait_for { $now_us->() > $stopped_us + 1e6 } 15, 'a second';
        my $going_us = $now_us->();
        $server->go_on;
        # one is due every 10 ms
        wait_for { visited() > ($going_us + 1e6) / 1e4 } 60, 'requests that were due a second later';
        my $result = $load->interrupt->result;
        my @log = map { [ split ] } split /\n/, Adaptive::Server::read_text("$dir/log");
        cmp_ok scalar(grep { $_->[0] > $going_us } @log), '>=', 50, "$mode: the trace goes on";
        is $result->{failed}, 0, 'nothing is lost' or diag Adaptive::Load::summary($result);
        # not those that a thread may have met before it stopped as well
        my @met = grep { $_->[0] > $stopped_us + 5e4 && $_->[0] < $going_us } @log;
        cmp_ok scalar @met, '>=', 90, 'requests were due meanwhile';
        is_deeply [ grep { $_->[2] < $going_us } @met ], [], 'each has waited until the server went on';
        cmp_ok $result->{max_ms}, '>=', 930, 'the first one for the whole second, or nearly';
        cmp_ok $result->{behind_max}, '>=', 70, 'those without a connection waited for one';
        visits($result->{ok});
    }
};

subtest 'what is wrong is named' => sub {
    my @tls = $has_tls ? (['0 GET https a.test /', qr/:1: SCHEME https: there is no port for it, say -S PORT/]) : ();
    for my $case (
        ['0 POST http a.test /', qr/:1: METHOD 'POST' is not replayed: it may be GET or HEAD/],
        ["0 GET http a.test /\n1 GET http a.test", qr/:2: too few columns; a line is AT_US METHOD/],
        ['0 GET http a.test / A:b more', qr/:1: too many columns/],
        ['x GET http a.test /', qr/:1: AT_US 'x' is not a number of microseconds/],
        ['1700000000000000 GET http a.test /', qr/:1: AT_US '1700000000000000' is not .* \(at most 10 days\)/],
        ["5 GET http a.test /\n4 GET http a.test /", qr/:2: AT_US 4 comes after 5: sort the trace/],
        ['0 GET ftp a.test /', qr/:1: SCHEME 'ftp' is neither http nor https/],
        ['0 GET http a_test /', qr/:1: HOST 'a test' is empty or has blanks/],
        ['0 GET http a.test index.html', qr{:1: PATH 'index.html' does not begin with /}],
        ['0 GET http a.test / nonsense', qr/:1: the 6th column is not 'Name: value'/],
        ['0 GET http a.test / A:b\n\nB:c', qr/:1: the 6th column is not/],
        ['0 GET http a.test /' . 'x' x 40_000, qr/:1: the request has more than 32768 bytes/],
        @tls
    ) {
        my ($line, $message) = @$case;
        my $ended = run_command(20, $loadgen, '-m', 'keep', '-p', $server->port, '-T', trace_of(split /\n/, $line));
        is $ended->{status}, 2, 'status 2';
        like $ended->{output}, qr/\Aloadgen: \Q$dir\E\/trace$message/, "$message";
    }
    my $trace = trace_of('0 GET http a.test /');
    for my $case (
        [['-T', "$dir/none"], qr/-T \Q$dir\E\/none: No such file/], [['-T', '/dev/null'], qr/-T \S+: there is no request in it/],
        [['-P', 'x'], qr/-P x: not a seed/], [['-H', 'nonsense'], qr/-H 'nonsense': not a header line; it is 'Name: value'/],
        [['-V', 'a b'], qr/-V 'a b': it may not have blanks/], [['-x', 2], qr/-x: only a trace/],
        [['-T', $trace, '-x', 0], qr/-x 0: not a number above 0/], [['-T', $trace, '-r', 5], qr/-r and -T: .* leave out -r/],
        [['-T', $trace, '-m', 'hold'], qr/-m hold goes with neither -S nor -T/], [['-p', 65_536], qr/-p 65536: not a number from 1/],
        [['-s', '10:1;5:1'], qr/-s 10:1;5:1: not a schedule at '5:1'/], [['-c', 0], qr/-c 0: not a number from 1 to 20000/],
        [['-s', '1:1,1e18:1e18'], qr/-s: these are 1e\+36 requests, and there may be 100000000; lower/],
        [['-r', 1e9, '-d', 10], qr/-r and -d: these are 1e\+10 requests/]
    ) {
        my ($arguments, $message) = @$case;
        my $ended = run_command(20, $loadgen, '-m', 'keep', '-p', $server->port, @$arguments);
        is $ended->{status}, 2, "status 2: @$arguments";
        like $ended->{output}, qr/\Aloadgen: $message/, '... and why';
    }
};

subtest 'built where OpenSSL is not' => sub {
    my $made = run_command(300, qw(make -s -f Makefile.apxs loadgen TOOL_TLS=), "BUILD=$dir/plain");
    is $made->{status}, 0, 'it builds' or diag $made->{output};
    my @plain = ("$dir/plain/t/loadgen", '-m', 'keep');
    my $says = 'built without OpenSSL: install libssl-dev and build again';
    is run_command(20, @plain, qw(-S 443))->{output}, "loadgen: -S 443: $says\n", '-S is refused';
    is run_command(20, @plain, qw(-p 80 -T), trace_of('0 GET https a.test /'))->{output}, "loadgen: $dir/trace:1: SCHEME https: $says\n",
        'https in a trace, too';
    like run_command(60, @plain, '-p', $server->port, '-T', trace_of('0 GET http one.test /'))->{output}, qr/^ok 1$/m, 'http goes';
};

done_testing;
