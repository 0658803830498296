package AdaptiveCtl::CopyFile;

# The lines of a private copy's one file: its own first, then those of the original as CopyLine.pm rewrites them, then what modules need
# whose own idea of where to write is not below DefaultRuntimeDir. $copy is an AdaptiveCtl::Copy.

use strict;
use warnings;

use File::Basename qw(dirname);

use AdaptiveCtl::Config;
use AdaptiveCtl::CopyLine;
use AdaptiveCtl::Say;

# What the copy says before the original has said anything.
sub head {
    my ($copy) = @_;
    my $dir = $copy->{dir};
    my $module = module_line($copy);
    my @lines = ('# A private copy of ' . $copy->{site}{config} . ', made by adaptivectl compare. It serves on 127.0.0.1 alone.',
        "ServerRoot \"$copy->{site}{root}\"", $module ? $module : (),
        "DefaultRuntimeDir \"$dir/run\"", "PidFile \"$dir/run/httpd.pid\"", "CoreDumpDirectory \"$dir/run\"",
        "ErrorLog \"$dir/logs/error.log\"");
    push @lines, "ScoreBoardFile \"$dir/run/scoreboard\"" if grep { $_->{active} && lc $_->{name} eq 'scoreboardfile' } @{ $copy->{items} };
    return @lines;
}

# Modules whose own idea of where to write is not below DefaultRuntimeDir.
sub tail {
    my ($copy) = @_;
    my $dir = $copy->{dir};
    my %has = map { lc $_->{name} => 1 } grep { $_->{active} } @{ $copy->{items} };
    my @sections = (
        [ 'fcgid_module', [ FcgidIPCDir => "$dir/run/fcgidsock" ], [ FcgidProcessTableFile => "$dir/run/fcgid_shm" ] ],
        [ 'wsgi_module',   [ WSGISocketPrefix => "$dir/run/wsgi" ] ],
        [ 'dav_fs_module', [ DavLockDB => "$dir/tmp/DavLock" ] ],
        [ 'evasive20_module', [ DOSLogDir => "$dir/tmp" ] ],
    );
    return map {
        my ($module, @directives) = @$_;
        my @missing = grep { !$has{ lc $_->[0] } } @directives;
        @missing ? ("<IfModule $module>", (map {"    $_->[0] \"$_->[1]\""} @missing), '</IfModule>') : ()
    } @sections;
}

# The one LoadModule of an MPM; nothing if httpd is built with it.
sub module_line {
    my ($copy) = @_;
    my $mpm = $copy->{mpm};
    my ($static) = map { /\A(?:mod_mpm_)?(event|worker|prefork|adaptive)\.c\z/ ? $1 : () } sort keys %{ $copy->{built_in}{loaded} };
    return if defined $static && $static eq $mpm;
    fail("$copy->{site}{httpd} is built with mpm_$static, so that no other MPM can be loaded; compare needs an httpd that is built with "
            . '--enable-mpms-shared=all.')
        if defined $static;
    my @paths = map { $copy->absolute($_->{args}[1]) } grep { lc $_->{name} eq 'loadmodule' && defined $_->{args}[1] } @{ $copy->{items} };
    my ($named) = grep { m{/mod_mpm_\Q$mpm\E\.so\z} } @paths;
    my %seen;
    my ($found) = grep {-e} defined $copy->{module} && $mpm eq 'adaptive' ? $copy->{module} : (defined $named ? $named : (),
        map {"$_/mod_mpm_$mpm.so"} grep { !$seen{$_}++ } map { dirname($_) } @paths);
    $found // fail("mod_mpm_$mpm.so is not beside the modules of $copy->{site}{config}; install it"
        . ($mpm eq 'adaptive' ? ', or name it with --module.' : '.'));
    return "LoadModule mpm_${mpm}_module \"$found\"";
}

# Debian keeps the settings of an MPM that is not enabled in mods-available.
sub settings_of_other {
    my ($copy) = @_;
    my $file = "$copy->{site}{root}/mods-available/mpm_$copy->{mpm}.conf";
    return if defined $copy->{mpm_conf} || !$copy->{site}{is_debian} || !-r $file;
    return if -e "$copy->{site}{root}/mods-enabled/mpm_$copy->{mpm}.conf";
    return map { { file => $file, line => $_->[0], text => $_->[1] } } AdaptiveCtl::Config::lines_of($file);
}

# All lines, each with where it comes from: [text, file, line].
sub lines {
    my ($copy) = @_;
    @$copy{qw(listened names used directories)} = ({}, {}, {}, []);
    # what head() and tail() name
    $copy->{used}{$_} = 1 for qw(error.log httpd.pid scoreboard adaptive-status.sock fcgidsock fcgid_shm wsgi DavLock);
    my @lines = map { [$_] } head($copy);
    if (defined $copy->{mpm_conf}) { push @lines, map { [$_] } "# the MPM's settings of this comparison", split /\n/, $copy->{mpm_conf} }
    push @lines, map { [ $_->{text}, $_->{file}, $_->{line} ] } settings_of_other($copy);
    my $from = '';
    for my $item (@{ $copy->{items} }) {
        if ($item->{file} ne $from) { push @lines, [ "# --- $item->{file}", $item->{file}, $item->{line} ]; $from = $item->{file} }
        push @lines, map { [ $_, $item->{file}, $item->{line} ] } AdaptiveCtl::CopyLine::rewrite($copy, $item);
    }
    return (@lines, map { [$_] } tail($copy));
}

1;
