# In a system that has just been installed: the commands under "Try it" of README.md, in their order: readme.pl USER. Prints how long
# each took. Nothing is known of them but that one of them serves a page, and where the repository is.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();

my $user = shift @ARGV or die "usage: readme.pl USER\n";
my $URL = 'file:///srv/mod_mpm_adaptive.git';
$| = 1;

my $readme = do { open my $in, '<', '/srv/fresh/README.md' or die "README.md: $!"; local $/; <$in> };
my ($text) = $readme =~ /^## Try it$(.*?)^## /ms or die "README.md has no section \"Try it\"\n";
my @commands = map { s/\s+#.*//r =~ s/^ {4}//r } grep {/^ {4}\S/} split /\n/, $text;
my ($run) = grep { $commands[$_] =~ /Makefile\.apxs run$/ } 0 .. $#commands;
die "README.md does not say how to run it\n" if !defined $run || $run < 2;
my ($serves) = $readme =~ m{^.*Makefile\.apxs run\b.*?(http://\S+)}m or die "README.md does not say where it serves\n";
my ($port) = $serves =~ /:(\d+)/;

# As root somebody has no need of sudo; as another user one has to enter the home directory first.
sub as_user {
    my (@lines) = @_;
    my $script = join ' && ', 'ulimit -n 1024', 'cd', @lines;
    $script =~ s/\bgit clone URL\b/git clone $URL/;
    return ('runuser', '-l', $user, '-c', $script) if $user ne 'root';
    return ('sh', '-c', $script =~ s/\bsudo //gr);
}

# What it says goes to a file of this number.
my $log = 0;

sub begin {
    my (@command) = @_;
    $log++;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    POSIX::setsid();
    open STDOUT, '>', "/srv/log/$user-$log" or die "/srv/log: $!";
    open STDERR, '>&', \*STDOUT;
    exec @command or POSIX::_exit(127);
}

sub seconds { return sprintf '%d s', time - $_[0] }

sub finished {
    my ($name, $began, $pid) = @_;
    waitpid $pid, 0;
    my $status = $? >> 8 || $?;
    print "-- $name: ", $status ? "failed ($status)" : 'done', ' after ', seconds($began), "\n";
    return if !$status;
    system "tail -n 60 /srv/log/$user-$log";
    exit 1;
}

sub serves {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or return 0;
    print {$socket} "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n";
    return (<$socket> // '') =~ m{^HTTP/1\.\d 200 };
}

# The network is that of the machine around this system, for apt. Another port only if this one is taken there.
if (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)) {
    print "-- port $port is taken on this machine, so PORT=", $port + 11, " is added\n";
    $port += 11;
    $commands[$run] .= " PORT=$port";
}

my $empty = time;

# Nobody is there to answer apt's question.
my $yes = '/etc/apt/apt.conf.d/90yes';
open my $out, '>', $yes or die "$yes: $!";
print {$out} qq{APT::Get::Assume-Yes "true";\n};
close $out;
finished($commands[0], $empty, begin(as_user($commands[0])));
unlink $yes;

my $began = time;
my $server = begin(as_user(@commands[1 .. $run]));
while (!serves()) {
        my $ended = waitpid $server, POSIX::WNOHANG();
    next if !$ended && time - $began < 1200;
    print "-- $commands[$run]: does not serve\n";
    system "tail -n 60 /srv/log/$user-$log";
    exit 1;
}
continue {
    select undef, undef, undef, 0.2;
}
print "-- $commands[$run]: serves after ", seconds($began), '; from an empty system to a running one: ', seconds($empty), "\n";
kill 'INT', -$server;
waitpid $server, 0;
my $end = time + 10;
select undef, undef, undef, 0.1 while serves() && time < $end;
my @left = grep { (readlink("$_/exe") // '') =~ m{/apache2$} } glob '/proc/[0-9]*';
print '-- Ctrl-C: ', @left ? 'processes are left behind' : 'nothing is left behind', "\n";
exit 1 if @left;

my ($directory) = $commands[1] =~ /&& (cd \S+)$/ or die "README.md does not say which directory to enter\n";
for my $command (@commands[$run + 1 .. $#commands]) {
    $began = time;
    finished($command, $began, begin(as_user($directory, $command)));
}
print '-- from an empty system to the end of all: ', seconds($empty), "\n";
