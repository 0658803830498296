/* When a child keeps to a processor, and when it lets go. */

#include "law/affinity.h"

#include "tap.h"

static int64_t now_us = 1000000;
static int place;               /* of the child */
static double used = 0.5;       /* by it, of a processor */

/* `samples` more, all the same, or until no more are wanted; true: it holds after them. */
static bool after(affinity_t *a, int samples, double own_idle, double most_idle, int children,
                  int *again)
{
    bool holds = a->holds;

    *again = 1;
    while (samples-- > 0 && *again > 0) {
        affinity_sample_t s = { .now_us = now_us + AFFINITY_SAMPLE_US, .own_idle = own_idle,
                                .most_idle = most_idle, .mean_idle = (own_idle + most_idle) / 2,
                                .children = children, .place = place, .used = used,
                                .processors = 2 };

        now_us = s.now_us;
        holds = affinity_decide(a, &s, again);
    }
    return holds;
}

/* Others keep the processors busy. */
static void test_strangers(void)
{
    affinity_t a = { 0 };
    int again;

    used = 0.01;
    ok(!after(&a, 20, 0.0, 0.0, 4, &again), "a child at rest does not take hold because of others");
    ok(!again, "... and need not look again");
    used = 0.5;
    ok(after(&a, 10, 0.0, 0.0, 4, &again), "one that works does");
    used = 0.01;
    ok(!after(&a, 10, 0.0, 0.0, 4, &again), "and lets go when it rests, whatever they do");
    ok(!again, "... and need not look again");
    used = 0.5;
}

static void test_hold(void)
{
    affinity_t a = { 0 };
    int again;

    ok(!after(&a, 1, 0, 0, 2, &again), "one sample says little");
    is(again, 1, "but is worth another");
    ok(after(&a, 20, 0, 0, 2, &again), "all processors are busy: it holds");
    ok(after(&a, 1, 0, 1, 2, &again), "one odd sample changes nothing");
    ok(after(&a, 20, 0, 0.1, 2, &again), "nor does a little that is left");
    ok(!after(&a, 2, 0, 1, 2, &again), "another one idles: it lets go within 50 ms");
    ok(!after(&a, 20, 0, 0, 2, &again), "and does not come back at once");
    ok(after(&a, 20, 0, 0, 2, &again), "but later");
}

static void test_penalty(void)
{
    affinity_t a = { 0 };
    int again;
    int i, first = 0, last = 0;

    for (i = 0; i < 12; i++) {
        int samples = 0;

        while (!after(&a, 1, 0, 0, 2, &again)) {
            samples++;
        }
        first = i == 1 ? samples : first;
        last = samples;
        after(&a, 3, 0, 1, 2, &again);
    }
    ok(last > 10 * first, "who has to let go again and again waits ever longer");
    ok(last < 60 * 50, "but not for ever");
}

static void test_calm(void)
{
    affinity_t a = { 0 };
    int again;

    after(&a, 20, 0, 0, 2, &again);
    ok(!after(&a, 20, 0.9, 0.9, 2, &again), "the load is over: it lets go");
    ok(!again, "and looks no more");
    ok(after(&a, 10, 0, 0, 2, &again), "that was no fault: it is back at once");
}

static void test_pauses(void)
{
    affinity_t a = { 0 };
    int again, samples = 0;

    after(&a, 4, 0.5, 0.5, 2, &again);
    is(again, AFFINITY_SELDOM, "half of the processors idle: samples are seldom");
    after(&a, 3, 0, 0, 2, &again);
    is(again, 1, "they are busy: each may be the last that is needed");
    after(&a, 10, 0, 0, 2, &again);
    is(again, 1, "... and while it holds");
    a = (affinity_t) { 0 };
    do {
        after(&a, 1, 0.9, 0.9, 2, &again);
    } while (++samples < 50 && again);
    ok(samples <= 3, "nothing to do, and nothing held: few tell that");
}

static void test_numbers(void)
{
    affinity_t a = { 0 };
    int again;

    ok(!after(&a, 50, 0, 0, 1, &again), "fewer children than processors");
    place = 2;
    ok(!after(&a, 50, 0, 0, 3, &again), "the third on two is left over");
    ok(after(&a, 50, 0, 0, 4, &again), "with a fourth it is not");
    ok(!after(&a, 1, 0, 0, 3, &again), "when that goes it lets go");
    place = 1;
    ok(after(&a, 100, 0, 0, 3, &again), "the second of three holds");
}

int main(void)
{
    tap_begin(20);
    test_strangers();
    test_hold();
    test_penalty();
    test_calm();
    test_pauses();
    test_numbers();
    return tap_done();
}
