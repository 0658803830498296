# adaptivectl status: in a terminal, live, as JSON, and for a monitoring system; against a server, and against answers that are made up.

use strict;
use warnings;

use lib qw(t/lib ctl/lib);
use Test::More;
use Adaptive::Desk;
use Adaptive::Paths qw(httpd);
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;
use AdaptiveCtl::JSON qw(decode_json);
use IO::Socket::INET;
use JSON::PP ();

plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';

use constant SECONDS => 30;

$ENV{LC_ALL} = 'C.UTF-8';
delete @ENV{qw(COLUMNS LINES NO_COLOR APACHE_CONFDIR)};

# Runs it: { status, output }, both outputs in one.
sub ctl {
    my (@args) = @_;
    my $pid = open(my $out, '-|') // die "fork: $!";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        open STDIN,  '<', '/dev/null';
        exec $^X, 'ctl/adaptivectl', @args or die;
    }
    local $/;
    my $output = <$out>;
    close $out;
    return { status => $? >> 8, output => $output };
}

subtest 'JSON' => sub {
    for my $good ('{}', '[]', ' { "a" : [ 1 , -2.5e3, true, false, null, "x" ] } ', '"\u00e9\ud83d\ude00\\\\\"\/\b\f\n\r\t"', '0', '"é"', '[[[[]]]]') {
        is_deeply decode_json($good), JSON::PP->new->allow_nonref->utf8->boolean_values(0, 1)->decode($good), $good;
    }
    for my $bad ('', '{', '[1,]', '{"a"}', '{"a":1,}', '01', '1.', '.5', '+1', 'nul', '"a', '"\x"', "\"\n\"", '[1 2]', '{} x', "'a'", '[' x 100, "\"\xff\"", 'NaN', '{a:1}') {
        ok !eval { decode_json($bad); 1 }, "not JSON: $bad";
    }
    is decode_json('"\ud800x"'), "\x{fffd}x", 'half a character is none';
};

my $s = Adaptive::Server->new(test_module => 1, modules => ['status'],
    conf => "$TEST_CONF\n<Location /adaptive-status>\nSetHandler adaptive-status\n</Location>\n",
    mpm_conf => "StartServers 2\nServerLimit 2\nThreadsPerChild 4\nMaxRequestWorkers 8\n")->start;
my @socket = ('--socket', desk_socket($s));
my $url = $s->url('/adaptive-status') =~ s/localhost/127.0.0.1/r;

subtest 'once' => sub {
    my $result = ctl('status', @socket);
    is $result->{status}, 0, 'done';
    like $result->{output}, qr/\A(?:WELL|LOOK|ACT NOW): \d of \d threads? busy in \d/, 'the verdict comes first, as a word';
    like $result->{output}, qr/^What limits it.*^\S+ \d+ of 8: MaxRequestWorkers/ms, 'what limits it';
    like $result->{output}, qr/^ +0 +\d+ +0  serving/m, 'the children';
    unlike $result->{output}, qr/\e/, 'no colours where there is no terminal';
    is((grep { length > 240 } split /\n/, $result->{output}), 0, 'no line is longer than the window');
    my $by_url = ctl('status', '--url', $url);
    like $by_url->{output}, qr/\A(?:WELL|LOOK)/, 'the handler tells the same';
    my $json = ctl('status', '--json', @socket);
    is JSON::PP::decode_json($json->{output})->{server}{parent_pid}, $s->pid, '--json: what the server says, as it is';
    local $ENV{LC_ALL} = 'C';
    unlike ctl('status', @socket)->{output}, qr/[^\x00-\x7f]/, 'plain letters where the locale has no others';
};

subtest 'finds the server by itself' => sub {
    my $found = ctl('status', '--config', $s->root . '/conf/httpd.conf', '--httpd', httpd());
    like $found->{output}, qr/process @{[$s->pid]},/, 'by its configuration' or diag $found->{output};
    my $all = ctl('status');
    # others may run on this machine
    like $all->{output}, qr/process @{[$s->pid]},|--socket @{[desk_socket($s)]}$/m, 'by what the kernel knows';
};

subtest 'for a monitoring system' => sub {
    my $well = ctl('status', '--check', @socket);
    is $well->{status}, 0, 'OK';
    like $well->{output}, qr/\AADAPTIVE OK - [^|\n]+ \| busy=\d+;;;0;8 threads=\d+;;;0;8 utilisation=[\d.]+%;;;0;100 wait=[\d.]+s;;;0 .*requests=\d+c/, 'one line, with figures';
    is scalar(() = $well->{output} =~ /\n/g), 1, 'one line';
    my @held = hold_requests($s, 8);
    ok((wait_for { desk_state(desk_socket($s))->{threads}{busy} == 8 } SECONDS, 'all to be busy'), 'all threads are busy');
    my $near = ctl('status', '--check', @socket);
    cmp_ok $near->{status}, '>=', 1, 'WARNING or worse';
    cmp_ok ctl('status', '--check', '--critical', '90%', @socket)->{status}, '==', 2, '--critical by the part that is used';
    push @held, hold_requests($s, 4);
    ok((wait_for { ctl('status', '--check', @socket)->{status} == 2 } SECONDS, 'CRITICAL'), 'CRITICAL');
    like ctl('status', @socket)->{output}, qr/\AACT NOW: .*^- MaxRequestWorkers 8 reached: .*\s+What\s+to\s+do:/ms, 'and in words';
    ok((wait_for { ctl('status', @socket)->{output} =~ /^Who holds threads\n +8 +virtual host localhost/m } SECONDS, 'eight requests in hand'), 'with who holds the threads');
    lift_hold($s);
    read_response($_) for @held;
    is ctl('status', '--check', '--socket', '/nowhere/x')->{status}, 3, 'UNKNOWN';
    like ctl('status', '--check', '--socket', '/nowhere/x')->{output}, qr/\AADAPTIVE UNKNOWN - .*no such socket/, '... and why';
};

subtest 'live' => sub {
    my $out = $s->root . '/tmp/watch';
    my $pid = fork // die;
    if (!$pid) {
        open STDOUT, '>', $out;
        exec $^X, 'ctl/adaptivectl', 'status', '--watch', '--interval', '0.1', @socket or die;
    }
    ok((wait_for { (() = Adaptive::Server::read_text($out) =~ /^(?:WELL|LOOK|ACT NOW):/mg) >= 3 } SECONDS, 'three looks'), 'one block after the other where there is no terminal');
    kill 'TERM', $pid;
    waitpid $pid, 0;
    unlike Adaptive::Server::read_text($out), qr/\e/, 'without a sequence for a terminal';
};

# A server that says what it is told to.
sub made_up {
    my ($body, %option) = @_;
    my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die;
    my $pid = spawn(sub {
        while (my $client = $listener->accept) {
            my $line = <$client>;
            print {$client} 'HTTP/1.0 ' . ($option{status} // '200 OK') . "\r\nContent-Type: application/json\r\n\r\n$body";
            close $client;
        }
    });
    return 'http://127.0.0.1:' . $listener->sockport . '/x';
}

subtest 'answers that are wrong' => sub {
    my @cases = (
        [ 'nonsense', {}, qr/no status page of mpm_adaptive: not JSON/ ],
        [ '{"schema_version":99}', {}, qr/speaks schema 99/ ],
        [ '{}', {}, qr/no status page/ ],
        [ '', { status => '403 Forbidden' }, qr/answers 403: access is denied/ ],
        [ '', { status => '404 Not Found' }, qr/answers 404: is the handler adaptive-status mapped there/ ],
    );
    for my $case (@cases) {
        my ($body, $option, $message) = @$case;
        my $result = ctl('status', '--url', made_up($body, %$option));
        is $result->{status}, 1, "'$body': not done";
        like $result->{output}, $message, '... and why';
    }
};

subtest 'text of strangers' => sub {
    my $state = JSON::PP::decode_json(ctl('status', '--json', @socket)->{output});
    my $evil = "\e]0;owned\a\e[31mx\x{9b}2J\x{202e}y\r\nz";
    $state->{holders} = [ { kind => 'url', name => $evil, threads => 3, oldest_seconds => 2, refused_total => 0 } ];
    $state->{verdict}{sentence} = $evil;
    $state->{children}{list}[0]{oldest} = { seconds => 9, request => $evil, virtual_host => $evil };
    my $result = ctl('status', '--url', made_up(JSON::PP::encode_json($state)));
    utf8::decode($result->{output});
    is $result->{status}, 0, 'is shown';
    unlike $result->{output}, qr/[\x00-\x09\x0b-\x1f\x7f-\x9f\x{202e}]/, 'without what a terminal would obey';
};

subtest 'asked in a wrong way' => sub {
    my @cases = (
        [ [qw(--json --check)], qr/--json and --check exclude each other/ ], [ [qw(--socket /x --url http://127.0.0.1/)], qr/--socket and --url exclude/ ],
        [ [qw(--url https://127.0.0.1/)], qr/no https/ ], [ [qw(--url nonsense)], qr/not the address of a status page/ ],
        [ [qw(--watch --interval 0)], qr/--interval 0 is not/ ], [ [qw(--check --warning 200)], qr/--warning 200 is not a percentage/ ], [ [qw(more)], qr/takes no argument/ ],
    );
    for my $case (@cases) {
        my ($args, $message) = @$case;
        my $result = ctl('status', @$args);
        is $result->{status}, 2, "@$args";
        like $result->{output}, $message, '... and why';
    }
};

ok $s->stop, 'stops';
done_testing;
