# What reads mod_status's ?auto: Debian's prometheus-apache-exporter as it is, where it is installed, and the rules by which Telegraf, collectd and Zabbix read it,
# as their documents and templates have them.

use strict;
use warnings;

use lib 't/lib';
use File::Temp qw(tempdir);
use Test::More;
use Adaptive::Files qw(put_file);
use Adaptive::Probe;
use Adaptive::Process qw(have_command spawn finish);
use Adaptive::Server;
use IO::Socket::INET;

use constant SECONDS => 30;

my $s = Adaptive::Server->new(modules => ['status'], test_module => 1, conf => "${TEST_CONF}ExtendedStatus On\n")->start;
my @held = hold_requests($s, 3);
ok((wait_for { hooks($s)->{busy} == 3 } SECONDS, 'three requests'), 'three requests are under way');
my $url  = $s->url('/server-status?auto') =~ s/localhost/127.0.0.1/r;
my $auto;
ok((wait_for { $auto = http_get($url)->{body}; $auto =~ /^ReqPerSec: [\d.]*[1-9]/m } SECONDS, 'rates'), 'there are rates, which need a second');
my @lines = split /\n/, $auto;

# A number, as strconv.ParseFloat, strtod and JavaScript's Number() take it.
sub is_number { return $_[0] =~ /\A[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\z/ }

# apache_exporter: a bufio.Scanner, whose lines end at 64 KiB; "key: value" of the keys that it knows, which have to be numbers.
subtest 'apache_exporter' => sub {
    cmp_ok length((sort { length $b <=> length $a } @lines)[0]), '<', 65536, 'no line is too long for it';
    my %value = map { /\A([^:]+): (.*)\z/ ? ($1 => $2) : () } @lines;
    for my $key ('Total Accesses', 'Total kBytes', 'CPULoad', 'Uptime', 'BusyWorkers', 'IdleWorkers', 'ConnsTotal', 'ConnsAsyncWriting', 'ConnsAsyncKeepAlive', 'ConnsAsyncClosing', 'Processes', 'Stopping', 'Load1', 'Total Duration') {
        ok is_number($value{$key} // 'missing'), "$key is a number";
    }
    like $value{Scoreboard}, qr/\A[_SRWKDCLGI.]+\z/, 'the scoreboard has letters that it knows';
    is +(() = $value{Scoreboard} =~ /W/g) >= 4, 1, '... and those that work';
};

# plugins/inputs/apache: splits at the first colon, drops blanks of the key, and takes what is a number as a field.
subtest 'Telegraf' => sub {
    my %field;
    for my $line (grep {/:/} @lines) {
        my ($key, $value) = split /:/, $line, 2;
        $value =~ s/\A\s+|\s+\z//g;
        $field{ $key =~ s/ //gr } = $value if is_number($value);
    }
    ok exists $field{$_}, "$_ is a field" for qw(BusyWorkers IdleWorkers ConnsTotal TotalAccesses AdaptiveThreads AdaptiveThreadsBusy AdaptiveCeilingReached AdaptiveWaitedPeakMs);
    is scalar(grep { !/\A[A-Za-z0-9_]+\z/ } keys %field), 0, 'each name is one that a field may have';
};

# apache.c of collectd: words of a line; three of them with "Total", two for the rest.
subtest 'collectd' => sub {
    my %seen;
    for my $line (@lines) {
        my @words = split ' ', $line;
        if    (@words == 3 && $words[0] eq 'Total') { $seen{"Total $words[1]"} = $words[2] }
        elsif (@words == 2)                         { $seen{ $words[0] } = $words[1] }
    }
    ok is_number($seen{$_} // 'missing'), $_ for 'Total Accesses:', 'Total kBytes:', 'BusyWorkers:', 'IdleWorkers:';
    ok $seen{'Scoreboard:'}, 'Scoreboard:';
};

# "Template App Apache by HTTP": /^([A-z0-9 ]+):[\s]*(.*)$/ of each line; a number where it is one. Async items only where ServerMPM is "event".
subtest 'Zabbix' => sub {
    my %value = map { /^([A-z0-9 ]+):\s*(.*)$/ ? ($1 => $2) : () } @lines;
    ok is_number($value{$_} // 'missing'), $_ for qw(BusyWorkers IdleWorkers ConnsTotal ConnsAsyncKeepAlive Uptime ReqPerSec BytesPerSec);
    is lc $value{ServerMPM}, mpm(), 'ServerMPM is the name of the MPM' if exists $value{ServerMPM};
};

subtest 'prometheus-apache-exporter' => sub {
    plan skip_all => 'it is not installed' if !have_command('prometheus-apache-exporter');
    my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die;
    my $port = $listener->sockport;
    close $listener;
    my $pid = spawn(sub {
        open STDERR, '>', '/dev/null';
        open STDOUT, '>', '/dev/null';
        exec 'prometheus-apache-exporter', "--scrape_uri=$url", "--telemetry.address=127.0.0.1:$port" or die;
    });
    my $answer;
    ok((wait_for { $answer = eval { http_get("http://127.0.0.1:$port/metrics")->{body} } ; ($answer // '') =~ /^apache_up 1$/m } SECONDS, 'it'), 'it finds the server up');
    like $answer, qr/^apache_workers\{state="busy"\} [4-9]/m, 'with its busy workers';
    like $answer, qr/^apache_scoreboard\{state="reply"\} [4-9]/m, '... and what they do';
    like $answer, qr/^apache_connections\{state="total"\} [4-9]/m, '... and its connections';
    like $answer, qr/^apache_accesses_total [1-9]/m, '... and counts';
    finish($pid);
};

# The same by collectd itself, as Debian has it: what its plugin takes goes into files.
subtest 'collectd itself' => sub {
    my ($collectd) = grep { -x } map {"$_/collectd"} qw(/usr/sbin /usr/local/sbin);
    plan skip_all => 'it is not installed (Debian: collectd-core)' if !$collectd;
    my $dir = tempdir(CLEANUP => 1);
    put_file("$dir/conf", <<"CONF");
Hostname "test"
BaseDir "$dir"
PIDFile "$dir/pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin apache
LoadPlugin csv
<Plugin apache>
    <Instance "here">
        URL "$url"
        Server "apache"
    </Instance>
</Plugin>
<Plugin csv>
    DataDir "$dir/csv"
</Plugin>
CONF
    my $pid = spawn(sub {
        open STDERR, '>', "$dir/said" or die;
        open STDOUT, '>&', \*STDERR or die;
        exec $collectd, '-f', '-C', "$dir/conf" or die;
    });
    # the last value of a file of one column beside the time
    my $last = sub {
        my ($file) = glob "$dir/csv/test/apache-here/$_[0]-2*" or return -1;
        return Adaptive::Server::read_text($file) =~ /^[\d.]+,([\d.]+)\n\z/m ? $1 : -1;
    };
    ok((wait_for { $last->('apache_connections') >= 4 } SECONDS, 'busy workers'), 'it has the busy workers') or diag Adaptive::Server::read_text("$dir/said");
    ok((wait_for { $last->('apache_idle_workers') >= 0 } SECONDS, 'idle workers'), '... the idle ones');
    ok((wait_for { $last->('apache_requests') > 0 } SECONDS, 'requests'), '... a rate of requests');
    ok((wait_for { $last->('apache_scoreboard-sending') >= 4 } SECONDS, 'the scoreboard'), '... and the scoreboard');
    finish($pid);
};

lift_hold($s);
read_response($_) for @held;
ok $s->stop, 'stops';
done_testing;
