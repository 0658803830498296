# Programs that run beside a comparison (AB::Process): numbers that come again, and signals that become errors.

use strict;
use warnings;

use lib 't/lib', 'ctl/lib';
use Test::More;
use AB::Process;

# In a day's soak the numbers of processes come round: one that was just started is not that of the same number before it.
subtest 'a number that comes again' => sub {
    my $last = '/proc/sys/kernel/ns_last_pid';
    plan skip_all => 'the kernel is told of no number here' if !-w $last;
    my $first = AB::Process::start(['true'], '/dev/null');
    ok AB::Process::wait_for($first, 20), 'one ends';
    my $again = 0;
    for (1 .. 200) {
        open my $out, '>', $last or last;
        print {$out} $first - 1;
        close $out;
        my $pid = AB::Process::start(['sleep', 60], '/dev/null');
        $again = 1 if $pid == $first;
        ok !AB::Process::has_ended($pid), 'the next one of that number has not' if $again;
        AB::Process::end($pid);
        last if $again;
    }
    note 'others were faster' if !$again;
};

AB::Process::unwind_on_signals();
ok eval { AB::Process::go_on(); 1 }, 'nothing has come yet';
eval { kill 'HUP', $$; 1 };
is ref $@ && $@->{interrupted}, 'HUP', 'a signal ends what is being done';
ok !eval { AB::Process::go_on(); 1 }, 'and nothing new begins';
is ref $@ && $@->{interrupted}, 'HUP', '... for the same reason';
eval { kill 'INT', $$; 1 };
is $@, '', 'a second one does not disturb the cleaning up';
done_testing;
