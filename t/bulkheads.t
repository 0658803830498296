# Bulkheads: while threads are nearly used up, a backend that does not answer holds its share of them and no more.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use Socket qw(SOMAXCONN);
use Test::More;
use Time::HiRes qw(sleep time);
use Adaptive::Client;
use Adaptive::Process;
use Adaptive::Server;
use Adaptive::Wait;

# A server that closes a connection must not end the test.
$SIG{PIPE} = 'IGNORE';

plan skip_all => 'event has no bulkheads' if mpm() ne 'adaptive';

# SHARE: four threads for each one that is free. SLOW_S: who holds a thread for a second is slow.
use constant { THREADS => 16, SHARE => 12, MANY => 40, SLOW_S => 1.2, PACE_S => 0.02 };

# --- a backend that says nothing until it is told to ---

my ($backend, @asked);

sub new_backend {
    @asked   = ();
    $backend = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => SOMAXCONN, Blocking => 0) or die "$!";
    return $backend->sockport;
}

# How many requests it has got and not answered.
sub asked {
    while (my $sock = $backend->accept) { push @asked, $sock }
    return scalar @asked;
}

sub answer_all {
    asked();
    syswrite $_, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" for @asked;
    return @asked = ();
}

# --- a server before it ---

sub new_server {
    my ($mpm, $conf) = @_;
    my $port = new_backend();
    return Adaptive::Server->new(modules => [qw(status proxy proxy_http)],
        mpm_conf => "StartServers 1\nThreadsPerChild @{[THREADS]}\nMaxRequestWorkers @{[THREADS]}\n$mpm\n",
        conf => "ProxyTimeout 300\nProxyPass /dead/ http://127.0.0.1:$port/ retry=0\n" . ($conf // ''))->start;
}

sub ask { my ($s, $path) = @_; my $sock = tcp($s->port); syswrite $sock, http_request($path); return $sock }

sub status_of { return ($_[0] ? read_response($_[0]) // {} : {})->{status} // 0 }

sub serves_files { my ($s) = @_; return status_of(ask($s, '/1k.html')) == 200 }

# Those that have been answered, or closed, so far.
sub ended {
    my $read = '';
    vec($read, fileno $_, 1) = 1 for @_;
    select $read, undef, undef, 0;
    return grep { vec $read, fileno $_, 1 } @_;
}

# It takes requests, and long to answer them: the server gets to know it.
sub make_known {
    my ($s) = @_;
    my @first = map { ask($s, '/dead/') } 1 .. 3;
    wait_for { asked() == @first } 20, 'the backend to be asked';
    sleep SLOW_S;
    answer_all();
    is(scalar(grep { status_of($_) == 200 } @first), @first, 'a slow backend');
    return;
}

sub end_well {
    my ($s, @open) = @_;
    wait_for { answer_all(); ended(@open) == @open } 60, 'all to be answered';
    is(scalar(grep { status_of($_) == 200 } @open), @open, 'who has got a thread is answered in the end');
    ok(serves_files($s), 'the server serves');
    unlike($s->error_log, qr/exit signal/, 'no crash');
    ok($s->stop, 'stops');
    return;
}

subtest 'a backend that is known to be slow' => sub {
    my $s = new_server('');
    make_known($s);
    ok(serves_files($s), 'somebody else is there');
    my @sent = map { ask($s, '/dead/') } 1 .. MANY;
    wait_for { ended(@sent) >= MANY - SHARE } 60, 'the excess to be refused';
    my @refused = ended(@sent);
    ok(serves_files($s), 'files are served') for 1 .. 10;
    cmp_ok(asked(), '<=', SHARE, 'the backend holds its share of the threads');
    cmp_ok(asked(), '>=', SHARE / 2, '... which is most of them');
    is(asked() + @refused, MANY, 'the others are refused');
    my @responses = map { read_response($_) // {} } @refused;
    is(scalar(grep { ($_->{status} // 0) == 503 } @responses), @refused, '... with 503');
    is(scalar(grep { ($_->{headers}{'retry-after'} // '') =~ /\A\d+\z/ } @responses), @refused, '... and Retry-After');

    my $auto = $s->auto;
    is($auto->{AdaptiveRefusedTotal},  scalar(@refused), '?auto counts them');
    is($auto->{AdaptiveHolderThreads}, asked(),          '... and the threads of who holds most');
    my $port = $backend->sockport;
    like(http_get($s->url('/server-status'))->{body}, qr{backend http://127\.0\.0\.1:$port: @{[ asked() ]} threads, @{[ scalar @refused ]} refused},
        'the page names it');
    is(scalar(() = $s->error_log =~ /ADP0130:/g), 1, 'the log, too, and only once');
    ok($s->wait_log(qr{ADP0130: backend http://127\.0\.0\.1:$port holds \d+ of 16 threads}, 15), '... with numbers');

    my %refused = map { $_ => 1 } @refused;
    my @held = grep { !$refused{$_} } @sent;
    wait_for { answer_all(); ended(@held) == @held } 60, 'the backend to answer';
    ok((wait_for { ($s->auto->{AdaptiveHolderThreads} // 0) == 1 } 15, 'one holder'), 'nobody else holds a thread when it has answered');
    my $again = ask($s, '/dead/');
    wait_for { asked() == 1 } 20, 'it to be asked again';
    end_well($s, @held, $again);
};

subtest 'a backend that dies' => sub {
    my $s = new_server('');
    ok(serves_files($s), 'somebody else is there');
    my (@sent, @refused);
    my $deadline = time + 60;
    while (!(@refused = ended(@sent)) && time < $deadline) {
        push @sent, ask($s, '/dead/');
        sleep PACE_S;
    }
    ok(serves_files($s), 'files are served') for 1 .. 10;
    cmp_ok(asked(), '<=', SHARE, 'the backend holds its share of the threads');
    is(scalar(grep { status_of($_) == 503 } @refused), @refused, 'what is more is refused');
    my %refused = map { $_ => 1 } @refused;
    end_well($s, grep { !$refused{$_} } @sent);
};

subtest 'two children' => sub {
    my $s = new_server("ThreadsPerChild @{[THREADS / 2]}");
    make_known($s);
    ok(serves_files($s), 'somebody else is there');
    my (@sent, @refused);
    my $deadline = time + 60;
    while ((@refused = ended(@sent)) < MANY && time < $deadline) {
        push @sent, ask($s, '/dead/');
        sleep PACE_S;
    }
    cmp_ok(scalar(@refused), '>=', MANY, 'the excess is refused');
    cmp_ok(asked(), '<=', SHARE, 'the backend holds its share of the threads of both');
    ok(serves_files($s), 'files are served') for 1 .. 10;
    is(scalar(grep { status_of($_) == 503 } @refused), @refused, 'with 503');
    my %refused = map { $_ => 1 } @refused;
    end_well($s, grep { !$refused{$_} } @sent);
};

# For one connection the kernel may wake all threads that idle, and on a busy machine they stay awake for a while before one takes
# it. Awake they are not idle, but what holds them is gone in a moment: nobody may be refused for that.
subtest 'threads that have only been woken' => sub {
    my $few    = THREADS / 2 + 1;
    my $others = THREADS - $few;
    my $port   = new_backend();
    my $s      = Adaptive::Server->new(
        hooked   => 1,
        modules  => [qw(status proxy proxy_http)],
        mpm_conf => "StartServers 1\nThreadsPerChild @{[THREADS]}\nMaxRequestWorkers @{[THREADS]}\n",
        conf     => "KeepAliveTimeout 60\nProxyTimeout 300\nProxyPass /dead/ http://127.0.0.1:$port/ retry=0\n",
    )->start;
    make_known($s);
    my @kept = map { Adaptive::Client->new($s->port) } 1 .. $few;
    is(scalar(grep { $_->get('/1k.html')->{status} == 200 } @kept), $few, 'somebody else is there');

    $s->pause_at('bulkhead_counted');
    $_->send(http_request('/dead/', keep => 1)) for @kept;
    wait_for { $s->paused('bulkhead_counted') == $few } 30, 'a thread for each';
    $s->pause_at('accept_counted');
    my @new = map { ask($s, '/1k.html') } 1 .. $others;
    # the last threads are kept for those who are connected
    ok((wait_for { $few + $s->paused('accept_counted') >= THREADS - 2 } 30, 'the others to be woken'), 'nearly all threads are awake');
    $s->release('bulkhead_counted');
    ok((wait_for { asked() + ended(map { $_->sock } @kept) >= $few } 30, 'the requests to get on'), 'the requests get on');
    is(asked(), $few, 'all are passed to the backend, nobody is refused');

    $s->release('accept_counted');
    is(scalar(grep { status_of($_) == 200 } @new), $others, 'those for whom they have been woken are served');
    unlike($s->error_log, qr/ADP0130/, 'nothing is logged');
    end_well($s, map { $_->sock } @kept);
};

subtest 'ErrorDocument' => sub {
    my $s = new_server('', "ErrorDocument 503 /sorry.html\n");
    open my $page, '>', $s->docroot . '/sorry.html' or die "$!";
    print $page "Come back later.\n";
    close $page or die "$!";
    make_known($s);
    ok(serves_files($s), 'somebody else is there');
    my @sent = map { ask($s, '/dead/') } 1 .. MANY;
    wait_for { ended(@sent) >= MANY - SHARE } 60, 'the excess to be refused';
    my %refused   = map { $_ => 1 } ended(@sent);
    my $response  = read_response((ended(@sent))[0]);
    is($response->{status}, 503,                  'the status');
    is($response->{body},   "Come back later.\n", 'the body is the administrator\'s');
    ok($response->{headers}{'retry-after'}, 'Retry-After stays');
    end_well($s, grep { !$refused{$_} } @sent);
};

subtest 'an ErrorDocument of the same backend' => sub {
    my $s = new_server('', "ErrorDocument 503 /dead/sorry\n");
    make_known($s);
    ok(serves_files($s), 'somebody else is there');
    my @sent = map { ask($s, '/dead/') } 1 .. MANY;
    wait_for { ended(@sent) >= MANY - SHARE } 60, 'the excess to be refused';
    my %refused = map { $_ => 1 } ended(@sent);
    cmp_ok(scalar keys %refused, '>=', MANY - SHARE, 'it is not asked for the reason');
    cmp_ok(asked(), '<=', SHARE, '... and holds no more threads than it may');
    ok(serves_files($s), 'others are served');
    is(status_of((ended(@sent))[0]), 503, 'the status');
    end_well($s, grep { !$refused{$_} } @sent);
};

subtest 'alone' => sub {
    my $s = new_server('');
    make_known($s);
    my @sent = map { ask($s, '/dead/') } 1 .. MANY;
    ok((wait_for { asked() == THREADS } 60, 'all threads to be held'), 'who is alone may have all threads');
    is(scalar(ended(@sent)), 0, 'nobody is refused, all wait');
    end_well($s, @sent);
};

for my $off ('AdaptiveBulkheads off', 'AdaptiveMode off', 'AdaptiveMode observe') {
    subtest $off => sub {
        my $s = new_server($off);
        make_known($s);
        ok(serves_files($s), 'somebody else is there');
        my @sent = map { ask($s, '/dead/') } 1 .. MANY;
        ok((wait_for { asked() == THREADS } 60, 'all threads to be held'), 'all threads are held');
        is(scalar(ended(@sent)), 0, 'nobody is refused');
        wait_for { answer_all(); ended(@sent) == @sent } 60, 'all to be answered';
        my $refused = $s->auto->{AdaptiveRefusedTotal};
        $off =~ /observe/ ? cmp_ok($refused, '>', 0, 'who would have been is counted') : is($refused, 0, 'nor counted');
        unlike($s->error_log, qr/ADP0130/, 'nothing is logged');
        end_well($s, @sent);
    };
}

# More than there are threads for, but they come and go: they wait for each other.
subtest 'a backend that is only busy' => sub {
    my $s = new_server('');
    my $round = sub {
        my ($count) = @_;
        my @sent = map { ask($s, '/dead/') } 1 .. $count;
        my $since = time;
        wait_for { answer_all() if time - $since > 0.2 && ($since = time); ended(@sent) == @sent } 60, 'all to be answered';
        return grep { status_of($_) == 200 } @sent;
    };
    is(scalar($round->(3)), 3, 'a backend that takes 200 ms');
    ok(serves_files($s), 'somebody else is there');
    is(scalar($round->(MANY)), MANY, 'a burst is served');
    end_well($s);
};

done_testing;
