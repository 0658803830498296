# Every file of conf-examples/ is a configuration that passes -t without a word and serves.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Server;
use Test::More;

my @examples = glob 'conf-examples/*.conf';
cmp_ok scalar @examples, '>=', 5, 'there are examples';

# The guards are for our name; what they guard is meant for any threaded MPM.
sub text_of {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!";
    local $/;
    my $text = <$file>;
    my $mpm = mpm();
    $text =~ s/<IfModule mpm_adaptive_module>/<IfModule mpm_${mpm}_module>/g;
    # Our own directives mean nothing to others.
    $text =~ s/^ *Adaptive.*\n//mg if $mpm ne 'adaptive';
    return $text;
}

for my $path (@examples) {
    subtest $path => sub {
        my $text = text_of($path);
        my $server = Adaptive::Server->new(modules => ['status'], mpm_conf => $text);
        is_deeply $server->run_httpd('-t'), { status => 0, output => "Syntax OK\n" }, '-t has nothing to complain about';

        $server->start;
        is http_get($server->url('/1k.html'))->{status}, 200, 'it serves';
        is $server->auto->{ServerMPM}, mpm(), 'with the MPM under test';
        unlike $server->error_log, qr/:(?:warn|error|crit|alert|emerg)\]/, 'no complaint in the error log';
        ok $server->stop, 'it stops';
    };
}

# Somebody who switches back keeps a configuration that loads.
for my $path (grep { text_of($_) =~ /<IfModule/ } @examples) {
    open my $file, '<', $path or die "$path: $!";
    local $/;
    my $server = Adaptive::Server->new(mpm => 'event', mpm_conf => scalar <$file>);
    is_deeply $server->run_httpd('-t'), { status => 0, output => "Syntax OK\n" }, "$path does not disturb mpm_event";
}

done_testing;
