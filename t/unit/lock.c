/* Checks and locks, in a build with checks: what is right passes, and what is wrong aborts. */
#ifndef ADP_CHECKS
#define ADP_CHECKS
#endif
#include "../../src/base/check.c"
#include "../../src/base/lock.c"

#include "tap.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static lock_t outer, inner, other;

/* The signal that ends a process which does this, 0: none. */
static int signal_of(void (*act)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr)) {
            _exit(1);
        }
        act();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) ? -1 : 0;
}

static void in_order(void)
{
    lock_take(&outer);
    lock_take(&inner);
    HELD(&outer);
    HELD(&inner);
    lock_give(&inner);
    lock_take(&other);
    lock_give(&other);
    lock_give(&outer);
    lock_take(&inner);
    lock_give(&inner);
}

static void outer_first_back(void)
{
    lock_take(&outer);
    lock_take(&inner);
    lock_give(&outer);
    HELD(&inner);
    lock_give(&inner);
}

static void against_the_order(void)
{
    lock_take(&inner);
    lock_take(&outer);
}

static void two_inner_ones(void)
{
    lock_take(&inner);
    lock_take(&other);
}

static void twice(void)
{
    lock_take(&outer);
    lock_take(&outer);
}

static void not_held(void)
{
    HELD(&inner);
}

static void given_back_without(void)
{
    lock_give(&inner);
}

static void true_condition(void)
{
    CHECK(1 + 1 == 2);
}

static void false_condition(void)
{
    CHECK(1 + 1 == 3);
}

static void on_the_steward(void)
{
    SET_ROLE(ROLE_STEWARD);
    ON_STEWARD();
}

static void on_no_worker(void)
{
    SET_ROLE(ROLE_STEWARD);
    ON_WORKER();
}

static void of_no_role(void)
{
    ON_STEWARD();
}

int main(void)
{
    tap_begin(60);
    lock_init(&outer, LOCK_OUTER);
    lock_init(&inner, LOCK_INNER);
    lock_init(&other, LOCK_INNER);
    is(signal_of(in_order), 0, "inner locks are taken with an outer one held, one at a time");
    is(signal_of(outer_first_back), 0, "which may be given back first");
    is(signal_of(against_the_order), SIGABRT, "an outer lock is not taken with an inner one held");
    is(signal_of(two_inner_ones), SIGABRT, "nor another inner one");
    is(signal_of(twice), SIGABRT, "nor one that the thread has");
    is(signal_of(not_held), SIGABRT, "a lock that has to be held is");
    is(signal_of(given_back_without), SIGABRT, "and only who has it gives it back");
    is(signal_of(true_condition), 0, "what holds passes");
    is(signal_of(false_condition), SIGABRT, "what does not hold ends the process");
    is(signal_of(on_the_steward), 0, "the steward does what is the steward's");
    is(signal_of(on_no_worker), SIGABRT, "but not what is a worker's");
    is(signal_of(of_no_role), SIGABRT, "and nobody else does it");
    return tap_done();
}
