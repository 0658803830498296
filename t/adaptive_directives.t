# The directives that only this MPM has: what they take, what is refused and with which words, and that none is needed.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Server;
use Test::More;

plan skip_all => 'directives of mod_mpm_adaptive' if mpm() ne 'adaptive';

my $server = Adaptive::Server->new;

# What `httpd -t` says about these lines.
sub tested {
    my ($mpm_conf, %opt) = @_;
    return $server->write_conf(conf => '', mpm_conf => $mpm_conf, %opt)->run_httpd('-t');
}

my %accepted = (
    AdaptiveMode         => [qw(on observe off On OBSERVE)],
    AdaptiveAffinity     => [qw(on off On OFF)],
    AdaptiveBulkheads    => [qw(on off Off)],
    AdaptiveWaitTarget   => [qw(2 0.1 1000 2ms 2.5ms 100us 1s 0.5s .5 2MS)],
    AdaptiveHold         => [qw(30 1 3600 1s 30s 1.5s 5000ms 2min 1h 90S)],
    AdaptiveMemory       => [qw(80% 1% 95% 62.5% 16M 512M 512MB 1.5G 2G 2gb 1T 16T)],
    AdaptiveMaxWait      => [qw(off 0 10 10s 100ms 0.1 1h 90S)],
    AdaptiveBodyWait     => [qw(off Off 0 1 100 8K 64kb 1M 1MB 0.5M 1048576)],
    AdaptiveOutputBuffer => [qw(off Off 0 4K 256K 256KB 1.5M 64m 1G)],
    AdaptiveDrainTimeout => [qw(off Off 0 0s 1 600 10min 24h 30d 1500ms)],
    AdaptiveStatusSocket => [qw(on off On a.sock /run/x/y.sock), 'on root', 'a.sock daemon'],
    AdaptiveStatusListen => [qw(127.0.0.1:8042 8042 localhost:80 [::1]:8042 127.9.9.9:1)],
);

my %refused = (
    AdaptiveMode         => [qw(yes 1 auto obs)],
    AdaptiveAffinity     => [qw(yes 1 auto observe)],
    AdaptiveBulkheads    => [qw(yes 1 observe)],
    AdaptiveWaitTarget   => [qw(0 0.09 1001 -2 2m ms 2msec 1min 99us two nan inf 0x10 1e3e), '2,5', '"2 ms"'],
    AdaptiveHold         => [qw(0 0.9 3601 -30 61min 1d 30sec off nan inf 0x20)],
    AdaptiveMemory       => [qw(0% 0.5% 96% 100% 80 512 15M 17T 1K 2GiB -5% -1G % G lots nan% inf% 0x10M)],
    AdaptiveMaxWait      => [qw(0.05 99ms -1 2h on never nan inf)],
    AdaptiveBodyWait     => [qw(0.5 -1 2M 1025K 1G K on lots nan inf 0x10)],
    AdaptiveOutputBuffer => [qw(256 65536 3K 2G 1T -1K 256KiB K on nan inf 10%)],
    AdaptiveDrainTimeout => [qw(0.5 -1 31d 999ms on never nan inf)],
    AdaptiveStatusListen => [qw(0.0.0.0:8042 10.0.0.1:80 127.0.0.1 :8042 [::]:80 127.0.0.1:0 127.0.0.1:70000 nonsense)],
);

my %range = (
    AdaptiveStatusListen => qr/an address of this machine alone and a port/,
    AdaptiveStatusSocket => qr/no path/,
    AdaptiveMode         => qr/on, observe, off/,
    AdaptiveAffinity     => qr/neither on nor off/,
    AdaptiveBulkheads    => qr/neither on nor off/,
    AdaptiveWaitTarget   => qr/0\.1ms to 1000ms/,
    AdaptiveHold         => qr/1s to 1h/,
    AdaptiveMemory       => qr/1% to 95%.*16M to 16T/,
    AdaptiveMaxWait      => qr/100ms to 1h, or off/,
    AdaptiveBodyWait     => qr/1 to 1M .*or off/,
    AdaptiveOutputBuffer => qr/4K to 1G, or off/,
    AdaptiveDrainTimeout => qr/1s to 30d, or off/,
);

for my $name (sort keys %accepted) {
    subtest "$name: good values" => sub {
        for my $value (@{ $accepted{$name} }) {
            is_deeply tested("$name $value\n"), { status => 0, output => "Syntax OK\n" }, "$name $value, without a word";
        }
    };

    subtest "$name: bad values" => sub {
        for my $value (@{ $refused{$name} }) {
            my $result = tested("$name $value\n");
            my $shown  = $value =~ s/\A"|"\z//gr;
            isnt $result->{status}, 0, "$name $value is refused";
            like $result->{output}, qr/ADP\d{4}: $name "\Q$shown\E": .*$range{$name}/,
                "$name $value: the message has the directive, the value and the allowed range";
            like $result->{output}, qr/write for example $name \S+.*leave the line out/, "$name $value: and what to do";
        }
        isnt tested("$name\n")->{status},          0, "$name without a value is refused";
        isnt tested(qq{$name ""\n})->{status},     0, "$name with an empty one is refused";
        isnt tested("$name 1 2 3\n")->{status},    0, "$name with three is refused";
    };

    subtest "$name: only in the main configuration" => sub {
        my $line   = "$name $accepted{$name}[0]";
        my $result = tested('', conf => "<VirtualHost *:1>\n$line\n</VirtualHost>\n");
        isnt $result->{status}, 0, 'not in a virtual host';
        like $result->{output}, qr/\b$name\b.*(?:not allowed|cannot occur)/s, 'the message says so';
        $result = tested('', conf => "<Directory />\n$line\n</Directory>\n");
        isnt $result->{status}, 0, 'not in a directory';
    };
}

subtest 'in their guard they do not disturb another MPM' => sub {
    my $lines = join '', map {"$_ $accepted{$_}[0]\n"} sort keys %accepted;
    my $event = Adaptive::Server->new(mpm => 'event', mpm_conf => "<IfModule mpm_adaptive_module>\n$lines</IfModule>\n");
    is_deeply $event->run_httpd('-t'), { status => 0, output => "Syntax OK\n" }, 'mpm_event skips them';
    isnt $event->write_conf(mpm_conf => $lines)->run_httpd('-t')->{status}, 0, 'without it they are unknown to mpm_event';
};

# The line that says what follows from all this.
sub found {
    my ($s) = @_;
    my $log = $s->wait_log(qr/ADP0011: .*\n/, 10);
    return $log =~ /:notice\].* ADP0011: (.*)/ ? $1 : '';
}

for my $mode (qw(on observe off)) {
    subtest "AdaptiveMode $mode" => sub {
        my $s = Adaptive::Server->new(mpm_conf => "AdaptiveMode $mode\n", conf => "LogLevel notice\n")->start;
        like found($s), qr/; AdaptiveMode $mode; version \d+\.\d+\.\d+$/, 'is logged';
        is http_get($s->url('/1k.html'))->{status}, 200, 'it serves';
        ok $s->stop, 'it stops';
    };
}

subtest 'a restart' => sub {
    my $s = Adaptive::Server->new(conf => "LogLevel notice\n", modules => ['status'])->start;
    like found($s), qr/memory \S+ .B \(80% of .*; AdaptiveMode on; version \d+\.\d+\.\d+$/, 'without a directive';
    $s->write_conf(mpm_conf => "AdaptiveMode observe\nAdaptiveMemory 50%\n");
    $s->log_mark;
    ok $s->graceful, 'graceful';
    like found($s), qr/memory \S+ .B \(50% of .*; AdaptiveMode observe; version \d+\.\d+\.\d+$/, 'takes other values';
    $s->write_conf(mpm_conf => "AdaptiveMemory 16M\n");
    $s->log_mark;
    ok $s->restart, 'restart';
    like found($s), qr/memory 16 MB \(AdaptiveMemory\).*; AdaptiveMode on; version \d+\.\d+\.\d+$/, 'takes others, and forgets the first ones';
    $s->write_conf(mpm_conf => "AdaptiveMemory 16\n");
    $s->log_mark;
    isnt $s->run_httpd('-t')->{status}, 0, 'a bad value is found before it is used';
    is http_get($s->url('/'))->{status}, 200, 'the server serves on';
    ok $s->stop, 'it stops';
};

done_testing;
