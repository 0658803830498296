package Adaptive::KillAt;

# perl -MAdaptive::KillAt=N,WHO program: at the Nth system call that changes a directory, of a process that the program has forked,
# that process is killed (WHO "one"), or also the one that forked it ("both"). What is left then, no handler has tidied up.

use strict;
use warnings;

my ($at, $who, $first, $count) = (0, 'one', $$, 0);

sub import { (undef, $at, $who) = @_; return }

sub step {
    return if $$ == $first || ++$count != $at;
    kill 'KILL', getppid if $who eq 'both';
    kill 'KILL', $$;
    sleep 10;
}

BEGIN {
    no warnings 'once';
    *CORE::GLOBAL::symlink = sub ($$) { step(); return CORE::symlink($_[0], $_[1]) };
    *CORE::GLOBAL::rename  = sub ($$) { step(); return CORE::rename($_[0], $_[1]) };
    *CORE::GLOBAL::unlink  = sub (@) { step(); return CORE::unlink(@_ ? @_ : $_) };
}

1;
