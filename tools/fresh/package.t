# The Debian package as an administrator uses it, in a root directory of its own (tools/fresh.sh): package.t DIRECTORY. There are
# the package, a later one of the same sources in next/, and the load generator. Nothing but the loopback is there, and apt's cache.

use strict;
use warnings;

use File::Glob qw(bsd_glob);
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $FILES = shift @ARGV or die "usage: package.t DIRECTORY\n";
die "this installs and removes packages: tools/fresh.sh has a place for it\n" if !-e '/etc/fresh-root';

my $PACKAGE = 'libapache2-mod-mpm-adaptive';
my ($DEB)   = bsd_glob("$FILES/${PACKAGE}_*.deb");
my ($NEXT)  = bsd_glob("$FILES/next/${PACKAGE}_*.deb");
die "$FILES has no package, or no later one in next/\n" if !$DEB || !$NEXT;
my $PIDFILE = '/var/run/apache2/apache2.pid';
my $ENABLED = '/etc/apache2/mods-enabled';
my $POLICY  = '/usr/sbin/policy-rc.d';
my @APACHE  = qw(apache2 apache2-bin apache2-data apache2-utils);
my $AUTHORED_PAGE = "served\n";

$ENV{DEBIAN_FRONTEND} = 'noninteractive';

sub run {
    my ($command) = @_;
    my $output = qx{($command) 2>&1 </dev/null};
    return { status => $? >> 8, output => $output };
}

sub works {
    my ($command, $name) = @_;
    my $result = run($command);
    is $result->{status}, 0, $name // $command or diag $result->{output};
    return $result->{output};
}

sub read_text {
    my ($path) = @_;
    open my $file, '<', $path or return '';
    local $/;
    return scalar <$file> // '';
}

sub write_text {
    my ($path, $text) = @_;
    open my $file, '>', $path or die "$path: $!";
    print {$file} $text;
    close $file or die "$path: $!";
    return;
}

sub apt { return works("apt-get install -y -q --no-install-recommends $_[0]", $_[1]) }

sub parent {
    my ($pid) = read_text($PIDFILE) =~ /(\d+)/ or return 0;
    return kill(0, $pid) ? $pid : 0;
}

# Which MPM is in the memory of the server; this module is loaded beside another one, too, to say that it stood back.
sub running_mpm {
    my $pid = parent() or return '';
    my %mapped = map { $_ => 1 } read_text("/proc/$pid/maps") =~ m{/mod_mpm_(\w+)\.so}g;
    my ($other) = grep { $_ ne 'adaptive' } keys %mapped;
    return $other // ($mapped{adaptive} ? 'adaptive' : '');
}

sub enabled_mpms { return join ' ', map {m{/mpm_(\w+)\.load$}} bsd_glob("$ENABLED/mpm_*.load") }

sub wait_for {
    my ($condition, $seconds) = @_;
    my $deadline = time + $seconds;
    while (!$condition->()) {
        return 0 if time > $deadline;
        sleep 0.05;
    }
    return 1;
}

sub get {
    my ($path) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => 80, Timeout => 5) or return '';
    print {$socket} "GET $path HTTP/1.0\r\nHost: localhost\r\n\r\n";
    local $/;
    return scalar <$socket> // '';
}

# The links, the server's memory and its answers agree.
sub serves_with {
    my ($mpm) = @_;
    ok wait_for(sub { get('/page.txt') =~ /\A\S+ 200 .*\r\n\r\n\Q$AUTHORED_PAGE\E\z/s }, 10), "serves with $mpm"
        or diag get('/page.txt'), run('tail -n 20 /var/log/apache2/error.log')->{output};
    is running_mpm(),  $mpm, 'that is what runs';
    is enabled_mpms(), $mpm, 'and what is enabled';
    return;
}

my $has_adaptivectl;

# By the links, where there is no adaptivectl: in its order.
sub switch_on {
    return works('adaptivectl enable') if $has_adaptivectl;
    my $other = enabled_mpms();
    return works("cd $ENABLED && ln -s ../mods-available/mpm_adaptive.* . && a2dismod -q mpm_$other && invoke-rc.d apache2 restart");
}

sub apache_is_as_packaged {
    # conffiles do not count: those are for the administrator
    my @changed = grep { !/^\S+ c / } split /\n/, run("dpkg --verify @APACHE")->{output};
    is_deeply \@changed, [], 'no file of apache2 was modified';
    return;
}

# The load generator on kept-alive connections; returns what to call for what came of it.
sub load {
    my ($seconds) = @_;
    my $pid = open my $out, '-|', "$FILES/loadgen -m keep -p 80 -u /page.txt -c 20 -r 300 -d $seconds 2>&1" or die "loadgen: $!";
    1 while defined($_ = <$out>) && !/^ready/;
    return sub {
        my @lines = <$out>;
        close $out;
        my %value = map { /^(\w+) ([\d.]+)$/ ? ($1 => $2) : () } @lines;
        my @failures = grep {/^fail /} @lines;
        return (\%value, join '', splice @failures, 0, 5);
    };
}

sub nothing_lost {
    my ($done) = @_;
    my ($value, $failures) = $done->();
    cmp_ok $value->{ok} // 0, '>', 300, 'there was load' or diag explain $value;
    is $value->{failed}, 0, 'no request is lost' or diag $failures;
    return;
}

sub status_of { return run("dpkg-query -W -f '\${db:Status-Status}' $_[0]")->{output} }

# --- before -----------------------------------------------------------------------------------------------------------

# Where no init system runs, invoke-rc.d starts services only if somebody says that it may.
sub services_may {
    my ($may) = @_;
    write_text($POLICY, "#!/bin/sh\nexit @{[$may ? 0 : 101]}\n");
    chmod 0755, $POLICY;
    return;
}

services_may(1);
apt('apache2', 'apache2 is installed, and its postinst starts it');
write_text('/var/www/html/page.txt', $AUTHORED_PAGE);
write_text('/etc/apache2/conf-enabled/name.conf', "ServerName localhost\n");
serves_with('event');
BAIL_OUT('no server to try the package on') if running_mpm() ne 'event';

subtest 'installed beside another MPM' => sub {
    my $before = parent();
    my $said = apt($DEB, 'the package is installed');
    like $said, qr/adaptivectl enable/, 'it says how to switch';
    is parent(), $before, 'the server was not touched';
    serves_with('event');
    is status_of($PACKAGE), 'installed', 'dpkg has nothing left to do';
    apache_is_as_packaged();
};
$has_adaptivectl = -x '/usr/sbin/adaptivectl';

subtest 'enable with a configuration that has an error' => sub {
    plan skip_all => 'no adaptivectl in this package' if !$has_adaptivectl;
    my $before = parent();
    write_text('/etc/apache2/sites-enabled/broken.conf', "NoSuchDirective on\n");
    my $refused = run('adaptivectl enable');
    isnt $refused->{status}, 0, 'is refused';
    like $refused->{output}, qr/NoSuchDirective/, 'with the error named';
    is parent(), $before, 'the server was not touched';
    serves_with('event');
    unlink '/etc/apache2/sites-enabled/broken.conf';
};

subtest 'enable' => sub {
    switch_on();
    serves_with('adaptive');
    apache_is_as_packaged();
};

# --- while it is enabled ----------------------------------------------------------------------------------------------

subtest 'an upgrade under load' => sub {
    my $before = parent();
    my @children = split ' ', read_text("/proc/$before/task/$before/children");
    my $done = load(8);
    my $said = apt($NEXT, 'a later version is installed');
    is parent(), $before, 'the parent process is the same';
    ok wait_for(sub { my $maps = read_text("/proc/$before/maps"); $maps =~ m{/mod_mpm_adaptive\.so$}m && $maps !~ m{mod_mpm_adaptive\.so.*deleted} }, 10),
        'the new module is in its memory' or diag $said;
    ok wait_for(sub { my %is = map { $_ => 1 } split ' ', read_text("/proc/$before/task/$before/children"); !grep { $is{$_} } @children }, 30),
        'and the children are new';
    nothing_lost($done);
    serves_with('adaptive');
    unlike $said, qr/adaptivectl enable/, 'nobody is told to switch';
};

subtest 'an upgrade with a configuration that has an error' => sub {
    my $before = parent();
    write_text('/etc/apache2/sites-enabled/broken.conf', "NoSuchDirective on\n");
    my $done = load(3);
    my $said = works("dpkg -i $DEB", 'another version is installed');
    like $said, qr/NoSuchDirective/, 'the error is shown';
    nothing_lost($done);
    is parent(), $before, 'the server goes on';
    is status_of($PACKAGE), 'installed', 'dpkg has nothing left to do';
    unlink '/etc/apache2/sites-enabled/broken.conf';
    works('invoke-rc.d apache2 reload', 'reloaded when the error is mended');
    ok wait_for(sub { read_text("/proc/$before/maps") !~ m{mod_mpm_adaptive\.so.*deleted} }, 10), 'it runs the new module';
    serves_with('adaptive');
};

subtest 'apache2 installed again' => sub {
    apt("--reinstall @APACHE", 'apache2 is installed again, which restarts it');
    serves_with('adaptive');
    apache_is_as_packaged();
};

subtest 'a2enmod php8.2: mod_php needs mpm_prefork' => sub {
    my ($php) = run('apt-cache depends libapache2-mod-php')->{output} =~ /Depends: (libapache2-mod-php[\d.]+)/;
    # Its postinst wants to switch by itself: as somebody who has switched that off before.
    my ($name) = $php =~ /(php[\d.]+)/;
    my $before = parent();
    system 'mkdir -p /var/lib/apache2/module/disabled_by_admin';
    write_text("/var/lib/apache2/module/disabled_by_admin/$name", '');
    apt($php, "$php is installed");
    is parent(), $before, 'which changes nothing by itself';
    works("a2enmod $name");
    is enabled_mpms(), 'adaptive prefork', 'a2enmod enables a second MPM';
    works('apache2ctl configtest', 'which is no error');
    works('invoke-rc.d apache2 restart');
    ok wait_for(sub { running_mpm() eq 'prefork' }, 10), 'prefork runs after a restart';
    write_text('/var/www/html/page.php', "<?php echo 6 * 7;\n");
    like get('/page.php'), qr/\r\n\r\n42/, 'and PHP in it';
    works("a2dismod $name mpm_prefork", 'both are disabled again');
    works('invoke-rc.d apache2 restart');
    serves_with('adaptive');
    unlink '/var/www/html/page.php';
};

# --- removal ----------------------------------------------------------------------------------------------------------

subtest 'removal with a configuration that has an error' => sub {
    my $before = parent();
    write_text('/etc/apache2/sites-enabled/broken.conf', "NoSuchDirective on\n");
    my $refused = run("apt-get remove -y -q $PACKAGE");
    isnt $refused->{status}, 0, 'is refused while a server runs that would not start again';
    like $refused->{output}, qr/NoSuchDirective/, 'with the error named';
    is status_of($PACKAGE), 'installed', 'the package is there as before';
    is parent(), $before, 'and so is the server';
    unlink '/etc/apache2/sites-enabled/broken.conf';
    serves_with('adaptive');
};

subtest 'removal' => sub {
    my $said = works("apt-get remove -y -q $PACKAGE");
    serves_with('event');
    is status_of($PACKAGE), 'config-files', 'only its settings are left';
    ok !-e '/usr/lib/apache2/modules/mod_mpm_adaptive.so', 'the module is gone';
    apache_is_as_packaged();
};

subtest 'installed again' => sub {
    apt($DEB, 'the package is installed');
    serves_with('event');
    switch_on();
    serves_with('adaptive');
};

subtest 'removal without adaptivectl' => sub {
    chmod 0644, '/usr/sbin/adaptivectl';
    works("apt-get remove -y -q $PACKAGE");
    serves_with('event');
    apt($DEB, 'installed again');
};

subtest 'back to mpm_worker, if that was there' => sub {
    works('a2dismod -q mpm_event && a2enmod -q mpm_worker && invoke-rc.d apache2 restart', 'mpm_worker instead of mpm_event');
    serves_with('worker');
    switch_on();
    serves_with('adaptive');
    works("apt-get remove -y -q $PACKAGE");
    serves_with('worker');
    works('a2dismod -q mpm_worker && a2enmod -q mpm_event && invoke-rc.d apache2 restart', 'mpm_event again');
    apt($DEB, 'installed again');
};

subtest 'removal where services are not to be restarted' => sub {
    switch_on();
    my $before = parent();
    services_may(0);
    my $said = works("apt-get remove -y -q $PACKAGE");
    services_may(1);
    is parent(), $before, 'the server was not restarted';
    like $said, qr{[Ss]top and start|stopped\s+and\s+started}, 'which is said';
    is enabled_mpms(), 'event', 'what its next start finds is right';
    like get('/page.txt'), qr/\Q$AUTHORED_PAGE\E/, 'it serves with what it has in memory';
    works('invoke-rc.d apache2 restart');
    serves_with('event');
};

subtest 'removal while no server runs' => sub {
    apt($DEB, 'installed again');
    switch_on();
    works('invoke-rc.d apache2 stop');
    ok wait_for(sub { !parent() }, 10), 'no server';
    works("apt-get remove -y -q $PACKAGE");
    ok !parent(), 'none was started';
    works('invoke-rc.d apache2 start');
    serves_with('event');
};

subtest 'purge' => sub {
    apt($DEB, 'installed again');
    switch_on();
    works("apt-get purge -y -q $PACKAGE");
    serves_with('event');
    my @left = grep { !m{^/var/(?:log|cache)/} } split /\n/,
        run("find /etc /usr /var -name '*mpm_adaptive*' -o -name '*adaptivectl*' -o -name '*mod-mpm-adaptive*'")->{output};
    is_deeply \@left, [], 'nothing of it is left';
    apt($DEB, 'and it can be installed again');
    serves_with('event');
    switch_on();
    serves_with('adaptive');
};

subtest 'apache2 removed with it' => sub {
    works("apt-get purge -y -q $PACKAGE @APACHE");
    ok wait_for(sub { !parent() }, 10), 'no server';
    unlike run('dpkg --audit')->{output}, qr/\S/, 'dpkg has nothing left to do';
    apt("apache2 $DEB", 'both installed at once');
    serves_with('event');
};

apache_is_as_packaged();
done_testing;
