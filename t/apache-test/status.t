# mod_status in the server that the other topics of this suite have used.

use strict;
use warnings;

use Apache::Test ();
use Apache::TestRequest qw(GET);
use Test::More;

my %auto = GET('/server-status?auto')->content =~ /^([^:\n]+): ?(.*)$/mg;
like $auto{ServerMPM}, qr/^\Q$ENV{MPM}\E$/i, 'ServerMPM';
cmp_ok $auto{BusyWorkers}, '>=', 1, 'the thread that answers is busy';
cmp_ok $auto{IdleWorkers}, '>=', 0, 'IdleWorkers';
is scalar(() = $auto{Scoreboard} =~ /_/g), $auto{IdleWorkers}, 'as many as the scoreboard shows';
ok exists $auto{$_}, $_ for qw(Processes Stopping ConnsTotal ConnsAsyncWriting ConnsAsyncKeepAlive ConnsAsyncClosing);
is $auto{Stopping}, 0, 'no process is going';

my $page = GET('/server-status')->content;
like $page, qr/Server MPM: \Q$ENV{MPM}\E/i, 'the page';
like $page, qr/GET \/server-status HTTP/, 'shows the request that asks for it';

done_testing;
