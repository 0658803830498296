# Conditional requests and ranges.

use strict;
use warnings;

use Apache::Test ();
use Apache::TestRequest qw(GET HEAD);
use Apache::TestUtil qw(t_write_file);
use Test::More;

my $file = Apache::Test::vars('documentroot') . '/digits.txt';
t_write_file($file, '0123456789' x 10_000);
# A file that has just changed has a weak tag, which no range may be asked for by.
utime time - 3600, time - 3600, $file or die "utime: $!";
my $all  = GET '/digits.txt';
my $etag = $all->header('ETag');
my $date = $all->header('Last-Modified');
is length $all->content, 100_000, 'the file';

is GET('/digits.txt', 'If-None-Match' => $etag)->code, 304, 'not modified, by its tag';
is GET('/digits.txt', 'If-Modified-Since' => $date)->code, 304, 'not modified, by its date';
is GET('/digits.txt', 'If-None-Match' => '"other"')->code, 200, 'another tag';
is GET('/digits.txt', 'If-Match' => '"other"')->code, 412, 'a precondition that fails';

sub range {
    my ($range, %more) = @_;
    return GET '/digits.txt', Range => "bytes=$range", %more;
}

my $part = range('10-19');
is $part->code, 206, 'a range';
is $part->content, '0123456789', 'its bytes';
is $part->header('Content-Range'), 'bytes 10-19/100000', 'its place';
is range('-5')->content, '56789', 'the last bytes';
is length range('99990-')->content, 10, 'from a place on';
is range('200000-')->code, 416, 'beyond the end';
is range('0-9', 'If-Range' => $etag)->code, 206, 'If-Range with its tag';
is range('0-9', 'If-Range' => '"other"')->code, 200, 'If-Range with another: the whole file';

my $parts = range('0-4,50000-50004,99995-99999');
is $parts->code, 206, 'three ranges';
like $parts->header('Content-Type'), qr{^multipart/byteranges; *boundary=}, 'in a multipart body';
is scalar(() = $parts->content =~ /^Content-range: bytes \d+-\d+\/100000\r$/mgi), 3, 'of three parts';

my $head = HEAD '/digits.txt', Range => 'bytes=0-9';
is $head->code, 206, 'HEAD with a range';
is $head->content, '', 'has no body';

done_testing;
