/* What a class of requests may hold of the threads: when that counts, how much, who is slow. */

#include "law/share.h"

#include "tap.h"

#define MS INT64_C(1000)

static share_room_t room(int ceiling, int busy, int held)
{
    return (share_room_t) { .ceiling = ceiling, .busy = busy, .held = held };
}

static bool near(int ceiling, int busy)
{
    share_room_t all = room(ceiling, busy, 0);

    return share_is_near(&all);
}

static bool over(share_room_t all, share_room_t own)
{
    return share_is_over(&all, &own);
}

static void test_near(void)
{
    ok(!near(200, 0) && !near(200, 160), "a fifth of the threads is free: what anybody wants");
    ok(near(200, 161) && near(200, 200), "less is free: threads are nearly used up");
    ok(near(200, 300), "more are busy than there may be (others run out): likewise");
    ok(!near(0, 0), "nobody knows how many there may be: no reason to refuse");
}

/* One server of one child. */
static bool over_alone(int ceiling, int busy, int held)
{
    return over(room(ceiling, busy, held), room(ceiling, busy, held));
}

static void test_over(void)
{
    ok(!over_alone(200, 160, 160), "alone with what is busy: four fifths");
    ok(over_alone(200, 161, 161), "... and one more is too many");
    ok(!over_alone(180, 160, 80) && over_alone(180, 162, 82), "of two: four ninths each");
    ok(!over_alone(200, 196, 12), "the least that each has: a sixteenth, although 4 are free only");
    ok(over_alone(200, 197, 13), "... and not more");
    ok(!over_alone(200, 200, 12) && over_alone(200, 200, 13), "nothing is free: the same");
    ok(!over_alone(8, 8, 2) && over_alone(8, 8, 3), "two threads of a few");
    ok(over(room(200, 161, 100), room(64, 60, 50)),
       "its share of the child's own threads counts as well");
    ok(!over(room(200, 161, 100), room(64, 51, 51)), "... just not more");
    ok(!over_alone(INT32_MAX, INT32_MAX, 2), "no sum overflows");
}

static share_pace_t pace(int held, int64_t elapsed_us, uint32_t done, int64_t usual_us)
{
    share_pace_t pace = { 0 };
    share_seen_t seen = { .held = held, .usual_us = usual_us, .elapsed_us = { elapsed_us, 0 },
                          .done = { done, 0 } };

    share_pace_add(&pace, &seen);
    return pace;
}

static bool slow(int held, int64_t elapsed_us, uint32_t done, int64_t usual_us)
{
    share_pace_t p = pace(held, elapsed_us, done, usual_us);

    return share_is_slow(&p);
}

static void test_slow(void)
{
    share_pace_t p = { 0 };

    ok(!slow(160, 300 * MS, 480, 0), "each holds its thread for 100 ms");
    ok(!slow(160, 300 * MS, 60, 0), "... for 800 ms");
    ok(slow(160, 300 * MS, 40, 0), "... for 1.2 s: slow");
    ok(slow(160, 300 * MS, 40, 10 * MS), "... whatever is usual");
    ok(!slow(160, 10 * MS, 1, 0), "ten milliseconds are no evidence");
    ok(!slow(13, 210 * MS, 1, 200 * MS), "one of many that take 200 ms has ended, the others will");
    ok(!slow(160, 10 * MS, 0, 0), "nor if none has ended in them");
    ok(slow(160, 300 * MS, 0, 0), "none has ended for long");
    ok(slow(160, 300 * MS, 0, 20 * MS), "... and they take 20 ms");
    ok(!slow(160, 300 * MS, 0, 200 * MS), "a burst of what takes 200 ms: the first will end soon");
    ok(slow(160, 900 * MS, 0, 200 * MS), "... but not any more");
    ok(slow(160, 1000 * MS, 0, 700 * MS), "a second is long, whatever is usual");
    ok(slow(160, 0, 0, 5000 * MS), "who has been slow is so from the first");
    ok(!slow(160, 300 * MS, 480, 5000 * MS), "... until it is quick again");
    ok(!share_is_slow(&p), "nobody holds anything");
}

/* It was quick a moment ago. */
static void test_end_of_interval(void)
{
    share_pace_t p = { 0 };
    share_seen_t seen = { .held = 160, .usual_us = 20 * MS, .elapsed_us = { 500 * MS, 240 * MS },
                          .done = { 5000, 0 } };

    share_pace_add(&p, &seen);
    ok(share_is_slow(&p), "none has ended at the end of the interval");
}

static void test_children(void)
{
    share_pace_t p = { 0 };
    share_seen_t stuck = { .held = 1, .elapsed_us = { 10000 * MS, 10000 * MS } };
    share_seen_t fresh = { .held = 99, .elapsed_us = { 1 * MS, 1 * MS } };
    share_seen_t quick = {
        .held = 100, .elapsed_us = { 300 * MS, 300 * MS }, .done = { 600, 600 }
    };
    share_seen_t none = { .elapsed_us = { 3600000 * MS, 0 }, .done = { UINT32_MAX, UINT32_MAX } };

    share_pace_add(&p, &stuck);
    share_pace_add(&p, &fresh);
    ok(!share_is_slow(&p), "one hangs in another child, 99 have just come");
    share_pace_add(&p, &quick);
    is(share_hold_us(&p) / MS, 100, "200 are held and 2000 end a second: 100 ms each");
    share_pace_add(&p, &none);
    ok(p.held == 200, "a child that has none of them adds nothing");
}

static void test_hold(void)
{
    share_pace_t p = pace(160, 300 * MS, 0, 0);

    is(share_hold_us(&p), 300 * MS, "none has ended: at least so long");
    p = pace(160, 300 * MS, 0, 30000 * MS);
    is(share_hold_us(&p), 30000 * MS, "... or as long as usual");
    p = pace(0, 0, 0, 0);
    is(share_hold_us(&p), 0, "unknown");
    p = pace(1 << 20, INT64_MAX, 0, INT64_MAX);
    ok(share_hold_us(&p) > 0 && share_is_slow(&p), "numbers that somebody made up do no harm");
}

int main(void)
{
    tap_begin(30);
    test_near();
    test_over();
    test_slow();
    test_end_of_interval();
    test_children();
    test_hold();
    return tap_done();
}
