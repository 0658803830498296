# In a system that has just been installed: a user with sudo makes the Debian package from a clone in whose name there is a blank, then
# a later version of the same sources, and the load generator. They come to /srv/built.

use strict;
use warnings;

$| = 1;
my $CLONE = 'a clone';
my $MAKE  = 'make -f Makefile.apxs';

sub as_admin {
    my ($script) = @_;
    my $began = time;
    print "-- $script\n";
    system('runuser', '-l', 'admin', '-c', "ulimit -n 1024 && $script") == 0 or die "failed: $script\n";
    print '-- done after ', time - $began, " s\n";
    return;
}

system(qw(apt-get install -y -q --no-install-recommends git make)) == 0 or die "git and make cannot be installed\n";
as_admin("git clone -q file:///srv/mod_mpm_adaptive.git '$CLONE'");
as_admin("cd '$CLONE' && $MAKE deb");
system(qw(apt-get install -y -q --no-install-recommends lintian)) == 0 or die "lintian cannot be installed\n";

my $changelog = "/home/admin/$CLONE/debian/changelog";
open my $in, '<', $changelog or die "$changelog: $!";
my $text = do { local $/; <$in> };
close $in;
my ($name, $version) = $text =~ /\A(\S+) \((\S+)\)/ or die "$changelog has no version\n";
my ($who, $when) = $text =~ /^ -- (.*>)  (.*)$/m or die "$changelog has no signature\n";
open my $out, '>', $changelog or die "$changelog: $!";
print {$out} "$name ($version+next1) unstable; urgency=medium\n\n  * The same sources, to upgrade to.\n\n -- $who  $when\n\n$text";
close $out or die "$changelog: $!";
as_admin("cd '$CLONE' && mkdir -p .build/built/next && cp .build/deb/*.deb .build/built && $MAKE deb && cp .build/deb/*.deb .build/built/next"
    . " && $MAKE .build/t/loadgen && cp .build/t/loadgen .build/built");
system('mv', "/home/admin/$CLONE/.build/built", '/srv/built') == 0 or die "mv\n";
