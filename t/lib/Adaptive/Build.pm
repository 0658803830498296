package Adaptive::Build;

# Other builds of the module than the one under test, with something defined that the sources let one define.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Glob qw(:bsd_glob);
use File::Path qw(make_path);
use File::Temp qw(tempdir);

use Adaptive::Paths qw(build_dir);

our @EXPORT = qw(other_build);

# The directory of a build; "local $ENV{ADAPTIVE_BUILD} = other_build(...)" makes servers take it. What else a build has
# is taken from the one under test, objects that see none of the definitions included.
sub other_build {
    my (%defines) = @_;
    my $dir   = tempdir(CLEANUP => 1);
    my $flags = join ' ', map {"-D$_=$defines{$_}"} sort keys %defines;
    chmod 0755, $dir;
    symlink build_dir() . '/t', "$dir/t" or die "$dir/t: $!";
    take_objects($dir, keys %defines);
    # A make around this one is none of its business.
    local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    my $log = qx{make -f Makefile.apxs all BUILD='$dir' CPPFLAGS='$flags' 2>&1};
    die "make: $log" if $?;
    return $dir;
}

sub take_objects {
    my ($dir, @names) = @_;
    my $from  = build_dir() . '/obj';
    my $names = join '|', @names;
    my %mentions;
    for my $rules (glob("$from/*.d"), glob("$from/src/*/*.d")) {
        my @sources = grep { length && !m{\A/|:\z} } split /[\s\\]+/, text_of($rules) =~ s/^\S+:\n//mgr;
        # of a file that has been moved or renamed since
        next if grep { !-e } @sources;
        next if grep { $mentions{$_} //= text_of($_) =~ /\b(?:$names)\b/ ? 1 : 0 } @sources;
        my $object = $rules =~ s/\.d\z/.o/r;
        my $to     = $dir . '/obj' . substr $object, length $from;
        make_path(dirname($to));
        copy($object, $to) or die "$to: $!";
    }
    return;
}

sub text_of {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!";
    local $/;
    return scalar <$in>;
}

1;
