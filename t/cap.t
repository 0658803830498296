# A cap on threads that was learned from requests that compute does not survive into a load that waits for something else, even if
# it waits so shortly that nothing ever seems to queue.

use strict;
use warnings;

use lib 't/lib';
use IO::Select;
use POSIX ();
use Test::More;
use Adaptive::Probe;
use Adaptive::Process;
use Adaptive::Server;

use constant { CLIENTS => 16, THREADS => 32, ENOUGH => 12, COMPUTED => 1500, BLOCKED => 3000 };

my $s = Adaptive::Server->new(test_module => 1, modules => ['status'],
    mpm_conf => "ServerLimit 1\nStartServers 1\nThreadsPerChild @{[THREADS]}\nMaxRequestWorkers @{[THREADS]}\n",
    conf => "${TEST_CONF}MaxKeepAliveRequests 0\n")->start;

# Clients that ask again as soon as they have the answer, until they have had a number of them in all. In a process of its own, which
# exits with 0 if each request was answered.
sub clients {
    my ($path, $answers) = @_;
    return spawn(sub {
        local $SIG{PIPE} = 'IGNORE';
        my $request = http_request($path, keep => 1);
        my $select  = IO::Select->new(map { tcp($s->port) } 1 .. CLIENTS);
        syswrite $_, $request for $select->handles;
        while ($answers > 0) {
            my @ready = $select->can_read(30) or POSIX::_exit(1);
            for my $sock (@ready) {
                # answers are short: one read has all of one
                my $read = sysread $sock, my $response, 4096;
                POSIX::_exit(1) if !$read || $response !~ m{^HTTP/1.1 200 };
                syswrite $sock, $request;
                $answers--;
            }
        }
        POSIX::_exit(0);
    });
}

my $computing = clients('/adp/spin?ms=1', COMPUTED);
waitpid $computing, 0;
is($?, 0, 'requests that compute are answered');

# Less than a second's worth each time: a cap that lifts does so within some looks at 10 ms each, but while other programs have all
# processors it does not have to.
my $answered = 1;
my $lifted   = wait_for {
    my $blocking = clients('/adp/sleep?ms=1', BLOCKED);
    waitpid $blocking, 0;
    $answered &&= $? == 0;
    hooks($s)->{busy_max} >= ENOUGH;
} 60, 'the cap to be lifted';
ok($answered, 'then requests that wait are');
ok($lifted, '... as many at once as there are clients, or nearly so') or diag explain hooks($s);

unlike($s->error_log, qr/exit signal/, 'no crash');
ok($s->stop, 'stops');
done_testing;
