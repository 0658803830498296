# What mod_status shows of the adaptive control: keys for monitoring, a section for people, and the log's lines about the same.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes ();
use Adaptive::Client;
use Adaptive::Paths qw(is_static module_file);
use Adaptive::Desk;
use Adaptive::Probe;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

plan skip_all => 'about mod_mpm_adaptive' if mpm() ne 'adaptive';

$SIG{PIPE} = 'IGNORE';

use constant { CHILDREN => 4, THREADS => 8, MOST => 32 };

# One number each, and letters only: monitoring relies on these names.
my @KEYS = qw(
    Mode Threads ThreadsBusy ThreadsLowered RequestsPutOff RequestsComing ShedTotal ChildrenPinned ThreadsBusyPeak ThreadsPerChild ThreadsMax ThreadsDemand ThreadsSpare
    ChildrenStarting ChildrenServing ChildrenParked ChildrenDraining ChildrenTarget ChildrenMax
    ParkedLongestSeconds DrainingLongestSeconds WaitedMs WaitedPeakMs ArrivalsPerSecond ServiceMs
    Reason Ceiling CeilingReached DecisionsTotal PlanAgeSeconds
);

our $s = Adaptive::Server->new(
    modules     => ['status'],
    test_module => 1,
    conf        => "$TEST_CONF\nLogLevel mpm_adaptive:info\n",
    mpm_conf    => join("\n", 'StartServers 1', 'ServerLimit ' . CHILDREN, 'ThreadsPerChild ' . THREADS,
        'MaxRequestWorkers ' . MOST, 'MinSpareThreads 4', 'MaxSpareThreads 16') . "\n",
)->start;

# The section of the page for people, without the page around it.
sub section {
    my ($query) = @_;
    my $body = http_get($s->url('/server-status' . ($query // '')))->{body};
    return $body =~ m{(<h2>Adaptive control</h2>.*)}s ? $1 : '';
}

# What it tells of what was done, newest first.
sub stories { return section() =~ m{<li>(.*?)</li>}gs }

# The decisions behind that, one by one, newest first.
sub decisions { return map { @{ $_->{details} } } @{ (desk_state(desk_socket($s)) // { decisions => [] })->{decisions} } }

sub lines { return scalar(() = $s->log_since_mark =~ /$_[0]/g) }

subtest 'keys' => sub {
    ok_within { defined $s->auto->{AdaptiveChildrenTarget} } 10, 'the first plan is there';
    my $body = http_get($s->url('/server-status?auto'))->{body};
    for my $key (@KEYS) {
        my @values = $body =~ /^Adaptive\Q$key\E: (.*)$/mg;
        ok @values == 1 && $values[0] =~ /\A\d+(?:\.\d+)?\z/, "Adaptive$key: one number" or diag "@values";
    }
    for my $key (qw(Reason Ceiling)) {
        like $body, qr/^Adaptive${key}Name: [a-z]+(?:-[a-z]+)*$/m, "Adaptive${key}Name: one word";
    }
    my %known = map { $_ => 1 } map { split /, / } Adaptive::Server::read_text('docs/user/status.md') =~ /^\| (Adaptive[\w, ]+) \|/mg;
    is_deeply [ grep { !$known{$_} } $body =~ /^(Adaptive\w+):/mg ], [], 'each of them is in docs/user/status.md';
    is_deeply [ grep { $body !~ m{^$_:}m } sort keys %known ], [], 'and what is there is here';
    is_deeply [ grep { !/^Adaptive\w+Name: [a-z-]+$/ && !/^Adaptive[A-Za-z]+: \d+(?:\.\d+)?$/ } $body =~ /^(Adaptive.*)$/mg ], [], 'no name has a digit, and no value is a word but of those that end in Name';
    is $s->auto->{AdaptiveMode}, 2, 'AdaptiveMode on';
    unlike $body, qr/</, 'nothing of the page for people';

    my $auto = $s->auto;
    is $auto->{AdaptiveThreadsPerChild}, THREADS, 'ThreadsPerChild is that of the configuration';
    is $auto->{AdaptiveThreadsMax}, MOST, 'so are all threads';
    is $auto->{AdaptiveChildrenServing}, 1, 'one child serves';
    ok_within { my $now = $s->auto; $now->{AdaptiveThreads} == $now->{BusyWorkers} + $now->{IdleWorkers} } 10,
        'its threads are those of the scoreboard';
    ok_within { $s->auto->{AdaptiveThreadsBusy} == 1 } 10, 'the one that makes this page is busy';
};

subtest 'page' => sub {
    my $section;
    ok_within { $section = section(); $section =~ m{<p>1 of \d+ threads busy in 1 child\b} } 10, 'it begins in plain words';
    like $section, qr{AdaptiveMode (?:on|observe|off)}, 'says who decides';
    like $section, qr{Limits found: up to @{[MOST]} threads in @{[CHILDREN]} children of @{[THREADS]}: \w+}, 'what limits were found';
    like $section, qr{Nearest ceiling: MaxRequestWorkers; @{[MOST]} threads may run, \d+% of these are busy}, 'which ceiling is nearest';
    unlike $section, qr{<script|javascript:|\bon\w+=}i, 'there is no script';
    unlike $section, qr{<a }, 'and no link to a page that is not there';
};

my @socks;

subtest 'growth' => sub {
    $s->log_mark;
    my $before = $s->auto->{AdaptiveDecisionsTotal};
    @socks = hold_requests($s, 20);
    ok_within { hooks($s)->{busy} == 20 } 30, 'load for more than one child';
    ok_within { $s->auto->{AdaptiveChildrenServing} >= 3 } 15, 'children start';
    my $auto;
    ok_within { $auto = $s->auto; $auto->{AdaptiveThreadsBusy} == 21 } 10, 'AdaptiveThreadsBusy counts them';
    cmp_ok $auto->{AdaptiveThreadsBusyPeak}, '>=', 21, 'so does the peak';
    cmp_ok $auto->{AdaptiveThreads}, '>=', 21, 'and AdaptiveThreads';
    cmp_ok $auto->{AdaptiveDecisionsTotal}, '>', $before, 'it took a decision';
    my ($story) = grep { /children/ } stories();
    ok $story, 'of which the page tells' or return;
    like $story, qr/\A\d{4}-\d\d-\d\d \d\d:\d\d:\d\d grew: \d+ -&gt; \d+ children.*(?: because|, and) \w+/, 'with the time, what changed and why';
    my ($row) = grep { $_->{kind} eq 'children' } decisions();
    cmp_ok $row->{children_after}, '>', $row->{children_before}, 'JSON has the decisions behind it';
    like section(), qr{threads busy in \d children.* [\d.]+ \w+ ago: grew: }, 'the first line tells of it';
    ok $s->wait_log(qr/mpm_adaptive:info.*ADP0093: growing from \d+ to \d+ children \(\d+ threads possible\): \w+/, 15),
        'and so does the log';
    cmp_ok lines(qr{ADP0093}), '<=', 1, 'in one line';
};

subtest 'a ceiling' => sub {
    $s->log_mark;
    push @socks, hold_requests($s, MOST - 20 + 3);
    ok $s->wait_log(qr/mpm_adaptive:error.*ADP0091: MaxRequestWorkers @{[MOST]} reached: \d+ threads busy in \d children, most of which wait for something else \(a backend, a lock\)(?:, requests wait(?: [\d.]+ \w+)?)?; find out for what, .* raise MaxRequestWorkers/, 20),
        'the log names it, what the requests do, and the remedy';
    lift_hold($s);
    is scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @socks), MOST + 3, 'all requests are answered';
    close $_ for @socks;
    ok $s->wait_log(qr/mpm_adaptive:notice.*ADP0092: below MaxRequestWorkers @{[MOST]} again after [\d.]+ \w+.*: \d+ threads? busy/, 30),
        'its end is logged as well, with how long it lasted';
    is lines(qr/ADP0091/), 1, 'for one line of each';
};

subtest 'what is shown fits together' => sub {
    my @rows = decisions();
    my $auto = $s->auto;
    my ($busy)   = sort { $b <=> $a } map { $_->{busy} } @rows;
    my ($waited) = sort { $b <=> $a } map { 1000 * $_->{waited_seconds} } @rows;
    cmp_ok $auto->{AdaptiveThreadsBusyPeak}, '>=', $busy, 'no row has more busy threads than the peak';
    cmp_ok $auto->{AdaptiveWaitedPeakMs} + 1, '>=', $waited, 'nor a longer wait';
    unlike section(), qr/\b1 threads busy at most/, 'one thread is not many';
};

# A child whose threads are all held is woken, too, for a connection that another child takes: nothing has waited.
subtest 'waits of nobody' => sub {
    my $two = Adaptive::Server->new(
        modules     => ['status'],
        test_module => 1,
        conf        => $TEST_CONF,
        mpm_conf    => "StartServers 2\nServerLimit 2\nThreadsPerChild 4\n",
    )->start;
    my @socks = hold_requests($two, 4);
    ok_within { hooks($two)->{busy} == 4 } 20, 'a child is held, or both in part';
    my $until = time + 3;
    my $good  = 0;
    my $slowest = 0;
    while (time < $until) {
        my $begun = Time::HiRes::time();
        $good += http_get($two->url('/1k.html'))->{status} == 200;
        my $took = Time::HiRes::time() - $begun;
        $slowest = $took if $took > $slowest;
    }
    cmp_ok $good, '>', 3, 'others are served meanwhile';
    cmp_ok $two->auto->{AdaptiveWaitedPeakMs}, '<', 1000 * $slowest + 500, 'no longer wait is shown than there was';
    lift_hold($two);
    is scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @socks), 4, 'those are served, too';
    ok $two->stop, 'it stops';
};

# Twenty at a time, twice a second: within ten milliseconds that looks like thousands.
subtest 'arrivals' => sub {
    my $other = Adaptive::Server->new(modules => ['status'], test_module => 1, conf => "${TEST_CONF}KeepAliveTimeout 60\n")->start;
    my @socks = map { tcp($other->port) } 1 .. 20;
    my (@rates, $sent);
    my $begun = Time::HiRes::time();
    ok_within {
        print {$_} http_request('/1k.html', keep => 1) for @socks;
        read_response($_) for @socks;
        $sent += @socks + 1;
        push @rates, $other->auto->{AdaptiveArrivalsPerSecond} // 0;
        Time::HiRes::sleep(0.5);
        @rates >= 12 && $rates[-1] > 0;
    } 30, 'there is a rate';
    my $per_s = $sent / (Time::HiRes::time() - $begun);
    my ($most) = sort { $b <=> $a } @rates;
    cmp_ok $most, '<', 4 * $per_s, 'it is about what was asked for' or diag "@rates";
    cmp_ok $most, '>', $per_s / 4, 'and not far less' or diag "@rates";
    ok_within { my $now = $other->auto; Time::HiRes::sleep(1); $now->{AdaptiveArrivalsPerSecond} < 3 } 20, 'it ends with them';
    ok $other->stop, 'it stops';
};

subtest 'restart' => sub {
    my $total = $s->auto->{AdaptiveDecisionsTotal};
    my $peak = $s->auto->{AdaptiveThreadsBusyPeak};
    cmp_ok $total, '>', 0, 'there are decisions';
    ok $s->graceful, 'a graceful restart';
    my $auto;
    ok_within { $auto = $s->auto; defined $auto->{AdaptiveChildrenTarget} && !$auto->{AdaptiveChildrenDraining} } 20, 'is over';
    cmp_ok $auto->{AdaptiveDecisionsTotal}, '>=', $total, 'decisions are still counted';
    cmp_ok scalar(() = decisions()), '>', 0, 'and shown';
    cmp_ok $auto->{AdaptiveThreadsBusyPeak}, '>=', $peak, 'history goes on';
    cmp_ok $auto->{AdaptiveChildrenServing}, '>=', 1, 'children of the new generation serve';
};

subtest 'draining' => sub {
    my ($held) = hold_requests($s, 1);
    ok_within { hooks($s)->{busy} >= 1 } 10, 'a request under way';
    ok $s->graceful, 'a graceful restart';
    ok_within { $s->auto->{AdaptiveChildrenDraining} >= 1 } 20, 'AdaptiveChildrenDraining';
    like section(), qr{\d draining: pid \d+ for [\d.]+ \w+.* with \d connections?}, 'the page says since when';
    lift_hold($s);
    is read_response($held)->{status}, 200, 'the request ends well';
    close $held;
    ok_within { $s->auto->{AdaptiveChildrenDraining} == 0 } 20, 'then nothing is draining';
};

unlike $s->error_log, qr/exit signal/, 'no crash';
ok $s->stop, 'the server stops';

# What each mode says and shows; what it does is t/adaptive_mode.t's.
for my $mode (qw(observe off)) {
    subtest "AdaptiveMode $mode" => sub {
        my $other = Adaptive::Server->new(
            modules     => ['status'],
            test_module => 1,
            conf        => "$TEST_CONF\nLogLevel mpm_adaptive:info\n",
            mpm_conf    => "AdaptiveMode $mode\nStartServers 1\nServerLimit 4\nThreadsPerChild 8\nMinSpareThreads 4\nMaxSpareThreads 16\n",
        )->start;
        local $s = $other;
        my @held = hold_requests($other, 12);
        ok $other->wait_log(qr/ADP0093: growing from 1 to \d children \(\d+ threads possible\): \d+ of 8 threads busy, and MinSpareThreads is 4/, 20),
            'the log says which rule acted';
        ok_within { $other->auto->{AdaptiveChildrenServing} > 1 } 10, 'it did';
        is $other->auto->{AdaptiveMode}, $mode eq 'observe' ? 1 : 0, 'the key';
        like section(), qr/AdaptiveMode $mode: .*MinSpareThreads and MaxSpareThreads decide/, 'the page';
        ok scalar(grep { !$_->{observed} && $_->{because} =~ /MinSpareThreads/ } decisions()), 'JSON has what was done';
        if ($mode eq 'observe') {
            ok $other->wait_log(qr/ADP\d{4}: AdaptiveMode observe: .*would grow from \d+ to \d+ /, 10), 'and what the controller would have done: the log';
            ok_within { scalar grep { $_->{observed} } decisions() } 10, 'JSON';
            ok_within { scalar grep { /observed only/ } stories() } 10, 'and the page';
        }
        else {
            unlike $other->error_log, qr/would (?:grow|shrink)/, 'the controller is not asked: the log';
            is scalar(grep { $_->{observed} } decisions()), 0, 'JSON';
        }
        lift_hold($other);
        is scalar(grep { (read_response($_) // { status => 0 })->{status} == 200 } @held), 12, 'requests are answered';
        ok $other->stop, 'it stops';
    };
}

# Tags that are opened and not closed, or the other way round.
sub unbalanced {
    my ($html) = @_;
    my (@open, @wrong);
    while ($html =~ m{<(/?)(\w+)[^>]*>}g) {
        my ($end, $tag) = ($1, lc $2);
        next if $tag =~ /^(?:hr|br)$/;
        if (!$end) { push @open, $tag }
        elsif (@open && $open[-1] eq $tag) { pop @open }
        else { push @wrong, "/$tag" }
    }
    return [ @open, @wrong ];
}

# Other modules write into the same page, before and after this section, and some only with ExtendedStatus.
for my $extended (qw(On Off)) {
    subtest "a page of many modules, ExtendedStatus $extended" => sub {
        my @others = grep { is_static($_) || -e module_file($_) } qw(ssl socache_shmcb proxy proxy_http proxy_balancer lbmethod_byrequests
            slotmem_shm watchdog md);
        plan skip_all => 'needs mod_ssl, mod_proxy and mod_md' if @others < 9;
        my $other = Adaptive::Server->new(
            modules => [ 'status', @others ],
            conf    => <<"CONF")->start;
ExtendedStatus $extended
ProxyStatus On
ProxyPass /x balancer://x
<Proxy balancer://x>
    BalancerMember http://127.0.0.1:\@PORT2\@
</Proxy>
SSLSessionCache shmcb:run/ssl(512000)
MDomain example.org manual
MDCertificateAgreement accepted
MDCertificateAuthority http://127.0.0.1:\@PORT2\@/
CONF
        for my $query ('', '?notable') {
            my $page = http_get($other->url("/server-status$query"))->{body};
            my ($before, $section, $after) = $page =~ m{\A(.*)(<hr>\s*<h2>Adaptive control</h2>.*?</dl>\n(?:<p>What was done last.*?</ul>\n)?)(.*)\z}s;
            is_deeply unbalanced($section // '<none>'), [], "the section is whole: server-status$query";
            unlike $before, qr{</body>}, 'inside of the page';
            like $after, qr{Proxy LoadBalancer Status.*</body></html>\s*\z}s, 'with others around it';
        }
        my @lines = split /\n/, http_get($other->url('/server-status?auto'))->{body};
        my @ours = grep { $lines[$_] =~ /^Adaptive/ } 0 .. $#lines;
        is scalar(@ours), $ours[-1] - $ours[0] + 1, '?auto: the keys are together';
        cmp_ok scalar(grep {/^ProxyBalancer/} @lines), '>', 0, 'beside those of others';
        my %seen;
        is_deeply [ grep { $seen{$_}++ } map { /^([^:]+):/ } @lines ], [], 'each there once';
        ok $other->stop, 'it stops';
    };
}

subtest 'the way to the page' => sub {
    my $other = Adaptive::Server->new(modules => ['status'], conf => "<Location /a&b>\nSetHandler adaptive-status\n</Location>\n")->start;
    local $s = $other;
    like section(), qr{<a href="/a&amp;b">}, 'where its handler is mapped there is a link';
    ok $other->stop, 'it stops';
};

subtest 'clients in the middle of a request' => sub {
    # without the module for tests, which reads from connections itself: then nobody else may
    local $s = Adaptive::Server->new(modules => ['status'])->start;
    my $count   = sub { $s->auto->{AdaptiveRequestsComing} };
    my @clients = map { Adaptive::Client->new($s->port) } 1 .. 5;
    my $request = Adaptive::Client::request_text('GET', '/');
    $_->send(substr $request, 0, 10) for @clients;
    ok_within { $count->() == 5 } 20, 'are counted';
    ok_within { $s->auto->{ConnsAsyncWaitIO} == 5 } 20, 'as mod_status counts them among others';
    like section(), qr/5 clients are still sending a request/, 'and named';
    is desk_state(desk_socket($s))->{requests}{coming}, 5, 'and for programs';
    $_->send(substr $request, 10) for @clients[0 .. 2];
    is scalar(grep { $_->response->{status} } @clients[0 .. 2]), 3, 'three have sent the rest, and are answered';
    ok_within { $count->() == 2 } 20, 'two are left';
    $_->close for @clients;
    ok_within { $count->() == 0 } 20, 'nobody';
    ok $s->stop, 'it stops';
};

subtest 'without mod_status' => sub {
    my $plain = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF)->start;
    ok served_by($plain), 'the server starts and serves';
    ok $plain->stop, 'and stops';
};

done_testing;
