# Connections that are used again, as a client of Perl's LWP sees them.

use strict;
use warnings;

use Apache::Test ();
use Apache::TestRequest qw(GET POST);
use Test::More;

sub connection { return GET('/perl/headers')->header('X-Connection') }

Apache::TestRequest::user_agent(reset => 1, keep_alive => 1);
my $first = connection();
is connection(), $first, "request $_ on the same connection" for 2 .. 20;
GET '/index.html';
GET '/no-such-file';
POST '/perl/body', content => 'x' x 100_000;
is connection(), $first, 'a file, an error and a body later it is still the same';

is GET('/perl/headers', Connection => 'close')->header('X-Connection'), $first, 'Connection: close is the last on it';
my $second = connection();
isnt $second, $first, 'the next request opens another';
is connection(), $second, 'and keeps that';

Apache::TestRequest::user_agent(reset => 1, keep_alive => 0);
$first = connection();
isnt connection(), $first, 'without keep-alive each request has its own';

done_testing;
