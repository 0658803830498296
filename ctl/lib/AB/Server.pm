package AB::Server;

# An httpd that somebody wrote a configuration for, started in the foreground: its processes are ours, and end with us.

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep);

use AB::Machine qw(monotonic_s slurp);
use AB::Process;
use AB::Tree;

use constant { START_S => 30, CONNECT_S => 1, POLL_S => 0.02, SETTLE_S => 0.5, ERROR_LINES => 5 };

# start(command => [...], env => {...}, ports => [those on which it will listen], output => FILE, error_log => FILE,
# after => sub: when it has ended). Returns when it takes connections on all of them; dies with what it said if it does not.
sub start {
    my ($class, %opt) = @_;
    my $tree = AB::Tree->new(below_us => 1);
    my $self = bless { %opt, tree => $tree }, $class;
    my $started = eval {
        $self->{pid} = AB::Process::start([$tree->entering([], @{ $opt{command} })], $opt{output}, env => $opt{env});
        $tree->{pid} = $self->{pid};
        $self->wait_until_up;
        1;
    };
    return $self if $started;
    my $error = $@;
    $self->stop;
    die $error;
}

sub wait_until_up {
    my ($self) = @_;
    my $deadline = monotonic_s() + START_S;
    my @ports = @{ $self->{ports} };
    while (@ports) {
        die "the server ended as soon as it was started:\n" . $self->last_words if AB::Process::has_ended($self->{pid});
        die "the server does not listen on port $ports[0] within " . START_S . " s:\n" . $self->last_words if monotonic_s() > $deadline;
        if (takes_connections($ports[0])) { shift @ports }
        else                              { sleep POLL_S }
    }
    sleep SETTLE_S;    # children that start one after the other belong to no measurement
    return;
}

sub takes_connections {
    my ($port) = @_;
    return defined IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => CONNECT_S);
}

sub last_words {
    my ($self) = @_;
    my @lines = map { split /\n/, slurp($_) // '' } grep { defined } @$self{qw(output error_log)};
    splice @lines, 0, -ERROR_LINES() if @lines > ERROR_LINES;
    return join '', map { "    $_\n" } @lines;
}

sub tree { return $_[0]{tree} }
sub alive { return !AB::Process::has_ended($_[0]{pid}) }

# True if it ended in its own way.
sub stop {
    my ($self) = @_;
    my $clean = !defined $self->{pid} || AB::Process::end($self->{pid});
    kill 'KILL', $self->tree->pids if $self->tree->cgroup_name;
    $self->tree->remove;
    $self->{after}->() if $self->{after};
    return $clean;
}

1;
