# What contrib/ has for other programs: each name in it is one that the module has, and each rule does what it says.

use strict;
use warnings;

use lib 't/lib';
use File::Temp qw(tempdir);
use Test::More;
use Adaptive::Desk;
use Adaptive::Files qw(put_file);
use Adaptive::Probe;
use Adaptive::Process qw(have_command run_command);
use Adaptive::Server;
use JSON::PP ();

plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';

sub text_of { return Adaptive::Server::read_text($_[0]) }

my $s = Adaptive::Server->new(test_module => 1, conf => "${TEST_CONF}LogLevel mpm_adaptive:info\n", mpm_conf => "StartServers 1\nServerLimit 2\nThreadsPerChild 4\nMaxRequestWorkers 8\n")->start;
my $dir  = tempdir(CLEANUP => 1);
my @held = hold_requests($s, 6);
my $path = desk_socket($s);
ok((wait_for { my $state = desk_state($path); $state->{plan} && @{ $state->{holders} } && @{ $state->{ceilings} } } 30, 'a plan'), 'a server with something to tell');
my $metrics = desk_get($path, '/?metrics')->{body};
my %series  = map { $_ => 1 } $metrics =~ /^(apache_adaptive_\w+)/mg;
my $state = desk_state($path);

for my $file (glob 'contrib/*/* contrib/README.md') {
    my %named = map { $_ => 1 } text_of($file) =~ /\b(apache_adaptive_\w+)/g;
    is_deeply [ grep { !$series{$_} && !$series{ s/_info\z//r } } sort keys %named ], [], "$file: each series is one that there is";
}

subtest 'Prometheus' => sub {
    my $rules = text_of('contrib/prometheus/mpm-adaptive.rules.yml');
    my @alerts = $rules =~ /^      - alert: (\w+)$/mg;
    cmp_ok scalar @alerts, '>=', 9, 'alerts';
    for my $link ($rules =~ /runbook: (\S+)/g) {
        my ($file, $place) = split /#/, $link;
        ok -f $file, "$link is there";
        like text_of($file), qr/^### \U$place\E$/m, '... with its entry' if $place;
    }
    my $test = text_of('contrib/prometheus/mpm-adaptive.test.yml');
    is_deeply [ grep { (() = $test =~ /alertname: $_\b/g) < 2 } @alerts ], [], 'each is tested, in trouble and without';
    SKIP: {
        skip 'promtool is not installed (Debian: prometheus)', 2 if !have_command('promtool');
        for my $what ([qw(check rules contrib/prometheus/mpm-adaptive.rules.yml)], [qw(test rules contrib/prometheus/mpm-adaptive.test.yml)]) {
            my $result = run_command(60, 'promtool', @$what);
            is $result->{status}, 0, "promtool @$what" or diag $result->{output};
        }
    }
};

subtest 'Grafana' => sub {
    my $board = eval { JSON::PP::decode_json(text_of('contrib/grafana/mpm-adaptive.json')) };
    ok $board, 'is JSON' or return;
    my @panels = @{ $board->{panels} };
    cmp_ok scalar @panels, '>=', 10, 'with panels';
    my %id;
    is scalar(grep { $id{ $_->{id} }++ } @panels), 0, 'each with a number of its own';
    is scalar(grep { !length $_->{title} || !@{ $_->{targets} } || $_->{datasource}{uid} ne '${datasource}' } @panels), 0, '... a title, questions, and the data source of the choice';
    my @outside;
    for my $panel (@panels) {
        my $pos = $panel->{gridPos};
        push @outside, $panel->{title} if $pos->{x} + $pos->{w} > 24 || grep { $_ != $panel && overlap($pos, $_->{gridPos}) } @panels;
    }
    is_deeply \@outside, [], 'none lies over another';
    my @exprs = (map { $_->{expr} } map { @{ $_->{targets} } } @panels), map { $_->{expr} // () } @{ $board->{annotations}{list} };
    is scalar(grep { !/\$instance/ } @exprs), 0, 'each asks for the servers that are chosen';
    my %label = map { ($_ => 1) } map { /\b((?:level|state)="[\w-]+")/g } @exprs;
    is_deeply [ grep { index($metrics, $_) < 0 } sort keys %label ], [], 'for labels that there are';
    check_exprs(@exprs);
};

# As rules: promtool reads their expressions as Prometheus does.
sub check_exprs {
    my @exprs = @_;
    s/\$instance/.+/g, s/\$__rate_interval/1m/g for @exprs;
    SKIP: {
        skip 'promtool is not installed (Debian: prometheus)', 1 if !have_command('promtool');
        my $rules = { groups => [ { name => 'board', rules => [ map { { record => "board:$_", expr => $exprs[$_] } } 0 .. $#exprs ] } ] };
        put_file("$dir/board.yml", JSON::PP::encode_json($rules));
        my $result = run_command(60, 'promtool', 'check', 'rules', "$dir/board.yml");
        is $result->{status}, 0, 'Prometheus understands each' or diag $result->{output};
    }
    return;
}

sub overlap {
    my ($p, $q) = @_;
    return $p->{x} < $q->{x} + $q->{w} && $q->{x} < $p->{x} + $p->{w} && $p->{y} < $q->{y} + $q->{h} && $q->{y} < $p->{y} + $p->{h};
}

subtest 'Zabbix' => sub {
    my $template = text_of('contrib/zabbix/mpm-adaptive.yaml');
    my @paths = $template =~ /^ +- '(\$\.[\w.]+)'$/mg;
    cmp_ok scalar @paths, '>=', 15, 'items';
    for my $path (@paths) {
        my $value = $state;
        $value = ref $value eq 'HASH' && exists $value->{$_} ? $value->{$_} : \'none' for grep { $_ ne '$' } split /\./, $path;
        ok !ref $value, "$path is there";
    }
    my %uuid;
    my @uuids = $template =~ /uuid: (\w+)/g;
    is scalar(grep { $uuid{$_}++ || !/\A[0-9a-f]{12}4[0-9a-f]{3}a[0-9a-f]{15}\z/ } @uuids), 0, 'each thing has a UUID of its own';
    my %key = map { $_ => 1 } $template =~ /^ +key: (\S+)$/mg;
    is_deeply [ grep { !$key{$_} } $template =~ m{\(/[^/]+/(adaptive\.[\w.]+)} ], [], 'triggers look at items that there are';
};

subtest 'Loki' => sub {
    my ($pattern) = text_of('contrib/loki/promtail.yml') =~ /expression: '(.*)'/;
    my ($documented) = text_of('docs/user/status.md') =~ /^    (\^\\\[.*\$)$/m;
    is $pattern =~ s/\?P</?</gr, $documented, 'the expression is that of the documents';
    my ($of_alloy) = text_of('contrib/loki/config.alloy') =~ /expression = `(.*)`/;
    is $of_alloy, $pattern, 'and of Alloy';
    my $re = qr/${\($pattern =~ s{\?P<}{?<}gr)}/;
    my @ours = grep {/ADP\d{4}: /} split /\n/, $s->error_log;
    cmp_ok scalar @ours, '>=', 2, 'lines of the log';
    my $parts = sub { return $_[0] =~ $re ? {%+} : { number => '', text => '' } };
    is_deeply [ grep { my $p = $parts->($_); $p->{number} !~ /\AADP\d{4}\z/ || !length $p->{text} } @ours ], [], 'are all understood';
    for my $line ('[Fri Nov 27 19:16:47.642364 2026] [mpm_adaptive:warn] [pid 1:tid 2] (11)Resource temporarily unavailable: ADP0041: cannot start another worker thread, going on with 3',
        '[Fri Nov 27 19:16:47.642364 2026] [mpm_adaptive:debug] [pid 1:tid 2] [client 127.0.0.1:80] ADP0067: it has waited') {
        like $parts->($line)->{number}, qr/\AADP00[46][17]\z/, 'with an error of the system, or a client';
    }
};

lift_hold($s);
read_response($_) for @held;
ok $s->stop, 'stops';
done_testing;
