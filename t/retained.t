# What the parent keeps over restarts, when the next configuration does not fit it: the module was upgraded meanwhile, or limits
# that cannot change were changed.

use strict;
use warnings;

use lib 't/lib';
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use Test::More;
use Adaptive::Build;
use Adaptive::Paths ();
use Adaptive::Server;
use Adaptive::Probe;

plan skip_all => 'about the data of mod_mpm_adaptive' if mpm() ne 'adaptive';

# A build directory of its own for the server, so that the module under it can be replaced.
sub private_build {
    my $dir = tempdir(CLEANUP => 1);
    my $built = Adaptive::Paths::build_dir();
    chmod 0755, $dir;
    copy("$built/mod_mpm_adaptive.so", "$dir/mod_mpm_adaptive.so") or die "$!";
    symlink "$built/t", "$dir/t" or die "$!";
    return $dir;
}

# A package manager writes a new file and renames it: the parent still has the old one mapped.
sub replace_module {
    my ($dir, $new) = @_;
    copy($new, "$dir/mod_mpm_adaptive.so.new") or die "$!";
    return rename "$dir/mod_mpm_adaptive.so.new", "$dir/mod_mpm_adaptive.so";
}

# As a later release may have it.
my $other = other_build(ADP_RETAINED_VERSION => 99) . '/mod_mpm_adaptive.so';

for my $signal (qw(USR1 HUP)) {
    subtest "another version of the module, SIG$signal" => sub {
        my $dir = private_build();
        local $ENV{ADAPTIVE_BUILD} = $dir;
        my $s = Adaptive::Server->new(test_module => 1, modules => ['status'], conf => $TEST_CONF)->start;
        ok(served_by($s), 'serves');
        my %old = map { $_ => 1 } $s->child_pids;
        replace_module($dir, $other);
        $s->log_mark;
        $s->signal($signal);
        ok($s->wait_log(qr/ADP\d{4}: .*(?:version|upgrade|stop and start|restart)/i, 15), 'it is said in plain words');
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
