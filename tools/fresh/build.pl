# In a system that has just been installed: a user with sudo makes the Debian package from a clone in whose name there is a blank, then
# a later version of the same sources, and the load generator. They come to /srv/built.

use strict;
use warnings;

$| = 1;
$ENV{DEBIAN_FRONTEND} = 'noninteractive';
my $CLONE = 'a clone';
my $MAKE  = 'make -f Makefile.apxs';

sub as_admin {
    my ($script) = @_;
    my $began = time;
    print "-- $script\n";
    system('runuser', '-l', 'admin', '-c', "{ ulimit -n 1024 && $script; } >>/srv/log/build 2>&1") == 0
        or do { system 'tail -n 30 /srv/log/build'; die "failed: $script\n" };
    print '-- done after ', time - $began, " s\n";
    return;
}

sub install {
    my (@packages) = @_;
    print "-- apt-get install @packages\n";
    system("apt-get install -y -q --no-install-recommends @packages >>/srv/log/install 2>&1 || { tail -n 30 /srv/log/install; exit 1; }") == 0
        or die "cannot be installed: @packages\n";
    return;
}

install(qw(git make));
as_admin("git clone -q file:///srv/mod_mpm_adaptive.git '$CLONE'");
as_admin("cd '$CLONE' && $MAKE deb");
# from here on deb.sh asks it, too
install('lintian');

my $changelog = "/home/admin/$CLONE/debian/changelog";
open my $in, '<', $changelog or die "$changelog: $!";
my $text = do { local $/; <$in> };
close $in;
my ($name, $version) = $text =~ /\A(\S+) \((\S+)\)/ or die "$changelog has no version\n";
my ($who, $when) = $text =~ /^ -- (.*>)  (.*)$/m or die "$changelog has no signature\n";
my $later = qx{date -R -d '$when + 1 hour'} or die "date\n";
chomp $later;
open my $out, '>', $changelog or die "$changelog: $!";
print {$out} "$name ($version+next1) unstable; urgency=medium\n\n  * The same sources, to upgrade to.\n\n -- $who  $later\n\n$text";
close $out or die "$changelog: $!";
as_admin("cd '$CLONE' && mkdir -p .build/built/next && cp .build/deb/*.deb .build/built && $MAKE deb && cp .build/deb/*.deb .build/built/next"
    . " && $MAKE .build/t/loadgen && cp .build/t/loadgen .build/built");
system('mv', "/home/admin/$CLONE/.build/built", '/srv/built') == 0 or die "mv\n";
