# Compressed responses.

use strict;
use warnings;

use Apache::Test ();
use Apache::TestRequest qw(GET);
use Apache::TestUtil qw(t_write_file);
use Compress::Zlib ();
use Test::More;

my $text = join '', map {"line $_ of a text that can be compressed\n"} 1 .. 50_000;
t_write_file(Apache::Test::vars('documentroot') . '/deflated/text.txt', $text);

my $plain = GET '/deflated/text.txt';
is $plain->header('Content-Encoding'), undef, 'not asked for: not compressed';
ok $plain->content eq $text, 'the text';

my $packed = GET '/deflated/text.txt', 'Accept-Encoding' => 'gzip';
is $packed->header('Content-Encoding'), 'gzip', 'asked for: compressed';
like $packed->header('Vary'), qr/Accept-Encoding/i, 'which caches are told';
cmp_ok length $packed->content, '<', length($text) / 5, 'it is smaller';
ok Compress::Zlib::memGunzip($packed->content) eq $text, 'and the same text';
isnt $packed->header('ETag'), $plain->header('ETag'), 'under another tag';

done_testing;
