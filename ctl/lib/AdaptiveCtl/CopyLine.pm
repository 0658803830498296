package AdaptiveCtl::CopyLine;

# Rewrites one line of a configuration for a private copy: what CopyRules.pm says of its directive, done. A line that has no rule
# stays. $copy is a round of Copy.pm: where the copy is, its MPM, its ports, and the notes for the reader.

use strict;
use warnings;

use File::Basename qw(basename);

use AdaptiveCtl::Config;
use AdaptiveCtl::CopyPorts;
use AdaptiveCtl::CopyProxy;
use AdaptiveCtl::CopyRules qw(rule_of is_mpm_setting mpm_takes reads_only LEFT_OUT_MODULES);
use AdaptiveCtl::CopySites;
use AdaptiveCtl::Say;

# Set in the copy's environment to places of its own.
my $OWN_VARIABLES = qr/APACHE_(?:RUN_DIR|LOCK_DIR|LOG_DIR|PID_FILE)/;

sub commented { my ($item) = @_; return '# ' . $item->{text} =~ s/^\s+//r }

sub quoted { my ($text) = @_; return '"' . $text =~ s/(["\\])/\\$1/gr . '"' }

# The line with another word at a place; 0 is the directive's name.
sub with_word {
    my ($item, $place, $new) = @_;
    my $n = -1;
    return $item->{text} =~ s/("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\S+)/++$n == $place ? $new : $1/ger;
}

sub with_path { my ($item, $place, $path) = @_; return with_word($item, $place, quoted($path)) }

# --- kinds of directives ----------------------------------------------------------------------------------------------

my %DO = (
    top => sub { return commented($_[1]) },
    drop => sub { return commented($_[1]) },
    left_out => sub {
        my ($copy, $item, $why) = @_;
        $copy->note(left_out => $item, "is left out: $why");
        return commented($item);
    },
    module_left_out => sub { return commented($_[1]) },
    log       => \&log_line,
    file      => sub { my ($copy, $item) = @_; return with_path($item, 1, $copy->place_for($item->{args}[0] // '', lc $item->{name})) },
    directory => sub {
        my ($copy, $item) = @_;
        $copy->note(different => $item, 'begins empty in the copy', 'cacheroot') if lc $item->{name} eq 'cacheroot';
        return with_path($item, 1, $copy->directory_for($item->{args}[0] // ''));
    },
    cache     => \&cache_line,
    backend   => \&AdaptiveCtl::CopyProxy::line,
    user      => \&user_line,
);

my %OWN = (
    listen     => \&listen_line,
    loadmodule => \&module_line,
    define     => sub {
        my ($copy, $item) = @_;
        return ($item->{args}[0] // '') =~ /\A$OWN_VARIABLES\z/ ? commented($item) : $item->{text};
    },
    mutex      => sub {
        my ($copy, $item) = @_;
        my ($kind) = ($item->{args}[0] // '') =~ /\A(file|fcntl|flock):/ or return $item->{text};
        return with_path($item, 1, "$kind:$copy->{dir}/run");
    },
    adaptivestatussocket => sub {
        my ($copy, $item) = @_;
        return ($item->{args}[0] // '') =~ /\A(?:on|off)\z/i ? $item->{text} : with_path($item, 1, "$copy->{dir}/run/adaptive-status.sock");
    },
    adaptivestatuslisten => sub {
        my ($copy, $item) = @_;
        return $item->{text} if ($item->{args}[0] // 'none') =~ /\Anone\z/i;
        return with_word($item, 1, '127.0.0.1:' . $copy->{ports}->other("status page $item->{args}[0]/"));
    },
    rewritemap => sub {
        my ($copy, $item) = @_;
        my $is_program = ($item->{args}[1] // '') =~ /\Aprg:/;
        $copy->note(different => $item, 'starts a program: the copy starts one of its own, which does and writes what the real one does')
            if $is_program;
        return original_variables($copy, $item);
    },
    extfilterdefine => sub {
        my ($copy, $item) = @_;
        $copy->note(different => $item, 'starts programs, in the copy as well, which do and write what the real ones do');
        return original_variables($copy, $item);
    },
    wsgidaemonprocess => sub {
        my ($copy, $item) = @_;
        $copy->note(different => $item, 'starts Python processes: the copy has its own, with the databases and files of the real ones');
        return original_variables($copy, $item);
    },
    require => \&client_line,
    allow   => \&client_line,
    usecanonicalphysicalport => sub {
        my ($copy, $item) = @_;
        $copy->note(different => $item, 'makes redirects name the private port') if lc($item->{args}[0] // '') eq 'on';
        return $item->{text};
    },
);

# A file of the copy, whatever it was.
sub log_line {
    my ($copy, $item) = @_;
    my ($name, $where) = (lc $item->{name}, $item->{args}[0] // '');
    return commented($item) if $name eq 'errorlog' && !AdaptiveCtl::CopySites::host_section($item);
    return $item->{text} if $where eq '/dev/null' || $where eq '' || $where =~ /\Anone\z/i;
    if ($where =~ /\A\|/) {
        $copy->note(different => $item, "is a program: the copy writes a file instead");
        return with_path($item, 1, $copy->log_for("$name $where", "$name.piped"));
    }
    if (my ($provider) = $where =~ /\A(syslog|journald)(?::|\z)/) {
        $copy->note(different => $item, "writes to $provider: the copy writes a file instead");
        return with_path($item, 1, $copy->log_for("$name $where", "$name.$provider"));
    }
    return with_path($item, 1, $copy->log_for($copy->absolute($where), basename($where)));
}

sub cache_line {
    my ($copy, $item) = @_;
    my $what = $item->{args}[0] // '';
    if ($what =~ /\A(memcache|redis|dc):(.*)/) {
        $copy->note(backend => $item, "uses the real $1 at $2: the copy's entries are beside those of your server");
        return $item->{text};
    }
    my ($kind, $path, $size) = $what =~ /\A(\w+(?:=\w+)?):(.+?)(\(\d+\))?\z/ or return $item->{text};
    return with_word($item, 1, quoted("$kind:" . $copy->place_for($path, lc $item->{name}) . ($size // '')));
}

sub user_line {
    my ($copy, $item) = @_;
    return $item->{text} if $> == 0;
    $copy->note(different => $item, "is left out: without root's rights the copy runs as this user; what this user may not read is a 403")
        if lc $item->{name} eq 'user';
    return commented($item);
}

# The first Listen of a port stands for all of them.
sub listen_line {
    my ($copy, $item) = @_;
    my (undef, $port) = AdaptiveCtl::CopyPorts::listen_of($item->{args}[0] // '');
    return commented($item) if $item->{active} && ($copy->{listened}{$port}++ || $copy->{closed}{$port});
    my $protocol = $item->{args}[1] // ($port == 443 ? 'https' : undef);
    return map { 'Listen 127.0.0.1:' . $_ . (defined $protocol ? " $protocol" : '') } $copy->{ports}->all_of($port);
}

sub module_line {
    my ($copy, $item) = @_;
    my $module = $item->{args}[0] // '';
    if (my $left_out = LEFT_OUT_MODULES->{$module}) {
        $copy->note(left_out => $item, "of $module is left out: $left_out->[1]") if $item->{active};
        return commented($item);
    }
    return commented($item) if $module =~ /\Ampm_\w+_module\z/;
    if ($module eq 'evasive20_module' && $item->{active}) {
        $copy->note(warning => $item, 'of mod_evasive stays: all requests of a comparison come from one address, so it may refuse them');
    }
    $copy->note(warning => $item, 'of mod_perl stays: what its Perl code writes, the copy writes as well')
        if $module eq 'perl_module' && $item->{active};
    return original_variables($copy, $item);
}

sub client_line {
    my ($copy, $item) = @_;
    my $words = join ' ', @{ $item->{args} };
    $copy->note(different => $item, 'asks for the client\'s address: all clients of the copy are 127.0.0.1', 'client')
        if $words =~ /\A(?:not\s+)?(?:local|ip|host|forward-dns)\b/i || ($words =~ /\Afrom\s+(?!all\b)/i && lc $item->{name} eq 'allow');
    return $item->{text};
}

# --- any line ---------------------------------------------------------------------------------------------------------

# What is only read is read where the original has it.
sub original_variables {
    my ($copy, $item) = @_;
    return $item->{text} =~ s/\$\{($OWN_VARIABLES)\}/$copy->{site}{env}{$1} \/\/ "\${$1}"/ger;
}

sub is_dropped {
    my ($copy, $item) = @_;
    return scalar grep { (defined $_->{key} && $copy->{dropped}{ $_->{key} }) || $_->{name} =~ /^MDomain/i }
        $item, @{ $item->{sections} }, $item->{open} // ();
}

# Whether a line about an MPM counts for the copy's.
sub mpm_line_stays {
    my ($copy, $item) = @_;
    my ($mpm) = grep {defined} map { AdaptiveCtl::Config::mpm_of_section($_) } @{ $item->{sections} };
    return $mpm ne "mpm_$copy->{mpm}" || !defined $copy->{mpm_conf} if $mpm;
    return 0 if defined $copy->{mpm_conf} || !mpm_takes($copy->{mpm}, $item->{name});
    my ($file_of) = $item->{file} =~ m{/mpm_(\w+)\.conf\z};
    return !$file_of || $file_of eq $copy->{mpm};
}

sub section_line {
    my ($copy, $item) = @_;
    return original_variables($copy, $item) if lc $item->{name} ne 'virtualhost';
    my @addresses;
    for my $text (@{ $item->{args} }) {
        my ($address, $port) = AdaptiveCtl::CopyPorts::address_of($text);
        push @addresses, $port ? '*:' . $copy->{ports}->private($address, $port) : $address eq '*' ? '*'
            : map { '*:' . $copy->{ports}->private($address, $_) } sort { $a <=> $b } keys %{ $copy->{protocol} };
    }
    my %seen;
    return ("<VirtualHost @{[grep { !$seen{$_}++ } @addresses]}>", @{ $copy->{more}{ $item->{key} // '' } // [] });
}

# The lines that stand in the copy for one of the original.
sub rewrite {
    my ($copy, $item) = @_;
    return $item->{text} if $item->{kind} eq 'comment';
    return commented($item) if $item->{left_out} || is_dropped($copy, $item);
    return $item->{text} if $item->{kind} eq 'close';
    return section_line($copy, $item) if $item->{kind} eq 'open';
    return mpm_line_stays($copy, $item) ? by_rule($copy, $item) : commented($item) if is_mpm_setting($item->{name});
    return by_rule($copy, $item);
}

sub by_rule {
    my ($copy, $item) = @_;
    my ($kind, @why) = rule_of($item->{name});
    return original_variables($copy, $item) if !$kind && reads_only($item->{name});
    return unknown_line($copy, $item) if !$kind;
    my $do = $kind eq 'own' ? $OWN{ lc $item->{name} } : $DO{$kind};
    return $do->($copy, $item, @why);
}

sub is_below {
    my ($word, @dirs) = @_;
    return scalar grep { index("$word/", "$_/") == 0 || $word =~ /[:=|]\Q$_\E\// } @dirs;
}

# A directive without a rule, which may be of any module: it stays, and a path that looks like one to write to is told.
sub unknown_line {
    my ($copy, $item) = @_;
    my ($path) = grep { is_below($_, @{ $copy->{write_dirs} }) } @{ $item->{args} };
    my $is_own = $item->{text} =~ /\$\{$OWN_VARIABLES\}/;
    $copy->note(warning => $item, "names $path: the copy may write there") if defined $path && $item->{active} && !$is_own;
    return $item->{text};
}

1;
