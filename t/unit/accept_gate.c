/* Whether a child accepts: each transition, what must have no effect, and a race of all that
 * change it. */

#include "child/accept_gate.h"

#include "stress.h"
#include "tap.h"

#define OPERATIONS 200000           /* a thread */
#define CLOSERS    3

static accept_gate_t gate_in(accept_state_e state)
{
    accept_gate_t gate = { 0 };

    accept_gate_set(&gate, state);
    return gate;
}

static int64_t retry_of(const accept_gate_t *gate)
{
    return accept_gate_retry_us(accept_gate_look(gate));
}

static void test_states(void)
{
    accept_gate_t gate = gate_in(ACCEPT_CLOSED);

    is(accept_gate_state(&gate), ACCEPT_CLOSED, "closed at first");
    ok(retry_of(&gate) == CLOCK_NEVER, "and not tried again");
    accept_gate_set(&gate, ACCEPT_ON);
    is(accept_gate_state(&gate), ACCEPT_ON, "opened");
    ok(!accept_gate_is_paused(accept_gate_look(&gate)), "is not paused");
    accept_gate_pause(&gate, ACCEPT_ASYNC_LIMIT, 4711);
    is(accept_gate_state(&gate), ACCEPT_ASYNC_LIMIT, "paused");
    ok(accept_gate_is_paused(accept_gate_look(&gate)), "it says so");
    is(retry_of(&gate), 4711, "until then");
    accept_gate_pause(&gate, ACCEPT_NO_RESOURCES, INT64_C(1) << 60);
    is(retry_of(&gate), INT64_C(1) << 60, "a time in thousands of years fits");
}

static void test_hasten(void)
{
    accept_gate_t gate = gate_in(ACCEPT_ON);

    ok(!accept_gate_hasten(&gate), "nothing to hasten where it accepts");
    accept_gate_pause(&gate, ACCEPT_NO_RESOURCES, 100);
    ok(accept_gate_hasten(&gate), "a pause is cut short: wake the steward");
    is(retry_of(&gate), 0, "to be tried at once");
    ok(!accept_gate_hasten(&gate), "one wake-up is enough");
    accept_gate_set(&gate, ACCEPT_PARKED);
    ok(!accept_gate_hasten(&gate), "a parked child waits for its parent");
    ok(retry_of(&gate) == CLOCK_NEVER, "whatever is closed");
}

static void test_postpone(void)
{
    accept_gate_t gate = gate_in(ACCEPT_ON);
    accept_seen_t seen;

    accept_gate_pause(&gate, ACCEPT_NO_RESOURCES, 100);
    seen = accept_gate_look(&gate);
    accept_gate_postpone(&gate, seen, 200);
    is(retry_of(&gate), 200, "still short: later");
    seen = accept_gate_look(&gate);
    accept_gate_hasten(&gate);
    accept_gate_postpone(&gate, seen, 300);
    is(retry_of(&gate), 0, "what was closed during the look is not forgotten");
    seen = accept_gate_look(&gate);
    accept_gate_set(&gate, ACCEPT_CLOSED);
    accept_gate_postpone(&gate, seen, 400);
    is(accept_gate_state(&gate), ACCEPT_CLOSED, "closed is closed");
    ok(retry_of(&gate) == CLOCK_NEVER, "for good");
}

/* --- the race ----------------------------------------------------------------------- */

static accept_gate_t raced;
static _Atomic bool over;
static _Atomic long hastened;

static void *close_connections(void *arg)
{
    random_t r = random_seed(7 + (uint64_t)(intptr_t)arg);

    while (!atomic_load(&over)) {
        if (accept_gate_hasten(&raced)) {
            count(&hastened);
        }
        stumble(&r, 100);
    }
    return NULL;
}

/* The steward, and the lock of the listeners: it opens, somebody pauses, it looks. */
static void test_race(void)
{
    pthread_t threads[CLOSERS];
    random_t r = random_seed(3);
    long stale = 0;
    int i;

    accept_gate_set(&raced, ACCEPT_ON);
    start_threads(threads, CLOSERS, close_connections);
    for (i = 0; i < OPERATIONS; i++) {
        accept_seen_t seen;

        accept_gate_pause(&raced, ACCEPT_NO_RESOURCES, 1000);
        seen = accept_gate_look(&raced);
        stumble(&r, 50);
        accept_gate_postpone(&raced, seen, 2000);
        accept_gate_set(&raced, ACCEPT_ON);
        stumble(&r, 50);
        stale += accept_gate_retry_us(accept_gate_look(&raced)) != CLOCK_NEVER;
    }
    atomic_store(&over, true);
    join_threads(threads, CLOSERS);
    is(stale, 0, "no time to try again outlives its pause");
    ok(atomic_load(&hastened) > 0, "pauses were cut short meanwhile");
    diag("%ld of %d pauses", atomic_load(&hastened), OPERATIONS);
}

int main(void)
{
    tap_begin(120);
    test_states();
    test_hasten();
    test_postpone();
    test_race();
    return tap_done();
}
