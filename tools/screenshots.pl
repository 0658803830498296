#!/usr/bin/perl
# The pictures of docs/user/images: a server with ten minutes of changing load, and what its status page looks like in Chromium.
# make -f Makefile.apxs screenshots

use strict;
use warnings;

use lib 't/lib';

use Adaptive::Browser;
use Adaptive::Probe;
use Adaptive::Process qw(spawn finish);
use Adaptive::Server;

my $build = $ENV{ADAPTIVE_BUILD} // '.build';
my $missing = Adaptive::Browser::missing();
die "$missing\n" if $missing;

# As far as the end of the chart, and small enough for a document.
my @size = (1100, 1095);

# Requests a second, for so many seconds: quiet, a morning, a burst, a slow backend, the evening.
my @own     = qw(8:100 25:80 60:60 220:25 60:60 40:90 90:40 20:150);
my @proxied = qw(4:150 20:115 40:70 150:15 15:250);

my $s = Adaptive::Server->new(test_module => 1, modules => [qw(status proxy proxy_http)],
    conf => "$TEST_CONF\nServerName www.example.org\n<Location /adaptive-status>\nSetHandler adaptive-status\n</Location>\n"
        . "ProxyPass /shop http://127.0.0.1:\@PORT2\@/adp\nListen 127.0.0.1:\@PORT2\@\n<VirtualHost *:\@PORT2\@>\nServerName shop.example.org\n</VirtualHost>\n",
    mpm_conf => "MaxRequestWorkers 384\n")->start;
my $url = $s->url('/adaptive-status') =~ s/localhost/127.0.0.1/r;
my $seconds = 0;
$seconds += (split /:/)[1] for @own;
my @load = map {
    my ($path, @schedule) = @$_;
    spawn(sub {
        open STDOUT, '>', '/dev/null';
        exec "$build/t/loadgen", '-m', 'new', '-p', $s->port, '-u', $path, '-s', join(',', @schedule) or die;
    });
} [ '/adp/sleep?ms=300', @own ], [ '/shop/sleep?ms=900', @proxied ];
print "Load for $seconds s.\n";
sleep $seconds - 15;
my $browser = Adaptive::Browser->new(dir => $s->root . '/tmp/chromium', size => [@size]) or die "no browser\n";
for my $scheme (qw(light dark)) {
    $browser->resize(@size, 0);
    $browser->dark($scheme);
    $browser->go($url);
    $browser->picture("docs/user/images/status-$scheme.png", [@size]);
}
$browser->resize(390, 844, 1);
$browser->dark('light');
$browser->go($url);
$browser->picture($ENV{PHONE}) if $ENV{PHONE};
$browser->quit;
finish($_) for @load;
$s->stop;
