/* The heap of timed callbacks, with a clock of the test's own. */

#include "base/timers.h"

#include "base/clock.h"
#include "random.h"
#include "tap.h"

#include <stdlib.h>

static int called;

/* timer_callback_fn */
static void count_call(void *baton)
{
    called += *(int *)baton;
}

static bool add(timers_t *t, int64_t due_us, void *baton)
{
    bool wake;

    timers_add(t, due_us, count_call, baton, &wake);
    return wake;
}

/* The baton of the next timer that is due, NULL if none is. */
static void *take(timers_t *t, int64_t now_us)
{
    adp_timer_t *timer = timers_take_due(t, now_us);
    void *baton = timer ? timer->baton : NULL;

    free(timer);
    return baton;
}

static void test_one(void)
{
    timers_t t;
    adp_timer_t *timer;
    int weight = 7;

    timers_init(&t);
    is(timers_next(&t), CLOCK_NEVER, "nothing registered, nothing to look at");
    ok(!timers_take_due(&t, INT64_MAX), "nothing is due");
    add(&t, 1000, &weight);
    is(timers_next(&t), 1000, "next is when it is due");
    ok(!timers_take_due(&t, 999), "it is not due a microsecond early");
    timer = timers_take_due(&t, 1000);
    if (ok(timer != NULL, "it is due at its time")) {
        timer->callback(timer->baton);
        is(called, 7, "with its callback and its baton");
        ok((void *)&timer->job == (void *)timer, "the timer is its job");
        free(timer);
    }
    ok(!timers_take_due(&t, INT64_MAX), "it comes once");
    timers_destroy(&t);
}

static void test_order(void)
{
    static const int64_t due[] = { 50, 10, 40, 10, 30, 10, 20 };
    static const int expected[] = { 1, 3, 5, 6, 4, 2, 0 };
    int ids[7], i, wrong = 0;
    timers_t t;

    timers_init(&t);
    for (i = 0; i < 7; i++) {
        add(&t, due[i], &ids[i]);
    }
    for (i = 0; i < 7; i++) {
        wrong += take(&t, 100) != &ids[expected[i]];
    }
    is(wrong, 0, "they come by due time, those of one time in the order of registration");
    timers_destroy(&t);
}

static void test_wake(void)
{
    timers_t t;
    int id;

    timers_init(&t);
    ok(add(&t, 1000, &id), "the first one wakes the steward");
    ok(!add(&t, 2000, &id), "a later one does not");
    timers_next(&t);
    ok(!add(&t, 1000, &id), "nor one of the same time");
    ok(add(&t, 999, &id), "an earlier one does");
    ok(!add(&t, 999, &id), "once");
    is(timers_next(&t), 999, "then it is the next");
    timers_destroy(&t);
}

/* Against a list that is searched from end to end. */
static void test_model(void)
{
    enum { MOST = 500, OPERATIONS = 100000 };
    static struct { int64_t due_us; int order; bool there; } list[MOST];
    random_t r = random_seed(4);
    int64_t now_us = 0;
    int i, operation, wrong = 0, fired = 0, order = 0;
    timers_t t;

    timers_init(&t);
    for (operation = 0; operation < OPERATIONS; operation++) {
        int first = -1;

        i = (int)random_below(&r, MOST);
        if (!list[i].there && random_below(&r, 2)) {
            list[i].due_us = now_us + random_below(&r, 1000);
            list[i].order = order++;
            list[i].there = true;
            add(&t, list[i].due_us, &list[i]);
            continue;
        }
        now_us += random_below(&r, 4);
        for (i = 0; i < MOST; i++) {
            if (list[i].there
                && (first < 0 || list[i].due_us < list[first].due_us
                    || (list[i].due_us == list[first].due_us
                        && list[i].order < list[first].order))) {
                first = i;
            }
        }
        wrong += timers_next(&t) != (first < 0 ? CLOCK_NEVER : list[first].due_us);
        if (first >= 0 && list[first].due_us <= now_us) {
            wrong += take(&t, now_us) != &list[first];
            list[first].there = false;
            fired++;
        }
        else {
            wrong += take(&t, now_us) != NULL;
        }
    }
    is(wrong, 0, "random operations: always the right one at the right time");
    ok(fired > OPERATIONS / 20, "and enough fired for this to mean something");
    diag("%d operations, %d fired, %zu left to timers_destroy()", OPERATIONS, fired, t.count);
    timers_destroy(&t);
}

int main(void)
{
    tap_begin(120);
    test_one();
    test_order();
    test_wake();
    test_model();
    return tap_done();
}
