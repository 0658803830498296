package AdaptiveCtl::CopyCertificates;

# Virtual hosts whose certificate or key cannot be read are left out of a copy, because httpd would not start. Those of mod_md, which
# is left out as well, get what it has stored.

use strict;
use warnings;

use AdaptiveCtl::CopyPorts;
use AdaptiveCtl::CopySites;
use AdaptiveCtl::Steps;

my @NAMES = qw(sslcertificatefile sslcertificatekeyfile sslcertificatechainfile sslcacertificatefile);

# Where mod_md has its own if nothing is said: what the build calls its state directory.
my @STORES = qw(md state/md /var/lib/apache2/md /var/lib/httpd/md);

sub check {
    my ($copy) = @_;
    my ($main, @virtual) = @{ $copy->{hosts} };
    # a TLS host without lines of its own has these
    my $is_main_bad = leave_out_of_main($copy, $main);
    my $store = managed_store($copy, $main, @virtual);
    for my $host (@virtual) {
        my ($engine) = map { AdaptiveCtl::CopySites::last_arg($_, 'sslengine') // () } $host, $main;
        next if lc($engine // 'off') ne 'on';
        my $has_own = AdaptiveCtl::CopySites::last_arg($host, 'sslcertificatefile');
        my $why = unreadable($copy, $host) // ($has_own ? undef : $is_main_bad) // unmanaged($copy, $host, $main, $store) // next;
        $copy->{dropped}{ $host->{key} } = 1;
        $copy->note(left_out => $host->{item}, "is left out with its virtual host: $why");
    }
    close_ports($copy);
    return;
}

# A port of which every virtual host is left out has nothing to answer with.
sub close_ports {
    my ($copy) = @_;
    my %left;
    for my $host (grep { $_->{item} } @{ $copy->{hosts} }) {
        for my $text (@{ $host->{item}{args} }) {
            my (undef, $port) = AdaptiveCtl::CopyPorts::address_of($text);
            $left{$port} = ($left{$port} // 0) || !$copy->{dropped}{ $host->{key} };
        }
    }
    $copy->{closed} = { map { $_ => 1 } grep { !$left{$_} } keys %left };
    delete @{ $copy->{protocol} }{ keys %{ $copy->{closed} } };
    return;
}

sub unreadable {
    my ($copy, $host) = @_;
    for my $item (map { @{ $host->{lines}{$_} // [] } } @NAMES) {
        my $why = why_not($copy, $item) // next;
        return "$item->{name} $item->{args}[0] (line $item->{line}) $why";
    }
    return;
}

sub why_not {
    my ($copy, $item) = @_;
    my $path = $item->{args}[0] // return;
    # from a token
    return if $path =~ /\A(?:pkcs11|engine):/;
    my $file = $copy->absolute($path);
    return $> == 0 ? 'is not there' : 'cannot be read by this user: run adaptivectl as root to copy it' if !-r $file;
    return if lc $item->{name} ne 'sslcertificatekeyfile' || (AdaptiveCtl::Steps::read_file($file) // '') !~ /ENCRYPTED/;
    my ($dialog) = map { AdaptiveCtl::CopySites::last_arg($_, 'sslpassphrasedialog') // () } $copy->{hosts}[0];
    return 'is encrypted, and nobody is there to type its pass phrase' if ($dialog // 'builtin') eq 'builtin';
    return;
}

# httpd looks for the files of the main server even if it does not use them. Why its certificate is left out.
sub leave_out_of_main {
    my ($copy, $main) = @_;
    my $first;
    for my $item (map { @{ $main->{lines}{$_} // [] } } @NAMES) {
        my $why = why_not($copy, $item) // next;
        $item->{left_out} = 1;
        $copy->note(left_out => $item, "is left out: the file $why");
        $first //= "$item->{name} $item->{args}[0] ($item->{file}:$item->{line}) $why";
    }
    return $first;
}

# The directory of mod_md's certificates, if it is loaded.
sub managed_store {
    my ($copy, @hosts) = @_;
    return if !grep { $_->{active} && lc $_->{name} eq 'loadmodule' && ($_->{args}[0] // '') eq 'md_module' } @{ $copy->{items} };
    my ($dir) = map { AdaptiveCtl::CopySites::last_arg($_, 'mdstoredir') // () } @hosts;
    my @stores = map { $copy->absolute($_) } $dir // @STORES;
    return ((grep {-d} @stores)[0] // $stores[0]) . '/domains';
}

# A host without a certificate of its own, under mod_md. Why it is left out, or nothing, and its certificate is set.
sub unmanaged {
    my ($copy, $host, $main, $store) = @_;
    return if !defined $store || grep { AdaptiveCtl::CopySites::last_arg($_, 'sslcertificatefile') } $host, $main;
    my ($name) = map { AdaptiveCtl::CopySites::name_of(AdaptiveCtl::CopySites::last_arg($_, 'servername')) || () } $host, $main;
    $name //= '';
    my @managed = map { lc($_->{args}[0] // '') }
        grep { $_->{active} && $_->{name} =~ /^MDomain$|^MDomainSet$/i && grep { lc $_ eq $name } @{ $_->{args} } }
        @{ $copy->{items} };
    for my $domain (@managed, $name) {
        my ($certificate, $key) = map {"$store/$domain/$_"} qw(pubcert.pem privkey.pem);
        next if !-r $certificate || !-r $key;
        $copy->{more}{ $host->{key} } = [ "SSLCertificateFile \"$certificate\"", "SSLCertificateKeyFile \"$key\"" ];
        return;
    }
    return "mod_md manages its certificate, and none can be read below $store";
}

1;
