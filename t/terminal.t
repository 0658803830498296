# In the foreground of a terminal (docker run -t): when it is resized the kernel sends SIGWINCH, which nobody meant as a stop. The
# same signal sent by kill(2), as docker stop does, stops the server gracefully.

use strict;
use warnings;

use lib 't/lib';
use Fcntl qw(O_RDWR O_NOCTTY);
use Test::More;
use Adaptive::Server;
use Adaptive::Wait qw(ok_within);

# ioctl(2) numbers of Linux.
use constant { TIOCGPTN => 0x80045430, TIOCSPTLCK => 0x40045431, TIOCSWINSZ => 0x5414, TIOCGPGRP => 0x540F };
use constant { RESIZES => 5, SIGWINCH => 28 };

$^O eq 'linux' && open(my $master, '+<', '/dev/ptmx') or plan skip_all => 'needs pseudo-terminals';
my ($unlock, $number) = (pack('i', 0), pack('I', 0));
ioctl($master, TIOCSPTLCK, $unlock) && ioctl($master, TIOCGPTN, $number) or plan skip_all => "no pseudo-terminal: $!";
my $terminal = '/dev/pts/' . unpack 'I', $number;
-e $terminal or plan skip_all => "no $terminal";

# Becomes the leader of a session that has the terminal, and then the server.
my $wrapper = <<'PERL';
use POSIX ();
my $pid = fork;
if ($pid) { waitpid $pid, 0; POSIX::_exit($? >> 8) }
POSIX::setsid();
open my $terminal, '+<', shift or die "$!";
exec @ARGV;
PERL

my $s = Adaptive::Server->new(
    modules => ['status'],
    wrapper => [ $^X, '-e', $wrapper, $terminal ],
    conf    => "<IfModule mpm_adaptive_module>\nLogLevel mpm_adaptive:debug\n</IfModule>\n",
)->start;
is(unpack('i', do { my $group = pack 'i', 0; ioctl $master, TIOCGPGRP, $group; $group }), $s->pid, 'the server has the terminal');

my $rows = 20;
sub resize { my $size = pack 'S4', $rows++, 80, 0, 0; return ioctl $master, TIOCSWINSZ, $size }

# A SIGWINCH has been sent to the server, and it has not taken it yet.
sub is_pending {
    my ($mask) = Adaptive::Server::read_text('/proc/' . $s->pid . '/status') =~ /^ShdPnd:\s+([0-9a-f]+)/m or return 1;
    return hex($mask) >> (SIGWINCH - 1) & 1;
}

for my $round (1 .. RESIZES) {
    $s->log_mark;
    resize();
    ok($s->wait_log(qr/ADP0047: /, 15), "resize $round is noticed") if mpm() eq 'adaptive';
}
is(http_get($s->url('/'))->{status}, 200, 'the server serves on');
resize() for 1 .. RESIZES;
ok($s->graceful, 'a reload');
$s->signal('USR1');
resize() for 1 .. RESIZES;
ok_within { http_get($s->url('/'))->{status} == 200 } 15, 'resized while it reloads it serves on';
$s->log_mark;
# one that comes at the very end of the old configuration is not heard of
ok((wait_for { resize(); $s->log_since_mark =~ /ADP0047: / } 15), 'and notices the next ones') if mpm() eq 'adaptive';
unlike($s->error_log, qr/caught SIGWINCH/, 'nobody has stopped it');
# The kernel keeps one signal of a kind: what is sent while a resize waits would be taken for one.
wait_for { !is_pending() } 15, 'the last resize to be taken';
$s->signal('WINCH');
ok($s->wait_log(qr/caught SIGWINCH, shutting down gracefully/, 15), 'SIGWINCH of a process stops it');
ok($s->wait_gone(20), 'all processes end');
done_testing;
