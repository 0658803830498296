# Signals that become errors (AB::Process): one that an eval has taken for something else is not lost.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use Test::More;
use AB::Process;

AB::Process::unwind_on_signals();
ok eval { AB::Process::go_on(); 1 }, 'nothing has come yet';
eval { kill 'HUP', $$; 1 };
is ref $@ && $@->{interrupted}, 'HUP', 'a signal ends what is being done';
ok !eval { AB::Process::go_on(); 1 }, 'and nothing new begins';
is ref $@ && $@->{interrupted}, 'HUP', '... for the same reason';
eval { kill 'INT', $$; 1 };
is $@, '', 'a second one does not disturb the cleaning up';
done_testing;
