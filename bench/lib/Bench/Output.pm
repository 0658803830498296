package Bench::Output;

# Files that are whole or not there: somebody may read them, or end the program, while they are written.

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(write_to);

# Text as UTF-8; what has no wide character goes as it is.
sub write_to {
    my ($path, @text) = @_;
    my $text = join '', @text;
    utf8::encode($text) if utf8::is_utf8($text);
    open my $out, '>:raw', "$path.new" or die "$path.new: $!\n";
    print {$out} $text;
    close $out or die "$path: $!\n";
    rename "$path.new", $path or die "$path: $!\n";
    return;
}

1;
