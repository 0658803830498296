# adaptivectl compare: both MPMs on a private copy of a site, with URLs and with an access log; what it says, what it writes, and that
# nothing of it is left, however it ends. The copy itself is in t/compare_copy.t, the report in t/ab_report.t.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use POSIX ();
use Test::More;
use Adaptive::Files;
use Adaptive::Paths qw(build_dir httpd module_file);
use Adaptive::Process;
use Adaptive::Server ();
use Adaptive::Wait qw(ok_within);
use Adaptive::WholeSite;
use AB::Results;

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';
plan skip_all => 'needs curl' if !have_command('curl');
plan skip_all => 'this httpd is without ' . Adaptive::WholeSite::missing() if Adaptive::WholeSite::missing();

use constant SECONDS => 300;

$ENV{ADAPTIVE_LOADGEN} = build_dir() . '/t/loadgen';
my $w = Adaptive::WholeSite->new;
my $dir = tempdir('adaptive-compare-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
# the copies' own place: what is left there has not been cleaned up
my $temporary = "$dir/tmp";
mkdir $temporary;
chmod 0755, $dir, $temporary;
my $site = "http://www.example.org:$w->{port}";
my @SHORT = (qw(--rounds 3 --seconds 1 --warm-up 0 --rate 40), '--module', module_file('mpm_adaptive'));

sub command { return ($^X, 'ctl/adaptivectl', 'compare', '--config', $w->config, '--httpd', httpd(), @_) }

sub compare {
    local $ENV{TMPDIR} = $temporary;
    local $ENV{LC_ALL} = 'C';
    return run_command(SECONDS, command(@_));
}

sub text_of { return Adaptive::Server::read_text($_[0]) }

sub nothing_is_left {
    my ($name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    is_deeply [ glob "$temporary/*" ], [], "$name: the copies are gone";
    my @left = grep { (text_of("/proc/$_/cmdline") =~ /\Q$temporary\E/) } map { m{/proc/(\d+)} } glob '/proc/[0-9]*';
    is_deeply \@left, [], '... and their processes';
}

my $before = $w->state;

subtest 'URLs' => sub {
    my @urls = ("$site/", "https://www.example.org:$w->{tls_port}/", "$site/missing");
    my $found = compare(@SHORT, '--output', "$dir/urls", map { ('--url', $_) } @urls);
    is $found->{status}, 0, 'it goes through' or diag $found->{output};
    my $said = $found->{output} =~ s/\s+/ /gr;
    like $said, qr/Contenders: mpm_event \(as this site has it set up\); mpm_adaptive \(no directive\)/, 'the present MPM, and ours without a directive';
    like $said, qr/3 rounds take about \d+ s/, 'how long it takes';
    like $said, qr/round 2 of 3, mpm_adaptive: 0\.00 % failed.* left/, 'what is left';
    like $said, qr/GET \S+\/missing is answered with 404 by all/, 'what is not there';
    like $said, qr/ErrorLog .* is a program: the copy writes a file instead/, 'what is not the same';
    my $results = AB::Results->read_file("$dir/urls/results.json");
    my ($scenario) = $results->scenarios;
    is join('; ', map { "$_->{round} $_->{contender}" } @{ $scenario->{runs} }),
        join('; ', '1 event', '1 adaptive', '1 event again', '2 event again', '2 adaptive', '2 event', '3 adaptive', '3 event again', '3 event'),
        'in alternating order, the reference twice';
    is_deeply [ map { $_->{error} // () } @{ $scenario->{runs} } ], [], 'every run went well';
    for my $key (qw(event adaptive)) {
        my @runs = $results->runs($scenario, $key);
        cmp_ok scalar(grep { $_->{values}{p50_ms} > 0 && $_->{values}{cpu_us} > 0 && $_->{values}{pss_peak_mib} > 0 } @runs), '==', 3, "$key: measured";
        is scalar(grep { $_->{values}{failed_percent} } @runs), 0, '... and nothing failed';
        my %status;
        for my $run (@runs) { $status{$_} += $run->{statuses}{$_} for keys %{ $run->{statuses} } }
        is join(' ', sort keys %status), '200 404', '... answered as the site does';
    }
    my @requests = map { my $key = $_; join '/', map { my $n = 0; $n += $_ for values %{ $_->{statuses} }; $n } $results->runs($scenario, $key) } qw(event adaptive);
    is $requests[0], $requests[1], 'both were asked the same number of times in each round';
    like text_of("$dir/urls/report.html"), qr/\A<!DOCTYPE html>.*mpm_adaptive beside mpm_event.*ErrorLog .*<\/html>\s*\z/s, 'the report has the notes';
    nothing_is_left('after URLs');
};

subtest 'an access log' => sub {
    my $log = "$dir/access.log";
    my @lines = map { sprintf qq(192.0.2.1 - - [28/Nov/2026:12:00:%02d +0000] "%s HTTP/1.1" 200 10 "-" "x"\n), $_ / 20, $_ % 3 ? 'GET /folder/' : 'HEAD /' } 0 .. 79;
    put_file($log, join '', @lines, qq(192.0.2.1 - - [28/Nov/2026:12:00:02 +0000] "POST /x HTTP/1.1" 200 10 "-" "x"\n));
    my $found = compare(qw(--rounds 1 --seconds 4 --warm-up 0 --scale 2), '--module', module_file('mpm_adaptive'), '--log', $log, '--host', $site,
        '--output', "$dir/log");
    is $found->{status}, 0, 'it goes through' or diag $found->{output};
    my $said = $found->{output} =~ s/\s+/ /gr;
    like $said, qr/of 81 lines 80 are replayed.*1 with other methods than GET and HEAD/, 'what of it is asked';
    like $said, qr/2 times as fast, 40\.0 a second on average/, 'how fast';
    my ($scenario) = AB::Results->read_file("$dir/log/results.json")->scenarios;
    is_deeply [ map { $_->{statuses}{200} } @{ $scenario->{runs} } ], [ 80, 80, 80 ], 'each line was asked of each';
    nothing_is_left('after a log');
};

subtest 'a dry run' => sub {
    my $found = compare(@SHORT, '--dry-run', '--url', "$site/", '--output', "$dir/dry");
    is $found->{status}, 0, 'it goes through';
    like $found->{output} =~ s/\s+/ /gr, qr/Contenders:.*ErrorLog/, 'says who and what';
    ok !-e "$dir/dry", 'and measures nothing';
    like $found->{output} =~ s/\s+/ /gr, qr/httpd accepts a copy of the configuration with each of them/, 'and tries the copies';
    $found = compare('--dry-run', '--url', "$site/", '--module', $0);
    is $found->{status}, 1, 'a module that is none';
    like $found->{output} =~ s/\s+/ /gr, qr/httpd does not accept a copy of .* with mpm_adaptive: .*Cannot load/, '... is found by a dry run';
    nothing_is_left('after a dry run');
};

for my $signal (qw(INT TERM HUP QUIT KILL)) {
    subtest "SIG$signal" => sub {
        my $output = "$dir/output.$signal";
        my $pid = spawn(sub {
            $ENV{TMPDIR} = $temporary;
            open STDOUT, '>', $output or die;
            open STDERR, '>&', \*STDOUT;
            exec command(qw(--rounds 50 --seconds 1 --warm-up 0), '--module', module_file('mpm_adaptive'), '--url', "$site/", '--output', "$dir/$signal");
        });
        ok_within { text_of($output) =~ /round 1 of 50, mpm_adaptive:/ } 60, 'it measures' or diag text_of($output);
        kill $signal, $pid;
        my $status;
        ok_within { $status = $? if waitpid($pid, POSIX::WNOHANG()) == $pid; defined $status } 60, 'it ends';
        if ($signal eq 'KILL') {
            is $status & 127, 9, 'without a chance to clean up';
            ok_within { !(() = glob "$temporary/*") } 60, 'what it left behind goes all the same';
        }
        else {
            is $status >> 8, 130, 'says that it was interrupted';
            like text_of($output) =~ s/\s+/ /gr, qr/Interrupted \(SIG$signal\)\. The copies have ended/, '... in words';
        }
        nothing_is_left("after SIG$signal");
        finish($pid);
    };
}

subtest 'a directory that goes away' => sub {
    my $gone = "$dir/gone";
    mkdir $gone;
    my @command = map { my $path = abs_path($_); -e $_ ? $path : $_ } command(@SHORT, '--url', "$site/");
    my $found = run_command(SECONDS, 'sh', '-c', 'cd "$1" && rmdir "$1" && shift && TMPDIR=$1 && export TMPDIR && shift && exec "$@"', 'sh', $gone, $temporary, @command);
    is $found->{status}, 1, 'is none to start in';
    like $found->{output} =~ s/\s+/ /gr, qr/the current directory does not exist any more/, '... and it says so';
    nothing_is_left('without a directory');
};

subtest 'asked in a wrong way' => sub {
    my @wrong = (
        [ [], qr/compare needs what to ask: --url URL .* or --log FILE/ ],
        [ [ '--url', "$site/", '--log', '/etc/hostname' ], qr/--url or --log, not both/ ],
        [ [ '--url', 'http://nobody.example.com/' ], qr/--url http:\/\/nobody\.example\.com\/ cannot be asked of the copy: .*no virtual host/ ],
        [ [ '--url', 'ftp://x/' ], qr/is not a URL of a web server/ ],
        [ [ '--url', "$site/", '--rate', 5000 ], qr/more than --most-rate 1000\. .*say --most-rate 5001 if that is meant/ ],
        [ [ '--url', "$site/", '--rounds', 0 ], qr/--rounds 0: it has to be from 1 to 100/ ],
        [ [ '--url', "$site/", '--scale', 2 ], qr/--scale is for --log; with --url say --rate/ ],
        [ [ '--url', "$site/", '--against', 'nginx' ], qr/--against nginx: write event, worker, prefork or adaptive/ ],
        [ [ '--url', "$site/", '--against', 'event:/nonexistent' ], qr/\/nonexistent cannot be read/ ],
        [ [ '--log', '/nonexistent' ], qr/--log \/nonexistent cannot be read: there is no such file/ ],
        [ [ '--canary-read', 'x' ], qr/--canary-read x: write NAME=SOCKET or NAME=URL/ ],
        [ [ '--url', "$site/a b" ], qr/a URL has no blanks; write %20/ ],
        [ [ '--url', "$site/", '--host', 'www.example.org' ], qr/--host is for --log/ ],
        [ [ '--url', "$site/", '--log-format', 'common' ], qr/--log-format is for --log/ ],
        [ [ '--url', "$site/", '--share', 20 ], qr/--share is for --canary only/ ],
        [ [ '--url', "$site/", '--connections', 5, '--new-connections' ], qr/say one of them/ ],
        [ [ '--canary', '--url', "$site/" ], qr/--url is not for --canary/ ],
        [ [ '--canary-read', 'a=/x', '--rounds', 3 ], qr/--rounds is not for --canary-read/ ],
        [ [ @SHORT, '--url', "$site/", '--output', '/dev/null/x' ], qr/the report cannot be written to \/dev\/null\/x: .*; name another directory/ ],
        [ [ '--canary-read', 'a=/x' ], qr/--canary-read is given twice/ ],
    );
    for (@wrong) {
        my ($args, $pattern) = @$_;
        my $found = compare(@$args);
        is $found->{status}, 2, "@$args";
        like $found->{output} =~ s/\s+/ /gr, $pattern, '... says why';
    }
    my $found = compare(@SHORT, '--url', "$site/missing");
    is $found->{status}, 1, 'only what is not there';
    like $found->{output} =~ s/\s+/ /gr, qr/nothing of what is asked is answered well/, '... is nothing to compare';
    $found = compare(qw(--rounds 3 --seconds 1), '--module', '/nonexistent.so', '--url', "$site/");
    is $found->{status}, 2, 'a module that is not there';
    like $found->{output} =~ s/\s+/ /gr, qr/--module \/nonexistent\.so cannot be read/, '... is named';
    nothing_is_left('after mistakes');
};

is_deeply $w->state, $before, 'nothing of the site has changed';
done_testing;
