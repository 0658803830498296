# Directives: what event and worker accept is accepted, wrong values are corrected or refused with a message that helps.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Server;
use Test::More;

my $adaptive = mpm() eq 'adaptive';

# What `httpd -t` says about these lines.
sub tested {
    my ($mpm_conf, %opt) = @_;
    my @args = @{ delete $opt{args} // ['-t'] };
    return Adaptive::Server->new(mpm_conf => $mpm_conf, %opt)->run_httpd(@args);
}

subtest 'every directive of event and worker' => sub {
    my @lines = (
        'StartServers 3',               'ServerLimit 20',
        'ThreadLimit 80',               'ThreadsPerChild 40',
        'MaxRequestWorkers 128',        'MaxClients 128',
        'MinSpareThreads 10',           'MaxSpareThreads 200',
        'AsyncRequestWorkerFactor 2',   'AsyncRequestWorkerFactor 1.5',
        'GracefulShutdownTimeout 5',    'Listen 127.0.0.1:@PORT2@',
        'ListenBacklog 100',            'ListenCoresBucketsRatio 4',
        'SendBufferSize 65536',         'ReceiveBufferSize 65536',
        'ListenTCPDeferAccept 3',       'PidFile run/httpd.pid',
        'ScoreBoardFile run/scoreboard', 'MaxConnectionsPerChild 1000',
        'MaxRequestsPerChild 1000',     'MaxMemFree 1024',
        'ThreadStackSize 262144',       'CoreDumpDirectory tmp',
        'MaxSpareThreads 1',
    );
    for my $line (@lines) {
        # The names that stand for something else get their own say below; ThreadsPerChild 1 divides every total.
        my $result = tested("$line\n" . ($line =~ /^Max(?:Clients|RequestW)/ ? "ThreadsPerChild 1\nServerLimit 128\n" : ''));
        is $result->{status}, 0, $line or diag $result->{output};
        like $result->{output}, qr/^Syntax OK$/m, "$line: the syntax is right";
        unlike $result->{output}, qr/\b(?:WARNING|warn)\b|ADP\d+/, "$line: without a complaint"
            unless $line =~ /^(?:ListenTCPDeferAccept|MaxClients)/;
    }
};

subtest 'only in the main configuration' => sub {
    for my $line ('StartServers 3', 'ThreadsPerChild 5', 'MaxRequestWorkers 100', 'AsyncRequestWorkerFactor 2') {
        my ($name) = split ' ', $line;
        my $result = tested('', conf => "<VirtualHost *:1>\n$line\n</VirtualHost>\n");
        isnt $result->{status}, 0, "$name in a virtual host is refused";
        like $result->{output}, qr/\b$name\b.*(?:not allowed|cannot occur)/s, "$name: the message says so";
    }
};

# Lines, the corrected directive, its value, what it becomes.
my @corrections = (
    ["ServerLimit 20001\nThreadLimit 1\nThreadsPerChild 1", 'ServerLimit', 20001, 20000],
    ['ServerLimit 0',                                 'ServerLimit',       0,      1],
    ['ServerLimit -5',                                'ServerLimit',       -5,     1],
    ["ThreadLimit 100001\nServerLimit 1",             'ThreadLimit',       100001, 100000],
    ['ThreadLimit 0',                                 'ThreadLimit',       0,      1],
    ["ThreadLimit 10\nThreadsPerChild 20",            'ThreadsPerChild',   20,     10],
    ['ThreadsPerChild 0',                             'ThreadsPerChild',   0,      1],
    ['ThreadsPerChild -1',                            'ThreadsPerChild',   -1,     1],
    ["ThreadsPerChild 10\nMaxRequestWorkers 5",       'MaxRequestWorkers', 5,      10],
    ["ThreadsPerChild 10\nMaxRequestWorkers 0",       'MaxRequestWorkers', 0,      10],
    ["ThreadsPerChild 10\nMaxRequestWorkers 25",      'MaxRequestWorkers', 25,     20],
    ["ServerLimit 2\nThreadsPerChild 10\nMaxRequestWorkers 100", 'MaxRequestWorkers', 100, 20],
    ['StartServers 0',                                'StartServers',      0,      1],
    ['StartServers -3',                               'StartServers',      -3,     1],
    ['MinSpareThreads 0',                             'MinSpareThreads',   0,      1],
);

# Event breaks its longer messages into several lines, and says "25 ... nearest multiple 20".
sub correction_of {
    my ($name, $old, $new) = @_;
    return qr/\b$name\b(?:(?!Syntax OK).)*?(?<![\w-])$old\b(?:(?!Syntax OK).)*?(?<![\w-])$new\b/s;
}

subtest 'corrections' => sub {
    for my $case (@corrections) {
        my ($lines, $name, $old, $new) = @$case;
        my $what   = "$name $old becomes $new";
        my $result = tested("$lines\n");
        is $result->{status}, 0, "$what: the configuration is accepted";
        like $result->{output}, correction_of($name, $old, $new), "$what: a warning says so" or diag $result->{output};
        like $result->{output}, qr/ADP\d{4}: $name/, "$what: with a number of ours" if $adaptive;
        my $warnings = () = $result->{output} =~ /\bADP\d{4}:/g;
        is $warnings, 1, "$what: and nothing else" if $adaptive;
    }
};

subtest 'several at once' => sub {
    my $result = tested("ThreadLimit 10\nThreadsPerChild 20\nMaxRequestWorkers 25\nStartServers 0\nMinSpareThreads 0\n");
    is $result->{status}, 0, 'accepted';
    like $result->{output}, correction_of(@$_), "$_->[0]"
        for ['ThreadsPerChild', 20, 10], ['MaxRequestWorkers', 25, 20], ['StartServers', 0, 1], ['MinSpareThreads', 0, 1];
};

subtest 'a corrected server serves' => sub {
    for my $case (@corrections) {
        my ($lines, $name, $old, $new) = @$case;
        next if $new > 1000;
        my $server = Adaptive::Server->new(mpm_conf => "$lines\n")->start;
        is http_get($server->url('/'))->{status}, 200, "$name $old";
        ok $server->stop, "$name $old: it stops";
    }
};

subtest 'values that are refused' => sub {
    # Event reads what is no number as 0 and corrects it; only this one it checks.
    my @values = (['AsyncRequestWorkerFactor', 'abc'], ['AsyncRequestWorkerFactor', '-1'], ['AsyncRequestWorkerFactor', '0']);
    push @values, map { my $name = $_; map { [$name, $_] } 'many', '12x', '1.5', '99999999999' }
        qw(StartServers ServerLimit ThreadLimit ThreadsPerChild MaxRequestWorkers MinSpareThreads MaxSpareThreads)
        if $adaptive;
    push @values, ['AsyncRequestWorkerFactor', '2x'], ['AsyncRequestWorkerFactor', 'nan'], ['AsyncRequestWorkerFactor', 'inf']
        if $adaptive;
    for my $case (@values) {
        my ($name, $value) = @$case;
        my $result = tested("$name $value\n");
        isnt $result->{status}, 0, "$name $value is refused";
        next if !$adaptive;    # event says "error parsing value"
        like $result->{output}, qr/ADP\d{4}:? .*\b$name\b.*\Q$value\E/, "$name $value: with its value, in one line";
        like $result->{output}, qr/$name \d|leave/, "$name $value: and what to write instead";
        like $result->{output}, qr/out of range; write a whole number up to 2147483647/, "$name $value: that it is too large"
            if $value eq '99999999999';
    }
    for my $line ('StartServers', 'ThreadsPerChild 5 6') {
        isnt tested("$line\n")->{status}, 0, "'$line' has the wrong number of values";
    }
};

subtest 'MaxClients' => sub {
    my $server = Adaptive::Server->new(mpm_conf => "ThreadsPerChild 5\nMaxClients 20\n");
    my $result = $server->run_httpd('-t', '-e', 'info');
    is $result->{status}, 0, 'accepted';
    like $result->{output}, qr/MaxClients is deprecated, use MaxRequestWorkers/, 'a notice names the new directive';
    like tested("ThreadsPerChild 10\nMaxClients 25\n")->{output}, correction_of('MaxRequestWorkers', 25, 20),
        'it sets MaxRequestWorkers';
};

subtest 'limits cannot change on a restart' => sub {
    my $server = Adaptive::Server->new(
        modules => ['status'], mpm_conf => "ServerLimit 4\nThreadLimit 8\nThreadsPerChild 8\nMaxRequestWorkers 16\n")->start;
    for my $how (qw(graceful restart)) {
        $server->log_mark;
        $server->write_conf(mpm_conf => "ServerLimit 6\nThreadLimit 16\nThreadsPerChild 16\nMaxRequestWorkers 16\n");
        ok $server->$how, "$how with other limits";
        my $log = $server->wait_log(qr/ServerLimit.*ThreadLimit/s, 10);
        like $log, correction_of('ServerLimit', 6, 4), "$how: a warning that ServerLimit stays";
        like $log, correction_of('ThreadLimit', 16, 8), "$how: a warning that ThreadLimit stays";
        like $log, correction_of('ThreadsPerChild', 16, 8), "$how: which bounds ThreadsPerChild";

        $server->log_mark;
        $server->write_conf(mpm_conf => "ServerLimit 4\nThreadLimit 8\nThreadsPerChild 4\nMaxRequestWorkers 16\n");
        ok $server->$how, "$how with the first limits again";
        unlike $server->log_since_mark, qr/\b(?:Server|Thread)Limit of/, "$how: no warning";
        is http_get($server->url('/'))->{status}, 200, "$how: it serves";
    }
    ok $server->stop, 'it stops';
};

subtest 'corrections on a restart are in the error log' => sub {
    my $server = Adaptive::Server->new(modules => ['status'], mpm_conf => "ThreadsPerChild 10\nServerLimit 4\n")->start;
    $server->write_conf(mpm_conf => "ThreadsPerChild 10\nServerLimit 4\nMaxRequestWorkers 25\n");
    ok $server->graceful, 'graceful restart';
    like $server->wait_log(qr/MaxRequestWorkers/, 10), qr/:warn\].*MaxRequestWorkers.*\b25\b.*\b20\b/, 'the warning is there';
    ok $server->stop, 'it stops';
};

subtest 'a broken configuration does not survive a restart silently' => sub {
    my $server = Adaptive::Server->new(mpm_conf => "ThreadsPerChild 10\n")->start;
    is $server->run_httpd('-t')->{status}, 0, '-t beside a running server';
    $server->write_conf(mpm_conf => "ThreadsPerChild\n");
    isnt $server->run_httpd('-t')->{status}, 0, '-t notices what is wrong';
    is http_get($server->url('/'))->{status}, 200, 'the running server does not mind';
    ok $server->stop, 'it stops';
};

done_testing;
