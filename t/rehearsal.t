# A restart that would be the end of the server is not done: the configuration is read by another process first.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Build;
use Adaptive::Probe;
use Adaptive::Server;

plan skip_all => 'event ends' if mpm() ne 'adaptive';

use constant { SECONDS => 20, CHILDREN => 2 };

# Which configuration answers.
sub conf_now { my ($s) = @_; return (eval { http_get($s->url('/'), timeout => 5)->{headers}{'x-conf'} }) // '' }

sub number { my ($number) = @_; return "Header always set X-Conf $number\n" }

sub wait_conf { my ($s, $number) = @_; return ok((wait_for { conf_now($s) eq $number } SECONDS, "configuration $number"), "configuration $number serves") }

# The processes of the server that read a configuration.
sub readers {
    my ($s) = @_;
    my %zombie = map { $_ => 1 } $s->zombie_pids;
    return grep { !$zombie{$_} && Adaptive::Server::read_text("/proc/$_/cmdline") =~ /\0-t\0/ } $s->all_children;
}

for my $signal (qw(USR1 HUP)) {
    subtest "a mistake in the configuration, SIG$signal" => sub {
        my $s = Adaptive::Server->new(mpm_conf => "StartServers @{[CHILDREN]}\n", conf => number(1) . "CustomLog |/bin/cat common\n")->start;
        wait_for { $s->child_pids == CHILDREN } SECONDS, "the children";
        my @children = $s->child_pids;
        $s->write_conf(conf => number(2) . "NoSuchDirective on\n")->log_mark;
        $s->signal($signal);
        ok($s->wait_log(qr/:error\].*ADP0105: not restarted: .*httpd -t says: .*Invalid command 'NoSuchDirective'/, SECONDS), 'it is said what is wrong');
        is(conf_now($s), 1, 'the last configuration serves');
        is_deeply([ $s->ended_of(@children) ], [], 'by the same children');
        unlike($s->log_since_mark, qr/received, restarting/, 'a restart has not begun');
        # httpd asks whether the server stops before it starts a log's program again
        my ($reader) = grep { Adaptive::Server::read_text("/proc/$_/cmdline") =~ m{^/bin/cat(?:\0|$)} } $s->direct_children;
        kill 'KILL', $reader;
        ok((wait_for { grep { $_ != $reader && Adaptive::Server::read_text("/proc/$_/cmdline") =~ m{^/bin/cat(?:\0|$)} } $s->direct_children } SECONDS,
            'the program'), 'a program that logs are piped to is started again');
        $s->write_conf(conf => number(3));
        $s->signal($signal);
        wait_conf($s, 3);
        ok($s->stop, 'stops');
    };

    subtest "another MPM, SIG$signal" => sub {
        my $s = Adaptive::Server->new(conf => number(1))->start;
        for my $mpm ('event', [qw(adaptive event)], []) {
            $s->write_conf(conf => number(2), mpm => $mpm)->log_mark;
            $s->signal($signal);
            my $name = ref $mpm ? @$mpm ? 'two' : 'none' : 'another one';
            ok($s->wait_log(ref $mpm ? qr/ADP0105: .*(?:More than one|No) MPM loaded/ : qr/:error\].*ADP0106: not restarted: /, SECONDS), "$name: it is said");
            is(conf_now($s), 1, 'the server goes on');
        }
        $s->write_conf(conf => number(3), mpm => 'adaptive');
        $s->signal($signal);
        wait_conf($s, 3);
        ok($s->stop, 'stops');
    };
}

# httpd asks whether the server stops before it starts a log's program again: a restart that is only asked for is no stop, and may
# be refused. The parent finds both at once, when it wakes, or when it looks again while a configuration is read.
for my $signal (qw(USR1 HUP)) {
    subtest "a log's program ends in the moment of SIG$signal" => sub {
        my $s = Adaptive::Server->new(hooked => 1, conf => number(1) . "CustomLog |/bin/cat common\n")->start;
        my $programs = sub { return grep { Adaptive::Server::read_text("/proc/$_/cmdline") =~ m{^/bin/cat(?:\0|$)} } $s->direct_children };
        $s->write_conf(conf => number(2) . "NoSuchDirective on\n")->log_mark;
        $s->pause_at('parent_sleeps');
        $s->wait_paused('parent_sleeps', SECONDS);
        my ($program) = $programs->();
        kill 'KILL', $program;
        wait_for { grep { $_ == $program } $s->zombie_pids } SECONDS, 'its end';
        $s->signal($signal);
        $s->release('parent_sleeps');
        ok($s->wait_log(qr/ADP0105: not restarted: /, SECONDS), 'the restart is refused');
        ok((wait_for { grep { $_ != $program } $programs->() } SECONDS, 'the program'), 'the program is started again');
        ok($s->stop, 'stops');
    };
}

# Some hundred thousand bytes of warnings before what counts.
subtest 'many warnings' => sub {
    my $warnings = q{LoadModule dir_module modules/mod_dir.so} . "\n";
    $warnings x= 4000;
    my $s = Adaptive::Server->new(conf => number(1))->start;
    $s->write_conf(conf => number(2) . $warnings . "NoSuchDirective on\n");
    $s->signal('USR1');
    ok($s->wait_log(qr/ADP0105: not restarted: .*Invalid command 'NoSuchDirective'/, SECONDS), 'the mistake is quoted, not what comes before it');
    $s->write_conf(conf => number(3) . $warnings);
    $s->signal('USR1');
    wait_conf($s, 3);
    unlike($s->error_log, qr/ADP0106/, 'and nobody takes it for another MPM');
    ok($s->stop, 'stops');
};

subtest 'a configuration that takes long to read' => sub {
    my $s = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF . number(1) . "AdpTestHangAtRead tmp/hang\n")->start;
    my $hang = $s->root . '/tmp/hang';
    my $hold = sub { Adaptive::Server::write_file($hang, '') };

    $hold->();
    $s->write_conf(conf => $TEST_CONF . number(2) . "AdpTestHangAtRead tmp/hang\n");
    $s->signal('USR1');
    ok((wait_for { readers($s) } SECONDS, 'a reader'), 'it is read');
    is(conf_now($s), 1, 'the last one serves meanwhile');
    $s->signal('USR1') for 1 .. 3;
    is(scalar(readers($s)), 1, 'one at a time, however often it is asked for');
    # without a busy loop: what the parent uses of a processor in ten rounds of serving
    my $ticks = sub { my @stat = split ' ', Adaptive::Server::read_text('/proc/' . $s->pid . '/stat') =~ s/^.*\) //r; return $stat[11] + $stat[12] };
    my $before = $ticks->();
    conf_now($s) for 1 .. 20;
    cmp_ok($ticks->() - $before, '<', 20, 'the parent sleeps');
    unlink $hang;
    wait_conf($s, 2);

    $hold->();
    $s->signal('USR1');
    wait_for { readers($s) } SECONDS, 'a reader';
    my ($reader) = readers($s);
    ok($s->stop, 'a stop does not wait for it');
    ok((wait_for { !kill 0, $reader } SECONDS, 'the reader'), 'and takes it along');
    unlink $hang;
};

subtest 'a reader that is killed' => sub {
    my $s = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF . number(1) . "AdpTestHangAtRead tmp/hang\n")->start;
    my $hang = $s->root . '/tmp/hang';
    Adaptive::Server::write_file($hang, '');
    $s->write_conf(conf => $TEST_CONF . number(2) . "AdpTestHangAtRead tmp/hang\n");
    $s->signal('USR1');
    wait_for { readers($s) } SECONDS, 'a reader';
    my ($reader) = readers($s);
    $s->write_conf(conf => $TEST_CONF . number(3));
    kill 'KILL', $reader;
    ok($s->wait_log(qr/:warn\].*ADP0107: restarting though .*: the process that tested it was killed/, SECONDS), 'it is said');
    wait_conf($s, 3);
    ok($s->stop, 'stops');
};

subtest 'one that does not end' => sub {
    local $ENV{ADAPTIVE_BUILD} = other_build(REHEARSAL_MOST_US => 300_000);
    my $s = Adaptive::Server->new(test_module => 1, conf => $TEST_CONF . number(1) . "AdpTestHangAtRead tmp/hang\n")->start;
    my $hang = $s->root . '/tmp/hang';
    Adaptive::Server::write_file($hang, '');
    $s->write_conf(conf => $TEST_CONF . number(2) . "AdpTestHangAtRead tmp/hang\n");
    $s->signal('USR1');
    ok($s->wait_log(qr/ADP0107: restarting though .*: it took longer than a minute/, SECONDS), 'is not waited for');
    unlink $hang;
    wait_conf($s, 2);
    ok($s->stop, 'stops');
};

done_testing;
