package AdaptiveCtl::Terminal;

# What the terminal can do, and text that is fit for it: no control character and no escape sequence of somebody else's reaches it.

use strict;
use warnings;

# Linux' TIOCGWINSZ, but for the few machines that number it otherwise: there COLUMNS and LINES count, or 80 by 24.
use constant { TIOCGWINSZ => 0x5413, COLUMNS => 80, LINES => 24 };

my %SGR = (red => '1;31', amber => '1;33', green => '1;32', soft => '2', bold => '1');
my @BLOCKS = map {chr} 0x2581 .. 0x2588;
my @ASCII  = split //, '_.-=+*%@';

# Whether the locale has more letters than ASCII.
sub speaks_utf8 {
    my $locale = (grep { defined && length } @ENV{qw(LC_ALL LC_CTYPE LANG)})[0] // '';
    return $locale =~ /utf-?8/i ? 1 : 0;
}

sub new {
    my ($class) = @_;
    my $is_terminal = -t STDOUT && ($ENV{TERM} // 'dumb') ne 'dumb';
    my $self = bless {
        is_terminal => $is_terminal,
        colours     => $is_terminal && !length($ENV{NO_COLOR} // ''),
        utf8        => speaks_utf8(),
    }, $class;
    # :utf8 and not an encoding, for which perl-base may have no table
    binmode STDOUT, ':utf8' if $self->{utf8};
    return $self->measure;
}

# Again after SIGWINCH.
sub measure {
    my ($self) = @_;
    my $size = "\0" x 8;
    my ($lines, $columns) = -t STDOUT && ioctl(STDOUT, TIOCGWINSZ, $size) ? unpack 'S2', $size : ();
    my ($given_columns, $given_lines) = map { ($_ // '') =~ /\A([1-9]\d{0,3})\z/ ? $1 : undef } @ENV{qw(COLUMNS LINES)};
    $self->{columns} = $columns || $given_columns || COLUMNS;
    $self->{lines}   = $lines   || $given_lines   || LINES;
    return $self;
}

# Text from elsewhere: what would move the cursor, change colours or turn the reading order becomes a question mark.
sub clean {
    my ($self, $text) = @_;
    $text =~ s/[\x00-\x1f\x7f-\x9f\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{fff9}-\x{fffb}]/?/g;
    $text =~ s/[^\x20-\x7e]/?/g if !$self->{utf8};
    return $text;
}

# Columns that a text takes: those of East Asia and pictures take two, accents that stand on the letter before none.
sub width {
    my ($text) = @_;
    my $wide = () = $text =~ /[\x{1100}-\x{115f}\x{2e80}-\x{a4cf}\x{ac00}-\x{d7a3}\x{f900}-\x{faff}\x{fe30}-\x{fe6f}\x{ff00}-\x{ff60}\x{ffe0}-\x{ffe6}\x{1f300}-\x{1faff}\x{20000}-\x{3fffd}]/g;
    my $none = () = $text =~ /\p{Mn}/g;
    return length($text) + $wide - $none;
}

# Cut to so many columns, or filled up to them.
sub fit {
    my ($self, $text, $columns) = @_;
    if (width($text) > $columns) {
        my $end = $self->{utf8} ? "\x{2026}" : '~';
        chop $text while length $text && width($text) + 1 > $columns;
        $text .= $end;
    }
    return $text . ' ' x ($columns - width($text));
}

sub wrap {
    my ($self, $text, $indent) = @_;
    my ($line, @lines) = ('');
    for my $word (split ' ', $text) {
        if (length $line && width($line) + 1 + width($word) > $self->{columns}) {
            push @lines, $line;
            $line = $indent;
        }
        $line .= ($line =~ /\S/ ? ' ' : '') . $word;
    }
    return (@lines, $line);
}

sub paint {
    my ($self, $colour, $text) = @_;
    return $self->{colours} && $SGR{$colour} ? "\e[$SGR{$colour}m$text\e[0m" : $text;
}

# A row of blocks, one for each value; 0 is the lowest, most the highest.
sub spark {
    my ($self, $most, @values) = @_;
    my $blocks = $self->{utf8} ? \@BLOCKS : \@ASCII;
    return join '', map {
        !defined ? ' ' : $_ <= 0 || $most <= 0 ? $blocks->[0] : $blocks->[ $_ >= $most ? $#$blocks : int($_ / $most * $#$blocks + 0.5) ]
    } @values;
}

sub bar {
    my ($self, $part, $columns) = @_;
    my $full = $part <= 0 ? 0 : $part >= 1 ? $columns : int($part * $columns) || 1;
    my ($on, $off) = $self->{utf8} ? ("\x{2588}", "\x{2591}") : ('#', '.');
    return $on x $full . $off x ($columns - $full);
}

1;
