package AdaptiveCtl::CopyPorts;

# Which private port of 127.0.0.1 stands for which port of the original. All addresses of a port become one private port, except those
# that a virtual host names: httpd tells these apart by address, so the copy tells them apart by port.

use strict;
use warnings;

use IO::Socket::INET;

use AdaptiveCtl::Say;
use AdaptiveCtl::Steps;

use constant { LOWEST => 10_000, USUAL_FIRST_EPHEMERAL => 32_768, TRIES => 2_000 };

sub new {
    my ($class) = @_;
    my ($first) = (AdaptiveCtl::Steps::read_file('/proc/sys/net/ipv4/ip_local_port_range') // '') =~ /^(\d+)/;
    $first = USUAL_FIRST_EPHEMERAL if !$first || $first <= LOWEST + TRIES;
    return bless { private => {}, taken => {}, highest => $first - 1, specific => {}, wildcard => {} }, $class;
}

# "*:443", "[::]:80", "1.2.3.4", "name:80", "_default_": (address, port). Any address is "*", any port 0.
sub address_of {
    my ($text) = @_;
    my ($address, $port) = $text =~ /\A(\[[^\]]*\](?:%\w+)?|[^:]*)(?::(\d+|\*))?\z/ or return ('*', 0);
    $address = '*' if $address =~ /\A(?:_default_|0\.0\.0\.0|\[::\]|)\z/i;
    return (lc $address, ($port // '*') eq '*' ? 0 : $port + 0);
}

# The argument of Listen may be the port alone.
sub listen_of {
    my ($text) = @_;
    return $text =~ /\A\d+\z/ ? ('*', $text + 0) : address_of($text);
}

# Takes notice of the addresses that a virtual host names.
sub see_host {
    my ($self, $text) = @_;
    my ($address, $port) = address_of($text);
    if ($address eq '*') { $self->{wildcard}{$port} = 1 }
    else                 { $self->{specific}{$port}{$address} = 1 }
    return;
}

# Addresses that need a private port of their own: not where all virtual hosts of the port name the same one.
sub own_addresses {
    my ($self, $port) = @_;
    my @own = sort keys %{ { %{ $self->{specific}{$port} // {} }, %{ $self->{specific}{0} // {} } } };
    return @own == 1 && !$self->{wildcard}{$port} && !$self->{wildcard}{0} ? () : @own;
}

sub is_free {
    my ($port) = @_;
    # outside of the range from which the kernel takes ports for clients: nobody gets it between two rounds
    return defined IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1, Proto => 'tcp');
}

sub choose {
    my ($self) = @_;
    for (1 .. TRIES) {
        my $port = LOWEST + int rand($self->{highest} - LOWEST);
        next if $self->{taken}{$port} || !is_free($port);
        $self->{taken}{$port} = 1;
        return $port;
    }
    return fail('no port of 127.0.0.1 is free for a private copy of the server: end other test servers.');
}

# The private port of an address and a port.
sub private {
    my ($self, $address, $port) = @_;
    my $key = (grep { $_ eq $address } $self->own_addresses($port)) ? "$address:$port" : "*:$port";
    return $self->{private}{$key} //= $self->choose;
}

# A private port for something else that listens.
sub other {
    my ($self, $what) = @_;
    return $self->{private}{$what} //= $self->choose;
}

# All private ports of an original one: those on which a Listen for it has to listen.
sub all_of {
    my ($self, $port) = @_;
    return map { $self->private($_, $port) } '*', $self->own_addresses($port);
}

# Another one for each that somebody else has taken meanwhile.
sub renew {
    my ($self) = @_;
    for my $key (sort keys %{ $self->{private} }) {
        $self->{private}{$key} = $self->choose if !is_free($self->{private}{$key});
    }
    return;
}

# { 443 => 12345, '1.2.3.4:443' => 12346 }
sub table {
    my ($self) = @_;
    return { map { s/\A\*://r => $self->{private}{$_} } grep {/:\d+\z/} keys %{ $self->{private} } };
}

1;
