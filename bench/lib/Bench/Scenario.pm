package Bench::Scenario;

# What is compared. A scenario says what the server needs beyond Debian's defaults, what the load generator does, and what the
# MPM promises in it (ratios to the reference).

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(scenarios make_certificate);

use AB::Machine qw(capture program);

my $TLS_CONF = <<'CONF';
    SSLEngine on
    SSLCertificateFile "@CERTIFICATE@"
    SSLCertificateKeyFile "@KEY@"
CONF

my $NGINX_TLS = 'ssl_certificate @CERTIFICATE@; ssl_certificate_key @KEY@;';

# No bound that is set by the number of requests of one connection: h2load does not connect again.
my $UNLIMITED = 1_000_000_000;

my @ALL = (
    {
        name => 'keepalive', title => 'kept-alive 1 KB file', tool => 'wrk', scheme => 'http', nginx => 1,
        goals => { cpu_us => 0.65, rps => 1.3, p99_ms => 1, switches => 0.5 },
    },
    {
        name => 'connect', title => 'a new connection per request, 1 KB file', tool => 'wrk', scheme => 'http', nginx => 1,
        header => 'Connection: close',
        goals => { cpu_us => 0.75, p99_ms => 1, switches => 0.5 },
    },
    {
        name => 'tls', title => 'TLS kept alive, 1 KB file', tool => 'wrk', scheme => 'https', nginx => 1,
        modules => [qw(socache_shmcb ssl)], conf => $TLS_CONF, nginx_listen => 'ssl', nginx_conf => $NGINX_TLS,
        goals => { cpu_us => 0.85, p99_ms => 1, switches => 0.5 },
    },
    {
        name => 'proxy', title => '1 KB proxied to a local backend (nginx, not counted)', tool => 'wrk', scheme => 'http',
        modules => [qw(proxy proxy_http)], conf => "    ProxyPass / http://127.0.0.1:\@BACKEND\@/\n", backend => 1,
        goals => { cpu_us => 0.85, p99_ms => 1, switches => 0.5 },
    },
    {
        name => 'h2', title => 'HTTP/2 over TLS, 1 KB file', tool => 'h2load', scheme => 'https', nginx => 1,
        modules => [qw(socache_shmcb ssl http2)], conf => $TLS_CONF,
        nginx_listen => 'ssl http2', nginx_conf => $NGINX_TLS, max_keepalive_requests => $UNLIMITED,
        goals => { cpu_us => 1, p99_ms => 1, switches => 0.5 },
    },
    {
        name => 'h2c', title => 'HTTP/2 without TLS, 1 KB file', tool => 'h2load', scheme => 'http', nginx => 1,
        modules => [qw(http2)], nginx_listen => 'http2', max_keepalive_requests => $UNLIMITED,
        goals => { cpu_us => 1, p99_ms => 1, switches => 0.5 },
    },
);

sub scenarios {
    my (@names) = @_;
    my %by_name = map { $_->{name} => $_ } @ALL;
    my @unknown = grep { !$by_name{$_} } @names;
    die "no such scenario: @unknown (there are: @{[map { $_->{name} } @ALL]})\n" if @unknown;
    return @names ? @by_name{@names} : @ALL;
}

# The same kind of key for everybody: P-256, the cheapest handshake that clients expect.
sub make_certificate {
    my ($dir) = @_;
    my ($certificate, $key) = ("$dir/server.crt", "$dir/server.key");
    my $said = capture(
        program('openssl') // die("openssl is missing\n"), qw(req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes
            -days 2 -subj /CN=localhost -keyout), $key, '-out', $certificate);
    die "openssl: $said" if !-s $certificate;
    return ($certificate, $key);
}

1;
