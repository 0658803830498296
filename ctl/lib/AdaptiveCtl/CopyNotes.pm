package AdaptiveCtl::CopyNotes;

# What is different in a private copy, as sentences for whoever reads the report. Each is told once: of several lines about the same
# thing the first is named, and how many follow.

use strict;
use warnings;

sub new { return bless { order => [], of => {} }, $_[0] }

# kind: left_out, different, backend (something real that the copy uses as well) or warning. Notes with the same key are one.
sub add {
    my ($self, $kind, $item, $what, $key) = @_;
    my $at = "$item->{file}:$item->{line}";
    $key = defined $key ? "$kind $key" : "$kind $at $what";
    if (my $note = $self->{of}{$key}) {
        $note->{more}{$at} = 1 if $at ne $note->{at};
        return;
    }
    my ($directive) = $item->{text} =~ /^\s*(.*?)\s*$/;
    ($directive, $what) = map { without_secrets($_) } $directive, $what;
    $directive = substr($directive, 0, 97) . '...' if length $directive > 100;
    push @{ $self->{order} }, $self->{of}{$key} = { kind => $kind, at => $at, directive => $directive, what => $what, more => {} };
    return;
}

# A report is shown to others; a line of the configuration may have passwords of databases, backends and proxies.
sub without_secrets {
    my ($text) = @_;
    $text =~ s{\b(\w*(?:pass|passwd|password|pwd|secret))=(?:"[^"]*"|'[^']*'|[^\s"';,&]+)}{$1=...}gi;
    $text =~ s{(?<=://)[^/\s"'@]*@}{...@}g;
    return $text;
}

# [{ kind, text, at, directive }]
sub all {
    my ($self) = @_;
    return map {
        my $more = keys %{ $_->{more} };
        { kind => $_->{kind}, at => $_->{at}, directive => $_->{directive},
            text => "$_->{directive} ($_->{at}" . ($more ? ", and $more more line" . ($more > 1 ? 's' : '') : '') . ") $_->{what}." }
    } @{ $self->{order} };
}

1;
