# What the parent keeps over restarts, when the next configuration does not fit it: the module was upgraded meanwhile, or limits
# that cannot change were changed.

use strict;
use warnings;

use lib 't/lib';
use File::Copy qw(copy);
use Test::More;
use Adaptive::Build;
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

subtest 'limits that cannot change' => sub {
    my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF,
        mpm_conf => "ServerLimit 4\nThreadLimit 8\nThreadsPerChild 8\nMaxRequestWorkers 16\n")->start;
    # ServerLimit and a reserve for the children of older generations.
    my ($slots) = http_get($s->url('/adp/query'))->{body} =~ /^HARD_LIMIT_DAEMONS=(\d+)$/m;
    for my $signal (qw(USR1 HUP)) {
        $s->log_mark;
        $s->write_conf(mpm_conf => "ServerLimit 40\nThreadLimit 80\nThreadsPerChild 60\nMaxRequestWorkers 600\n");
        ok($signal eq 'USR1' ? $s->graceful : $s->restart, "SIG$signal: restarted");
        like($s->log_since_mark, qr/ADP\d{4}: .*ThreadLimit.*80/, 'ThreadLimit: it is said');
        like($s->log_since_mark, qr/ADP\d{4}: .*ServerLimit.*40/, 'ServerLimit: it is said');
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
