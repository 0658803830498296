# What the MPM makes of a connection that comes back from process_connection hooks: every combination of state, sense, return
# value, aborted, clogged filters, Connection: close, output that is left and input that filters hold. docs/dev/contract.md has the
# rules in words; where event does otherwise it says why. ADAPTIVE_ALL=1 tries the combinations that are left out here as well.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server;
use Adaptive::States;

use constant { MOST_SHOWN => 20, ATTEMPTS => 3 };

my $is_event = mpm() ne 'adaptive';
my %closing  = map { $_ => 1 } qw(PROCESSING HANDLER LINGER);

# The connection is closed. Output that is left goes out first, without a thread: only then modules hear of the end.
sub ends {
    my ($r) = @_;
    return $r->{out} != 2 || $r->{aborted} || $is_event ? 'now' : 'timeout/closed by output';
}

sub after_write_completion {
    my ($r) = @_;
    if ($r->{clog}) {
        # filters may hold what the poller cannot see: whatever happens is for the hooks
        return 'timeout/input' if $r->{sense} eq 'READ';
        return 'again'         if $r->{out} == 2;
    }
    if ($r->{out} == 2) {
        return $r->{keep} ? 'timeout/output' : 'timeout/closed by output';
    }
    if ($r->{sense} eq 'READ') {
        return $r->{keep} || $r->{clog} ? 'timeout/input' : 'timeout/closed by input';
    }
    return 'now' if !$r->{keep};
    return $r->{in} ? 'again' : 'keep-alive/input';
}

# "what becomes of it with a silent client/with one that sends a line, and then reads".
sub expected {
    my ($r) = @_;
    return ends($r)      if $r->{rc} =~ /^(?:500|SUSPENDED)$/ || $closing{ $r->{state} };
    return 'stays/stays' if $r->{state} eq 'SUSPENDED' && !($r->{aborted} && $is_event);
    return ends($r)      if $r->{aborted};
    return after_write_completion($r) if $r->{state} ne 'ASYNC_WAITIO';
    return 'again' if $r->{sense} eq 'WRITE';
    # after the wait for input what is left of the output has its own Timeout
    return $r->{out} == 2 && !$is_event ? 'stays/input' : 'timeout/input';
}

# Event forgets a sense when it waits for it, and so not this one, which it does not need.
sub expected_next {
    my ($first, $next) = @_;
    my $unused = $is_event && $first->{in} && ($first->{sense} // '') eq 'WRITE';
    return $unused && $next->{state} eq 'ASYNC_WAITIO' ? 'again' : expected($next);
}

sub seen {
    my ($row) = @_;
    return defined $row->{active} ? "$row->{silent}/$row->{active}" : $row->{silent} // 'nothing';
}

sub observe {
    my ($s, @rows) = @_;
    delete @$_{qw(silent active fault)} for @rows;
    try_rows($s, 'silent', @rows);
    try_rows($s, 'active', grep { $_->{silent} =~ /^(?:keep-alive|timeout|stays)$/ } @rows);
    return;
}

sub is_wrong { return $_[0]{fault} || seen($_[0]) ne $_[0]{expected} }

# Rows that are not as expected are tried again: on a busy machine a client may be late.
sub observe_again {
    my ($s, @rows) = @_;
    my @wrong = @rows;
    for (1 .. ATTEMPTS) {
        observe($s, @wrong);
        @wrong = grep { is_wrong($_) } @wrong;
        last if !@wrong || @wrong > @rows / 4;
    }
    return;
}

sub all_as_expected {
    my ($name, @rows) = @_;
    my @wrong = grep { is_wrong($_) } @rows;
    ok(!@wrong, "$name (" . @rows . ')');
    diag(row_name($_) . ': ' . seen($_) . ", expected $_->{expected}" . ($_->{fault} ? "; $_->{fault}" : ''))
        for splice @wrong, 0, MOST_SHOWN;
    return;
}

my @table;

sub group {
    my ($name, @rows) = @_;
    $_->{expected} //= expected($_) for @rows;
    push @table, [ $name, @rows ];
    return;
}

sub rows {
    my (@axes) = @_;
    return every(rc => ['OK'], aborted => [0], clog => [0], keep => [1], out => [0], in => [0], @axes);
}

my @states = qw(PROCESSING HANDLER KEEPALIVE WRITE_COMPLETION ASYNC_WAITIO SUSPENDED LINGER);
my @senses = qw(DEFAULT READ WRITE);
my @both   = (0, 1);
my $all    = $ENV{ADAPTIVE_ALL};

my $s = states_server();

for my $state (@states) {
    my $wide = $all || $state =~ /^(?:KEEPALIVE|WRITE_COMPLETION)$/;
    group($state, rows(
        state => [$state], sense => \@senses, aborted => \@both, clog => \@both, out => [ 0, 1, 2 ],
        $wide ? (keep => \@both, in => \@both) : ()));
}

group('other return values', rows(
    state => \@states, sense => \@senses, rc => [qw(DONE SUSPENDED 500)], clog => $all ? \@both : [0],
    out => $all ? [ 0, 2 ] : [0]));

# What a wait was for says nothing about the next one, whose hook leaves the sense alone.
for my $first (
    { state => 'WRITE_COMPLETION', in => 1 },
    { state => 'WRITE_COMPLETION', in => 1, sense => 'WRITE' },
    { state => 'WRITE_COMPLETION', sense => 'READ' },
    { state => 'WRITE_COMPLETION', sense => 'WRITE', out => 1 },
    { state => 'ASYNC_WAITIO', sense => 'READ' },
    { state => 'ASYNC_WAITIO', sense => 'WRITE' },
    )
{
    my $name = 'after ' . row_name($first);
    group($name, map { { %$first, then => [$_], expected => expected_next($first, $_) } }
            rows(state => [qw(WRITE_COMPLETION ASYNC_WAITIO)], sense => ['LEFT'], out => [ 0, 1, 2 ]));
}

observe_again($s, map { my ($name, @rows) = @$_; @rows } @table);
all_as_expected(@$_) for @table;
ok($s->stop, 'stops');
unlike($s->error_log, qr/exit signal/, 'no crash');
done_testing;
