# Tests that run side by side do not get each other's ports.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Adaptive::Server ();

# How many of these ports another process may have, as another test is.
sub elsewhere {
    my (@ports) = @_;
    open my $other, '-|', $^X, '-It/lib', '-MAdaptive::Server', '-e', 'print scalar grep { Adaptive::Server::reserve($_) } @ARGV',
        @ports or die "perl: $!";
    return scalar <$other>;
}

my @mine = Adaptive::Server::free_ports(3);
is scalar(@mine), 3, 'three ports';
ok !Adaptive::Server::reserve($mine[0]), 'are not given twice by one process';
is elsewhere(@mine), 0, 'nor by another';
Adaptive::Server::give_back(@mine);
is elsewhere(@mine), 3, 'but are free again once they were given back';
is elsewhere(@mine), 3, 'or their process has ended';

my @ports;
{
    my $server = Adaptive::Server->new;
    @ports = map { $server->port($_) } 1 .. 3;
    is elsewhere(@ports), 0, 'a server has its ports, started or not';
}
is elsewhere(@ports), 3, 'for as long as it exists';

done_testing;
