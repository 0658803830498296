package AdaptiveCtl::CopyLogs;

# The access logs of a configuration: their formats, and which hosts write to which file.

use strict;
use warnings;

use AdaptiveCtl::CopySites;

# Of httpd, if a TransferLog or CustomLog names none.
use constant COMMON => '%h %l %u %t "%r" %>s %b';

# In quotes a configuration has its quotes escaped.
sub unquoted { my ($text) = @_; return $text =~ s/\\(["\\])/$1/gr }

# Those that have a name: { combined => '%h ...' }.
sub formats {
    my ($items) = @_;
    return { map { $_->{args}[1] => unquoted($_->{args}[0]) }
            grep { $_->{active} && lc $_->{name} eq 'logformat' && defined $_->{args}[1] } @$items };
}

# { path, format, keys => [...] }: the keys are those of Copy's sites; '' is the main server.
sub access_logs {
    my ($copy) = @_;
    my %log;
    for my $item (grep { $_->{active} && $_->{name} =~ /^(?:CustomLog|TransferLog|GlobalLog)$/i && @{ $_->{args} } } @{ $copy->{items} }) {
        my ($where, $name) = @{ $item->{args} };
        next if $where =~ /\A\|/;
        my $path = $copy->absolute($where);
        my $format = lc $item->{name} eq 'transferlog' || !defined $name ? COMMON : $copy->{log_formats}{$name} // unquoted($name);
        my $section = AdaptiveCtl::CopySites::host_section($item);
        my $log = $log{$path} //= { path => $path, format => $format, keys => [] };
        push @{ $log->{keys} }, $section ? $section->{key} : '';
    }
    return map { $log{$_} } sort keys %log;
}

1;
