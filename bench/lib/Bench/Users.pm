package Bench::Users;

# Users who wait for an answer before they ask again (bench/tools/users.c), in the background.

use strict;
use warnings;

use parent 'Adaptive::Program';

my %FLAG = (users => '-c', path => '-u', seconds => '-d', warm_s => '-w', pause_ms => '-z', timeout => '-t');

# start($port, users => 50, path => '/', seconds => 3, warm_s => 1, pause_ms => 0, timeout => 10, keep => 1)
sub start {
    my ($class, $port, %opt) = @_;
    my @keep = delete $opt{keep} ? '-k' : ();
    return $class->launch('users',
        patience  => ($opt{seconds} // 5) + ($opt{warm_s} // 1) + 2 * ($opt{timeout} // 10) + 15,
        arguments => ['-R', '-p', $port, @keep, Adaptive::Program::arguments_of(\%FLAG, %opt)]);
}

# Waits for the end: { judged, failed, rate, p50_ms, ... }.
sub result {
    my ($self) = @_;
    return { $self->last_text =~ /^(\w+) ([\d.]+)$/mg };
}

1;
