#!/usr/bin/perl
# Does what the Dockerfile says, without Docker: packaging/docker/try.pl ROOT [DOCKERFILE]
#
# ROOT is a directory with the files of the httpd image, for example of
#
#     docker create --name httpd httpd:2.4 && mkdir ROOT && docker export httpd | tar -x -C ROOT
#
# It is not changed: each stage is an overlay on it, in a mount namespace of its own. The steps are those of the Dockerfile, read
# from there. Then the server of the last stage is started as the image does it, in network and process namespaces of its own; it has
# to serve a page with mpm_adaptive, take a reload, and end by the image's STOPSIGNAL. Needs root, overlayfs, unshare and ip.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

# What the steps count on and the Dockerfile does not say, because the httpd image says it.
my %IMAGE_ENV = (HTTPD_PREFIX => '/usr/local/apache2', PATH => '/usr/local/apache2/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
my @IMAGE_CMD = ('httpd-foreground');
use constant { IMAGE_WORKDIR => '/usr/local/apache2', IMAGE_STOPSIGNAL => 'WINCH', PORT => 80, SECONDS => 20 };

my ($root, $dockerfile) = @ARGV;
defined $root && -x "$root/usr/local/apache2/bin/httpd"
    or die "usage: $0 ROOT [DOCKERFILE]; ROOT is a directory with the files of an httpd image (usr/local/apache2/bin/httpd)\n";
$root = abs_path($root);
my $context = abs_path(dirname($0) . '/../..');
$dockerfile = $dockerfile // "$context/packaging/docker/Dockerfile";
$> == 0 or die "$0: needs root, for namespaces and overlays\n";

# From here on mounts are seen by this process and its children only.
if (!$ENV{TRY_IN_NAMESPACE}) {
    $ENV{TRY_IN_NAMESPACE} = 1;
    exec 'unshare', '--mount', '--propagation', 'private', $^X, abs_path($0), $root, $dockerfile or die "unshare: $!\n";
}

my $work = tempdir('adaptive-docker-XXXXXXXX', TMPDIR => 1);
my ($self, @mounts, $container) = $$;
my $last = build(instructions($dockerfile));
serve($last);
print "The Dockerfile's steps work: a page is served, a reload taken, and SIG${\IMAGE_STOPSIGNAL} ends the server.\n";

# In the order in which they were mounted, backwards; also after a failure.
END {
    my $status = $?;
    if ($work && $$ == $self) {
        # the server ends with it (--kill-child)
        kill KILL => $container if $container;
        system 'umount', '-l', $_ for reverse @mounts;
        remove_tree($work);
    }
    $? = $status;
}

# --- the Dockerfile ------------------------------------------------------------------------------------------------

# [ 'RUN', 'set -eux; ...' ], in their order.
sub instructions {
    my ($path) = @_;
    open my $in, '<', $path or die "$path: $!\n";
    my ($text, @found) = '';
    while (my $line = <$in>) {
        next if $line =~ /^\s*#/;
        $text .= $line;
        next if $text =~ s/\\\n\z/ /;
        push @found, [ uc $1, $2 ] if $text =~ /^\s*(\w+)\s+(.*?)\s*\z/s;
        $text = '';
    }
    return @found;
}

# Carries them out. The last stage.
sub build {
    my (%arg, %stage, $now);
    for (@_) {
        my ($name, $value) = @$_;
        if ($name eq 'ARG') { my ($key, $default) = split /=/, $value, 2; $arg{$key} = $default // '' }
        elsif ($name eq 'FROM') {
            my ($from, $as) = $value =~ /^(\S+)(?:\s+AS\s+(\S+))?$/i or die "FROM $value: not understood\n";
            $from =~ s/\$\{?(\w+)\}?/$arg{$1} \/\/ die "FROM $value: no ARG $1\n"/e;
            print "== FROM $from: $root\n";
            $now = stage($as // 'last');
            $stage{ $now->{name} } = $now;
        }
        elsif (!$now)              { die "$name before FROM\n" }
        elsif ($name eq 'WORKDIR') { $now->{workdir} = $value; make_path("$now->{dir}$value") }
        elsif ($name eq 'ENV')     { my ($key, $is) = split /[=\s]/, $value, 2; $now->{env}{$key} = $is }
        elsif ($name eq 'COPY')    { copy($now, \%stage, split ' ', $value) }
        elsif ($name eq 'RUN')     { run_step($now, $value) }
        else                       { die "$name: this script does not know it\n" }
    }
    return $now // die "$dockerfile: no FROM\n";
}

sub mount_it {
    my ($at, @how) = @_;
    system('mount', @how, $at) == 0 or die "mount @how $at failed\n";
    push @mounts, $at;
    return;
}

sub stage {
    my ($name) = @_;
    my $base = "$work/$name";
    make_path("$base/over");
    # Of its own, because /tmp may be an overlay itself.
    mount_it("$base/over", '-t', 'tmpfs', 'tmpfs');
    make_path(map {"$base/$_"} qw(over/upper over/work root));
    mount_it("$base/root", '-t', 'overlay', 'overlay', '-o', "lowerdir=$root,upperdir=$base/over/upper,workdir=$base/over/work");
    mount_it("$base/root/dev", '--bind', '/dev');
    system 'cp', '/etc/resolv.conf', "$base/root/etc/resolv.conf";
    return { name => $name, dir => "$base/root", env => {%IMAGE_ENV}, workdir => IMAGE_WORKDIR };
}

sub copy {
    my ($now, $stages, @words) = @_;
    my $from = $context;
    while (@words && $words[0] =~ /^--(\w+)=(.*)/) {
        $1 eq 'from' or die "COPY $words[0]: this script does not know it\n";
        $from = ($stages->{$2} // die "COPY --from=$2: no such stage\n")->{dir};
        shift @words;
    }
    my $to = pop @words;
    my $target = $now->{dir} . ($to =~ m{^/} ? $to : "$now->{workdir}/$to");
    print "== COPY @words $to\n";
    @words == 1 || $to =~ m{/$} or die "COPY of several files: $to must end with /\n";
    for my $source (map {"$from/$_"} @words) {
        -e $source or die "COPY: there is no $source\n";
        my $into = -d $source || $to !~ m{/$} ? $target : "$target/" . basename($source);
        make_path(-d $source ? $into : dirname($into));
        system('cp', '-a', '--no-preserve=ownership', -d $source ? "$source/." : $source, $into) == 0 or die "COPY of $source failed\n";
    }
    return;
}

# A command line in a stage, with process numbers of its own.
sub in_stage {
    my ($now, @command) = @_;
    return ('unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', 'sh', '-c',
        'mount -t proc proc "$1/proc" && shift && exec "$@"', 'sh', $now->{dir},
        'chroot', $now->{dir}, 'env', '-i', (map {"$_=$now->{env}{$_}"} sort keys %{ $now->{env} }), @command);
}

sub run_step {
    my ($now, $script) = @_;
    print "== RUN $script\n";
    $| = 1;
    system(in_stage($now, 'sh', '-c', "cd '$now->{workdir}' && $script")) == 0 or die "RUN failed\n";
    return;
}

# --- the server ----------------------------------------------------------------------------------------------------

sub wait_until {
    my ($what, $condition) = @_;
    my $end = time + SECONDS;
    while (time < $end) {
        my $value = $condition->();
        return $value if $value;
        sleep 0.1;
    }
    die "waited in vain for $what\n";
}

# As process 1 of a container, in a network of its own, from which this process asks.
sub serve {
    my ($now) = @_;
    # unshare(CLONE_NEWNET); its number is another one on most of what is not x86_64
    syscall((POSIX::uname())[4] eq 'x86_64' ? 272 : 97, 0x40000000) == 0 or die "no network namespace: $!\n";
    system('ip', 'link', 'set', 'lo', 'up') == 0 or die "ip failed\n";

    print "== CMD @IMAGE_CMD\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        # as a container has it: pipes and no terminal
        open STDIN, '<', '/dev/null';
        open STDOUT, '|-', 'cat' or POSIX::_exit(1);
        open STDERR, '>&', \*STDOUT;
        exec in_stage($now, 'sh', '-c', "cd '" . IMAGE_WORKDIR . "' && exec @IMAGE_CMD") or POSIX::_exit(1);
    }
    $container = $pid;
    my $page = wait_until('a page', sub { get('/') });
    $page =~ m{^HTTP/1\.1 200 } or die "the page is: $page\n";
    print "   a page is served\n";
    my $httpd = wait_until('the server', sub { parent_of_servers($pid) });
    open my $maps, '<', "/proc/$httpd/maps" or die "/proc/$httpd/maps: $!\n";
    my @mpms = do { my %seen; grep { !$seen{$_}++ } map { m{/(mod_mpm_\w+)\.so} ? $1 : () } <$maps> };
    "@mpms" eq 'mod_mpm_adaptive' or die "the server has loaded: @mpms\n";
    print "   @mpms is the MPM of process $httpd\n";

    my @before = children($httpd);
    kill USR1 => $httpd;
    wait_until('new children after a reload', sub {
        my %old = map { $_ => 1 } @before;
        return (grep { !$old{$_} } children($httpd)) && get('/') =~ m{^HTTP/1\.1 200 };
    });
    print "   a reload is taken\n";

    kill +(IMAGE_STOPSIGNAL) => $httpd;
    wait_until('the end by SIG' . IMAGE_STOPSIGNAL, sub { waitpid($pid, POSIX::WNOHANG()) == $pid });
    my $status = $?;
    undef $container;
    $status == 0 or die 'it ended with status ' . ($status >> 8) . ', signal ' . ($status & 127) . "\n";
    print "   SIG${\IMAGE_STOPSIGNAL} ends it with status 0\n";
    return;
}

sub get {
    my ($path) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => PORT, Timeout => 5) or return '';
    print $socket "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    local $/;
    return <$socket> // '';
}

sub children {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/task/$pid/children" or return;
    return split ' ', <$in> // '';
}

# unshare, then the process of httpd-foreground, which becomes httpd.
sub parent_of_servers {
    my ($pid) = @_;
    for my $child (children($pid)) {
        return $child if (readlink("/proc/$child/exe") // '') =~ m{/httpd$};
        my $below = parent_of_servers($child);
        return $below if $below;
    }
    return;
}
