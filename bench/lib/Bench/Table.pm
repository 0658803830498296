package Bench::Table;

# The same table as plain text and as Markdown. The first column is left-aligned, the others to the right.

use strict;
use warnings;

sub new {
    my ($class, $title, @head) = @_;
    return bless { title => $title, rows => [[@head]], notes => [] }, $class;
}

sub row {
    my ($self, @cells) = @_;
    push @{ $self->{rows} }, [map { $_ // '-' } @cells];
    return $self;
}

sub note {
    my ($self, $text) = @_;
    push @{ $self->{notes} }, $text;
    return $self;
}

sub widths {
    my ($self) = @_;
    my @width = (0) x @{ $self->{rows}[0] };
    for my $row (@{ $self->{rows} }) {
        for my $i (0 .. $#$row) {
            $width[$i] = length $row->[$i] if length $row->[$i] > $width[$i];
        }
    }
    return @width;
}

sub aligned {
    my ($self, $between) = @_;
    my @width = $self->widths;
    return map {
        my $row = $_;
        join $between, map { sprintf $_ ? '%*s' : '%-*s', $width[$_], $row->[$_] // '' } 0 .. $#width;
    } @{ $self->{rows} };
}

sub as_text {
    my ($self) = @_;
    my ($head, @rest) = $self->aligned('  ');
    return join "\n", $self->{title}, $head, '-' x length $head, @rest, (map { "  $_" } @{ $self->{notes} }), '', '';
}

sub as_markdown {
    my ($self) = @_;
    my ($head, @rest) = map { "| $_ |" } $self->aligned(' | ');
    my @width = $self->widths;
    my $rule = '|' . join '|', map { $_ ? '-' x ($width[$_] + 1) . ':' : '-' x ($width[$_] + 2) } 0 .. $#width;
    return join "\n", "## $self->{title}", '', $head, "$rule|", @rest, '', (map { "- $_" } @{ $self->{notes} }), '', '';
}

1;
