# An access log becomes a trace for the load generator (adaptivectl compare --log): whose requests, when, and which are left out.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use File::Temp qw(tempdir);
use Test::More;
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server ();
use AdaptiveCtl::AccessLog;
use AdaptiveCtl::AccessLogFormat;
use AdaptiveCtl::CompareLoad;

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';

# What AdaptiveCtl::Copy knows of a configuration.
package Known {
    sub new { my ($class, %opt) = @_; return bless {%opt}, $class }
    sub sites { return @{ $_[0]{sites} } }
    sub access_logs { return @{ $_[0]{logs} // [] } }
    sub log_formats { return $_[0]{formats} // {} }
}

my $dir = tempdir('adaptive-log-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
my $files = 0;

sub site {
    my ($key, $scheme, $host, $port, @aliases) = @_;
    return { key => $key, scheme => $scheme, host => $host, port => $port, aliases => \@aliases };
}

sub log_of { return put_file("$dir/log." . ++$files, join '', map {"$_\n"} @_) }

sub trace_of {
    my ($log, %opt) = @_;
    my $counts = $log->write_trace(out => "$dir/trace", %opt);
    return ($counts, map { [ split /\t/ ] } split /\n/, Adaptive::Server::read_text("$dir/trace"));
}

sub combined {
    my ($time, $request, $status, $agent) = @_;
    return qq{192.0.2.7 - - [$time] "$request" $status 512 "-" "@{[$agent // 'Mozilla/5.0']}"};
}

sub common { my ($time, $request, $status) = @_; return qq{192.0.2.7 - - [$time] "$request" $status 512} }

sub refused { my ($code) = @_; return eval { $code->(); 1 } ? 'nothing was refused' : ref $@ ? $@->{text} : $@ }

subtest 'formats' => sub {
    my @formats = (
        [ '%h %l %u %t "%r" %>s %b', '1.2.3.4 - Jane Doe [10/Oct/2025:13:55:36 +0200] "GET /a?b=c HTTP/1.1" 200 -', 1_760_097_336 ],
        [ '%v:%p %h %t "%r" %s %O "%{User-agent}i"',
            'www.x.org:443 1.2.3.4 [29/Feb/2024:00:00:00 +0000] "GET /a?b=c HTTP/2.0" 200 5 "a \"b\" c"', 1_709_164_800 ],
        [ '%{%Y-%m-%dT%H:%M:%S%z}t %m "%U%q" %>s', '2024-01-01T00:00:00-0130 GET "/a?b=c" 304', 1_704_072_600 ],
        [ '%{sec}t.%{usec_frac}t %D %{c}a "%r" 100%%', '1700000000.000250 77 ::1 "GET /a?b=c HTTP/1.1" 100%', 1_700_000_000 ],
        [ '[%{begin:msec}t] %r [%{Host}i] %!200,304{Referer}i %I', '[1700000000250] GET /a?b=c HTTP/1.1 [www.X.org:8080] - 17',
            1_700_000_000 ],
    );
    for (@formats) {
        my ($text, $line, $second) = @$_;
        my $entry = AdaptiveCtl::AccessLogFormat->new($text)->parse($line);
        is_deeply [ @$entry{qw(method target)}, int($entry->{at_us} / 1e6) ], [ 'GET', '/a?b=c', $second ], $text;
        is(AdaptiveCtl::AccessLogFormat->new($text)->parse("more $line"), undef, '... and nothing before it') if $text !~ /\A%[hv]/;
    }
    my $entry = AdaptiveCtl::AccessLogFormat->new($formats[4][0])->parse($formats[4][1]);
    is "$entry->{name} @{[$entry->{at_us} % 1e6]}", 'www.x.org 250000', 'the name in Host; milliseconds';
    is_deeply [ @{ AdaptiveCtl::AccessLogFormat->new($formats[1][0])->parse($formats[1][1]) }{qw(name port headers)} ],
        [ 'www.x.org', 443, { 'User-agent' => 'a "b" c' } ], 'the virtual host, and a header as the client sent it';
    my @useless = grep { AdaptiveCtl::AccessLogFormat->new($_)->is_useful } '%h %b', '%t %>s', '"%r" %b';
    is_deeply \@useless, [], 'formats without a time or a request are of no use';
};

subtest 'what is replayed' => sub {
    my @lines = (
        combined('01/Mar/2025:10:00:00 +0000', 'GET /one?x=1&y=%20 HTTP/1.1',   200, 'Agent/1'),
        combined('01/Mar/2025:10:00:02 +0000', 'POST /form HTTP/1.1',           302),
        combined('01/Mar/2025:10:00:01 +0000', 'HEAD /two HTTP/1.0',            304),
        combined('01/Mar/2025:10:00:03 +0000', 'GET /broken HTTP/1.1',          503),
        combined('01/Mar/2025:10:00:03 +0000', '-',                             408),
        combined('01/Mar/2025:10:00:03 +0000', '\x16\x03\x01\x02',              400),
        combined('01/Mar/2025:10:00:03 +0000', 'GET http://www.x.org/abs HTTP/1.1', 200, '-'),
        combined('01/Mar/2025:10:00:03 +0000', 'OPTIONS * HTTP/1.0',            200),
        'no line of a log at all',
    );
    my ($counts, @trace) = trace_of(AdaptiveCtl::AccessLog->new(files => [ log_of(@lines) ], host => 'www.x.org'));
    is_deeply [ map { [ @$_[ 1 .. 4 ] ] } @trace ],
        [ [ 'GET', 'http', 'www.x.org', '/one?x=1&y=%20' ], [ 'HEAD', 'http', 'www.x.org', '/two' ],
            [ 'GET', 'http', 'www.x.org', '/abs' ] ],
        'GET and HEAD that were answered, in the order of their times';
    is_deeply [ map { int($_->[0] / 1e6) } @trace ], [ 0, 1, 3 ], 'at their seconds, from 0 on';
    is_deeply [ map { $_->[5] } @trace ], [ 'User-Agent: Agent/1', 'User-Agent: Mozilla/5.0', undef ], 'with headers that the log has';
    is_deeply { map { $_ => $counts->{$_} } qw(lines used other_methods failed malformed first last rate_mean rate_peak) },
        { lines => 9, used => 3, other_methods => 2, failed => 1, malformed => 3, first => 1_740_823_200, last => 1_740_823_203,
            rate_mean => 0.75, rate_peak => 1 }, 'the rest is counted';
};

subtest 'within a second' => sub {
    my @lines = map { common('01/Mar/2025:10:00:00 +0000', "GET /$_ HTTP/1.1", 200) } 1 .. 500;
    my $file = log_of(@lines, common('01/Mar/2025:10:00:01 +0000', 'GET /last HTTP/1.1', 200));
    my $log = AdaptiveCtl::AccessLog->new(files => [$file], host => 'x');
    my (undef, @trace) = trace_of($log, seed => 7);
    my @at = map { $_->[0] } @trace[ 0 .. 499 ];
    is_deeply \@at, [ sort { $a <=> $b } @at ], 'times ascend';
    is_deeply [ map { $_->[4] } @trace ], [ (map {"/$_"} 1 .. 500), '/last' ], 'the order of the log stays';
    ok !(grep { $_ < 0 || $_ >= 1e6 } @at), 'all are in their second';
    my @gaps = map { $at[ $_ + 1 ] - $at[$_] } 0 .. 498;
    my ($mean, $squares) = (0, 0);
    $mean += $_ / @gaps for @gaps;
    $squares += ($_ - $mean)**2 / @gaps for @gaps;
    my $variation = sqrt($squares) / $mean;
    ok $variation > 0.8 && $variation < 1.2, 'they come by chance, not evenly: the gaps vary as much as they are long' or diag $variation;
    my (undef, @again) = trace_of($log, seed => 7);
    is_deeply \@again, \@trace, 'the same seed gives the same trace';
    my (undef, @other) = trace_of($log, seed => 8);
    isnt $other[0][0], $trace[0][0], 'another one does not';
    (undef, @trace) = trace_of(AdaptiveCtl::AccessLog->new(format => '%{usec}t "%r"', host => 'x',
        files => [ log_of('1700000000000900 "GET /b HTTP/1.1"', '1700000000000100 "GET /a HTTP/1.1"') ]));
    is_deeply [ map { [ @$_[ 0, 4 ] ] } @trace ], [ [ 100, '/a' ], [ 900, '/b' ] ], 'what a log knows more exactly is taken as it is';
};

subtest 'the busiest stretch' => sub {
    my $at = sub { my ($second) = @_; return sprintf '01/Mar/2025:10:%02d:%02d +0000', int($second / 60), $second % 60 };
    my @seconds = (0, 10, 11, 12, 12, 13, 30, 31);
    my $log = AdaptiveCtl::AccessLog->new(files => [ log_of(map { common($at->($_), "GET /$_ HTTP/1.1", 200) } @seconds) ], host => 'x');
    my ($counts, @trace) = trace_of($log, max_seconds => 4);
    is_deeply [ map { $_->[4] } @trace ], [qw(/10 /11 /12 /12 /13)], 'its requests';
    is int($trace[0][0] / 1e6), 0, 'from 0 on';
    is "$counts->{used} $counts->{rate_peak} $counts->{rate_mean} @{[$counts->{last} - $counts->{first}]}", '5 2 1.25 3', 'and its numbers';
    ($counts) = trace_of($log, from => $counts->{first} + 2, to => $counts->{first} + 20);
    is $counts->{used}, 4, 'limits of time';
};

subtest 'whose requests' => sub {
    my $copy = Known->new(
        sites => [ site(1, 'http', 'www.x.org', 80, '*.x.net'), site(2, 'https', 'www.x.org', 443), site(3, 'http', 'shop.x.org', 8080),
            site('', 'http', '', 81) ],
        logs => [ { path => "$dir/shop.log", format => '%h %l %u %t "%r" %>s %b', keys => [3] } ],
        formats => { mine => '%V %p %t "%r" %>s' });
    my $time = '01/Mar/2025:10:00:00 +0000';
    my $mine = log_of("www.x.org 443 [$time] \"GET /1 HTTP/1.1\" 200", "www.x.org 80 [$time] \"GET /2 HTTP/1.1\" 200",
        "a.x.net 80 [$time] \"GET /3 HTTP/1.1\" 200", "shop.x.org 8080 [$time] \"GET /4 HTTP/1.1\" 200",
        "stranger.org 80 [$time] \"GET /5 HTTP/1.1\" 200");
    my $log = AdaptiveCtl::AccessLog->new(files => [$mine], copy => $copy);
    is $log->format, '%V %p %t "%r" %>s', 'a format of the configuration is found';
    my ($counts, @trace) = trace_of($log);
    is_deeply [ map {"$_->[2] $_->[3]"} @trace ], [ 'https www.x.org', 'http www.x.org', 'http a.x.net', 'http shop.x.org:8080' ],
        'by name and port in the line';
    is $counts->{no_host}, 1, 'who is nobody\'s is counted';

    my @common = (common($time, 'GET /a HTTP/1.1', 200));
    put_file("$dir/$_", "$common[0]\n") for qw(shop.log shop.log.1 shop.log-20250301 other.log);
    for my $name (qw(shop.log shop.log.1 shop.log-20250301)) {
        (undef, @trace) = trace_of(AdaptiveCtl::AccessLog->new(files => ["$dir/$name"], copy => $copy));
        is "$trace[0][2] $trace[0][3]", 'http shop.x.org:8080', "$name: by the host that writes this log";
    }
    (undef, @trace) = trace_of(AdaptiveCtl::AccessLog->new(files => ["$dir/other.log"], copy => $copy, host => 'http://www.x.org'));
    is "$trace[0][2] $trace[0][3]", 'http www.x.org', 'by what the user says';
    like refused(sub { trace_of(AdaptiveCtl::AccessLog->new(files => ["$dir/other.log"], copy => $copy)) }),
        qr/no request .*1 belong to no virtual host of the configuration; --host NAME says/, 'or nobody\'s';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => ["$dir/other.log"], copy => $copy, host => 'nobody.org') }),
        qr/--host nobody\.org: no virtual host/, 'a name that is not there';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => ["$dir/other.log"]) }), qr/name the host with --host/,
        'without a configuration somebody has to say it';
};

subtest 'lines that somebody made up' => sub {
    my $site = site(1, 'http', 'www.x.org', 80, '*.x.org');
    my $copy = Known->new(sites => [$site], formats => { hosts => '%{Host}i %t "%r" "%{Referer}i"' });
    my $line = sub { my ($host, $referer) = @_; return qq{$host [01/Mar/2025:10:00:00 +0000] "GET /a HTTP/1.1" "$referer"} };
    my ($counts, @trace) = trace_of(AdaptiveCtl::AccessLog->new(copy => $copy, format => 'hosts',
        files => [ log_of($line->('a.x.org', '-'), $line->('a b.x.org', '-'), $line->('b.x.org', 'x' x 40_000),
            $line->("a\xa0.x.org", '-')) ]));
    is "$counts->{used} $counts->{malformed}", '2 2', 'are left out, if the load generator would refuse them';
    is_deeply [ map { $_->[3] } @trace ], [ 'a.x.org', "a\xa0.x.org" ], '... and no others';
};

# Of the first ones only each is tried beforehand, but all of them are asked.
subtest 'hosts on two ports' => sub {
    my %port = ('www.x.org' => 80, 'www.x.org:8080' => 8080);
    no warnings 'once';
    local *Known::target_of = sub {
        my ($host, $path) = $_[1] =~ m{\Ahttp://([^/]+)(.*)};
        return { scheme => 'http', host => $host, path => $path, site => { port => $port{$host}, private_port => 10_000 + $port{$host} } };
    };
    my $copy = Known->new(sites => [ site(1, 'http', 'www.x.org', 80), site(2, 'http', 'www.x.org', 8080) ],
        formats => { ports => '%V:%p %t "%r"' });
    my @lines = map { sprintf 'www.x.org:%d [01/Mar/2025:10:00:%02d +0000] "GET /%d HTTP/1.1"', $_ < 40 ? 80 : 8080, $_, $_ } 0 .. 40;
    my %option = (log => [ log_of(@lines) ], scale => 1, seconds => 50, 'warm-up' => 0, 'most-rate' => 100);
    like refused(sub { AdaptiveCtl::CompareLoad->new($copy, \%option, $dir) }), qr/requests are for two ports of http, 80 and 8080/,
        'the last request is not sent to the first port';
};

subtest 'files' => sub {
    my $file = log_of(map { common('01/Mar/2025:10:00:00 +0000', "GET /$_-0.925225396481441 HTTP/1.1", 200) } 1 .. 5000);
    SKIP: {
        skip 'no gzip', 2 if !have_command('gzip');
        run_command(10, 'gzip', $file);
        my ($counts) = trace_of(AdaptiveCtl::AccessLog->new(files => ["$file.gz"], host => 'x'));
        is $counts->{used}, 5000, 'one that is compressed';
        put_file("$dir/damaged.gz", substr Adaptive::Server::read_text("$file.gz"), 0, (-s "$file.gz") / 2);
        # gzip says something as well
        open my $stderr, '>&', \*STDERR;
        open STDERR, '>', '/dev/null';
        my $refused = refused(sub { trace_of(AdaptiveCtl::AccessLog->new(files => ["$dir/damaged.gz"], host => 'x', format => 'common')) });
        open STDERR, '>&', $stderr;
        like $refused, qr/damaged\.gz cannot be read to its end: gzip says/, 'one that is damaged is not taken for a short one';
    }
    my ($counts) = trace_of(AdaptiveCtl::AccessLog->new(host => 'x',
        files => [ map { log_of(common("01/Mar/2025:10:00:0$_ +0000", 'GET / HTTP/1.1', 200)) } 2, 1 ]));
    is "$counts->{used} @{[$counts->{last} - $counts->{first}]}", '2 1', 'several are one log';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => ["$dir/none"], host => 'x') }),
        qr{--log \Q$dir\E/none cannot be read: there is no such file}, 'none';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => [$dir], host => 'x') }), qr/it is a directory/, 'a directory';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => [ log_of() ], host => 'x') }), qr/has no lines/, 'an empty one';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => [ log_of('{"json": true}') ], host => 'x') }),
        qr/is not in a format that the configuration has.*first line is\n    \{"json": true\}\nName the format with --log-format/s, 'an unknown format';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => [$0], host => 'x', format => 'combind') }),
        qr/format combind is not known; known are combined, common/, 'a wrong name';
    like refused(sub { AdaptiveCtl::AccessLog->new(files => [$0], host => 'x', format => '%h %b') }), qr/has no request \(%r\) or no time/,
        'a useless one';
};

done_testing;
