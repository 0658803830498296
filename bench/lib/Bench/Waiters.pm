package Bench::Waiters;

# Clients that a server has to wait for (bench/tools/waiters.c), in the background.

use strict;
use warnings;

use parent 'Adaptive::Program';

use Adaptive::Paths qw(build_dir);
use Adaptive::Wait;

my %FLAG = (
    kind => '-k', path => '-u', clients => '-c', at_a_time => '-o', interval_ms => '-i', piece => '-b', length => '-l',
    seconds => '-d');

# start($port, kind => 'header', tls => 1, path => '/', clients => 100, at_a_time => 100, interval_ms => 1000, piece => 1,
# length => 16384, seconds => 60). The comment of the program says what these are.
sub start {
    my ($class, $port, %opt) = @_;
    my @tls = delete $opt{tls} ? '-T' : ();
    return $class->launch('waiters',
        patience => ($opt{seconds} // 60) + 15, with_errors => 1,
        arguments => ['-p', $port, @tls, Adaptive::Program::arguments_of(\%FLAG, %opt)]);
}

# Whether the program has been built with OpenSSL.
sub speaks_tls {
    my $said = qx{@{[build_dir()]}/t/waiters -p 1 -k idle -T -c 1 -d 0.01 2>&1};
    return $said !~ /without OpenSSL/;
}

# The number of clients that wait, once nobody is on the way any more; undef when that takes longer.
sub ready {
    my ($self, $seconds) = @_;
    my $ready;
    wait_for { ($ready) = $self->text =~ /^ready (\d+)$/m; defined $ready || $self->ended } $seconds // 60, 'clients to wait'
        or return;
    return $ready // die "waiters ended:\n" . $self->text;
}

# Ends them: { clients, waiting, underway, connect, refused, answered, closed, done, sent, received }.
sub stop { return $_[0]->interrupt->result }

# Waits for their end by themselves.
sub result {
    my ($self) = @_;
    return { $self->last_text =~ /^(\w+) (\d+)$/mg };
}

1;
