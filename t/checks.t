# Checks of invariants (src/base/check.h, lock.h) are in the builds that tests use, and not in the module that people run.

use strict;
use warnings;

use File::Temp qw(tempdir);
use Test::More;

my $build = $ENV{ADAPTIVE_BUILD} // '.build';
plan skip_all => 'this build is one with checks' if $ENV{ADAPTIVE_PRELOAD};

my $CHECKS = qr/^(?:check_failed|check_role|check_set_role|lock_check_take|lock_check_give|lock_is_held)$/;

# Which of the checks' symbols objects mention, and how many objects mention one.
sub mentions {
    my (@objects) = @_;
    my (%seen, $count);
    for my $object (@objects) {
        my @found = grep {/$CHECKS/} map { /(\w+)$/ ? $1 : () } qx{nm $object};
        $seen{$_} = 1 for @found;
        $count++ if @found;
    }
    return ($count // 0, sort keys %seen);
}

my ($in_release) = mentions(glob "$build/obj/*.o $build/obj/src/*/*.o");
is $in_release, 0, 'no object of the module mentions a check';
my ($in_hooked, @of_hooked) = mentions(glob "$build/t/hooked/*.o $build/t/hooked/src/*/*.o");
cmp_ok $in_hooked, '>=', 12, 'those of the build with hooks do';
is scalar @of_hooked, 6, 'all of them' or diag "@of_hooked";

# A condition is not evaluated there, nor does a lock grow.
my $dir = tempdir(CLEANUP => 1);
my $cc  = $ENV{CC} // 'cc';
open my $out, '>', "$dir/checked.c" or die;
print $out <<'C';
#include "base/lock.h"
int asked(void);
int lock_size_is_mutex_size[sizeof(lock_t) == sizeof(pthread_mutex_t) ? 1 : -1];
void checked(lock_t *lock);
void checked(lock_t *lock)
{
    CHECK(asked());
    ON_STEWARD();
    HELD(lock);
}
C
close $out;
is qx{$cc -std=gnu11 -Wall -Wextra -Werror -O2 -Isrc -c -o $dir/checked.o $dir/checked.c 2>&1}, '', 'a function with checks compiles';
is_deeply [ grep {/ U /} qx{nm $dir/checked.o} ], [], 'and calls nothing';
is qx{$cc -std=gnu11 -Wall -Wextra -Werror -O2 -Isrc -DADP_CHECKS -c -o $dir/checked.o $dir/checked.c 2>&1} =~ /lock_size/ ? 1 : 0, 1,
    '(with checks a lock is larger)';

done_testing;
