package TestAdaptive::Filter;

# An output filter in Perl, which the MPM meets between the handler and the socket.

use strict;
use warnings;

use Apache2::Const -compile => qw(OK);
use Apache2::Filter ();

sub handler {
    my ($f) = @_;
    while ($f->read(my $buffer, 4096)) {
        $f->print(uc $buffer);
    }
    return Apache2::Const::OK;
}

1;
