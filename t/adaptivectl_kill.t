# adaptivectl is killed at each step, as by the kernel for want of memory: at no moment there are no or two MPMs, and the server comes
# back.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server ();
use Adaptive::Tree;
use Adaptive::Wait;
use Fcntl ();

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';

my $is_debian = -x '/usr/sbin/apache2ctl';

# More than any switch has.
use constant MOST_STEPS => 40;

# What is killed does not tidy up after itself.
sub tree {
    my $t = Adaptive::Tree->new(@_);
    mkdir "$t->{root}/tmp";
    $t->{env}{TMPDIR} = "$t->{root}/tmp";
    return $t;
}

# Whether httpd would start: with one MPM it does, with none or two it does not.
sub has_one_mpm { my ($t) = @_; return $t->mpm =~ /^(?:event|adaptive)$/ }

# The processes that go on after their parent was killed have the lock until they end.
sub wait_unlocked {
    my ($t) = @_;
    my ($lock) = glob "$t->{root}/ctl/*.lock" or return;
    open my $file, '>>', $lock or return;
    wait_for { flock $file, Fcntl::LOCK_EX() | Fcntl::LOCK_NB() } 60, 'the lock';
    return;
}

sub killed_at {
    my ($t, $who, $at, $command) = @_;
    my ($perl, @rest) = $t->ctl_command($command);
    return $t->run($perl, '-It/lib', "-MAdaptive::KillAt=$at,$who", @rest);
}

for my $layout ($is_debian ? 'debian' : (), 'dropins') {
    for my $who ($layout eq 'debian' ? qw(one both) : 'both') {
        subtest "$layout, killed: $who" => sub {
            my $t = tree(layout => $layout)->start;
            my $steps = 0;
            for my $command (qw(enable disable)) {
                my ($from, $to) = $command eq 'enable' ? qw(event adaptive) : qw(adaptive event);
                my @wrong;
                for my $at (1 .. MOST_STEPS) {
                    my $result = killed_at($t, $who, $at, $command);
                    if ($result->{status} == 0) { ok $at > 3, "$command: killed at " . ($at - 1) . ' steps'; last }
                    $steps++;
                    wait_unlocked($t);
                    push @wrong, "$at: the configuration has " . ($t->mpm || 'no MPM or two') if !has_one_mpm($t);
                    if ($who eq 'one') {
                        # the one that waited has seen it
                        my $runs = $t->running;
                        push @wrong, "$at: " . ($runs || 'nobody') . " runs, the configuration has " . $t->mpm if $runs ne $t->mpm;
                        push @wrong, "$at: it does not serve: $result->{output}" if !$t->serves;
                    }
                    # whatever was left, the next one goes on from there
                    my $other = $t->ctl($command eq 'enable' ? 'disable' : 'enable');
                    push @wrong, "$at: then $other->{output}" if $other->{status} || $t->running ne $from || !$t->serves;
                }
                is "@wrong", '', "$command: one MPM at each of them, and the server comes back";
                is $t->running, $to, "$command: in the end it is done";
            }
            cmp_ok $steps, '>', 4, 'somebody was killed';
        };
    }
}

# While httpd is being stopped or started, adaptivectl waits for it.
for my $when ($is_debian ? qw(stop start) : ()) {
    subtest "killed while it waits for the server to $when" => sub {
        my $t = tree()->start;
        mkdir "$t->{root}/bin";
        # kills who has called it, then does what it was asked to
        Adaptive::Tree::write_text("$t->{root}/bin/apache2ctl", <<"SCRIPT");
#!/bin/sh
case \$1 in *$when) [ -e $t->{root}/killed ] || { touch $t->{root}/killed; kill -9 \$PPID; } ;; esac
exec /usr/sbin/apache2ctl "\$@"
SCRIPT
        chmod 0755, "$t->{root}/bin/apache2ctl";
        $t->{env_more} = { PATH => "$t->{root}/bin:/usr/sbin:/sbin:$ENV{PATH}" };
        my $result = $t->ctl('enable');
        is $result->{status}, 1, 'it is not done';
        like $result->{output}, qr/It was killed in the middle\..*It is as it was before: mpm_event\./s, 'it is undone, and said';
        is $t->running, 'event', 'event runs';
        ok $t->serves, 'and serves';
        is $t->ctl('enable')->{status}, 0, 'the next one does it';
        is $t->running, 'adaptive', 'ours runs';
    };
}

# What was interrupted is undone days later, perhaps: the file may be another one by then.
subtest 'a file that was edited meanwhile' => sub {
    my $t = tree(layout => 'file');
    my @wrong;
    for my $at (1 .. MOST_STEPS) {
        last if killed_at($t, 'both', $at, 'enable')->{status} == 0;
        wait_unlocked($t);
        my $edited = Adaptive::Server::read_text($t->config) . "# edited at $at\n";
        Adaptive::Tree::write_text($t->config, $edited);
        my $result = $t->ctl('disable');
        push @wrong, "$at: $result->{output}" if Adaptive::Server::read_text($t->config) !~ /^# edited at $at$/m;
        unlink glob "$t->{root}/ctl/*.journal";
        $t->ctl('disable');
    }
    is "@wrong", '', 'keeps what was edited';
    like Adaptive::Server::read_text($t->config), qr/^# edited at 2$/m, 'more than once';
};

subtest 'two at once' => sub {
    my $t = tree(layout => 'file')->start;
    $t->ctl('check');
    open my $lock, '>>', "$t->{root}/ctl/" . ($t->config =~ s{^/}{}r =~ s{/}{-}gr) . '.lock' or die $!;
    flock $lock, Fcntl::LOCK_EX();
    my $result = $t->ctl('enable');
    is $result->{status}, 1, 'the second is refused';
    like $result->{output}, qr/another adaptivectl is at work/, 'and says why';
};

done_testing;
