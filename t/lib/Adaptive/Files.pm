package Adaptive::Files;

# Files for the server to serve, and checksums.

use strict;
use warnings;

use Digest::SHA ();
use Exporter 'import';

our @EXPORT = qw(put_file put_script put_big_file sha256_of_file sha256_of);

sub put_file {
    my ($path, $content) = @_;
    open my $out, '>', $path or die "$path: $!";
    binmode $out;
    print {$out} $content;
    close $out or die "$path: $!";
    return $path;
}

sub put_script {
    my ($path, $content) = @_;
    put_file($path, $content);
    chmod 0755, $path or die "$path: $!";
    return $path;
}

# A file whose every 4 KB differ, so that a lost, doubled or misplaced piece changes the checksum, which it returns.
sub put_big_file {
    my ($path, $bytes) = @_;
    my $pattern = pack 'L*', map { $_ * 2654435761 % 2**32 } 1 .. 1023;
    open my $out, '>', $path or die "$path: $!";
    binmode $out;
    my $left = $bytes;
    for (my $block = 0; $left > 0; $block++) {
        my $piece = substr pack('N', $block) . $pattern, 0, $left;
        print {$out} $piece or die "$path: $!";
        $left -= length $piece;
    }
    close $out or die "$path: $!";
    return sha256_of_file($path);
}

sub sha256_of_file {
    my ($path) = @_;
    return Digest::SHA->new(256)->addfile($path, 'b')->hexdigest;
}

sub sha256_of {
    my ($bytes) = @_;
    return Digest::SHA::sha256_hex($bytes);
}

1;
