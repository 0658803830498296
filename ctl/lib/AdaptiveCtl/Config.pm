package AdaptiveCtl::Config;

# Reads httpd's configuration as far as this tool needs it: every directive with its file, its line and the sections around it. It
# decides nothing about sections: httpd says which modules are there (Site.pm), and Check.pm compares.

use strict;
use warnings;

use File::Basename qw(dirname);

use constant MOST_DEPTH => 20;

# What an IfModule section may call an MPM: the module's name, its source file's, and that of builds without shared MPMs.
my %MPM_OF = map { my $mpm = $_; map { $_ => "mpm_$mpm" } "mpm_${mpm}_module", "mod_mpm_$mpm.c", "$mpm.c", "mpm_$mpm.c" }
    qw(event worker prefork adaptive itk);

# The MPM that a section is for ("mpm_event"); undef for any other section.
sub mpm_of_section {
    my ($section) = @_;
    return $section->{name} =~ /^IfModule$/i ? $MPM_OF{ $section->{args}[0] // '' } : undef;
}

# The words of a line, as httpd splits them: quoted ones may have blanks.
sub words {
    my ($text) = @_;
    my @words;
    while ($text =~ /\G\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\S+))/gc) {
        push @words, $1 // $2 // $3;
    }
    return @words;
}

# Lines with their numbers; one that ends with a backslash goes on in the next.
sub lines_of {
    my ($path) = @_;
    open my $in, '<:raw', $path or return;
    my (@lines, $first, $text);
    while (my $line = <$in>) {
        $line =~ s/\r?\n\z//;
        ($first, $text) = ($., '') if !defined $text;
        if ($line =~ s/\\\z//) { $text .= $line; next }
        push @lines, [ $first, $text . $line ];
        undef $text;
    }
    push @lines, [ $first, $text ] if defined $text;
    return @lines;
}

sub expand {
    my ($state, $text) = @_;
    $text =~ s/\$\{(\w+)\}/$state->{variable}{$1} \/\/ "\${$1}"/ge;
    return $text;
}

sub absolute {
    my ($state, $path) = @_;
    return $path =~ m{^/} ? $path : "$state->{root}/$path";
}

# In the order in which httpd reads: by name; a directory stands for all files below it.
sub files_of {
    my ($pattern) = @_;
    return map {
        my $path = $_;
        -d $path ? files_of(glob_quoted($path) . '/*') : ($path)
    } sort glob $pattern;
}

sub glob_quoted { return $_[0] =~ s/([\s\\])/\\$1/gr }

sub read_file {
    my ($state, $path, $depth) = @_;
    my @sections = @{ $state->{sections} };
    for (lines_of($path)) {
        my ($number, $text) = @$_;
        next if $text =~ /^\s*(?:#|$)/;
        if ($text =~ m{^\s*</(\w+)>}) { pop @{ $state->{sections} } if @{ $state->{sections} } > @sections; next }
        if ($text =~ /^\s*<(\w+)\s*(.*?)\s*>\s*$/) {
            push @{ $state->{sections} }, { name => $1, args => [ words(expand($state, $2)) ], file => $path, line => $number };
            next;
        }
        my ($name, $rest) = $text =~ /^\s*(\S+)\s*(.*?)\s*$/;
        my @args = words(expand($state, $rest));
        push @{ $state->{directives} },
            { name => $name, args => \@args, text => $text, file => $path, line => $number, sections => [ @{ $state->{sections} } ] };
        if (lc $name eq 'define' && @args) { $state->{variable}{ $args[0] } = $args[1] // '' }
        elsif (lc $name eq 'serverroot' && @args) { $state->{root} = $args[0] }
        elsif ($name =~ /^Include(?:Optional)?$/i && @args && $depth < MOST_DEPTH) {
            read_file($state, $_, $depth + 1) for files_of(glob_quoted(absolute($state, $args[0])));
        }
    }
    $state->{sections} = \@sections;
    return;
}

# The state after some files; a depth of MOST_DEPTH: without those that they include.
sub state_after {
    my ($site, $depth, @files) = @_;
    my $state = { root => $site->{root}, variable => { %{ $site->{env} } }, sections => [], directives => [] };
    read_file($state, $_, $depth) for @files;
    return $state;
}

sub state_of { my ($site) = @_; return state_after($site, 0, $site->{config}) }

# All directives of the server, in the order in which httpd meets them:
# { name, args => [...], text, file, line, sections => [{ name, args, file, line }] }.
sub read_all { return @{ state_of($_[0])->{directives} } }

# ... of some files alone.
sub read_files { my ($site, @files) = @_; return @{ state_after($site, MOST_DEPTH, @files)->{directives} } }

sub server_root { return state_of($_[0])->{root} }

1;
