package AdaptiveCtl::AccessLogHosts;

# To which virtual host a line of an access log belongs: the name in the line, else the hosts that write to this log, else what the
# user says.

use strict;
use warnings;

use AdaptiveCtl::CopySites;
use AdaptiveCtl::Say;

my %DEFAULT_PORT = (http => 80, https => 443);

# copy: an AdaptiveCtl::Copy or nothing; keys: the hosts whose log it is; host: a name or "https://name:port".
sub new {
    my ($class, %opt) = @_;
    my @sites = $opt{copy} ? $opt{copy}->sites : ();
    my %is_its = map { $_ => 1 } @{ $opt{keys} // [] };
    my @own = grep { $is_its{ $_->{key} } } @sites;
    my $self = bless { sites => \@sites, own => \@own, known => {} }, $class;
    if (defined $opt{host}) {
        my ($scheme, $name, $port) = $opt{host} =~ m{\A(?:(https?)://)?(\[[0-9a-fA-F:.]+\]|[^/:\s]+)(?::(\d+))?/?\z}
            or usage_error("--host $opt{host} is not the name of a host; write www.example.org, or https://www.example.org.");
        $self->{given} = [ $scheme, lc $name, $port ];
        !@sites || grep { AdaptiveCtl::CopySites::has_name($_, lc $name) } @sites
            or usage_error("--host $opt{host}: no virtual host of the configuration has this name.");
    }
    if (!@own && !@sites && !$self->{given}) {
        usage_error('nothing says whose requests the log has: name the host with --host.');
    }
    return $self;
}

# (scheme, host as in the header Host), or nothing.
sub of {
    my ($self, $name, $port) = @_;
    my $key = join ' ', $name // '', $port // '';
    my $known = $self->{known}{$key} //= [ $self->find($name, $port) ];
    return @$known;
}

sub find {
    my ($self, $name, $port) = @_;
    if (!@{ $self->{sites} }) {
        my ($scheme, $host, $given_port) = @{ $self->{given} };
        return shown($scheme // 'http', $name // $host, $given_port);
    }
    my ($site) = defined $name ? $self->by_name($name, $port) : ();
    if (!$site && @{ $self->{own} }) { ($site) = likeliest(grep { !defined $port || $_->{port} == $port } @{ $self->{own} }) }
    if (!$site && $self->{given}) {
        my ($scheme, $host, $given_port) = @{ $self->{given} };
        ($site) = likeliest(grep { (!defined $scheme || $_->{scheme} eq $scheme) && (!defined $given_port || $_->{port} == $given_port)
                && AdaptiveCtl::CopySites::has_name($_, $host) } @{ $self->{sites} });
    }
    return if !$site;
    my $host = defined $name && AdaptiveCtl::CopySites::has_name($site, $name) ? $name : $site->{host} || 'localhost';
    return shown($site->{scheme}, $host, $site->{port});
}

# Of the hosts whose log it is, if one of them has the name; of all otherwise.
sub by_name {
    my ($self, $name, $port) = @_;
    for my $sites ($self->{own}, $self->{sites}) {
        my @named = grep { AdaptiveCtl::CopySites::has_name($_, $name) } @$sites;
        my @there = grep { !defined $port || $_->{port} == $port } @named;
        return likeliest(@there) if @there;
        return likeliest(@named) if @named;
    }
    return;
}

# http and https of the same name in one log: today most of it came over TLS.
sub likeliest {
    my (@sites) = @_;
    my ($tls) = grep { $_->{scheme} eq 'https' } @sites;
    return $tls // $sites[0] // ();
}

sub shown {
    my ($scheme, $host, $port) = @_;
    return ($scheme, $host . (defined $port && $port != $DEFAULT_PORT{$scheme} ? ":$port" : ''));
}

1;
