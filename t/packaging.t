# packaging/: what the spec and the Dockerfile say of this repository is true, and the scriptlets of the RPM do what they are for.
# Nothing is built or installed here: tools/rpm.sh and packaging/docker/try.pl do that.

use strict;
use warnings;

use lib 't/lib';
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

use Adaptive::Server ();

sub text_of { return Adaptive::Server::read_text($_[0]) }
sub write_text { return Adaptive::Server::write_file(@_) }

my $SPEC       = 'packaging/rpm/mod_mpm_adaptive.spec';
my $SNIPPET    = 'packaging/rpm/00-mpm_adaptive.conf';
my $DOCKERFILE = 'packaging/docker/Dockerfile';

my $spec    = text_of($SPEC);
my $install = text_of('tools/install.sh');

subtest 'versions' => sub {
    my ($version) = text_of('src/base/version.h') =~ /^#define ADP_VERSION "(.+)"/m;
    like $spec, qr/^Version: +\Q$version\E$/m, 'the spec has that of src/base/version.h';
    like $spec, qr/^%changelog\n\* .* - \Q$version\E-\d+$/m, 'so has its latest entry';

    my ($least) = text_of('mod_mpm_adaptive.c') =~ /^#error ".*needs httpd (2\.4\.\d+) or later/m;
    ok $least, 'the module says which httpd it needs at least' or return;
    like $spec, qr/^BuildRequires: +httpd-devel >= \Q$least\E$/m, "the spec builds with httpd $least and later";
    like $spec, qr/^%global httpd_version %\(.* \|\| echo \Q$least\E\)$/m, '... which is what it says without apxs';
    like $spec, qr/^Requires: +httpd >= %\{httpd_version\}$/m, '... and is installed with the one that it was compiled for, or later ones';
    like text_of($DOCKERFILE), qr/httpd \Q$least\E or later/,     'the Dockerfile says so, too';
};

# --- RPM -------------------------------------------------------------------------------------------------------------

# The lines of a section: %files, %preun.
sub section {
    my ($name) = @_;
    my ($text) = $spec =~ /^%$name\n(.*?)(?=^%(?:description|prep|build|install|check|post|preun|postun|files|changelog)$|\z)/ms;
    return $text // '';
}

subtest 'the spec names what there is' => sub {
    my @in_tree = map { my $line = $_; $line =~ /^%(?:license|doc) (.*)/ ? split(' ', $1) : () } split /\n/, section('files');
    cmp_ok scalar @in_tree, '>=', 4, 'it has documents';
    is_deeply [ grep { !-e } @in_tree ], [], 'all of which exist';
    my %place = (
        '%{_sbindir}/adaptivectl'                             => '$prefix/sbin',
        '%{_datadir}/adaptivectl/'                            => '$prefix/share/adaptivectl',
        '%{_datadir}/bash-completion/completions/adaptivectl' => '$prefix/share/bash-completion/completions/adaptivectl',
        '%{_mandir}/man8/adaptivectl.8*'                      => '$prefix/share/man/man8/adaptivectl.8',
    );
    my @listed = grep {/^%\{_(?:sbindir|datadir|mandir)\}/} split /\n/, section('files');
    is_deeply [ sort @listed ], [ sort keys %place ], 'it lists what belongs to adaptivectl';
    ok index($install, $place{$_}) >= 0, "tools/install.sh has $place{$_}" for sort keys %place;
    ok -e $SNIPPET, 'and the file for conf.modules.d is there';
    like $spec, qr{^install -Dpm 644 \Q$SNIPPET\E }m, 'which the spec installs';
};

subtest 'the file for conf.modules.d' => sub {
    my @active = grep { !/^\s*(?:#|$)/ } split /\n/, text_of($SNIPPET);
    is_deeply \@active, [ '<IfModule mpm_adaptive_module>', '</IfModule>' ], 'has nothing that is in force';
    my $all = text_of($SNIPPET) =~ s/^    #(?=[A-Z])/    /gmr;
    for my $mpm (qw(event adaptive)) {
        my $server = Adaptive::Server->new(mpm => $mpm, mpm_conf => $all);
        is_deeply $server->run_httpd('-t'), { status => 0, output => "Syntax OK\n" }, "with its settings taken up, mpm_$mpm bears it";
    }
};

subtest 'rpmspec' => sub {
    plan skip_all => 'rpmspec is not installed' if system('command -v rpmspec >/dev/null 2>&1') != 0;
    my $output = qx{rpmspec -P $SPEC 2>&1};
    is $?, 0, 'takes the spec' or diag $output;
    unlike $output, qr/%\{|%_/, 'and knows every macro, without httpd-devel';
};

# A tree with what a scriptlet sees, and an adaptivectl that does as it is told.
sub tree {
    my ($mpm, $adaptivectl) = @_;
    my $root = tempdir('adaptive-packaging-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    make_path(map {"$root/$_"} qw(sbin etc/httpd/conf etc/httpd/conf.d etc/httpd/conf.modules.d var/lib/adaptivectl));
    write_text("$root/etc/httpd/conf/httpd.conf", "Include conf.modules.d/*.conf\n");
    write_text("$root/etc/httpd/conf.modules.d/00-mpm_adaptive.conf", text_of($SNIPPET));
    write_text("$root/etc/httpd/conf.modules.d/00-mpm.conf",
        "#LoadModule mpm_prefork_module modules/mod_mpm_prefork.so\nLoadModule mpm_${mpm}_module modules/mod_mpm_$mpm.so\n");
    write_text("$root/sbin/adaptivectl", "#!/bin/sh\necho \"\$@\" >>$root/asked\n$adaptivectl\n");
    chmod 0755, "$root/sbin/adaptivectl";
    return $root;
}

# As rpm runs it: with the number of versions that are left.
sub scriptlet {
    my ($name, $root, $left) = @_;
    my %macro = (_sbindir => "$root/sbin", _sysconfdir => "$root/etc", _localstatedir => "$root/var",
        _httpd_confdir => "$root/etc/httpd/conf.d", _httpd_modconfdir => "$root/etc/httpd/conf.modules.d");
    my $text = section($name) =~ s/%\{(\w+)\}/$macro{$1} \/\/ die "%$name: the macro $1"/ger;
    write_text("$root/$name", $text);
    my $output = qx{/bin/sh $root/$name $left 2>&1};
    return { status => $? >> 8, output => $output };
}

sub mpm_lines { my ($root) = @_; return join ' ', text_of("$root/etc/httpd/conf.modules.d/00-mpm.conf") =~ /^LoadModule (\w+)_module/mg }
sub asked { return text_of("$_[0]/asked") }

subtest 'after the installation' => sub {
    my $root = tree('event', 'exit 1');
    my $said = scriptlet('post', $root, 1);
    is $said->{status}, 0, 'all is well';
    like $said->{output}, qr/nothing is enabled yet.*adaptivectl enable/, 'and it says how to switch';
    is scriptlet('post', $root, 2)->{output}, '', 'an upgrade has nothing to say where another MPM is loaded';
    like scriptlet('post', tree('adaptive', 'exit 1'), 2)->{output}, qr/systemctl reload httpd/, 'and where this one is, how to run it';
    is asked($root), '', 'nothing is switched';
};

subtest 'before the removal' => sub {
    my $back = 'sed -i s/mpm_adaptive/mpm_event/g';
    my $root = tree('adaptive', '');
    write_text("$root/sbin/adaptivectl", text_of("$root/sbin/adaptivectl") . "$back $root/etc/httpd/conf.modules.d/00-mpm.conf\n");
    is_deeply scriptlet('preun', $root, 1), { status => 0, output => '' }, 'an upgrade does nothing';
    is asked($root), '', '... at all';
    is scriptlet('preun', $root, 0)->{status}, 0, 'where it is enabled, the removal goes on';
    is asked($root), "disable\n", 'after adaptivectl disable';
    is mpm_lines($root), 'mpm_event', 'which has put another MPM in its place';

    $root = tree('event', 'exit 1');
    is_deeply scriptlet('preun', $root, 0), { status => 0, output => '' }, 'where it is not enabled, there is nothing to do';
    is asked($root), '', '... and nobody is asked';

    for my $fake ('exit 1', 'exit 0') {
        $root = tree('adaptive', $fake);
        my $said = scriptlet('preun', $root, 0);
        is $said->{status}, 1, "where adaptivectl does not disable it ($fake), the package stays";
        like $said->{output}, qr{still enabled in \Q$root\E/etc/httpd/conf\.modules\.d/00-mpm\.conf }, '... and says what enables it';
        is mpm_lines($root), 'mpm_adaptive', '... and the server still has an MPM';
    }

    $root = tree('adaptive', 'exit 1');
    unlink "$root/sbin/adaptivectl";
    is scriptlet('preun', $root, 0)->{status}, 1, 'nor is it removed where adaptivectl is gone';
};

subtest 'after the removal' => sub {
    my $root = tree('event', 'exit 1');
    scriptlet('postun', $root, 1);
    ok -d "$root/var/lib/adaptivectl", 'an upgrade keeps what adaptivectl remembers';
    scriptlet('postun', $root, 0);
    ok !-d "$root/var/lib/adaptivectl", 'a removal does not';
};

# --- Docker ----------------------------------------------------------------------------------------------------------

subtest 'the Dockerfile' => sub {
    my $text = text_of($DOCKERFILE) =~ s/^\s*#.*\n//gmr =~ s/\\\n/ /gr;
    my @from = $text =~ /^FROM (.*)$/mg;
    is scalar @from, 2, 'has two stages';
    is_deeply [ map {s/ AS \w+$//r} @from ], [ ('${HTTPD}') x 2 ], 'of one image: a module belongs to the httpd that it was compiled for';
    my %stage = map { / AS (\w+)$/ ? ($1 => 1) : () } @from;

    my (@here, @staged);
    for ($text =~ /^COPY (.*)$/mg) {
        my ($stage) = /^--from=(\w+) /;
        my @words = grep { !/^--/ } split;
        pop @words;
        $stage ? push @staged, @words : push @here, @words;
        ok $stage{$stage}, "the stage $stage is there" if $stage;
    }
    is_deeply [ grep { !-e } @here ], [], 'it copies what is there';
    my @needed = (text_of('Makefile.apxs') =~ /^MODULE_SOURCES = (\S+\.c) (\S+\.c) \$\(wildcard (\w+)/m,
        $install =~ m{\$here"?/\.\./(\w+)}g, 'tools', 'Makefile.apxs');
    my %copied = map { $_ => 1 } @here;
    is_deeply [ grep { !$copied{$_} } @needed ], [], '... which is all that building and installing needs';

    is_deeply [ sort @staged ], [ map {"/staging/usr/local/$_"} 'apache2/modules/mod_mpm_adaptive.so', 'libexec/adaptivectl', 'sbin/adaptivectl', 'share/adaptivectl' ],
        'the second stage gets all that is installed';
    like $text, qr/install DESTDIR=\/staging PREFIX=\/usr\/local$/m, 'from where the first one puts them';
    ok index($install, "\$prefix/$_") >= 0, "tools/install.sh has \$prefix/$_" for qw(sbin libexec/adaptivectl share/adaptivectl);
};

# --- scripts ---------------------------------------------------------------------------------------------------------

is system('sh -n tools/rpm.sh'), 0, 'tools/rpm.sh is a shell script';
is system('perl -c packaging/docker/try.pl 2>/dev/null'), 0, 'packaging/docker/try.pl is a Perl script';

done_testing;
