package AdaptiveCtl::JSON;

# Reads JSON (RFC 8259), and no more than that: perl-base, which is on every Debian, has no module for it. Objects become hashes,
# arrays arrays, strings text, true and false 1 and 0, null undef. What is not JSON dies with the place.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(decode_json);

use constant DEEPEST => 64;

my %ESCAPED = ('"' => '"', '\\' => '\\', '/' => '/', b => "\b", f => "\f", n => "\n", r => "\r", t => "\t");

# Of bytes, which have to be UTF-8.
sub decode_json {
    my ($text) = @_;
    utf8::decode($text) or die "not UTF-8\n";
    pos($text) = 0;
    my $value = value(\$text, 0);
    $text =~ /\G[ \t\r\n]*\z/gc or wrong(\$text);
    return $value;
}

sub wrong { my ($text) = @_; die 'not JSON at character ' . (pos($$text) // 0) . "\n" }

sub value {
    my ($text, $depth) = @_;
    wrong($text) if $depth > DEEPEST;
    $$text =~ /\G[ \t\r\n]*/gc;
    return object($text, $depth) if $$text =~ /\G\{/gc;
    return array($text, $depth)  if $$text =~ /\G\[/gc;
    return string($text)         if $$text =~ /\G"/gc;
    return $1 + 0                if $$text =~ /\G(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)/gc;
    return 1                     if $$text =~ /\Gtrue\b/gc;
    return 0                     if $$text =~ /\Gfalse\b/gc;
    return undef                 if $$text =~ /\Gnull\b/gc;
    return wrong($text);
}

# After the first of them: another, or the end.
sub goes_on {
    my ($text, $end) = @_;
    return 1 if $$text =~ /\G[ \t\r\n]*,/gc;
    return 0 if $$text =~ /\G[ \t\r\n]*$end/gc;
    return wrong($text);
}

sub object {
    my ($text, $depth) = @_;
    my %object;
    return \%object if $$text =~ /\G[ \t\r\n]*\}/gc;
    do {
        $$text =~ /\G[ \t\r\n]*"/gc or wrong($text);
        my $key = string($text);
        $$text =~ /\G[ \t\r\n]*:/gc or wrong($text);
        $object{$key} = value($text, $depth + 1);
    } while goes_on($text, '\}');
    return \%object;
}

sub array {
    my ($text, $depth) = @_;
    my @array;
    return \@array if $$text =~ /\G[ \t\r\n]*\]/gc;
    do { push @array, value($text, $depth + 1) } while goes_on($text, '\]');
    return \@array;
}

# The opening quote has been taken.
sub string {
    my ($text) = @_;
    my $string = '';
    while (1) {
        if ($$text =~ /\G([^"\\\x00-\x1f]+)/gc)    { $string .= $1 }
        elsif ($$text =~ /\G"/gc)                  { return $string }
        elsif ($$text =~ m{\G\\(["\\/bfnrt])}gc)   { $string .= $ESCAPED{$1} }
        elsif ($$text =~ /\G\\u([0-9a-fA-F]{4})/gc) { $string .= character($text, hex $1) }
        else                                       { wrong($text) }
    }
}

# Beyond the first plane a character is two escapes; half of one is none.
sub character {
    my ($text, $code) = @_;
    return chr $code if $code < 0xd800 || $code > 0xdfff;
    return "\x{fffd}" if $code > 0xdbff || $$text !~ /\G\\u([dD][c-fC-F][0-9a-fA-F]{2})/gc;
    return chr(0x10000 + (($code - 0xd800) << 10) + (hex($1) - 0xdc00));
}

1;
