# What the parent keeps over restarts, when the next configuration does not fit it: the module was upgraded meanwhile, or limits
# that cannot change were changed.

use strict;
use warnings;

use lib 't/lib';
use File::Copy qw(copy);
use Test::More;
use Adaptive::Build;
use Adaptive::Load;
use Adaptive::Server;
use Adaptive::Probe;

plan skip_all => 'about the data of mod_mpm_adaptive' if mpm() ne 'adaptive';

# A package manager writes a new file and renames it: the parent still has the old one mapped. A server loads a copy of its own.
sub replace_module {
    my ($s, $new) = @_;
    my $loaded = $s->root . '/conf/mod_mpm_adaptive.so';
    copy($new, "$loaded.new") or die "$!";
    return rename "$loaded.new", $loaded;
}

# As a later release may have it.
my $other = other_build(ADP_RETAINED_VERSION => 99) . '/mod_mpm_adaptive.so';

for my $signal (qw(USR1 HUP)) {
    subtest "another version of the module, SIG$signal" => sub {
        my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF)->start;
        ok(served_by($s), 'serves');
        my %old = map { $_ => 1 } $s->child_pids;
        replace_module($s, $other);
        $s->log_mark;
        $s->signal($signal);
        ok($s->wait_log(qr/ADP0080: /, 15), 'it is said in plain words');
        ok((wait_for { my $pid = served_by($s); $pid && !$old{$pid} } 20, 'a new child'), 'a new child serves');
        ok($s->alive, 'the parent is alive');
        unlike($s->error_log, qr/exit signal/, 'no crash');
        is(http_get($s->url('/1k.html'))->{status}, 200, 'requests are served') for 1 .. 5;
        ok((wait_for { !grep { $old{$_} } $s->direct_children } 20, 'old children to go'), 'the old children have gone');
        ok($s->graceful, 'another restart works');
        ok(served_by($s), 'and serves');
        ok($s->stop, 'stops');
    };
}

# How long a child may take to finish is counted from the upgrade.
subtest 'another version of the module, a request under way' => sub {
    my $s = Adaptive::Server->new(test_module => 1, conf => "${TEST_CONF}AdaptiveDrainTimeout 60s\n")->start;
    my $old = served_by($s);
    my ($sock) = hold_requests($s, 1);
    wait_for { hooks($s)->{busy} } 15, 'the request';
    replace_module($s, $other);
    $s->signal('USR1');
    ok((wait_for { my $pid = served_by($s); $pid && $pid != $old } 20, 'a new child'), 'a new child serves');
    lift_hold($s);
    is((read_response($sock, timeout => 20) // {})->{status}, 200, 'the old one finishes');
    unlike($s->error_log, qr/ADP0078/, 'and is not killed for being late');
    ok($s->stop, 'stops');
};

# What a package does: the file is replaced, the server reloaded. Once by one that takes over the children's memory, and once by one
# that does not.
for my $case ([ 'a new release', { ADP_VERSION => '\\"9.8.7\\"' }, 0 ],
    [ 'one with other shared memory', { ADP_VERSION => '\\"9.8.7\\"', ADP_RETAINED_VERSION => 98 }, 1 ]) {
    my ($name, $defines, $is_stranger) = @$case;
    subtest "an upgrade under load, to $name, and back" => sub {
        my $release = other_build(%$defines) . '/mod_mpm_adaptive.so';
        my $s = Adaptive::Server->new(test_module => 1, conf => "${TEST_CONF}CustomLog logs/access %s\n")->start;
        my $served = sub { return scalar(() = Adaptive::Server::read_text($s->root . '/logs/access') =~ m{\n}g) };
        my $before = $s->root . '/conf/before.so';
        copy($s->root . '/conf/mod_mpm_adaptive.so', $before) or die "$!";
        my @load = map { Adaptive::Load->start($s->port, mode => $_, path => '/adp/sleep?ms=20', rate => 60, seconds => 120, connections => 20,
            timeout => 20) } qw(keep new);
        $_->ready for @load;
        for my $step ([ $release, qr/9\.8\.7/, 'the new one' ], [ $before, qr/(?!9\.8\.7)\d\S*/, 'the old one again' ]) {
            my ($file, $version, $which) = @$step;
            my $so_far = $served->();
            wait_for { $served->() > $so_far + 30 } 20, 'requests';
            my %old = map { $_ => 1 } $s->child_pids;
            replace_module($s, $file);
            $s->log_mark;
            $s->signal('USR1');
            ok((wait_for { my $pid = served_by($s); $pid && !$old{$pid} } 20, 'a new child'), "$which serves");
            ok($s->wait_log(qr/ADP0011: .*; version $version$/m, 15), 'its version is logged');
            ok($s->wait_log(qr/ADP0080: /, 15), 'and that it is another one') if $is_stranger;
            ok((wait_for { !grep { $old{$_} } $s->direct_children } 30, 'old children to go'), 'the old children have gone');
        }
        for my $result (map { $_->interrupt->result } @load) {
            is($result->{failed}, 0, 'no request is lost') or diag(Adaptive::Load::summary($result));
            cmp_ok($result->{ok}, '>', 20, '... of a good number');
        }
        ok($s->stop, 'stops');
    };
}

subtest 'limits that cannot change' => sub {
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
        mpm_conf => "ServerLimit 4\nThreadLimit 8\nThreadsPerChild 8\nMaxRequestWorkers 16\n")->start;
    # ServerLimit and a reserve for the children of older generations.
    my ($slots) = http_get($s->url('/adp/query'))->{body} =~ /^HARD_LIMIT_DAEMONS=(\d+)$/m;
    for my $signal (qw(USR1 HUP)) {
        $s->log_mark;
        $s->write_conf(mpm_conf => "ServerLimit 40\nThreadLimit 80\nThreadsPerChild 60\nMaxRequestWorkers 600\n");
        ok($signal eq 'USR1' ? $s->graceful : $s->restart, "SIG$signal: restarted");
        ok($s->wait_log(qr/ADP\d{4}: .*ThreadLimit.*80/, 15), 'ThreadLimit: it is said');
        ok($s->wait_log(qr/ADP\d{4}: .*ServerLimit.*40/, 15), 'ServerLimit: it is said');
        my %query = http_get($s->url('/adp/query'))->{body} =~ /^(\w+)=(\S+)$/mg;
        is($query{HARD_LIMIT_THREADS}, 8, 'ThreadLimit is the old one');
        is($query{HARD_LIMIT_DAEMONS}, $slots, 'so is ServerLimit');
        is($query{MAX_THREADS}, 8, 'ThreadsPerChild keeps to it');
        is($query{MAX_DAEMONS}, 4, 'MaxRequestWorkers keeps to it');
    }
    ok($s->alive, 'the server is alive');
    unlike($s->error_log, qr/exit signal/, 'no crash');
    ok($s->stop, 'stops');
};

done_testing;
