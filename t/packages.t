# tools/packages.sh: services that come with the packages are started neither by their installation nor at the next boot, and what
# was there before stays as it was. In a mount namespace of its own, with an apt-get that only pretends.

use strict;
use warnings;

use lib 't/lib';
use Adaptive::Files;
use Adaptive::Process;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my @private = ('unshare', $> == 0 ? '-m' : '-rm');
plan skip_all => 'needs a mount namespace of its own' if run_command(30, @private, 'true')->{status} != 0;

my @PLACES = qw(/etc/systemd/system /etc/rc2.d /usr/sbin);

# Both kinds of links for apache2; what there is to be seen of policy-rc.d goes into a file.
my $APT_GET = <<'SH';
#!/bin/sh
[ "$1" = install ] || exit 0
echo "$*" >>"$TOP/asked"
/usr/sbin/policy-rc.d apache2 start
echo "policy $?" >>"$TOP/asked"
ln -s /lib/systemd/system/apache2.service /etc/systemd/system/multi-user.target.wants/
ln -s ../init.d/apache2 /etc/rc2.d/S01apache2
exit $APT_STATUS
SH

# As a child of the shell that runs it: what is mounted in it is gone with it.
sub run_script {
    my (%opt) = @_;
    my $top = tempdir('adaptive-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    make_path("$top/bin", "$top/etc/systemd/system/multi-user.target.wants", "$top/etc/rc2.d", "$top/usr/sbin");
    put_script("$top/bin/dpkg-query", "#!/bin/sh\n");
    put_script("$top/bin/update-rc.d", qq{#!/bin/sh\n[ "\$2" = disable ] && mv /etc/rc2.d/S01\$1 /etc/rc2.d/K01\$1\n});
    put_script("$top/bin/apt-get",    $APT_GET);
    put_script("$top/usr/sbin/policy-rc.d", $opt{policy}) if $opt{policy};
    symlink '../init.d/cron', "$top/etc/rc2.d/S01cron";
    symlink '/lib/systemd/system/cron.service', "$top/etc/systemd/system/multi-user.target.wants/cron.service";
    my $mounts = join '', map {"mount --bind '$top$_' $_ && "} @PLACES;
    local @ENV{qw(PATH TOP APT_STATUS)} = ("$top/bin:$ENV{PATH}", $top, $opt{apt_status} // 0);
    my $result = run_command(60, @private, 'sh', '-c', "${mounts}exec sh tools/packages.sh check");
    $result->{asked} = do { open my $in, '<', "$top/asked" or die "$top/asked: $!$result->{output}"; local $/; <$in> };
    $result->{boot} = [ map { s{\A\Q$top\E/etc/}{}r } glob "$top/etc/rc2.d/* $top/etc/systemd/system/*.wants/*" ];
    $result->{policy} = -e "$top/usr/sbin/policy-rc.d" ? do { open my $in, '<', "$top/usr/sbin/policy-rc.d"; local $/; <$in> } : '';
    return $result;
}

my @AS_BEFORE = qw(rc2.d/K01apache2 rc2.d/S01cron systemd/system/multi-user.target.wants/cron.service);

subtest 'services that are new' => sub {
    my $result = run_script();
    is $result->{status}, 0, 'success' or diag $result->{output};
    like $result->{output}, qr/^Installing with apt-get: .*\bapache2\b.*\n.*services.*not started, neither now nor at boot/mi,
        'it says first what it will do';
    like $result->{asked}, qr/^install .* apache2 /m, 'asks apt-get for the packages';
    like $result->{asked}, qr/^policy 101$/m,          'lets nothing be started meanwhile';
    is_deeply $result->{boot}, \@AS_BEFORE, 'what starts at boot is what did before';
    like $result->{output}, qr/disabled at boot: apache2$/m, 'which it says';
    is $result->{policy}, '', 'no policy is left behind';
};

subtest 'a policy that lets services start' => sub {
    my $policy = "#!/bin/sh\nexit 0\n";
    my $result = run_script(policy => $policy);
    like $result->{asked}, qr/^policy 101$/m, 'does not, meanwhile';
    is $result->{policy}, $policy, 'and is back afterwards';
};

subtest 'an installation that fails' => sub {
    my $result = run_script(apt_status => 100);
    is $result->{status}, 100, 'is a failure';
    is_deeply $result->{boot}, \@AS_BEFORE, 'that leaves nothing to start at boot either';
    is $result->{policy}, '', 'and no policy';
};

done_testing;
