# make install: what it puts where, and that Debian's tools can switch to it and back. All below DESTDIR and in a private copy
# of a configuration directory.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Paths qw(httpd libexecdir);
use Adaptive::Server ();
use Adaptive::Tree;
use File::Temp qw(tempdir);
use Test::More;

# One from source has its configuration elsewhere.
my $debian = -e '/etc/debian_version' && qx{apxs -q SYSCONFDIR} =~ m{^/etc/apache2$};
my $dest   = tempdir('adaptive-install-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

# As make has it: relative to the checkout, in whose name there may be a blank, which make would not bear.
my $BUILD = $ENV{ADAPTIVE_BUILD} // '.build';

# Make's own variables would make the inner make a part of the outer one, and say so.
delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};

sub run {
    my ($command) = @_;
    my $output = qx{($command) 2>&1};
    return { status => $? >> 8, output => $output };
}

sub make {
    my ($target) = @_;
    return run("make -f Makefile.apxs --no-print-directory BUILD='$BUILD' DESTDIR='$dest' $target");
}

sub text_of { return Adaptive::Server::read_text($_[0]) }

sub files_below {
    my ($dir) = @_;
    return [ sort split /\n/, qx{cd '$dir' && find . -type f -o -type l} ];
}

# From here on the module is installed in $dest.
my $installed = make('install');
is $installed->{status}, 0, 'make install' or do { diag $installed->{output}; done_testing; exit };

subtest 'the module' => sub {
    my $file = $dest . libexecdir() . '/mod_mpm_adaptive.so';
    ok -f $file, 'is where httpd looks for modules';
    is((stat _)[2] & 07777, 0644, 'readable for all, writable for its owner');
    my @needed = qx{readelf -d '$file'} =~ /\(NEEDED\).*\[(.*?)\]/g;
    # The sanitizers' runtime belongs to an instrumented build.
    is_deeply [ grep { !/^lib[au]\w*san\./ } @needed ], ['libc.so.6'], 'needs libc and nothing else';
    my @exported = grep { !/^(?:__|_init|_fini|_edata|_end)/ } map { (split)[-1] } qx{nm -D --defined-only '$file'};
    is_deeply [ sort @exported ], [qw(mpm_adaptive_module mpm_adaptive_stood_back_module)], 'exports its two module records and nothing else';
};

subtest 'what is said' => sub {
    my $said = $installed->{output};
    like $said, qr/Nothing is activated/, 'that nothing is activated';
    like $said, qr/^\s+adaptivectl enable\b.*^\s+adaptivectl disable\b/ms, 'the switch, and the way back';
};

subtest 'Debian: mods-available' => sub {
    plan skip_all => 'not on Debian' if !$debian;
    my $dir = "$dest/etc/apache2";
    is_deeply files_below($dir), [ './mods-available/mpm_adaptive.conf', './mods-available/mpm_adaptive.load' ],
        'two files there, none enabled';
    my $load = text_of("$dir/mods-available/mpm_adaptive.load");
    is((split /\n/, $load)[0], '# Conflicts: mpm_event mpm_worker mpm_prefork', 'the .load file has a2enmod refuse a second MPM');
    my @modules = $load =~ /^\s*LoadModule \w+ (\S+)$/mg;
    is_deeply \@modules, [ (libexecdir() . '/mod_mpm_adaptive.so') x 2 ], 'names the module where it was installed';
    like $load, qr{<IfFile !mods-enabled/mpm_$_\.load>}, "and stands back behind $_" for qw(event worker prefork);
    my @lines = split /\n/, text_of("$dir/mods-available/mpm_adaptive.conf");
    is_deeply [ grep { !/^\s*(?:#|$|<\/?IfModule)/ } @lines ], [], 'no directive is active in the .conf file';
    cmp_ok scalar(grep {/^    #\w+ +\d/} @lines), '>', 4, 'but there are some to take up';

    my $server = Adaptive::Server->new(mpm => 'adaptive', mpm_conf => join "\n", map {s/^    #(\w+ +\d)/$1/r} @lines);
    is_deeply $server->run_httpd('-t'), { status => 0, output => "Syntax OK\n" }, 'which are right when all are';
};

subtest 'over a module that is enabled' => sub {
    plan skip_all => 'not on Debian' if !$debian;
    my $enabled = "$dest/etc/apache2/mods-enabled";
    mkdir $enabled;
    symlink '../mods-available/mpm_adaptive.load', "$enabled/mpm_adaptive.load";
    my $again = make('install');
    is $again->{status}, 0, 'make install again';
    like $again->{output}, qr/mpm_adaptive is enabled; to run this build.*systemctl reload apache2/s, 'says how to run this build';
    unlike $again->{output}, qr/Nothing is activated|adaptivectl enable/, 'and nothing of a switch';
    unlink "$enabled/mpm_adaptive.load";
    rmdir $enabled;
};

subtest 'an administrator\'s .conf survives the next install' => sub {
    plan skip_all => 'not on Debian' if !$debian;
    my $conf = "$dest/etc/apache2/mods-available/mpm_adaptive.conf";
    Adaptive::Server::write_file($conf, "StartServers 7\n");
    is make('install')->{status}, 0, 'make install again';
    is text_of($conf), "StartServers 7\n", 'not overwritten';
};

subtest 'a2dismod, a2enmod, a2query' => sub {
    plan skip_all => 'needs Debian\'s a2enmod' if !-x '/usr/sbin/a2enmod';
    my $t = Adaptive::Tree->new(load => text_of("$dest/etc/apache2/mods-available/mpm_adaptive.load"),
        module => $dest . libexecdir() . '/mod_mpm_adaptive.so');
    $t->{env}{APACHE_HTTPD} = "env LD_PRELOAD=$ENV{ADAPTIVE_PRELOAD} " . httpd() if $ENV{ADAPTIVE_PRELOAD};
    my $confdir = $t->confdir;
    my $ctl     = 'apachectl';
    my $run     = sub { return $t->run('sh', '-c', $_[0]) };

    like $run->('a2query -M')->{output}, qr/^event$/m, 'a2query -M says so';

    my $refused = $run->('a2enmod mpm_adaptive');
    isnt $refused->{status}, 0, 'a second MPM is refused';
    like $refused->{output}, qr/mpm_event conflicts|Conflict/i, 'with the conflict named';

    my $switched = $run->('a2dismod -q mpm_event && a2enmod mpm_adaptive');
    is $switched->{status}, 0, 'the documented switch' or diag $switched->{output};
    is $run->('a2query -M')->{output}, "adaptive\n", 'a2query -M says adaptive';
    is_deeply [ sort map { s{.*/}{}r } glob "$confdir/mods-enabled/mpm_*" ], [qw(mpm_adaptive.conf mpm_adaptive.load)],
        'one MPM is enabled';
    my $tested = $run->("$ctl -t");
    is $tested->{status}, 0, "$ctl -t" or diag $tested->{output};
    like $run->("$ctl -V")->{output}, qr/^Server MPM: +adaptive$/m, "$ctl -V";

    is $run->('a2dismod -q mpm_adaptive && a2enmod -q mpm_event')->{status}, 0, 'the documented way back';
    is $run->('a2query -M')->{output}, "event\n", 'a2query -M says event again';
    is $run->("$ctl -t")->{status}, 0, "$ctl -t";

    # a2enmod does not know that ours is in the way
    is $run->('a2dismod -q mpm_event && a2enmod -q mpm_adaptive && a2enmod mpm_event')->{status}, 0, 'another one may be enabled beside ours';
    is $run->("$ctl -t")->{status}, 0, 'the configuration is a good one all the same';
    is $run->('a2query -M')->{output}, "event\n", 'of which the other one runs';
};

subtest 'uninstall' => sub {
    if ($debian) {
        mkdir "$dest/etc/apache2/mods-enabled";
        symlink '../mods-available/mpm_adaptive.load', "$dest/etc/apache2/mods-enabled/mpm_adaptive.load";
        my $refused = make('uninstall');
        isnt $refused->{status}, 0, 'refused while it is enabled';
        like $refused->{output}, qr/mpm_adaptive is enabled.*adaptivectl disable/s, 'with what to do';
        unlink "$dest/etc/apache2/mods-enabled/mpm_adaptive.load";
    }
    my $removed = make('uninstall');
    is $removed->{status}, 0, 'make uninstall';
    if ($debian) {
        my $conf = "$dest/etc/apache2/mods-available/mpm_adaptive.conf";
        is_deeply files_below($dest), ['./etc/apache2/mods-available/mpm_adaptive.conf'], 'leaves what the administrator wrote';
        like $removed->{output}, qr/Kept \Q$conf\E/, 'and says so';
        unlink $conf;
        make('install');
        is make('uninstall')->{status}, 0, 'again, with the file as it was installed';
    }
    is_deeply files_below($dest), [], 'leaves nothing';
};

done_testing;
