package Adaptive::States;

# Drives mod_states_test: opens connections whose process_connection hook leaves what each row says, and finds out what the MPM
# makes of it, from the module's log and not from the client's clock.

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Adaptive::Client;
use Adaptive::Server;

our @EXPORT    = qw(states_server try_rows row_name every);
our @EXPORT_OK = qw(%STATE %SENSE %RC);

our %STATE = (
    KEEPALIVE => 0, PROCESSING => 1, HANDLER => 2, WRITE_COMPLETION => 3, SUSPENDED => 4, LINGER => 5, LINGER_NORMAL => 6,
    LINGER_SHORT => 7, ASYNC_WAITIO => 8);
our %SENSE = (DEFAULT => 0, READ => 1, WRITE => 2);
our %RC    = (OK => 0, DECLINED => -1, DONE => -2, SUSPENDED => -3, 500 => 500);

# KeepAliveTimeout and Timeout, far enough apart for a busy machine; when an active client sends, and then reads; and when a
# silent one may say that nothing is going to happen.
use constant { KEEP_MS => 1200, TIMEOUT_MS => 3000, SEND_MS => 200, READ_MS => 500, STAYS_MS => 4000 };
use constant { BIG_BYTES => 600_000, BUFFER_BYTES => 16_384, IN_FLIGHT => 240, PATIENCE => 60 };

sub states_server {
    my (%opt) = @_;
    my $s = Adaptive::Server->new(
        modules  => [ 'status', 'states_test' ],
        mpm_conf => "ServerLimit 1\nStartServers 1\nThreadsPerChild 50\nMaxRequestWorkers 50\nAsyncRequestWorkerFactor 100\n",
        %opt,
        conf => "Listen 127.0.0.1:\@PORT2\@\nListen 127.0.0.1:\@PORT3\@\nStatesTestLog logs/states\n"
            . "SendBufferSize @{[BUFFER_BYTES]}\nTimeout @{[TIMEOUT_MS / 1000]}\nKeepAliveTimeout @{[KEEP_MS]}ms\n"
            . "<VirtualHost *:\@PORT2\@>\nStatesTest htdocs/big\n</VirtualHost>\n"
            . "<VirtualHost *:\@PORT3\@>\nStatesTest htdocs/big clog\n</VirtualHost>\n" . ($opt{conf} // ''),
    );
    open my $big, '>', $s->docroot . '/big' or die "$!";
    print $big 'x' x BIG_BYTES;
    close $big or die "$!";
    return $s->start;
}

# every(state => [...], sense => [...]): all combinations, as rows. What is said last of an axis counts.
sub every {
    my (@axes) = @_;
    my %axis = @axes;
    my @rows = ({});
    for my $name (sort keys %axis) {
        @rows = map { my $row = $_; map { { %$row, $name => $_ } } @{ $axis{$name} } } @rows;
    }
    return @rows;
}

my %DEFAULT = (sense => 'DEFAULT', rc => 'OK', aborted => 0, keep => 1, out => 0, in => 0, clog => 0);

sub row_name {
    my ($row) = @_;
    my %r = (%DEFAULT, %$row);
    my $then = join '', map { ', then ' . row_name($_) } @{ $row->{then} // [] };
    my $sense = $r{sense} eq 'LEFT' ? 'sense left alone' : "WANT_$r{sense}";
    return join(' ', $r{state}, $r{sense} eq 'DEFAULT' ? () : $sense, $r{rc} eq 'OK' ? () : "rc=$r{rc}",
        (map { $r{$_} ? $_ : () } qw(aborted clog)), $r{keep} ? () : 'close', (map { $r{$_} ? "$_=$r{$_}" : () } qw(out in)))
        . $then;
}

sub step_text {
    my ($row) = @_;
    my %r = (%DEFAULT, %$row);
    return join ',', $STATE{ $r{state} }, $SENSE{ $r{sense} } // -1, $RC{ $r{rc} }, @r{qw(aborted keep out in)};
}

sub now_ms { return int(1000 * clock_gettime(CLOCK_MONOTONIC)) }

my $last_id = 0;

sub begin_row {
    my ($s, $row, $active) = @_;
    my $client = Adaptive::Client->new($s->port($row->{clog} ? 3 : 2), rcvbuf => BUFFER_BYTES);
    my $try = { row => $row, id => ++$last_id, client => $client, active => $active, events => [], begun_ms => now_ms() };
    my @steps = ($row, @{ $row->{then} // [] });
    $client->send(join(';', $try->{id}, map { step_text($_) } @steps) . "\n" . ($row->{in} ? "next\n" : ''));
    $client->sock->blocking(0);
    return $try;
}

sub read_events {
    my ($log, $tries) = @_;
    seek $log, 0, 1;
    while (my $line = <$log>) {
        my ($id, $ms, $what) = $line =~ /^(\d+) (\d+) (\w+)$/ or next;
        push @{ $tries->{$id}{events} }, [ $what, $ms ] if $tries->{$id};
    }
    return;
}

sub first_event {
    my ($try, $what, $nth) = @_;
    my @found = grep { $_->[0] =~ $what } @{ $try->{events} };
    return ($found[ ($nth // 1) - 1 ] // [])->[1];
}

# When the last of its steps was done, undef before that.
sub done_ms {
    my ($try) = @_;
    return first_event($try, qr/^return$/, 1 + @{ $try->{row}{then} // [] });
}

# What became of it, undef as long as that is open. The hook runs again: "again" at once, "input" after the client has sent,
# "output" after it has begun to read; or the connection is closed: "now", after KeepAliveTimeout or Timeout, or "closed by" one
# of the former; or it "stays".
sub verdict {
    my ($try, $now_ms) = @_;
    my $done_ms  = done_ms($try) // return;
    my $again_ms = first_event($try, qr/^call$/, 2 + @{ $try->{row}{then} // [] });
    my $end_ms   = first_event($try, qr/^(?:close|gone)$/);
    if (defined $again_ms && (!defined $end_ms || $again_ms <= $end_ms)) {
        return caused_by($try, $again_ms) // 'again';
    }
    if (defined $end_ms) {
        my $after_ms = $end_ms - $done_ms;
        my $cause    = caused_by($try, $end_ms);
        return "closed by $cause" if $cause && $after_ms < KEEP_MS - 100;
        return $after_ms < KEEP_MS / 2 ? 'now' : $after_ms < (KEEP_MS + TIMEOUT_MS) / 2 ? 'keep-alive' : 'timeout';
    }
    return $now_ms - $done_ms > STAYS_MS ? 'stays' : undef;
}

sub caused_by {
    my ($try, $ms) = @_;
    return $try->{read_ms} && $ms >= $try->{read_ms} ? 'output' : $try->{sent_ms} && $ms >= $try->{sent_ms} ? 'input' : undef;
}

# What a client does: whatever leads to the last step, and then, if it is active, it sends a line and later begins to read.
sub act {
    my ($try, $now_ms) = @_;
    my $done_ms = done_ms($try);
    if (!defined $done_ms) {
        $try->{client}->send("more\n") if first_event($try, qr/^return$/) && !$try->{pushed}++;
        return;
    }
    return if !$try->{active};
    if (!$try->{sent_ms} && $now_ms >= $done_ms + SEND_MS) {
        $try->{sent_ms} = $now_ms;
        $try->{client}->send("more\n");
    }
    if (!$try->{read_ms} && $try->{sent_ms} && $now_ms >= $try->{sent_ms} + READ_MS - SEND_MS) {
        $try->{read_ms} = $now_ms;
    }
    return;
}

sub drain {
    my ($try) = @_;
    1 while sysread $try->{client}->sock, my $scrap, 65_536;
    return;
}

# Suspend and resume alternate, and nothing runs or ends in between.
sub sequence_fault {
    my ($try) = @_;
    my $suspended = 0;
    for my $event (map { $_->[0] } @{ $try->{events} }) {
        return "$event while suspended" if $suspended && $event =~ /^(?:call|close|suspend|gone)$/;
        return "$event while not suspended" if !$suspended && $event eq 'resume';
        $suspended = $event eq 'suspend' ? 1 : $event eq 'resume' ? 0 : $suspended;
    }
    return;
}

# Runs the rows, IN_FLIGHT at once, with a client that is silent, or active; verdicts go to $row->{silent} and $row->{active}.
sub try_rows {
    my ($s, $how, @rows) = @_;
    my $path = $s->root . '/logs/states';
    open my $log, '<', $path or die "$path: $!";
    seek $log, 0, 2;
    my %tries;
    my $last_ms = now_ms();
    while (@rows || %tries) {
        while (@rows && keys %tries < IN_FLIGHT) {
            my $try = begin_row($s, shift @rows, $how eq 'active');
            $tries{ $try->{id} } = $try;
        }
        IO::Select->new(map { $_->{client}->sock } grep { $_->{read_ms} } values %tries)->can_read(0.01);
        select undef, undef, undef, 0.005;
        read_events($log, \%tries);
        my $now_ms = now_ms();
        for my $try (values %tries) {
            act($try, $now_ms);
            drain($try) if $try->{read_ms};
            my $verdict = verdict($try, $now_ms);
            $verdict //= 'nothing' if $now_ms - $last_ms > PATIENCE * 1000;
            next if !defined $verdict;
            $last_ms = $now_ms;
            $try->{row}{$how} = $verdict;
            $try->{row}{fault} = sequence_fault($try);
            $try->{row}{events} = $try->{events};
            delete $tries{ $try->{id} };
        }
    }
    return;
}

1;
