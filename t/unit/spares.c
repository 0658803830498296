/* The rule for the number of children: single decisions, then whole courses. */

#include "law/spares.h"

#include "random.h"
#include "tap.h"

#include <stddef.h>

typedef struct case_t {
    const char *name;
    spares_sample_t sample;     /* children, busy, threads each, min, max spare, least, most */
    int expected;
} case_t;

static const case_t cases[] = {
    { "enough: stay",                            { 4, 50, 25, 25, 75, 1, 16 }, 0 },
    { "exactly the least spare: stay",           { 3, 50, 25, 25, 75, 1, 16 }, 0 },
    { "one thread short: one child",             { 3, 51, 25, 25, 75, 1, 16 }, 1 },
    { "as many children as are missing, at once", { 1, 25, 25, 75, 250, 1, 16 }, 3 },
    { "no more than there may be",               { 15, 375, 25, 75, 250, 1, 16 }, 1 },
    { "at the limit: stay",                      { 16, 400, 25, 75, 250, 1, 16 }, 0 },
    { "a large shortage in steps",               { 1, 1, 1, 500, 1000, 1, 1000 }, 32 },
    { "exactly the most spare: stay",            { 4, 25, 25, 25, 75, 1, 16 }, 0 },
    { "one thread too many: one child less",     { 4, 24, 25, 25, 75, 1, 16 }, -1 },
    { "far too many: still one at a time",       { 16, 0, 25, 25, 75, 1, 16 }, -1 },
    { "not below one per bucket",                  { 4, 0, 25, 25, 75, 4, 16 }, 0 },
    { "a missing bucket comes first",            { 2, 0, 25, 25, 75, 4, 16 }, 2 },
    { "unless there may not be so many",         { 2, 0, 25, 25, 75, 4, 3 }, 1 },
    { "no child at all",                         { 0, 0, 64, 75, 250, 1, 4 }, 1 },
    { "not less if that were too few",           { 2, 0, 100, 150, 160, 1, 4 }, 0 },
    { "more busy than there are threads",        { 2, 60, 25, 25, 75, 1, 16 }, 2 },
};

static void test_cases(void)
{
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is(spares_change(&cases[i].sample), cases[i].expected, cases[i].name);
    }
}

/* With a constant load every configuration must come to rest, within its limits. */
static void test_courses(void)
{
    random_t r = random_seed(5);
    int course, restless = 0, outside = 0, short_of_spares = 0;

    for (course = 0; course < 20000; course++) {
        int steps = 0, change;
        spares_sample_t s = { 0 };

        s.threads_per_child = 1 + (int)random_below(&r, 100);
        s.min_children = 1 + (int)random_below(&r, 4);
        s.max_children = s.min_children + (int)random_below(&r, 60);
        s.children = (int)random_below(&r, s.max_children + 1);
        s.min_spare_threads = 1 + (int)random_below(&r, 300);
        /* config.c sees to this */
        s.max_spare_threads = s.min_spare_threads + s.threads_per_child
                              + (int)random_below(&r, 300);
        s.busy_threads = (int)random_below(&r, s.max_children * s.threads_per_child + 1);
        while ((change = spares_change(&s)) != 0 && steps++ < 1000) {
            s.children += change;
            outside += s.children < 0 || s.children > s.max_children;
        }
        restless += steps >= 1000;
        outside += s.children < s.min_children;
        short_of_spares += s.children < s.max_children
                           && s.children * s.threads_per_child - s.busy_threads
                              < s.min_spare_threads;
    }
    is(restless, 0, "under constant load the number of children comes to rest");
    is(outside, 0, "always within its limits");
    is(short_of_spares, 0, "with the spare threads that were asked for, if they may be had");
}

int main(void)
{
    tap_begin(120);
    test_cases();
    test_courses();
    return tap_done();
}
