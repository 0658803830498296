# WebSocket connections through the proxy: mod_proxy_http's upgrade=, and mod_proxy_wstunnel's own tunnel. Each holds a
# worker thread for as long as it lives, so many of them at once need more threads than an elastic child starts with.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use Adaptive::Cgroup;
use Adaptive::Client;
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);
use Adaptive::WebSocket qw(serve_echo OP_TEXT OP_BINARY OP_CLOSE OP_PING OP_PONG);

my $CONCURRENT = 80;

# Where what limits the threads can be read (event does not know the handler).
my $STATUS_CONF = <<'CONF';
LogLevel mpm_adaptive:info
<Location /adaptive-status>
    SetHandler adaptive-status
</Location>
CONF

my $listener = listener();
my $backend  = $listener->sockport;
my $echo     = spawn(sub { serve_echo($listener) });
close $listener;

my $server = Adaptive::Server->new(
    modules  => [qw(status proxy proxy_http proxy_wstunnel)],
    mpm_conf => "StartServers 1\nThreadsPerChild 64\nMaxRequestWorkers 128\n",
    conf     => <<"CONF",
${STATUS_CONF}Listen 127.0.0.1:\@PORT2\@
KeepAlive On
KeepAliveTimeout 1
Timeout 60
<VirtualHost *:\@PORT\@>
    ProxyPass /http/ http://127.0.0.1:$backend/ upgrade=websocket
    ProxyPass /ws/ ws://127.0.0.1:$backend/
</VirtualHost>
<VirtualHost *:\@PORT2\@>
    ProxyWebsocketFallbackToProxyHttp Off
    ProxyPass /ws/ ws://127.0.0.1:$backend/
</VirtualHost>
CONF
);
put_file($server->docroot . '/hello.txt', "hello\n");
$server->start;

my @routes = (
    ['mod_proxy_http upgrade=',                   1, '/http/'],
    ['mod_proxy_wstunnel through mod_proxy_http', 1, '/ws/'],
    ['mod_proxy_wstunnel on its own',             2, '/ws/'],
);

sub busy_falls_to {
    my ($busy) = @_;
    return ok_within { $server->auto->{BusyWorkers} <= $busy } 20, 'the workers are free again';
}

# What CI has to show when some are not upgraded, the shortest last: its output may be cut off at the front.
sub explain_not_upgraded {
    my ($s, @answers) = @_;
    my %count;
    $count{$_}++ for @answers;
    my $auto = $s->auto;
    my $json = mpm() eq 'adaptive' ? http_get($s->url('/adaptive-status?json'))->{body} // '' : '';
    my @ceilings = $json =~ /\{"name":("[^"]+","text":"[^"]*","threads":[^,]+,"unit":"[^"]*","limit":[^,]+,"used":[^,]+)/g;
    my @said = grep {/ADP\d+|:(?:error|warn|crit|alert|emerg)\]/} split /\n/, $s->error_log;
    diag 'the last that the log says:', map {"\n  " . substr $_, 0, 300} @said > 20 ? @said[-20 .. -1] : @said;
    diag 'ceilings:', map {"\n  $_"} @ceilings;
    diag join ' ', map {"$_=$auto->{$_}"} grep {/\A(?:Busy|Idle)Workers\z|\AAdaptive(?:Threads|Children|Ceiling|Refused|Shed|Holder|Waited)/} sort keys %$auto;
    diag "$count{$_} x $_" for sort keys %count;
    return;
}

# All under way get through the handshake: nobody is refused, nobody waits for ever.
sub all_upgraded {
    my ($s, @all) = @_;
    my @answers = grep {$_} map { eval { $_->finish_handshake; 1 } ? '' : $@ =~ s/ at \S+ line \d+\.\n//r =~ s/\s*\n\s*/ | /gr } @all;
    is scalar(@answers), 0, 'all upgraded' or explain_not_upgraded($s, @answers);
    return;
}

for my $route (@routes) {
    my ($name, $port, $path) = @$route;
    $port = $server->port($port);
    subtest $name => sub {
        subtest 'hundreds of frames both ways' => sub {
            my $ws   = Adaptive::WebSocket->connect($port, $path);
            my $good = 0;
            for my $n (1 .. 400) {
                my $text = "$n " . 'p' x ($n * $n % 9001);
                $ws->send(OP_TEXT, $text);
                my ($opcode, $answer) = $ws->receive or last;
                $good++ if $opcode == OP_TEXT && $answer eq $text;
            }
            is $good, 400, 'each echoed before the next is sent';

            $ws->send(OP_TEXT, "number $_") for 1 .. 400;
            $good = 0;
            for my $n (1 .. 400) {
                my ($opcode, $answer) = $ws->receive or last;
                $good++ if $answer eq "number $n";
            }
            is $good, 400, 'sent in one go, echoed in order';

            $ws->send(OP_TEXT, 'push 500 5000');
            $good = 0;
            for my $n (1 .. 500) {
                my ($opcode, $answer) = $ws->receive or last;
                $good++ if $opcode == OP_BINARY && length $answer == 5000 && unpack('N', $answer) == $n;
            }
            is $good, 500, 'frames that the backend sends unasked, in order';

            my $large = 'L' x 3_000_000;
            $ws->send(OP_BINARY, $large);
            is +($ws->receive)[1], $large, 'one frame of 3 MB';
        };
        subtest 'ends' => sub {
            my $ws = Adaptive::WebSocket->connect($port, $path);
            $ws->send(OP_TEXT, 'please close');
            is +($ws->receive)[0], OP_CLOSE, 'close frame of the backend';
            ok !$ws->receive, 'then the end';

            $ws = Adaptive::WebSocket->connect($port, $path);
            $ws->send(OP_CLOSE, pack 'n', 1000);
            is +($ws->receive)[0], OP_CLOSE, 'close frame of the client is answered';
            ok !$ws->receive, 'then the end';

            $ws = Adaptive::WebSocket->connect($port, $path);
            $ws->send(OP_TEXT, 'please drop');
            ok !$ws->receive, 'the backend just goes away';

            $ws = Adaptive::WebSocket->connect($port, $path);
            is $ws->text('x'), 'x', 'a client';
            $ws->close;
            busy_falls_to(1);
        };
    };
}

subtest 'idle for longer than every keep-alive timeout' => sub {
    my $plain = Adaptive::Client->new($server->port);
    is $plain->get('/hello.txt')->{status}, 200, 'a kept-alive request first, which sets a deadline of a second';
    my $reused = Adaptive::WebSocket->upgrade($plain->sock, '/http/');
    my $fresh  = Adaptive::WebSocket->connect($server->port, '/http/');
    is $_->text('before'), 'before', 'echo before the pause' for $reused, $fresh;
    ok !$_->receive(2), 'nothing comes during it' for $reused, $fresh;
    is $_->text('after'), 'after', 'echo after it' for $reused, $fresh;
    $_->send(OP_PING, 'still there?') for $reused, $fresh;
    is +($_->receive)[0], OP_PONG, 'pong' for $reused, $fresh;
    $_->close for $reused, $fresh;
};

subtest "$CONCURRENT at once" => sub {
    my @all = map { Adaptive::WebSocket->begin($server->port, '/http/') } 1 .. $CONCURRENT;
    all_upgraded($server, @all);
    my $plain = Adaptive::Client->new($server->port);
    is $plain->get('/hello.txt')->{status}, 200, 'another client is served';
    is scalar(grep { $_->text('hello all') eq 'hello all' } @all), $CONCURRENT, 'all echo';
    my $good = 0;
    for my $round (1 .. 10) {
        $_->send(OP_TEXT, "round $round") for @all;
        $good += grep { (($_->receive)[1] // '') eq "round $round" } @all;
    }
    is $good, 10 * $CONCURRENT, 'all of them ten times at the same time';
    cmp_ok $server->auto->{BusyWorkers}, '>=', $CONCURRENT, 'the scoreboard shows a busy worker for each';
    $_->close for @all;
    busy_falls_to(1);
};

# How often the child's main thread has gone to sleep.
sub sleeps_of {
    my ($pid) = @_;
    my ($count) = Adaptive::Server::read_text("/proc/$pid/task/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m;
    return $count // 0;
}

# A look at who computes, every 8 ms, and one for who waits outside, every 20: 175 a second, for days. One calm second is
# enough, however long it takes until there is one.
subtest 'a child whose threads are all in tunnels rests' => sub {
    plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';
    my $full = Adaptive::Server->new(modules => [qw(status proxy proxy_http)],
        mpm_conf => "StartServers 1\nThreadsPerChild 8\nMaxRequestWorkers 8\n",
        conf => "Timeout 600\nAdaptiveBulkheads off\nProxyPass /http/ http://127.0.0.1:$backend/ upgrade=websocket\n")->start;
    my @all = map { Adaptive::WebSocket->connect($full->port, '/http/') } 1 .. 8;
    my $large = 'L' x 3_000_000;
    for (1 .. 3) {
        $all[0]->send(OP_BINARY, $large);
        is +($all[0]->receive)[1], $large, 'one of them has had much to do, and its thread was lowered';
    }
    my ($pid) = $full->child_pids;
    ok_within { my $before = sleeps_of($pid); sleep 1; sleeps_of($pid) - $before < 60 } 60, 'its steward sleeps';
    is scalar(grep { $_->text('still there') eq 'still there' } @all), 8, 'all of them echo';
    my $next = Adaptive::WebSocket->begin($full->port, '/http/');
    $all[0]->close;
    $next->finish_handshake;
    is $next->text('hello'), 'hello', 'the next has the thread of one that ends';
};

# Memory that was found is handed out a part at a time, and measured again before the rest. What is handed out just now is not all that there will be: a backend's share
# is not to be judged by it (AdaptiveBulkheads), or most of these are refused.
subtest 'in a small control group' => sub {
    plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';
    my $group = Adaptive::Cgroup->new(memory => 48 * 1024 * 1024) or plan skip_all => 'no control group can be made here';
    my $small = Adaptive::Server->new(wrapper => $group->wrapper, modules => [qw(status proxy proxy_http)],
        mpm_conf => "StartServers 1\nThreadsPerChild 64\nMaxRequestWorkers 128\n",
        conf => "${STATUS_CONF}Timeout 60\nProxyPass /http/ http://127.0.0.1:$backend/ upgrade=websocket\n")->start;
    # another class has to be there, and the backend known to be slow, for a share to be judged
    http_get($small->url('/server-status?auto'));
    my @all = map { Adaptive::WebSocket->begin($small->port, '/http/') } 1 .. $CONCURRENT;
    all_upgraded($small, @all);
    unlike $small->error_log, qr/ADP0130/, 'nobody is refused';
    $_->close for @all;
    ok $small->stop, 'it stops';
};

subtest 'a graceful restart' => sub {
    my @old = map { Adaptive::WebSocket->connect($server->port, '/http/') } 1 .. 5;
    $server->graceful;
    is scalar(grep { $_->text('old') eq 'old' } @old), 5, 'connections of the old generation go on';
    my $new = Adaptive::WebSocket->connect($server->port, '/http/');
    is $new->text('new'), 'new', 'new ones are served';
    $_->close for @old;
    ok_within { my $auto = $server->auto; !$auto->{Stopping} } 20, 'the old child ends with its last connection';
    is $new->text('new'), 'new', 'the new one is not touched by that';
    $new->close;
};

subtest 'the backend dies' => sub {
    my $ws = Adaptive::WebSocket->connect($server->port, '/http/');
    is $ws->text('alive'), 'alive', 'a connection';
    finish($echo);
    ok !$ws->receive, 'ends with its backend';
    $ws->close;    # until then the tunnel may be half open
    my $refused = Adaptive::Client->new($server->port);
    is $refused->get('/http/', headers => {
        Upgrade => 'websocket', Connection => 'Upgrade', 'Sec-WebSocket-Version' => 13,
        'Sec-WebSocket-Key' => 'dGhlIHNhbXBsZSBub25jZQ==' })->{status}, 503, 'the next is refused with a 503';
    busy_falls_to(1);
};

unlike $server->error_log, qr/AH00052|exit signal/, 'no child crashed';
ok $server->stop, 'the server stops';
done_testing;
