package AdaptiveCtl::CopyProxy;

# Lines that pass requests on: what the copy shares with the running server is told, and what leads back to the running server itself
# leads to the copy.

use strict;
use warnings;

use AdaptiveCtl::CopyRules qw(reads_only);

my %DEFAULT_PORT = (http => 80, ws => 80, h2c => 80, https => 443, wss => 443, h2 => 443);

# http://localhost:8080/ is the running server if it listens there.
sub to_itself {
    my ($copy, $text) = @_;
    my $changed = 0;
    $text =~ s{\b(https?|wss?|h2c?)://(localhost|127(?:\.\d+){3}|\[::1\])(?::(\d+))?(?=[/\s"'|,\]]|\z)}{
        my ($scheme, $host, $port, $all) = ($1, $2, $3 // $DEFAULT_PORT{$1}, $&);
        my $is_own = $copy->{protocol}{$port};
        $changed ||= $is_own;
        # the copy does not listen on ::1
        $host = '127.0.0.1' if $host =~ /\A\[/;
        $is_own ? "$scheme://$host:" . $copy->{ports}->private('*', $port) : $all
    }ge;
    return ($text, $changed);
}

# Whether a line passes requests on at all.
sub passes {
    my ($item) = @_;
    my ($name, @args) = (lc $item->{name}, @{ $item->{args} });
    return ($args[0] // '') =~ /\Aproxy:/ if $name eq 'sethandler' || $name eq 'addhandler';
    return ($args[2] // '') =~ /\A\[(?:[^\]]*,)?\s*(?:P|proxy)\s*(?:,|\])/i if $name eq 'rewriterule';
    return !grep { $_ eq '!' } @args;
}

# "php-fpm at unix:/run/php.sock", "http://app:8080": who is asked.
sub backend_of {
    my ($item) = @_;
    my $text = join ' ', @{ $item->{args} };
    return "unix:$1" if $text =~ m{\bunix:([^|\s]+)};
    return "$1://$2" if $text =~ m{\b((?:https?|wss?|h2c?|ajp|fcgi|scgi|uwsgi|ftp|ldaps?|fdpass)):/?/([^/\s"']+)};
    return;
}

sub line {
    my ($copy, $item) = @_;
    my $name = lc $item->{name};
    my $text = $item->{text} =~ s/\$\{(APACHE_(?:RUN_DIR|LOCK_DIR|LOG_DIR|PID_FILE))\}/$copy->{site}{env}{$1} \/\/ "\${$1}"/ger;
    if ($name =~ /^(?:dbdparams|jkworkersfile|fastcgiexternalserver)$/) {
        $copy->note(backend => $item, 'is kept: the copy uses the real database or application') if $item->{active};
        return $text;
    }
    return $text if !$item->{active} || !passes($item);
    my ($changed, $is_changed) = to_itself($copy, $text);
    if ($is_changed) {
        $copy->note(different => $item, 'leads to the server itself: in the copy, to the copy') if $name !~ /reverse/;
        return $changed;
    }
    my $backend = backend_of($item);
    if (defined $backend && $name !~ /reverse/) {
        my $is_php = $backend =~ /php/i || ($backend =~ /\Afcgi:/ && $item->{text} =~ /\.php/);
        $copy->note(backend => $item, $is_php
            ? "passes requests to php-fpm at $backend, which is the real one: it shares its processes with your server"
            : "passes requests to the real backend $backend", $backend);
    }
    return $changed;
}

1;
