package Adaptive::Certificate;

# A self-signed certificate for localhost, made when the test runs.

use strict;
use warnings;

use Exporter 'import';

use Adaptive::Process;

our @EXPORT = qw(make_certificate);

# Makes $dir/cert.pem and $dir/key.pem, and returns the configuration lines that use them.
sub make_certificate {
    my ($dir) = @_;
    my $made = run_command(30, qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2),
        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
        '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem");
    die "openssl failed: $made->{output}" if $made->{status} || $made->{signal};
    return "SSLCertificateFile $dir/cert.pem\nSSLCertificateKeyFile $dir/key.pem\n";
}

1;
