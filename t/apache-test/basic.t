# Methods and statuses of HTTP/1.1 that every site uses.

use strict;
use warnings;

use Apache::Test ();
use Apache::TestRequest qw(GET HEAD POST PUT OPTIONS);
use Test::More;

my $page = GET '/index.html';
is $page->code, 200, 'GET';
is $page->content, "A page.\n", 'the file';
is $page->content_type, 'text/html', 'its type';

my $head = HEAD '/index.html';
is $head->code, 200, 'HEAD';
is $head->content, '', 'no body';
is $head->header('Content-Length'), length $page->content, 'but its length';

is GET('/')->content, $page->content, 'the index of a directory';
is GET('/no-such-file')->code, 404, 'a file that is not there';
is PUT('/index.html', content => 'x')->code, 405, 'PUT to a file';
is POST('/index.html', content => 'a=b' x 1000)->code, 200, 'POST to a file: its body is read and dropped';
like OPTIONS('/')->header('Allow'), qr/\bGET\b/, 'OPTIONS';
is GET('/perl/body', 'Content-Length' => 0)->code, 200, 'an empty body';

is GET('/moved', redirect_ok => 0)->code, 301, 'a redirection';
is GET('/moved')->content, $page->content, 'which leads there';
is GET('/rewritten/plain.txt')->content, "plain text\n", 'mod_rewrite';
like GET('/includes/')->content, qr/\Abefore\nplain text\n\na variable\nafter\n\z/, 'mod_include with a subrequest';
like GET('/cached/page.html')->header('Cache-Control'), qr/max-age=3600/, 'mod_expires';
like GET('/server-info')->content, qr/mod_mpm_\w+\.c|event\.c|worker\.c/, 'mod_info knows the MPM';

is GET('/' . 'x' x 9000)->code, 414, 'an URI that is too long';
is GET('/', map {("X-Header-$_" => 'x')} 1 .. 101)->code, 400, 'too many headers';

done_testing;
