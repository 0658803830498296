package Adaptive::Build;

# Other builds of the module than the one under test, with something defined that the sources let one define.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Temp qw(tempdir);

use Adaptive::Paths qw(build_dir);

our @EXPORT = qw(other_build);

# The directory of a build; "local $ENV{ADAPTIVE_BUILD} = other_build(...)" makes servers take it. What else a build has
# is taken from the one under test.
sub other_build {
    my (%defines) = @_;
    my $dir   = tempdir(CLEANUP => 1);
    my $flags = join ' ', map {"-D$_=$defines{$_}"} sort keys %defines;
    chmod 0755, $dir;
    symlink build_dir() . '/t', "$dir/t" or die "$dir/t: $!";
    # A make around this one is none of its business.
    local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL)};
    my $log = qx{make -f Makefile.apxs all BUILD='$dir' CPPFLAGS='$flags' 2>&1};
    die "make: $log" if $?;
    return $dir;
}

1;
