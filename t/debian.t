# debian/: what it says of this repository is true, and the maintainer scripts leave a server with exactly one MPM that fits it, whatever
# fails. In a mount namespace of its own, with a server that only pretends; tools/fresh/package.t has real ones.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Files;
use Adaptive::Process;
use Adaptive::Server ();
use Cwd qw(getcwd);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my $PACKAGE = 'libapache2-mod-mpm-adaptive';

sub text_of { return Adaptive::Server::read_text($_[0]) }

# --- what it says ----------------------------------------------------------------------------------------------------

subtest 'versions' => sub {
    my ($version) = text_of('src/base/version.h') =~ /^#define ADP_VERSION "(.+)"/m;
    like text_of('debian/changelog'), qr/\A\Q$PACKAGE\E \(\Q$version\E\) /, 'the changelog has that of src/base/version.h';

    my ($least) = text_of('mod_mpm_adaptive.c') =~ /^#error ".*needs httpd (2\.4\.\d+) or later/m;
    my $control = text_of('debian/control');
    like $control, qr/^ apache2-dev \(>= \Q$least\E~\),$/m, "it is built with httpd $least and later";
    like $control, qr{^ apache2-bin \(>= \$\{httpd:Version\}\),$}m, 'and installed with the httpd that it was compiled for, or a later one';
};

subtest 'scripts' => sub {
    for my $script (glob("debian/$PACKAGE.p*"), 'debian/tests/switch', 'tools/deb.sh', 'tools/fresh.sh', glob 'tools/fresh/*.sh') {
        is run_command(10, 'sh', '-n', $script)->{output}, '', "$script is one that sh can read";
    }
    # What two scripts have in common stands in both: one cannot read the other when it runs.
    my ($in_prerm, $in_postinst) = map { { text_of("debian/$PACKAGE.$_") =~ /^(\w+)\(\)\n(\{\n.*?^\}\n)/msg } } qw(prerm postinst);
    is $in_postinst->{$_}, $in_prerm->{$_}, "$_() is the same in both" for qw(parent running_mpm say service);
    like text_of("debian/$PACKAGE.$_"), qr/^#DEBHELPER#$/m, "debhelper's part of the $_ has its place" for qw(postinst postrm prerm);
};

subtest 'mpm_adaptive.load' => sub {
    my $load = text_of('tools/mpm_adaptive.load');
    for my $mpm (qw(event worker prefork)) {
        like $load, qr/^\s*<IfFile !mods-enabled\/mpm_$mpm\.load>$/m, "loads nothing beside mpm_$mpm";
    }
    like $load, qr/\A# Conflicts: mpm_event mpm_worker mpm_prefork$/m, 'and a2enmod knows that they conflict';
};

# --- what the scripts do ---------------------------------------------------------------------------------------------

my @private = ('unshare', $> == 0 ? '-m' : '-rm');
my $may_not = run_command(30, @private, 'true')->{status} != 0 ? 'needs a mount namespace of its own'
    : !-d '/etc/apache2' ? 'needs Debian\'s apache2' : '';

# The server is a process that has an MPM's file mapped, the MPM that is enabled when it starts; actions and tests are noted.
my $SERVER = <<'PERL';
use DynaLoader;
DynaLoader::dl_load_file("$ENV{MODULES}/mod_mpm_$ARGV[0].so", 0) or die DynaLoader::dl_error();
open my $out, '>', "$ENV{TOP}/pid" or die;
print {$out} "$$\n";
close $out;
sleep 60;
PERL

my $SERVICE = <<'SH';
#!/bin/sh
# invoke-rc.d [--query] apache2 ACTION; FAILS: the MPMs with which the server does not start
if [ "$1" = --query ]; then
    exit "${POLICY:-104}"
fi
echo "$2" >>"$TOP/asked"
[ "${POLICY:-104}" = 104 ] || exit 0
[ "$2" != reload ] || exit 0
[ ! -s "$TOP/pid" ] || kill -9 "$(cat "$TOP/pid")"
rm -f "$TOP/pid"
mpm=$(cd /etc/apache2/mods-enabled && ls mpm_event.load mpm_worker.load mpm_prefork.load mpm_adaptive.load 2>/dev/null | head -n 1)
mpm=${mpm#mpm_}
mpm=${mpm%.load}
case " $FAILS " in *" $mpm "*) exit 1 ;; esac
perl "$TOP/server" "$mpm" >/dev/null 2>&1 </dev/null &
until [ -s "$TOP/pid" ]; do sleep 0.01; done
SH

my $APACHE2CTL = <<'SH';
#!/bin/sh
echo test >>"$TOP/asked"
[ -z "$BROKEN" ] || { echo 'Invalid command NoSuchDirective'; exit 1; }
SH

my $modules;

# An empty one of each MPM.
sub modules {
    return $modules if $modules;
    $modules = tempdir('adaptive-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    for my $mpm (qw(adaptive event worker prefork)) {
        my $compiled = run_command(30, qw(cc -shared -nostdlib -x c -o), "$modules/mod_mpm_$mpm.so", '/dev/null');
        die $compiled->{output} if $compiled->{status} != 0;
    }
    return $modules;
}

sub links { return map { s{.*/}{}r } glob "$_[0]/etc/mods-enabled/*.load" }

# script => 'prerm remove', enabled => [...], runs => 'adaptive', and what there is beside.
sub run_script {
    my (%opt) = @_;
    my $top = tempdir('adaptive-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    make_path(map {"$top/$_"} qw(bin etc/mods-available etc/mods-enabled lib/module/disabled_by_admin));
    for my $mpm (qw(adaptive event worker prefork)) {
        put_file("$top/etc/mods-available/mpm_$mpm.load", '');
        put_file("$top/etc/mods-available/mpm_$mpm.conf", '');
    }
    for my $module (@{ $opt{enabled} }) {
        symlink "../mods-available/$module.$_", "$top/etc/mods-enabled/$module.$_" for qw(load conf);
    }
    put_file("$top/etc/envvars", "export APACHE_PID_FILE=$top/pid\n");
    put_file("$top/lib/module/disabled_by_admin/$_", '') for @{ $opt{marks} // [] };
    put_file("$top/server", $SERVER);
    put_script("$top/bin/invoke-rc.d", $SERVICE);
    put_script("$top/bin/apache2ctl",  $APACHE2CTL);
    put_script("$top/bin/sleep",       "#!/bin/sh\nexec /bin/sleep 0.01\n");
    put_script("$top/bin/adaptivectl", $opt{adaptivectl} // "#!/bin/sh\necho adaptivectl >>\"\$TOP/asked\"\nexit 1\n");
    my ($script, @args) = split ' ', $opt{script};
    local %ENV = (%ENV, PATH => "$top/bin:$ENV{PATH}", TOP => $top, MODULES => modules(), POLICY => $opt{policy} // 104, BROKEN => $opt{broken} // '',
        FAILS => join ' ', @{ $opt{fails} // [] });
    delete $ENV{DPKG_ROOT};
    my $start = $opt{runs} ? "{ perl '$top/server' $opt{runs} >/dev/null 2>&1 </dev/null & }; until [ -s '$top/pid' ]; do sleep 0.01; done; "
        : '';
    my $cwd = getcwd();
    my $result = run_command(60, @private, 'sh', '-c', "mount --bind '$top/etc' /etc/apache2 && mount --bind '$top/lib' /var/lib/apache2 && $start"
        . "sh '$cwd/debian/$PACKAGE.$script' @args; status=\$?; [ ! -s '$top/pid' ] || sed -n 's,.*/mod_mpm_\\(.*\\)\\.so\$,RUNS \\1,p' /proc/\$(cat '$top/pid')/maps"
        . " | sort -u; [ ! -s '$top/pid' ] || kill -9 \$(cat '$top/pid'); exit \$status");
    $result->{runs} = $result->{output} =~ s/^RUNS (\w+)\n//m ? $1 : '';
    $result->{asked} = -e "$top/asked" ? join ' ', split /\n/, text_of("$top/asked") : '';
    $result->{links} = join ' ', map { s/\.load$//r } links($top);
    return $result;
}

# name, options, and what is expected of: status, links, runs, asked; said is a pattern.
sub script_case {
    my ($name, $opt, $expected, $said) = @_;
    my $result = run_script(%$opt);
    is_deeply { map { $_ => $result->{$_} } sort keys %$expected }, $expected, $name or diag $result->{output};
    like $result->{output}, $said, '... and says so' if $said;
    return;
}

subtest 'removal' => sub {
    plan skip_all => $may_not if $may_not;
    my @ours = (script => 'prerm remove', enabled => ['mpm_adaptive']);
    script_case('without adaptivectl: mpm_event, in a restart', { @ours, runs => 'adaptive' },
        { status => 0, links => 'mpm_event', runs => 'event', asked => 'adaptivectl test restart' }, qr/mpm_event instead of mpm_adaptive/);
    script_case('mpm_worker, if a2dismod has noted that', { @ours, runs => 'adaptive', marks => ['mpm_worker'] },
        { status => 0, links => 'mpm_worker', runs => 'worker' });
    script_case('mpm_prefork beside it: that one stays', { @ours, enabled => [qw(mpm_adaptive mpm_prefork)], runs => 'adaptive' },
        { status => 0, links => 'mpm_prefork', runs => 'prefork', asked => 'test restart' });
    script_case('mpm_prefork beside it, and running: no restart', { @ours, enabled => [qw(mpm_adaptive mpm_prefork)], runs => 'prefork' },
        { status => 0, links => 'mpm_prefork', runs => 'prefork', asked => '' });
    script_case('no server: none is started', { @ours, broken => 1 }, { status => 0, links => 'mpm_event', runs => '', asked => 'adaptivectl' });
    script_case('a configuration with an error: nothing changes', { @ours, runs => 'adaptive', broken => 1 },
        { status => 1, links => 'mpm_adaptive', runs => 'adaptive', asked => 'adaptivectl test' }, qr/NoSuchDirective/);
    script_case('the other MPM does not start: everything is as it was', { @ours, runs => 'adaptive', fails => ['event'] },
        { status => 1, links => 'mpm_adaptive', runs => 'adaptive', asked => 'adaptivectl test restart start' }, qr/so this package stays/);
    script_case('no MPM starts: the package goes', { @ours, runs => 'adaptive', fails => [qw(event adaptive)] },
        { status => 0, links => 'mpm_event', runs => '' }, qr/does not start/);
    script_case('where policy-rc.d forbids a restart', { @ours, runs => 'adaptive', policy => 101 },
        { status => 0, links => 'mpm_event', runs => 'adaptive', asked => 'adaptivectl test' }, qr/Stop and start it; a reload would end it/);
    script_case('adaptivectl does it', { @ours, runs => 'adaptive',
            adaptivectl => qq{#!/bin/sh\necho "\$*" >>"\$TOP/asked"\ncd /etc/apache2/mods-enabled && mv mpm_adaptive.load mpm_worker.load\n} },
        { status => 0, links => 'mpm_worker', asked => 'disable --config /etc/apache2/apache2.conf' });
    script_case('not enabled: nothing to do', { @ours, enabled => ['mpm_event'], runs => 'event' },
        { status => 0, links => 'mpm_event', runs => 'event', asked => '' });
    script_case('an upgrade is no removal', { @ours, script => 'prerm upgrade 1.0', runs => 'adaptive' },
        { status => 0, links => 'mpm_adaptive', runs => 'adaptive', asked => '' });
};

subtest 'installation' => sub {
    plan skip_all => $may_not if $may_not;
    script_case('beside another MPM: nothing but a hint', { script => 'postinst configure', enabled => ['mpm_event'], runs => 'event' },
        { status => 0, links => 'mpm_event', runs => 'event', asked => '' }, qr/adaptivectl enable$/m);
    my @ours = (script => 'postinst configure 0.1', enabled => ['mpm_adaptive']);
    script_case('an upgrade: a reload', { @ours, runs => 'adaptive' }, { status => 0, links => 'mpm_adaptive', asked => 'test reload' });
    script_case('... not if there is no server', {@ours}, { status => 0, asked => '' });
    script_case('... not if the configuration has an error', { @ours, runs => 'adaptive', broken => 1 },
        { status => 0, runs => 'adaptive', asked => 'test' }, qr/NoSuchDirective/);
    script_case('... not if the server runs another MPM, which would end it', { @ours, runs => 'event' },
        { status => 0, runs => 'event', asked => '' }, qr/stop and start it/);
};

done_testing;
