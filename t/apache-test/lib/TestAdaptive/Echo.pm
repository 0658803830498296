package TestAdaptive::Echo;

# A protocol of its own on the whole connection: each line comes back, "quit" ends it.

use strict;
use warnings;

use APR::Const -compile => qw(SO_NONBLOCK);
use APR::Socket ();
use Apache2::Connection ();
use Apache2::Const -compile => qw(OK);

sub handler {
    my ($c) = @_;
    my $socket = $c->client_socket;
    $socket->opt_set(APR::Const::SO_NONBLOCK, 0);
    while ($socket->recv(my $buffer, 4096)) {
        $socket->send($buffer);
        last if $buffer =~ /^quit/m;
    }
    return Apache2::Const::OK;
}

1;
