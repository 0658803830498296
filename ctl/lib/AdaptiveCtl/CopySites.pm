package AdaptiveCtl::CopySites;

# The virtual hosts of a configuration and its main server: their names, ports, certificates and logs, and which of them answers for
# a URL.

use strict;
use warnings;

use AdaptiveCtl::CopyPorts;

my %DEFAULT_PORT = (http => 80, https => 443);

# The VirtualHost section that a line is in, if any.
sub host_section {
    my ($item) = @_;
    my ($open) = grep { lc $_->{name} eq 'virtualhost' } @{ $item->{sections} };
    return $open;
}

# What each virtual host says, and the main server (key ''): { key, item => section, lines => { servername => [items] } }, in order.
sub hosts_of {
    my ($items) = @_;
    my %host = ('' => { key => '', lines => {} });
    my @order = ('');
    for my $item (@$items) {
        next if !$item->{active};
        if ($item->{kind} eq 'open' && lc $item->{name} eq 'virtualhost') {
            my $key = $item->{key} = @order;
            $host{$key} = { key => $key, item => $item, lines => {} };
            push @order, $key;
        }
        next if $item->{kind} ne 'directive';
        my $section = host_section($item);
        my $key = $section ? $section->{key} // next : '';
        # what a Directory or Location says is not the server's
        next if grep { $_->{name} !~ /^(?:VirtualHost|If\w+)$/i } @{ $item->{sections} };
        push @{ $host{$key}{lines}{ lc $item->{name} } }, $item;
    }
    return @host{@order};
}

sub last_arg {
    my ($host, $name) = @_;
    my $lines = $host->{lines}{$name} or return;
    return $lines->[-1]{args}[0];
}

sub name_of { my ($text) = @_; return lc(($text // '') =~ s{\A\w+://}{}r =~ s/:\d+\z//r) }

# Port and protocol of each Listen.
sub listens_of {
    my ($items) = @_;
    my %protocol;
    for my $item (grep { $_->{active} && $_->{kind} eq 'directive' && lc $_->{name} eq 'listen' && @{ $_->{args} } } @$items) {
        my (undef, $port) = AdaptiveCtl::CopyPorts::listen_of($item->{args}[0]);
        $protocol{$port} //= lc($item->{args}[1] // ($port == 443 ? 'https' : 'http'));
    }
    return \%protocol;
}

# [{ scheme, host, aliases, port, private_port, key, address }]: one for each port of a host.
sub sites_of {
    my ($hosts, $ports, $protocol) = @_;
    my ($main, @virtual) = @$hosts;
    my $is_main_tls = lc(last_arg($main, 'sslengine') // 'off') eq 'on';
    my (@sites, %has_host);
    for my $host (@virtual) {
        my $tls = lc(last_arg($host, 'sslengine') // ($is_main_tls ? 'on' : 'off')) eq 'on';
        for my $text (@{ $host->{item}{args} }) {
            my ($address, $port) = AdaptiveCtl::CopyPorts::address_of($text);
            for my $real ($port || sort { $a <=> $b } keys %$protocol) {
                next if !exists $protocol->{$real};
                push @sites, site($host, $tls, $real, $ports->private($address, $real), $main, $address);
                $has_host{ $sites[-1]{private_port} } = 1;
            }
        }
    }
    for my $port (sort { $a <=> $b } keys %$protocol) {
        my $private = $ports->private('*', $port);
        push @sites, site($main, $is_main_tls, $port, $private, $main, '*') if !$has_host{$private};
    }
    return @sites;
}

sub site {
    my ($host, $tls, $port, $private, $main, $address) = @_;
    my $name = name_of(last_arg($host, 'servername')) || name_of(last_arg($main, 'servername'));
    return { scheme => $tls ? 'https' : 'http', host => $name, is_named => defined last_arg($host, 'servername') ? 1 : 0,
        aliases => [ map { map {lc} @{ $_->{args} } } @{ $host->{lines}{serveralias} // [] } ],
        port => $port, private_port => $private, key => $host->{key}, address => $address };
}

sub has_name {
    my ($site, $name) = @_;
    return 1 if $site->{host} eq $name;
    for my $alias (@{ $site->{aliases} }) {
        my $pattern = join '', map { $_ eq '*' ? '.*' : $_ eq '?' ? '.' : quotemeta } split //, $alias;
        return 1 if $name =~ /\A$pattern\z/;
    }
    return 0;
}

# Whether a name means this machine whatever the virtual hosts are called.
sub is_local {
    my ($name) = @_;
    return $name =~ /\A(?:localhost|[\d.]+|\[[0-9a-f:.]+\])\z/;
}

# The site that answers: httpd takes the first one of the port if no name fits. Nothing if the name is nobody's.
sub find {
    my ($sites, $scheme, $name, $port) = @_;
    my @there = grep { $_->{scheme} eq $scheme && $_->{port} == $port } @$sites;
    my ($found) = grep { $_->{address} eq $name } @there;
    ($found) = grep { has_name($_, $name) } @there if !$found;
    $found = $there[0] if !$found && @there && (@there == 1 || is_local($name) || !$there[0]{is_named});
    return $found;
}

# ({ scheme, host, path, private_port, site }) of a URL, or (undef, why).
sub target_of {
    my ($sites, $url) = @_;
    my ($scheme, $name, $given, $path) = $url
        =~ m{\A(https?)://(\[[0-9a-f:.]+\]|[^/?\#:\[\]\s]+)(?::(\d+))?((?:[/?][^\s\#]*)?)(?:\#\S*)?\z}i
        or return (undef, $url =~ /\s/ ? 'a URL has no blanks; write %20' : 'it is not a URL of a web server; write for example https://www.example.org/index.html');
    ($scheme, $name) = (lc $scheme, lc $name);
    my $port = $given // $DEFAULT_PORT{$scheme};
    $path = "/$path" if $path !~ m{\A/};
    my $site = find($sites, $scheme, $name, $port);
    return ({ scheme => $scheme, host => $name . ($port == $DEFAULT_PORT{$scheme} ? '' : ":$port"), path => $path,
        private_port => $site->{private_port}, site => $site }) if $site;
    my %known = map { ("$_->{scheme}://" . ($_->{host} || 'localhost')
        . ($_->{port} == $DEFAULT_PORT{ $_->{scheme} } ? '' : ":$_->{port}")) => 1 } @$sites;
    my @known = sort keys %known;
    my $more = @known > 8 ? ' and ' . (@known - 8) . ' more' : '';
    return (undef, "no virtual host of this configuration answers there; it has "
        . (join(', ', @known[ 0 .. (@known > 8 ? 7 : $#known) ]) || 'none') . $more);
}

1;
