# What ?metrics says: both formats by their rules, read by Prometheus' own parsers where they are installed, and as docs/user/metrics.md
# has it.

use strict;
use warnings;

use lib 't/lib';
use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;
use Adaptive::Files qw(put_file);
use Adaptive::Metrics qw(metrics_text metrics_of metrics_faults);
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

my $dir = tempdir(CLEANUP => 1);

subtest 'the rules' => sub {
    my $good = "# TYPE a gauge\n# HELP a x\na{b=\"c\"} 1\na{b=\"d,\\\"\"} 2\n";
    is_deeply metrics_faults($good, 0), [], 'a good text';
    my %bad = (
        "a 1\n"                                          => 'line 1: a is of no family',
        "$good\n# EOF\n"                                 => q{line 5: neither a value nor what is said of one: ''},
        "$good# TYPE a gauge\n"                          => 'line 5: TYPE of a after its values|line 5: TYPE of a twice',
        "${good}a{b=\"c\"} 3\n"                          => 'line 5: a{b="c"} twice',
        "$good# EOF"                                     => 'no newline at the end',
        "# TYPE a gauge\n# HELP a x\n"                   => 'a has no value',
        "# TYPE a counter\n# HELP a x\na_total -1\n"     => 'line 3: a_total counts to -1',
        "# TYPE a_total counter\n# HELP a_total x\na_total_total 1\n" => 'a_total ends as only a counter does',
        "# TYPE a gauge\n# UNIT a seconds\n# HELP a x\na 1\n" => 'line 2: a has the unit seconds',
        "# TYPE a gauge\n# HELP a x\na{b=\"\n\"} 1\n"    => q{line 3: neither a value nor what is said of one: 'a{b="'|line 4: neither a value nor what is said of one: '"} 1'|a has no value},
        "# TYPE a gauge\n# HELP a x\na{b=\"\xFF\"} 1\n"  => 'no UTF-8',
    );
    for my $text (sort keys %bad) {
        my $whole = $text =~ /# EOF/ ? $text : "$text# EOF\n";
        is join('|', @{ metrics_faults($whole, 1) }), $bad{$text}, "found: $bad{$text}";
    }
};

for my $view (qw(usual none worst)) {
    for my $format (qw(plain openmetrics)) {
        is_deeply metrics_faults(metrics_text($view, $format), $format eq 'openmetrics'), [], "$format is as its rules say: $view";
    }
}

sub values_of {
    my ($text, $openmetrics) = @_;
    return { map { ("$_->{name}\{$_->{labels}}" => $_->{value}) } map { @{ $_->{samples} } } @{ (metrics_of($text, $openmetrics))[0] } };
}
is_deeply values_of(metrics_text('usual', 'openmetrics'), 1), values_of(metrics_text('usual', 'plain'), 0), 'both formats have the same values';

subtest 'promtool' => sub {
    plan skip_all => 'it is not installed (Debian: prometheus)' if !have_command('promtool');
    for my $view (qw(usual none worst)) {
        put_file("$dir/plain", metrics_text($view, 'plain'));
        my $result = run_command(30, 'sh', '-c', "promtool check metrics <$dir/plain");
        is $result->{output}, '', "check metrics finds nothing: $view";
        is $result->{status}, 0, 'and is content';

        # its parser of OpenMetrics is behind a command that wants to know when
        (my $text = metrics_text($view, 'openmetrics')) =~ s/^([^#].*)$/$1 1790000000/mg;
        put_file("$dir/open", $text);
        $result = run_command(60, 'promtool', 'tsdb', 'create-blocks-from', 'openmetrics', "$dir/open", "$dir/data-$view");
        is $result->{status}, 0, "OpenMetrics is read: $view" or diag $result->{output};
    }
    put_file("$dir/open", "# TYPE a gauge\na 1 1790000000\na b\n# EOF\n");
    isnt run_command(60, 'promtool', 'tsdb', 'create-blocks-from', 'openmetrics', "$dir/open", "$dir/data")->{status}, 0, '(it does not read everything)';
};

# name => [type, meaning], as the table has it.
sub documented {
    my %metric;
    for (split /\n/, Adaptive::Server::read_text('docs/user/metrics.md')) {
        my ($name, $labels, $type, $meaning) = /^\| `(apache_adaptive_\w+)(?:\{([\w,]+)\})?` \| (\w+) \| (.+) \|$/ or next;
        $metric{$name} = [ $type, $labels // '', $meaning ];
    }
    return \%metric;
}

subtest 'docs/user/metrics.md' => sub {
    my %metric;
    for my $view (qw(usual worst)) {
        for my $family (@{ (metrics_of(metrics_text($view, 'plain'), 0))[0] }) {
            my %label = map { $_ => 1 } map { $_->{labels} =~ /(?:^|,)(\w+)=/g } @{ $family->{samples} };
            $metric{ $family->{name} } = [ $family->{type}, join(',', sort keys %label), $family->{help} ];
        }
    }
    my $documented = documented();
    is_deeply [ sort keys %$documented ], [ sort keys %metric ], 'it has each of them';
    is_deeply $documented->{$_}, $metric{$_}, $_ for sort keys %metric;
    my ($causes) = Adaptive::Server::read_text('docs/user/metrics.md') =~ /^\| name, of a cause \| (.+) \|$/m;
    my @named = Adaptive::Server::read_text('src/report/verdict.c') =~ /\.name = "([a-z-]+)"/g;
    is_deeply [ sort split /, /, $causes ], [ sort @named ], 'and each cause';
};

my $CONF = <<'CONF';
ExtendedStatus On
<Location "/adaptive-status">
    SetHandler adaptive-status
    Require local
</Location>
CONF

subtest 'a server' => sub {
    plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';
    my $s = Adaptive::Server->new(modules => ['authz_host'], conf => $CONF)->start;
    my $url = $s->url('/adaptive-status?metrics');
    ok_within { http_get($url)->{body} =~ /^apache_adaptive_threads_demand /m } 10, 'there is a plan';
    my $plain = http_get($url);
    is $plain->{status}, 200, 'it answers';
    is $plain->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8', 'what the text is';
    is_deeply metrics_faults($plain->{body}, 0), [], 'and it is so';
    my $accept = 'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
    my $open = http_get("$url=", headers => { Accept => $accept });
    is $open->{headers}{'content-type'}, 'application/openmetrics-text; version=1.0.0; charset=utf-8', 'asked for as Prometheus does';
    is_deeply metrics_faults($open->{body}, 1), [], 'it is OpenMetrics';
    my ($count) = $plain->{body} =~ /^apache_adaptive_requests_total (\d+)$/m;
    http_get($s->url('/')) for 1 .. 5;
    ok_within { http_get($url)->{body} =~ /^apache_adaptive_requests_total (\d+)$/m && $1 > $count + 5 } 10, 'requests are counted';

    subtest 'Prometheus' => sub {
        plan skip_all => 'it is not installed' if !have_command('prometheus');
        my $port = (Adaptive::Server::free_ports(1))[0];
        put_file("$dir/prometheus.yml", <<"YAML");
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: apache
    metrics_path: /adaptive-status
    params: { metrics: [''] }
    static_configs: [ { targets: [ '127.0.0.1:@{[$s->port]}' ] } ]
YAML
        my $pid = spawn(sub {
            open STDERR, '>', "$dir/said" or die;
            open STDOUT, '>&', \*STDERR or die;
            exec 'prometheus', "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/tsdb", "--web.listen-address=127.0.0.1:$port" or die;
        });
        my $target = {};
        ok_within {
            my $body = http_get("http://127.0.0.1:$port/api/v1/targets")->{body};
            ($target) = @{ (eval { JSON::PP::decode_json($body)->{data}{activeTargets} }) // [] };
            ($target->{health} // '') eq 'up';
        } 60, 'Prometheus takes all of it' or diag explain $target;
        my $query = "http://127.0.0.1:$port/api/v1/query?query=apache_adaptive_verdict%7Blevel%3D%22green%22%7D";
        ok_within { http_get($query)->{body} =~ /"value":\[[\d.]+,"1"\]/ } 20, 'and answers with a value of it';
        finish($pid);
    };
    ok $s->stop, 'it stops';
};

done_testing;
