# The desk: the status page on a Unix socket and on an address of the loopback device, from a process that needs no worker.

use strict;
use warnings;

use lib 't/lib';
use File::Copy qw(copy);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);
use Test::More;
use Adaptive::Build;
use Adaptive::Desk;
use Adaptive::Ordinary;
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;

plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';

use constant SECONDS => 30;

$SIG{PIPE} = 'IGNORE';

sub server { my (%option) = @_; return Adaptive::Server->new(test_module => 1, %option, conf => $TEST_CONF . ($option{conf} // '')) }

sub free_port { my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die; return $l->sockport }

subtest 'answers' => sub {
    my $s = server(conf => "<Location /adaptive-status>\nSetHandler adaptive-status\n</Location>\n")->start;
    my $path = desk_socket($s);
    ok -S $path, 'there is a socket';
    is sprintf('%04o', (stat $path)[2] & 07777), '0600', 'for the user who started the server';
    my %type = ('/' => 'text/html', '/?json' => 'application/json', '/?metrics' => 'text/plain; version=0.0.4', '/?style' => 'text/css', '/?script' => 'text/javascript',
        '/?icon=red' => 'image/svg+xml');
    for my $target (sort keys %type) {
        my $answer = desk_get($path, $target);
        is $answer->{status}, 200, "$target answers";
        like $answer->{head}, qr/^Content-Type: \Q$type{$target}\E/m, '... with its type';
        like $answer->{head}, qr/^Content-Length: @{[length $answer->{body}]}\r$/m, '... and its length';
        my $same = http_get($s->url('/adaptive-status' . $target =~ s{^/}{}r));
        is $same->{status}, 200, '... and so does the handler';
        for my $name (qw(Content-Type Content-Security-Policy Cache-Control X-Content-Type-Options)) {
            my ($here) = $answer->{head} =~ /^$name: (.*?)\r$/m;
            is $same->{headers}{ lc $name }, $here, "... with the same $name";
        }
        my $head = desk_get($path, $target, method => 'HEAD');
        is "$head->{status} $head->{body}", '200 ', '... to HEAD without a body';
    }
    like desk_get($path, '/?metrics', headers => "Accept: application/openmetrics-text; version=1.0.0\r\n")->{body}, qr/^# EOF\n\z/m, 'OpenMetrics where that is accepted';
    my $state = desk_state($path);
    is $state->{server}{parent_pid}, $s->pid, 'it is this server';
    is scalar @{ $state->{children}{list} }, scalar $s->child_pids, 'with its children';
    is desk_get($path, '/', method => 'POST')->{status}, 405, 'POST is not allowed';
    is desk_get($path, '/?other')->{status}, 404, 'what there is not';
    my $garbage = desk_connect($path);
    syswrite $garbage, "\x16\x03\x01\x02\x00\n\n";
    is desk_read($garbage)->{status}, 400, 'what is no HTTP';
    my $long = desk_connect($path);
    syswrite $long, 'GET /' . 'x' x 9000;
    is desk_read($long)->{status}, 431, 'what is too long';

    for my $case ([ 'POST', 405 ], [ 'OPTIONS', 405 ]) {
        my $answer = http_request_of($s, $case->[0]);
        is $answer->{status}, $case->[1], "the handler: $case->[0]";
        like $answer->{headers}{allow} // '', qr/\bGET\b/, '... says what is allowed';
    }
    is http_get($s->url('/adaptive-status?other'))->{status}, 404, 'the handler: what there is not';
    ok $s->stop, 'stops';
    ok !-e $path, 'and the socket is gone';
};

sub http_request_of {
    my ($s, $method) = @_;
    my $sock = tcp($s->port);
    print {$sock} "$method /adaptive-status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    return read_response($sock);
}

subtest 'while no worker is free' => sub {
    my $s = server(mpm_conf => "StartServers 2\nServerLimit 2\nThreadsPerChild 4\nMaxRequestWorkers 8\n")->start;
    my $path = desk_socket($s);
    my @held = hold_requests($s, 8);
    ok((wait_for { desk_state($path)->{threads}{busy} == 8 } SECONDS, 'all threads to be busy'), 'all threads are busy');
    my @more = hold_requests($s, 4);
    ok((wait_for { desk_state($path)->{verdict}{level} eq 'red' } SECONDS, 'red'), 'it says that requests suffer');
    # a thread that has been woken is busy before it has a request in hand
    my $held = sub { my ($by) = grep { $_->{kind} eq 'virtual-host' } @{ $_[0]{holders} }; return $by ? $by->{threads} : 0 };
    my $state;
    wait_for { $state = desk_state($path); $held->($state) == 8 && $state->{verdict}{level} eq 'red' } SECONDS, 'eight requests in hand';
    ok((grep { $_->{name} eq 'ceiling-reached' } @{ $state->{verdict}{causes} }), '... because a ceiling is reached');
    my ($holder) = grep { $_->{kind} eq 'virtual-host' } @{ $state->{holders} };
    is $held->($state), 8, 'who holds the threads';
    my @children = $s->child_pids;
    kill 'STOP', @children;
    ok desk_state($path), 'while all children are stopped, too';
    kill 'CONT', @children;
    lift_hold($s);
    is scalar(grep { (read_response($_, timeout => SECONDS) // { status => 0 })->{status} == 200 } @held, @more), 12, 'the requests are served in the end';
    ok $s->stop, 'stops';
};

subtest 'clients that do nothing, and many' => sub {
    my $s = server()->start;
    my $path = desk_socket($s);
    my @silent = map { desk_connect($path) } 1 .. 20;
    my @slow = map { my $c = desk_connect($path); syswrite $c, 'GET '; $c } 1 .. 8;
    ok desk_state($path), 'others are answered meanwhile';
    my @many = map { desk_connect($path) } 1 .. 30;
    syswrite $_, "GET /?json HTTP/1.1\r\n\r\n" for @many;
    is scalar(grep { (desk_read($_) // { status => 0 })->{status} == 200 } @many), 30, 'more at once than it takes are answered one after the other';
    ok((wait_for { my $n = sysread $silent[0], my $byte, 1; defined $n && $n == 0 } SECONDS, 'the end'), 'who says nothing is cut off');
    my @crowd = map { desk_connect($path) or die "$!" } 1 .. 10;
    push @crowd, map { my $c = desk_connect($path); syswrite $c, "GET / HTTP/1.1\r\n\r\n"; $c } 1 .. 200;
    is scalar(grep { (desk_read($_) // { status => 0 })->{status} == 200 } @crowd[10 .. $#crowd]), 200, 'so are two hundred, of which none takes its answer';
    close $_ for @crowd;
    my $flood = desk_connect($path);
    syswrite $flood, "GET /?json HTTP/1.1\r\n\r\n" . 'x' x 100_000;
    ok desk_state($path), 'who goes on sending keeps nobody waiting';
    close $flood;
    my ($desk) = $s->desk_pids;
    my $sleeps = sub { my ($n) = Adaptive::Server::read_text("/proc/$desk/status") =~ /^voluntary_ctxt_switches:\s+(\d+)/m; return $n };
    close $_ for @silent, @slow;
    my $before;
    ok((wait_for { my $now = $sleeps->(); my $same = defined $before && $now == $before; $before = $now; select undef, undef, undef, 0.3; $same } SECONDS, 'quiet'), 'and then it sleeps');
    ok $s->stop, 'stops';
};

# How a response reaches a client that takes it in pieces, or not at all.
subtest 'slow readers' => sub {
    my $s = server(hooked => 1);
    $s->fault(short_writes => 1);
    $s->start;
    my $path = desk_socket($s);
    my $asks = sub { my $c = desk_connect($path) or die "$!"; syswrite $c, "GET / HTTP/1.1\r\n\r\n"; return $c };
    my ($never, $slow, $hangs_up) = map { $asks->() } 1 .. 3;
    my ($got, $n) = ('', sysread $hangs_up, my $first, 100);
    is $n, 100, 'an answer begins';
    close $hangs_up;
    do { $n = sysread $slow, $got, 300, length $got; desk_state($path) or fail 'another is answered' } while $n && length $got < 3000;
    ok desk_state($path), 'others are answered while one takes its time';
    while ($n) { $n = sysread $slow, $got, 300, length $got }
    my ($length) = $got =~ /\AHTTP\/1\.1 200 .*?^Content-Length: (\d+)\r\n/ms;
    is length($got =~ s/\A.*?\r\n\r\n//sr), $length, '... and that one gets all of it';
    my ($desk) = $s->desk_pids;
    my $sockets = sub { return scalar grep {/^socket:/} open_files($desk) };
    ok((wait_for { $sockets->() == 1 } SECONDS, 'the end'), 'who takes nothing is cut off');
    my $part = '';
    1 while sysread $never, $part, 65536, length $part;
    cmp_ok length $part, '<', length $got, '... with part of it';
    is join(' ', $s->desk_pids), $desk, 'by the same process';
    ok $s->stop, 'stops';
};

# It has what it needs, and nothing of the server's.
subtest 'the process' => sub {
    my $s = server(conf => "AdaptiveStatusListen 127.0.0.1:\@PORT2\@\n")->start;
    my $path = desk_socket($s);
    my ($desk) = $s->desk_pids;
    desk_state($path);
    is scalar(grep { !m{^/} && !/^pipe:/ } open_files($desk)), 2, 'two sockets are open';
    is scalar(grep { !/^socket:/ } open_files($desk)), 3, '... and what each process has';
    my $listener = sub { my ($port) = @_; return Adaptive::Server::read_text('/proc/net/tcp') =~ /^\s*\d+: 0100007F:@{[sprintf '%04X', $port]} 00000000:0000 0A\s+(?:\S+\s+){5}(\d+)/m ? $1 : 0 };
    ok !(grep { $_ eq 'socket:[' . $listener->($s->port) . ']' } open_files($desk)), 'none is where the server listens';
    ok +(grep { $_ eq 'socket:[' . $listener->($s->port(2)) . ']' } open_files($desk)), 'one is where it should';
    if ($> == 0) {
        is join(' ', uids_of($desk)), join(' ', (scalar getpwnam 'www-data') x 4), 'it is not root';
    }
    for my $signal (qw(HUP INT USR1 USR2 WINCH PIPE)) {
        kill $signal, $desk;
        ok desk_state($path), "SIG$signal, which is for the server, is nothing to it";
    }
    is join(' ', $s->desk_pids), $desk, 'it is the same process';
    ok $s->alive, 'and the server runs';
    is scalar($s->zombie_pids), 0, 'nobody is left unburied';
    ok $s->stop, 'stops';
};

subtest 'not asked for' => sub {
    my $s = server(foreground => 0, args => ['-X'])->start;
    ok !-e desk_socket($s), 'one process: no socket';
    is scalar($s->desk_pids), 0, '... and no desk';
    ok $s->stop, 'stops';
    is $s->run_httpd('-t')->{status}, 0, 'a look at the configuration';
    ok !-e desk_socket($s), '... makes no socket';
    $s = server()->start;
    my $inode = (stat desk_socket($s))[1];
    is $s->run_httpd('-t')->{status}, 0, 'a look while the server runs';
    is +(stat desk_socket($s))[1], $inode, '... leaves its socket alone';
    is desk_state(desk_socket($s))->{server}{parent_pid}, $s->pid, '... which answers';
    ok $s->stop, 'stops';
};

subtest 'it crashes' => sub {
    my $s = server()->start;
    my ($desk) = $s->desk_pids;
    $s->log_mark;
    kill 'KILL', $desk;
    ok $s->wait_log(qr/ADP0133: the process that shows the server's state, $desk, has ended/, SECONDS), 'that is said';
    ok((wait_for { desk_state(desk_socket($s)) } SECONDS, 'an answer'), 'another answers');
    isnt +($s->desk_pids)[0], $desk, '... which is one';
    is http_get($s->url('/'))->{status}, 200, 'requests are served';
    ($desk) = $s->desk_pids;
    kill 'ABRT', $desk;
    ok $s->wait_log(qr/ADP0133: the process that shows the server's state, $desk, has ended; another is started in 2 s/, SECONDS), 'again, and the next one comes later';
    my $waits = desk_connect(desk_socket($s));
    syswrite $waits, "GET /?json HTTP/1.1\r\n\r\n";
    is +(desk_read($waits) // { status => 0 })->{status}, 200, 'who asks meanwhile is answered by it';
    unlike $s->error_log, qr/ADP00[567]\d/, 'no child is said to have ended';
    ok $s->stop, 'stops';
};

subtest 'the system has no process for it' => sub {
    my $s = server(hooked => 1);
    $s->fault(no_desk => 1);
    $s->start;
    my $path = desk_socket($s);
    ok $s->wait_log(qr/:warn\].*ADP0134: /, SECONDS), 'that is said';
    is http_get($s->url('/'))->{status}, 200, 'and the server serves';
    my $waits = desk_connect($path);
    syswrite $waits, "GET /?json HTTP/1.1\r\n\r\n";
    $s->fault(no_desk => 0);
    is +(desk_read($waits) // { status => 0 })->{status}, 200, 'who has asked is answered when there is one';
    is scalar(() = $s->error_log =~ /ADP0134/g), 1, 'it was said once';
    # with the next configuration, which begins with nothing said; the desk of the last one is still there
    my ($old) = $s->desk_pids;
    $s->fault(no_desk => 1);
    ok $s->graceful, 'a restart, and again there is none';
    ok desk_state($path), 'the one before answers on';
    is join(' ', $s->desk_pids), $old, '... because it has not been sent away';
    ok $s->stop, 'stops';
    ok !-e $path, 'with its socket';
};

# From the moment when the one before is told to go to the moment when the next one listens.
subtest 'between two of them' => sub {
    my $s = server(hooked => 1)->start;
    my $path = desk_socket($s);
    my $slow = desk_connect($path);
    syswrite $slow, "GET /?json HTTP/1.1\r\n";
    ok desk_state($path), 'answers';
    $s->pause_at('desk_begins');
    $s->signal('USR1');
    ok $s->wait_paused('desk_begins', SECONDS), 'the next one is on its way';
    my $waits = desk_connect($path);
    syswrite $waits, "GET /?json HTTP/1.1\r\n\r\n";
    syswrite $slow, "\r\n";
    is +(desk_read($slow) // { status => 0 })->{status}, 200, 'what one has begun it finishes';
    $s->release('desk_begins');
    is +(desk_read($waits) // { status => 0 })->{status}, 200, 'who comes meanwhile is not lost';
    ok $s->stop, 'stops';
};

subtest 'restarts' => sub {
    my $s = server()->start;
    my $path = desk_socket($s);
    my $inode = (stat $path)[1];
    my @failed;
    for my $signal (qw(USR1 HUP USR1 HUP)) {
        my $generation = desk_state($path)->{server}{generation};
        my ($old) = $s->desk_pids;
        $s->signal($signal);
        ok((wait_for {
            my $state = desk_state($path);
            push @failed, $signal if !$state;
            $state && $state->{server}{generation} > $generation;
        } SECONDS, 'the next generation'), "SIG$signal");
        ok((wait_for { my @now = $s->desk_pids; @now == 1 && $now[0] != $old } SECONDS, 'one desk'), '... has a desk of its own');
    }
    is "@failed", '', 'each question was answered';
    is((stat $path)[1], $inode, 'on the same socket');
    $s->write_conf(conf => "${TEST_CONF}AdaptiveStatusSocket other.sock\n");
    $s->signal('USR1');
    ok((wait_for { desk_state($s->root . '/run/other.sock') } SECONDS, 'the other path'), 'another path');
    ok !-e $path, '... and the one before is gone';
    $s->write_conf(conf => "${TEST_CONF}AdaptiveStatusSocket off\n");
    $s->signal('USR1');
    ok((wait_for { !-e $s->root . '/run/other.sock' && !$s->desk_pids } SECONDS, 'none'), 'off: neither socket nor process');
    ok $s->stop, 'stops';
};

subtest 'restarts, and questions without a pause' => sub {
    my $s = server()->start;
    my $path = desk_socket($s);
    my $asks = Adaptive::Ordinary->start('the desk', sub {
        for my $target ('/', '/?json', '/?metrics') {
            my $answer = desk_get($path, $target) or die "$target: no answer\n";
            $answer->{status} == 200 or die "$target: $answer->{status}\n";
            $answer->{head} =~ /^Content-Length: @{[length $answer->{body}]}\r$/m or die "$target: half an answer\n";
        }
    });
    $_ eq 'HUP' ? $s->restart : $s->graceful for qw(USR1 HUP USR1 USR1 USR1 HUP HUP USR1 USR1 USR1 USR1 USR1);
    my $result = $asks->result;
    is_deeply [map { $_->{reason} } @{ $result->{bad} }], [], 'all are answered';
    cmp_ok $result->{good}, '>', 5, 'many of them';
    ok((wait_for { $s->desk_pids == 1 } SECONDS, 'one desk'), 'one is left');
    ok $s->stop, 'stops';
};

# What a package does: the file is replaced, the server reloaded.
subtest 'another version of the module' => sub {
    my $other = other_build(ADP_RETAINED_VERSION => 99) . '/mod_mpm_adaptive.so';
    my $s = server()->start;
    my $path = desk_socket($s);
    my $inode = (stat $path)[1];
    my $loaded = $s->root . '/conf/mod_mpm_adaptive.so';
    copy $loaded, "$loaded.before" or die "$!";
    for my $file ($other, "$loaded.before") {
        my ($old) = $s->desk_pids;
        copy $file, "$loaded.new" or die "$!";
        rename "$loaded.new", $loaded or die "$!";
        $s->log_mark;
        $s->signal('USR1');
        my @failed;
        ok((wait_for { desk_state($path) or push @failed, 1; my @now = $s->desk_pids; @now == 1 && $now[0] != $old } SECONDS, 'its desk'), 'has a desk of its own');
        ok $s->wait_log(qr/ADP0080: /, SECONDS), 'and is another version';
        is "@failed", '', 'each question was answered';
        is +(stat $path)[1], $inode, 'on the same socket';
    }
    unlike $s->error_log, qr/ADP013[1234]/, 'no trouble';
    ok $s->stop, 'stops';
    ok !-e $path, 'the socket is gone';
};

subtest 'a graceful stop' => sub {
    my $s = server()->start;
    my $path = desk_socket($s);
    my ($sock) = hold_requests($s, 1);
    ok((wait_for { holding($s) } SECONDS, 'the request'), 'a request');
    $s->signal('WINCH');
    ok((wait_for { my $state = desk_state($path); $state && grep { $_->{state} eq 'draining' } @{ $state->{children}{list} } } SECONDS, 'draining'), 'one can see what it waits for');
    lift_hold($s);
    is +(read_response($sock, timeout => SECONDS) // { status => 0 })->{status}, 200, 'the request is served';
    close $sock;
    ok((wait_for { !$s->tree_pids } SECONDS, 'the end'), 'then all end');
    ok !-e $path, 'and the socket is gone';
};

subtest 'a stop does not wait for who looks' => sub {
    my $s = server()->start;
    my $path = desk_socket($s);
    my @silent = map { desk_connect($path) } 1 .. 3;
    ok desk_state($path), 'answers';
    my @tree = $s->tree_pids;
    $s->signal('TERM');
    ok((wait_for { !defined $s->exit_status ? 0 : 1 } SECONDS, 'the end'), 'it ends');
    ok((wait_for { !grep { kill 0, $_ } @tree } SECONDS, 'all to end'), '... all of it');
    ok !-e $path, 'and the socket is gone';
};

subtest 'somebody has removed the socket' => sub {
    my $s = server()->start;
    my $path = desk_socket($s);
    unlink $path or die "$!";
    $s->graceful;
    ok((wait_for { desk_state($path) } SECONDS, 'an answer'), 'a reload brings it back');
    is +(desk_state($path) // {})->{server}{parent_pid}, $s->pid, '... with this server';
    unlink $path or die "$!";
    Adaptive::Server::write_file($path, "mine\n");
    chmod 0644, $path;
    $s->graceful;
    ok $s->wait_log(qr/ADP0131: AdaptiveStatusSocket \Q$path\E cannot be opened/, SECONDS), 'something else is in its place';
    is sprintf('%04o', (stat $path)[2] & 07777), '0644', '... and stays as it is';
    ok $s->stop, 'stops';
    is Adaptive::Server::read_text($path), "mine\n", '... and is left alone';
};

subtest 'a server that was killed' => sub {
    my $s = server()->start;
    my $path = desk_socket($s);
    my @tree = $s->tree_pids;
    kill 'KILL', $s->pid;
    ok((wait_for { !$s->tree_pids } SECONDS, 'all to end'), 'its desk ends with it');
    ok -e $path, 'its socket is left';
    $s->start;
    ok desk_state($path), 'the next server takes its place';
    unlike $s->error_log, qr/ADP013[12]/, '... without a word';
    ok $s->stop, 'stops';
};

subtest 'two servers with one socket' => sub {
    my $first = server()->start;
    my $path = desk_socket($first);
    my $second = server(conf => "AdaptiveStatusSocket $path\n")->start;
    ok $second->wait_log(qr/:warn\].*ADP0132: AdaptiveStatusSocket \Q$path\E belongs to another server, process @{[$first->pid]}/, SECONDS), 'the second says whose it is';
    is desk_state($path)->{server}{parent_pid}, $first->pid, 'the first keeps it';
    ok $second->stop, 'the second stops';
    is desk_state($path)->{server}{parent_pid}, $first->pid, '... and leaves it alone';
    # one whose desk has come to a standstill, so that nobody else gets through
    my ($desk) = $first->desk_pids;
    kill 'STOP', $desk;
    my @crowd;
    while (@crowd < 1000) {
        my $sock = IO::Socket::UNIX->new(Type => SOCK_STREAM, Blocking => 0) or die "$!";
        connect $sock, Socket::pack_sockaddr_un($path) or last;
        push @crowd, $sock;
    }
    cmp_ok scalar @crowd, '<', 1000, 'nobody can connect any more';
    $second = server(conf => "AdaptiveStatusSocket $path\n")->start;
    ok $second->wait_log(qr/:warn\].*ADP0132: AdaptiveStatusSocket \Q$path\E belongs to another server: /, SECONDS), 'the second sees that there is somebody';
    ok $second->stop, 'the second stops';
    kill 'CONT', $desk;
    close $_ for @crowd;
    ok((wait_for { (desk_state($path) // { server => { parent_pid => 0 } })->{server}{parent_pid} == $first->pid } SECONDS, 'an answer'), 'the first has it still');
    ok $first->stop, 'the first stops';
};

subtest 'an address' => sub {
    my $port = free_port();
    my $s = server(conf => "AdaptiveStatusListen 127.0.0.1:$port\n")->start;
    my $ask = sub {
        my ($host) = @_;
        my $sock = tcp($port);
        print {$sock} "GET /?json HTTP/1.1\r\nHost: $host\r\n\r\n";
        return read_response($sock);
    };
    is $ask->("127.0.0.1:$port")->{status}, 200, 'answers';
    is $ask->('localhost')->{status}, 200, 'as localhost, too';
    is $ask->('www.example.org')->{status}, 421, 'but not under the name of somebody else';

    # who may use the one does not keep out who may use the other
    my @silent;
    my $has_sockets = sub { my ($count) = @_; return wait_for { grep({ /^socket:/ } open_files(($s->desk_pids)[0])) == $count } SECONDS, "$count sockets" };
    my $is_kept_out = sub {
        close $_ for splice @silent;
        $has_sockets->(2) or return 1;
        @silent = map { tcp($port) } 1 .. 60;
        $has_sockets->(2 + 16) or return 1;
        my $state = desk_state(desk_socket($s));
        # an answer only after the first of them were cut off would be no proof
        return grep { !$state || (sysread($_, my $byte, 1) // 1) == 0 } map { $_->blocking(0); $_ } @silent;
    };
    ok((wait_for { !$is_kept_out->() } SECONDS, 'an answer'), 'silent clients there keep nobody from the socket');
    close $_ for @silent;

    # the same port in other words
    $s->write_conf(conf => "${TEST_CONF}AdaptiveStatusListen localhost:$port\n");
    $s->graceful;
    ok((wait_for { (eval { $ask->('localhost') } // { status => 0 })->{status} == 200 } SECONDS, 'an answer'), 'said in another way, it answers');
    unlike $s->error_log, qr/ADP0131/, '... without trouble';
    ok $s->stop, 'stops';
    ok !IO::Socket::INET->new("127.0.0.1:$port"), 'nobody listens there any more';
};

subtest 'what cannot be' => sub {
    my $s = server(conf => 'AdaptiveStatusSocket ' . 'x' x 120 . "\n")->start;
    ok $s->wait_log(qr/:warn\].*ADP0131: AdaptiveStatusSocket \S+ cannot be opened/, SECONDS), 'a path that is too long is said';
    is http_get($s->url('/'))->{status}, 200, '... and the server runs';
    ok $s->stop, 'stops';
    for my $case ([ 'AdaptiveStatusSocket on no-such-group-here', qr/ADP0017/ ], [ 'AdaptiveStatusListen 0.0.0.0:8042', qr/ADP0018/ ],
        [ 'AdaptiveStatusListen 10.0.0.1:80', qr/ADP0018/ ], [ 'AdaptiveStatusListen nonsense', qr/ADP0018/ ]) {
        my ($line, $message) = @$case;
        my $bad = server();
        like $bad->write_conf(conf => "$line\n")->run_httpd("-t")->{output}, $message, $line;
    }
};

subtest 'a group' => sub {
    plan skip_all => 'only root can give it away' if $> != 0;
    my $group = getgrgid(1) // 'daemon';
    my $s = server(conf => "AdaptiveStatusSocket on $group\n")->start;
    my @stat = stat desk_socket($s);
    is sprintf('%04o %d', $stat[2] & 07777, $stat[5]), '0660 ' . getgrnam($group), 'may connect';
    my $path = desk_socket($s);
    my $nobody = getpwnam 'nobody';
    my $asks = sub {
        my ($gid) = @_;
        my $pid = spawn(sub {
            ($(, $)) = ($gid, "$gid $gid");
            POSIX::setuid($nobody);
            POSIX::_exit(desk_state($path) ? 7 : $!{EACCES} ? 8 : 9);
        });
        waitpid $pid, 0;
        return $? >> 8;
    };
    is $asks->(scalar getgrnam $group), 7, 'its members are answered';
    is $asks->(scalar getgrnam 'nogroup'), 8, 'others are refused';
    $s->write_conf(conf => $TEST_CONF);
    $s->graceful;
    is sprintf('%04o', (stat $path)[2] & 07777), '0600', 'with the next configuration nobody may';
    is $asks->(scalar getgrnam $group), 8, '... not even its members';
    ok $s->stop, 'stops';
};

done_testing;
