package AB::Trial;

# Rounds in which contenders are measured in turn: A B, B A, A B, ..., so that what drifts hits all alike, each run with a server of
# its own that has just been started. The reference takes part twice: as itself and as the control.
#
# A scenario: { name, title, load, measures, group, x, x_label, seconds => what a run takes, contenders => [keys] (undef: all),
#               begin, end => subs around all of its runs, plan => sub ($server, $round) { AB::Run's plan } }.
# A contender: { key, label, describe, outside, can_serve => sub ($scenario->{server}), server => sub ($scenario) { a started server } };
# a server has port, tree, alive, stop.

use strict;
use warnings;

use POSIX qw(strftime);
use Time::HiRes qw(sleep);

use AB::Machine qw(busy_seconds monotonic_s);
use AB::Process;
use AB::Run;

use constant { CALM_LOOK_S => 0.5, START_S => 2 };

# %opt: contenders, reference, control => 1, rounds, program, dir, syscalls => 1, progress => sub (text), calm => cores that strangers may
# use when a run begins (0: whatever they do), patience_s => how long to wait for that, most_s => no new round begins after this time
# (three are measured in any case).
sub new {
    my ($class, %opt) = @_;
    my $self = bless { calm => 0, patience_s => 10, progress => sub { }, %opt, begun_s => monotonic_s() }, $class;
    my ($reference) = grep { $_->{key} eq $self->{reference} } @{ $self->{contenders} };
    die "there is no contender $self->{reference}\n" if !$reference;
    if ($self->{control}) {
        $self->{control_key} = "$reference->{key} again";
        my %again = (%$reference, key => $self->{control_key}, label => "$reference->{label}, again");
        $self->{contenders} = [@{ $self->{contenders} }, \%again];
    }
    return $self;
}

sub control { return $_[0]{control_key} }

sub described {
    my ($self) = @_;
    return map { my $contender = $_; +{ map { $_ => $contender->{$_} } qw(key label describe outside) } } @{ $self->{contenders} };
}

sub contenders_of {
    my ($self, $scenario) = @_;
    my %wanted = map { $_ => 1 } @{ $scenario->{contenders} // [map { $_->{key} } @{ $self->{contenders} }] };
    $wanted{ $self->{control_key} } = $wanted{ $self->{reference} } if defined $self->{control_key};
    return grep { $wanted{ $_->{key} } && (!$_->{can_serve} || $_->{can_serve}->($scenario->{server})) } @{ $self->{contenders} };
}

# What all scenarios take, in seconds, for those that are told beforehand.
sub estimate_s {
    my ($self, @scenarios) = @_;
    my $sum = 0;
    $sum += ($_->{seconds} + START_S) * $self->contenders_of($_) * $self->{rounds} for @scenarios;
    return $sum;
}

# Measures scenarios; $keep->($scenario) after each round, with the runs so far: a long comparison may be ended early.
sub measure {
    my ($self, $scenarios, $keep) = @_;
    $self->{left_s} = $self->estimate_s(@$scenarios);
    return map { $self->measure_one($_, $keep) } @$scenarios;
}

sub measure_one {
    my ($self, $scenario, $keep) = @_;
    my @contenders = $self->contenders_of($scenario);
    $scenario->{begin}->() if $scenario->{begin};
    my %found = (
        (map { $_ => $scenario->{$_} } grep { defined $scenario->{$_} } qw(name title load measures group x x_label)),
        date => strftime('%Y-%m-%d', gmtime), runs => []);
    for my $round (1 .. $self->{rounds}) {
        last if $round > 3 && $self->{most_s} && monotonic_s() - $self->{begun_s} > $self->{most_s};
        my $place = 0;
        for my $contender (order($round, @contenders)) {
            my $run = $self->run_once($scenario, $contender, $round);
            push @{ $found{runs} }, { round => $round, place => ++$place, contender => $contender->{key}, %$run };
            $self->tell($scenario, $contender, $round, $run);
        }
        $keep->(\%found) if $keep;
    }
    $scenario->{end}->() if $scenario->{end};
    return \%found;
}

# A B C, C B A, then from the next one on: B C A, A C B, ... With three or more, nobody keeps a place between the same two.
sub order {
    my ($round, @contenders) = @_;
    my $first = int(($round - 1) / 2) % @contenders;
    my @order = (@contenders[$first .. $#contenders], @contenders[0 .. $first - 1]);
    return $round % 2 ? @order : reverse @order;
}

# { values, ... } or { error }.
sub run_once {
    my ($self, $scenario, $contender, $round) = @_;
    AB::Process::go_on();
    $self->wait_for_calm;
    my $server;
    my $run = eval {
        $server = $contender->{server}->($scenario);
        my $plan = $scenario->{plan}->($server, $round);
        my $found = AB::Run::run(server => $server, plan => $plan, map { $_ => $self->{$_} } qw(program dir syscalls));
        die "the server has gone\n" if !$server->alive;
        $found;
    };
    my $error = $@;
    my $clean = $server ? $server->stop : 1;
    die $error if ref $error;        # interrupted
    AB::Process::go_on();
    $run //= { error => $error =~ s/\s+/ /gr =~ s/ \z//r };
    $run->{note} = 'the server did not end by itself' if !$clean && !$run->{error};
    return $run;
}

# Strangers hit the tail of the latency first: waits for a while until they use little. What they use in the end is in the figures.
sub wait_for_calm {
    my ($self) = @_;
    my $deadline = monotonic_s() + $self->{patience_s};
    while ($self->{calm} && monotonic_s() < $deadline) {
        my $before = busy_seconds();
        sleep CALM_LOOK_S;
        last if (busy_seconds() - $before) / CALM_LOOK_S <= $self->{calm};
    }
    return;
}

sub tell {
    my ($self, $scenario, $contender, $round, $run) = @_;
    $self->{left_s} -= $scenario->{seconds} + START_S;
    my $values = $run->{values};
    my $what = defined $run->{error} ? "FAILED: $run->{error}" : join ', ',
        map { my ($key, $format) = @$_; defined $values->{$key} ? sprintf $format, $values->{$key} : () }
        [failed_percent => '%.2f %% failed'], [p50_ms => 'p50 %.1f ms'], [p99_ms => 'p99 %.1f'], [cpu_us => '%.0f us/request'],
        [pss_peak_mib => '%.0f MiB'];
    $self->{progress}->(
        sprintf '%s, round %d of %d, %s: %s; %s left', $scenario->{name}, $round, $self->{rounds}, $contender->{label}, $what,
        in_words($self->{left_s}));
    return;
}

sub in_words {
    my ($seconds) = @_;
    return 'no time' if $seconds < 1;
    return sprintf '%d s', $seconds if $seconds < 120;
    return sprintf '%d min', $seconds / 60 + 0.5 if $seconds < 7200;
    return sprintf '%.1f h', $seconds / 3600;
}

1;
