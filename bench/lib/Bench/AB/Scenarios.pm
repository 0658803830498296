package Bench::AB::Scenarios;

# What happens to the servers in this repository's comparison. Arrivals do not wait for answers: they are random (Poisson) at rates that
# follow a schedule, and each round has its own, the same for all contenders.

use strict;
use warnings;

use AB::Machine qw(cores);
use Bench::Change;
use Bench::Scenario;
use Bench::SleepBackend;

my @LATENCY = qw(failed_percent p50_ms p90_ms p99_ms p999_ms max_ms);
my @COST = qw(cpu_us switches syscalls);
my @SIZE = qw(pss_before_mib pss_peak_mib pss_after_mib threads_before threads_peak threads_after children_peak children_started children_stopped);
my @HEALTH = qw(overflows crossed late_p99_ms generator_percent strangers);
my @BESIDE = qw(beside_failed_percent beside_p50_ms beside_p99_ms beside_rate);
my @BURST = qw(absorbed_s settled_s);

use constant { SWEEP_S => 3, SWEEP_MS => 100 };

# Requests at the same instant, as far as one program can send them.
use constant { HERD => 1000, HERD_S => 0.02 };

# A scenario is a name, a title, its load in a sentence, and:
#   server    what the servers need (Bench::Scenario)
#   delay_ms  of the backend, if it has one
#   schedule  of the main load; mode, path, connections and so on are options of AB::Load
#   judge     [from s, to s]
#   more      sub ($scenario, $server) { what else the plan has }
my $PROXY = Bench::Change::proxy_server();
my $COMPUTE = { modules => ['adaptive_test'], conf => "    AdpTest On\n" };
my ($TLS) = Bench::Scenario::scenarios('tls');

my @ALL = (
    {
        name => 'static', title => 'A small file, kept-alive connections', server => { nginx => 1 },
        load => '3,000 requests a second for a 1 KB file on 64 kept-alive connections',
        schedule => '3000:5', mode => 'keep', connections => 64, path => '/1k.html', judge => [1, 5],
        measures => [@LATENCY, @COST, 'pss_peak_mib', 'threads_peak', @HEALTH],
    },
    {
        name => 'connect', title => 'A small file, a new connection each', server => { nginx => 1 },
        load => '1,000 requests a second for a 1 KB file, each on a connection of its own',
        schedule => '1000:5', mode => 'new', path => '/1k.html', judge => [1, 5],
        measures => [@LATENCY, @COST, 'pss_peak_mib', 'threads_peak', @HEALTH],
    },
    {
        name => 'tls', title => 'A small file over TLS', server => $TLS, tls => 1,
        load => '1,500 requests a second for a 1 KB file on 64 kept-alive TLS connections',
        schedule => '1500:5', mode => 'keep', connections => 64, path => '/1k.html', judge => [1, 5],
        measures => [@LATENCY, @COST, 'pss_peak_mib', 'threads_peak', @HEALTH],
    },
    (map {
        +{
            name => "sweep-$_", group => 'A sweep of rates', x => $_, x_label => 'requests a second',
            title => "$_ requests a second before an application that needs " . SWEEP_MS . ' ms', server => $PROXY, delay_ms => SWEEP_MS,
            load => "$_ requests a second, each on a connection of its own, to a backend that answers after " . SWEEP_MS . ' ms',
            schedule => "$_:" . SWEEP_S, mode => 'new', path => '/', judge => [0.5, SWEEP_S],
            measures => [@LATENCY, 'rate', 'cpu_us', 'pss_peak_mib', 'threads_peak', @HEALTH],
        }
    } 250, 500, 1000, 2000),
    {
        name => 'step', title => 'A burst: sixty times the load', server => $PROXY, delay_ms => 400,
        load => '20 requests a second, for six seconds 1,200, and again 20; each waits 400 ms at a backend',
        schedule => '20:2,1200:6,20:6', mode => 'new', path => '/', judge => [2, 8], burst => [2, 8],
        measures => [@LATENCY, 'rate', @BURST, 'cpu_us', @SIZE, @HEALTH],
    },
    {
        name => 'flash', title => 'A flash crowd', server => $PROXY, delay_ms => 200,
        load => '50 requests a second, at once 2,000, and then fewer and fewer; each waits 200 ms at a backend',
        schedule => '50:2,2000:1,1400:1,1000:1,700:1,500:1,350:1,200:1', mode => 'new', path => '/', judge => [2, 9], burst => [2, 5],
        measures => [@LATENCY, 'rate', 'absorbed_s', 'cpu_us', @SIZE, @HEALTH],
    },
    {
        name => 'onoff', title => 'On and off', server => $PROXY, delay_ms => 300,
        load => '800 requests a second for two seconds, 10 for two, three times; each waits 300 ms at a backend',
        schedule => '10:1,' . join(',', ('800:2,10:2') x 3), mode => 'new', path => '/', judge => [1, 13],
        measures => [@LATENCY, 'rate', 'cpu_us', @SIZE, @HEALTH],
    },
    {
        name => 'slow-backend', title => 'A backend that becomes slow', server => $PROXY, delay_ms => 20,
        load => '300 requests a second to a backend that answers after 20 ms, for four seconds after 2 s, then again after 20 ms',
        schedule => '300:10', mode => 'new', path => '/', judge => [0, 10],
        more => sub {
            my ($scenario) = @_;
            my $backend = $scenario->{backend};
            $backend->delay(20);
            return (events => [[2, sub { $backend->delay(2000) }], [6, sub { $backend->delay(20) }]]);
        },
        measures => [@LATENCY, 'rate', 'cpu_us', @SIZE, @HEALTH],
    },
    {
        name => 'dead-backend', title => 'Pages beside a dead backend', delay_ms => 600_000,
        server => {
            modules => [qw(proxy proxy_http)], conf => "    ProxyPass /app http://127.0.0.1:\@BACKEND\@/\n",
            nginx => 1, nginx_conf => 'location /app { proxy_pass http://127.0.0.1:@BACKEND@; }', worker_connections => 10_000 },
        load => '200 requests a second for a 1 KB file, while 100 a second go to a backend that never answers',
        schedule => '200:8', mode => 'new', path => '/1k.html', judge => [0, 8],
        more => sub {
            my ($scenario, $server) = @_;
            return (beside => [{ schedule => '100:8', mode => 'new', path => '/app', timeout => 3 }]);
        },
        measures => [@LATENCY, 'rate', 'cpu_us', @SIZE, @HEALTH],
    },
    {
        name => 'herd', title => 'A thousand at the same instant', server => $PROXY, delay_ms => 100,
        load => sprintf('%d requests within %d ms, twice, three seconds apart; each waits 100 ms at a backend', HERD, HERD_S * 1000),
        schedule => '20:2,' . join(',', (HERD / HERD_S . ':' . HERD_S . ',20:3') x 2), mode => 'new', path => '/', judge => [2, 8],
        measures => [@LATENCY, 'rate', 'cpu_us', @SIZE, @HEALTH],
    },
    {
        name => 'churn', title => 'A reload each second', server => $PROXY, delay_ms => 40,
        load => '300 requests a second of 40 ms on kept-alive connections, and a graceful restart each second for five seconds',
        schedule => '300:8', mode => 'keep', connections => 200, path => '/', judge => [2, 8],
        more => sub {
            my ($scenario, $server) = @_;
            return (events => [map { [$_, sub { $server->signal($server->reload_signal) }] } 2 .. 6]);
        },
        measures => [@LATENCY, 'rate', 'cpu_us', @SIZE, @HEALTH],
    },
    {
        name => 'compute', title => 'Pages beside requests that compute', server => $COMPUTE,
        load => 'requests that compute 5 ms, 1.5 times what the processors can do, on at most 400 connections; judged is a 1 KB file beside'
            . ' them, 50 a second on kept-alive connections',
        schedule => '50:7', mode => 'keep', connections => 40, path => '/1k.html', judge => [1.5, 7],
        more => sub {
            my $rate = 1.5 * cores() * 200;
            return (
                beside => [{ schedule => "$rate:7", mode => 'keep', connections => 400, path => '/adp/spin?ms=5', timeout => 20, at_end => 'drop' }]);
        },
        measures => [@LATENCY, @BESIDE, 'pss_peak_mib', 'threads_peak', @HEALTH],
    },
    {
        name => 'idle', title => 'Three thousand idle clients',
        # long enough that none of them is closed while it is measured
        server => { conf => "    KeepAliveTimeout 300\n", nginx => 1, nginx_conf => 'keepalive_timeout 300s;', worker_connections => 10_000 },
        load => '200 requests a second for a 1 KB file on new connections, while 3,000 clients keep connections on which they ask for nothing',
        schedule => '200:5', mode => 'new', path => '/1k.html', judge => [0, 5],
        more => sub { return (held => [{ kind => 'idle', connections => 3000 }]) },
        measures => [@LATENCY, 'cpu_us', 'pss_peak_mib', 'threads_peak', @HEALTH],
    },
    {
        name => 'half-headers', title => 'Four hundred half-sent headers', server => { nginx => 1, worker_connections => 10_000 },
        load => '200 requests a second for a 1 KB file on new connections, while 400 clients have sent half a header',
        schedule => '200:5', mode => 'new', path => '/1k.html', judge => [0, 5],
        more => sub { return (held => [{ kind => 'partial', connections => 400 }]) },
        measures => [@LATENCY, 'cpu_us', 'pss_peak_mib', 'threads_peak', @HEALTH],
    },
);

sub names { return map { $_->{name} } @ALL }

# sweep of sweep-250
sub family { return $_[0]{name} =~ s/-\d+\z//r }

# Those of some names or families (all without any), ready for AB::Trial: with their backends, and with a plan.
sub scenarios {
    my (@names) = @_;
    my %wanted = map { $_ => 1 } @names;
    my @chosen = grep { !@names || $wanted{ $_->{name} } || $wanted{ family($_) } } @ALL;
    my %known = map { $_ => 1 } map { ($_->{name}, family($_)) } @ALL;
    my @unknown = grep { !$known{$_} } @names;
    die "SCENARIOS: there is no @unknown; there are: @{[names()]}\n" if @unknown;
    return map { ready({%$_}) } @chosen;
}

sub ready {
    my ($scenario) = @_;
    $scenario->{seconds} = 1;
    $scenario->{seconds} += $_ for $scenario->{schedule} =~ /:([\d.]+)/g;
    $scenario->{begin} = sub {
        $scenario->{backend} = Bench::SleepBackend->new(delay_ms => $scenario->{delay_ms}) if defined $scenario->{delay_ms};
    };
    $scenario->{end} = sub { delete $scenario->{backend} };
    $scenario->{plan} = sub { plan($scenario, @_) };
    return $scenario;
}

sub plan {
    my ($scenario, $server, $round) = @_;
    my %more = $scenario->{more} ? $scenario->{more}->($scenario, $server) : ();
    my @port = $scenario->{tls} ? (https_port => $server->port) : (port => $server->port);
    my $seed = 1000 * $round;
    my @loads = map { { @port, urgent => 1, connections => 4000, poisson => ++$seed, seconds => $scenario->{seconds}, %$_ } }
        { map { $_ => $scenario->{$_} } grep { defined $scenario->{$_} } qw(schedule mode connections path timeout) }, @{ delete $more{beside} // [] };
    $_->{port} //= $server->port for @{ $more{held} // [] };
    return { loads => \@loads, judge => $scenario->{judge}, burst => $scenario->{burst}, others => [$scenario->{backend} // ()], %more };
}

1;
