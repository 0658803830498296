# adaptivectl: from any MPM to ours and back, in the layouts that there are, and back to what was there if something fails.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server ();
use Adaptive::Tree;

plan skip_all => 'about mpm_adaptive' if ($ENV{MPM} // 'adaptive') ne 'adaptive';

my $is_debian = -x '/usr/sbin/apache2ctl';
my @layouts = ($is_debian ? 'debian' : (), qw(file dropins));

sub text_of { return Adaptive::Server::read_text($_[0]) }

# What could be different after a way there and back: all files and links of the configuration.
sub state_of {
    my ($t) = @_;
    my $dir = $t->confdir // $t->root;
    my @paths = grep { !m{/(?:run|logs|state|ctl)(?:/|$)} } split /\n/, qx{find '$dir' -type f -o -type l | sort};
    return { map { $_ => -l $_ ? 'link to ' . readlink : text_of($_) } @paths };
}

# Runs adaptivectl; the status has to be the one that is given.
sub ctl_ok {
    my ($t, $status, $name, @args) = @_;
    my $result = $t->ctl(@args);
    is $result->{status}, $status, $name or diag $result->{output};
    return $result->{output};
}

for my $layout (@layouts) {
    subtest "there and back: $layout" => sub {
        my $t = Adaptive::Tree->new(layout => $layout)->start;
        my $before = state_of($t);
        my $pid = $t->pid;

        like ctl_ok($t, 0, 'check', 'check'), qr/^MPM of the configuration: mpm_event\nMPM that runs: mpm_event \(process $pid\)\nmpm_adaptive \d.*up to \d+ threads/m,
            'check says what is active, and what ours would find';
        my $dry = ctl_ok($t, 0, 'enable --dry-run', 'enable', '--dry-run');
        like $dry, qr/Would switch from mpm_event to mpm_adaptive.*accepted by httpd.*Nothing has been changed/s, 'says what it would do';
        is_deeply state_of($t), $before, 'and does nothing';
        is $t->pid, $pid, 'the server has not been touched';

        like ctl_ok($t, 0, 'enable', 'enable'), qr/^mpm_adaptive serves \(process \d+\): 127\.0\.0\.1:@{[$t->port]} answers 200\.$/m, 'says that it serves';
        is $t->running, 'adaptive', 'it runs';
        is $t->mpm, 'adaptive', 'it is the one MPM of the configuration';
        ok $t->serves, 'a page is served';
        isnt $t->pid, $pid, 'by another process: an MPM cannot change in a reload';
        like ctl_ok($t, 0, 'enable again', 'enable'), qr/^mpm_adaptive is active already\.$/m, 'is nothing to do';
        like ctl_ok($t, 0, 'check', 'check'), qr/^Nothing is wrong\.$/m, 'check is content';

        like ctl_ok($t, 0, 'disable', 'disable'), qr/^mpm_event serves/m, 'the way back';
        is $t->running, 'event', 'event runs';
        is_deeply state_of($t), $before, 'everything is as it was';
        ok $t->serves, 'a page is served';
        ctl_ok($t, 0, 'disable again', 'disable');

        ctl_ok($t, 0, 'enable once more', 'enable');
        ctl_ok($t, 0, 'disable --to mpm_worker', 'disable', '--to', 'mpm_worker');
        is $t->running, 'worker', 'worker runs';
        ctl_ok($t, 0, 'enable from worker', 'enable');
        ctl_ok($t, 0, 'disable', 'disable');
        is $t->running, 'worker', 'back to worker, which was there before';
        is $t->mpm, 'worker', 'and nothing else';
        ok $t->stop, 'stops';

        like ctl_ok($t, 0, 'enable while httpd does not run', 'enable'), qr/will run from the next start on/, 'does not start it';
        is $t->pid, 0, 'nobody runs';
        $t->start;
        is $t->running, 'adaptive', 'the next start runs it';
    };

    subtest "a configuration that only another MPM accepts: $layout" => sub {
        my $t = Adaptive::Tree->new(layout => $layout, conf => "<IfModule mpm_adaptive_module>\nNoSuchDirective on\n</IfModule>\n")->start;
        my ($before, $pid) = (state_of($t), $t->pid);
        my $said = ctl_ok($t, 1, 'enable', 'enable');
        like $said, qr/Nothing has been changed.*Invalid command 'NoSuchDirective'/s, 'says what is wrong, and that nothing has changed';
        unlike $said, qr{adaptivectl-\w{8}}, 'of the real files, not of the copy that was tried';
        is_deeply state_of($t), $before, 'nothing has';
        is $t->pid, $pid, 'the server runs on';
    };

    # An address that is not this machine's: httpd -t does not try it.
    subtest "a server that does not come up: $layout" => sub {
        my $t = Adaptive::Tree->new(layout => $layout,
            conf => "<IfModule mpm_adaptive_module>\nListen 192.0.2.1:9\n</IfModule>\n")->start;
        my ($before, $pid) = (state_of($t), $t->pid);
        my $said = ctl_ok($t, 1, 'enable', 'enable');
        like $said, qr/This failed: .*going back to mpm_event.*it is as it was before: mpm_event serves/s, 'goes back';
        is_deeply state_of($t), $before, 'everything is as it was';
        is $t->running, 'event', 'event runs again';
        ok $t->serves, 'and serves';
        unlike ctl_ok($t, 0, 'check', 'check'), qr/interrupted/, 'nothing is left over';
    };
}

# Its handler exists under event only: every answer is an error after the switch.
subtest 'a server that answers worse' => sub {
    my $libexecdir = Adaptive::Paths::libexecdir();
    my $t = Adaptive::Tree->new(layout => 'file', conf => <<"CONF")->start;
LoadModule rewrite_module $libexecdir/mod_rewrite.so
<IfModule mpm_adaptive_module>
RewriteEngine on
RewriteRule .* - [R=503]
</IfModule>
CONF
    my $before = state_of($t);
    like ctl_ok($t, 1, 'enable', 'enable'), qr/answers 503 instead of 200.*it is as it was before: mpm_event serves/s, 'is taken back';
    is_deeply state_of($t), $before, 'everything is as it was';
    is $t->running, 'event', 'event runs again';
};

subtest 'asked in a wrong way' => sub {
    my $t = Adaptive::Tree->new(layout => 'file');
    my @wrong = (
        [ [],                          qr/no command is given/ ],
        [ ['enabel'],                  qr/there is no command "enabel"/ ],
        [ [ 'enable', '--fast' ],      qr/unknown option: fast/ ],
        [ [ 'enable', 'now' ],         qr/enable takes no argument, but "now" is given/ ],
        [ [ 'enable', '--drain-seconds', 'x' ],   qr/drain-seconds/ ],
        [ [ 'enable', '--drain-seconds', '-1' ],  qr/-1 is less than 0/ ],
        [ [ 'disable', '--to', 'nginx' ],         qr/--to mpm_nginx: this is no MPM/ ],
        [ [ 'import', '/nonexistent/file' ],      qr{/nonexistent/file cannot be read} ],
        [ [ 'import', '--from', 'netware' ],      qr/mpm_netware/ ],
    );
    for (@wrong) {
        my ($args, $message) = @$_;
        my $result = @$args ? $t->ctl(@$args) : $t->run($^X, 'ctl/adaptivectl');
        is $result->{status}, 2, "adaptivectl @$args: status 2";
        like $result->{output}, qr/^adaptivectl: .*$message/m, '... and a sentence';
    }
    my $result = $t->run($^X, 'ctl/adaptivectl', 'check', '--config', '/nonexistent/httpd.conf', '--httpd', Adaptive::Paths::httpd());
    is $result->{status}, 2, 'no such configuration';
    like $result->{output}, qr{/nonexistent/httpd\.conf cannot be read: there is no such file; name it with --config}, 'with the remedy';
    $result = $t->run($^X, 'ctl/adaptivectl', 'check', '--httpd', '/nonexistent/httpd');
    like $result->{output}, qr{--httpd /nonexistent/httpd: there is no such program}, 'no such program';
    like $t->run($^X, 'ctl/adaptivectl', 'help')->{output}, qr/^usage: adaptivectl/, 'help';
    my ($version) = text_of('src/base/version.h') =~ /ADP_VERSION "(.*)"/;
    is $t->run($^X, 'ctl/adaptivectl', 'version')->{output}, "adaptivectl $version\n", 'version: that of the module';
};

subtest 'without rights' => sub {
    plan skip_all => 'needs root to become somebody else' if $> != 0;
    my $t = Adaptive::Tree->new(layout => 'file')->start;
    # the checkout may be below a directory that only its owner may enter
    system 'cp', '-r', 'ctl', "$t->{root}/tool";
    my @args = map { $_ eq 'ctl/adaptivectl' ? "$t->{root}/tool/adaptivectl" : $_ } $t->ctl_command('enable');
    my $result = $t->run('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', @args);
    is $result->{status}, 1, 'is refused';
    like $result->{output}, qr/run it as root/, 'with the remedy';
    is $t->running, 'event', 'nothing happened';
};

# The hand-made way, and what a reload makes of it: the server that runs and the configuration do not fit any more.
subtest 'a switch by hand without a restart' => sub {
    plan skip_all => 'links are Debian\'s' if !$is_debian;
    my $t = Adaptive::Tree->new->start;
    unlink glob $t->confdir . '/mods-enabled/mpm_event.*';
    $t->link_modules(qw(mpm_adaptive.load mpm_adaptive.conf));
    like ctl_ok($t, 1, 'check', 'check'), qr/PROBLEM: the configuration has mpm_adaptive, but mpm_event runs\. The next reload.*ends httpd/s, 'the danger is named';
    like ctl_ok($t, 0, 'enable', 'enable'), qr/still has mpm_event.*mpm_adaptive serves/s, 'enable restarts it';
    $t->link_modules(qw(mpm_event.load mpm_event.conf));
    like ctl_ok($t, 1, 'check', 'check') =~ s{\s+}{ }gr, qr/but mpm_adaptive runs\. Reloads are refused/, 'the other way round nothing ends';
    is $t->running, 'adaptive', 'it runs';
};

subtest 'two MPMs' => sub {
    plan skip_all => 'links are Debian\'s' if !$is_debian;
    for my $other (qw(mpm_event mpm_worker mpm_prefork)) {
        my $t = Adaptive::Tree->new;
        unlink glob $t->confdir . '/mods-enabled/mpm_*';
        $t->link_modules("$other.load", "$other.conf", qw(mpm_adaptive.load mpm_adaptive.conf));
        is "mpm_" . $t->mpm, $other, "$other beside ours: it runs";
        $t->start;
        ok $t->serves, 'and serves';
        like $t->error_log, qr/mpm_adaptive_stood_back:warn.*ADP0116: mpm_adaptive is enabled, but stands back, because $other is enabled as well/, 'the log says why';
        is scalar(() = $t->error_log =~ /ADP0116/g), 1, 'once a start';
        kill 'USR1', $t->pid;
        Adaptive::Wait::wait_for { (() = $t->error_log =~ /ADP0116/g) == 2 } 15, 'a reload';
        ok $t->serves, 'a reload is none of its business';
        like ctl_ok($t, 1, 'check', 'check'), qr/PROBLEM: mpm_adaptive and $other are enabled\. mpm_adaptive stands back/, 'check names it';
        ctl_ok($t, 0, 'disable', 'disable');
        is $t->enabled, $other, 'disable decides for the other one';
        is "mpm_" . $t->running, $other, 'which runs';
        $t->link_modules(qw(mpm_adaptive.load mpm_adaptive.conf));
        ctl_ok($t, 0, 'enable', 'enable');
        is $t->enabled, 'mpm_adaptive', 'enable decides';
        is $t->running, 'adaptive', 'for ours';
    }
};

subtest 'modules that need prefork' => sub {
    plan skip_all => 'links are Debian\'s' if !$is_debian;
    my $t = Adaptive::Tree->new;
    unlink glob $t->confdir . '/mods-enabled/mpm_*';
    Adaptive::Tree::write_text($t->confdir . '/mods-available/php8.2.load', "# Depends: mpm_prefork\n");
    $t->link_modules(qw(mpm_prefork.load mpm_prefork.conf php8.2.load));
    $t->start;
    like ctl_ok($t, 1, 'enable', 'enable'), qr/php8\.2 works with mpm_prefork only.*php-fpm.*Nothing has been changed/s, 'mod_php is refused, with the way out';
    like ctl_ok($t, 1, 'check', 'check'), qr/PROBLEM: php8\.2 is not thread-safe/, 'check tells before';
    is $t->running, 'prefork', 'prefork runs on';
};

subtest 'an old or a changed .load without its guard' => sub {
    plan skip_all => 'links are Debian\'s' if !$is_debian;
    my $t = Adaptive::Tree->new;
    my $load = $t->confdir . '/mods-available/mpm_adaptive.load';
    Adaptive::Tree::write_text($load, join '', grep {/LoadModule mpm_adaptive_module/} split /^/, text_of($load));
    like ctl_ok($t, 1, 'enable', 'enable'), qr/does not look whether mpm_event is enabled/, 'would make two MPMs, so it is refused';
    is $t->mpm, 'event', 'nothing happened';
};

subtest 'what check finds' => sub {
    my $t = Adaptive::Tree->new(layout => 'file', conf => <<'CONF');
<IfModule event.c>
    ServerLimit 77
    ThreadsPerChild 50
</IfModule>
<IfModule mpm_adaptive_module>
    AdaptiveHold 7s
</IfModule>
MaxRequestWorkers 333
CONF
    my $said = ctl_ok($t, 0, 'check', 'check') =~ s/\s+/ /gr;
    my $conf = $t->config;
    like $said, qr/note: <IfModule event\.c> at \Q$conf\E:\d+ is skipped under mpm_adaptive: ServerLimit, ThreadsPerChild\./, 'skipped blocks, with their lines';
    like $said, qr/note: MaxRequestWorkers 333 at \Q$conf\E:\d+ bounds/, 'what would hold it down';
    unlike $said, qr/AdaptiveHold/, 'what is guarded is in order';
    Adaptive::Tree::write_text($conf, text_of($conf) . "AdaptiveHold 7s\n");
    $t->ctl('enable');
    like ctl_ok($t, 0, 'check', 'check') =~ s/\s+/ /gr, qr/note: AdaptiveHold at \Q$conf\E:\d+ stands outside of <IfModule mpm_adaptive_module>/, 'what is not is named';
};

subtest 'import' => sub {
    my $t = Adaptive::Tree->new(layout => 'file', conf => <<'CONF');
<IfModule mpm_event_module>
    ServerLimit 250
    StartServers 10
    MaxRequestWorkers 120
    MaxConnectionsPerChild 10000
    ThreadStackSize 1048576
    ListenBacklog 1024
</IfModule>
<IfModule mpm_prefork_module>
    MaxClients 1000
    ListenBacklog 8192
</IfModule>
CONF
    my $before = state_of($t);
    my $said = ctl_ok($t, 0, 'import --dry-run', 'import', '--dry-run');
    like $said, qr/^    #ServerLimit 250$/m,  'not needed: a comment';
    like $said =~ s/\s+#?\s*/ /gr, qr/not needed any more, because it is only the size of a table/, 'with the reason';
    like $said, qr/^    MaxRequestWorkers 120$/m, 'less than usual: kept';
    like $said, qr/^    MaxConnectionsPerChild 10000$/m, 'against leaks: kept';
    like $said, qr/^    ThreadStackSize 1048576$/m, 'means the same: kept';
    like $said, qr/^    #ListenBacklog 1024$/m, 'less than the default: a comment';
    unlike $said, qr/MaxClients|1000$/m, 'another MPM\'s are not asked for';
    is_deeply state_of($t), $before, 'nothing is written';
    my $prefork = ctl_ok($t, 0, '--from prefork', 'import', '--from', 'prefork', '--dry-run');
    like $prefork, qr/^    #MaxRequestWorkers 1000$/m, 'until they are; the old name has become the new one';
    like $prefork, qr/^    ListenBacklog 8192$/m, 'more than the default: kept';
    ctl_ok($t, 0, 'import', 'import');
    my $after = text_of($t->config);
    ctl_ok($t, 0, 'import again', 'import');
    is text_of($t->config), $after, 'takes the place of the first';
    ctl_ok($t, 0, 'enable', 'enable');
    $t->start;
    Adaptive::Wait::wait_for { $t->error_log =~ /ADP0011/ } 15, 'the log';
    like $t->error_log, qr/ADP0011: up to 120 threads .*MaxRequestWorkers 120 from/, 'what was kept counts';
};

done_testing;
