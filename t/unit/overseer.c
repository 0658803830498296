/* The parent's loop: sums of what children tell, what each may have, when it decides, whom it
 * picks. */

#include "law/overseer.h"

#include "tap.h"

#include <limits.h>

#define S INT64_C(1000000)

static ctl_child_limits_t limits_of(int max_threads)
{
    return (ctl_child_limits_t){ .threads_per_child = 64,
                                 .min_children = 2,
                                 .max_children = 16,
                                 .max_threads = max_threads,
                                 .ceiling = CTL_SERVER_LIMIT,
                                 .min_spare_threads = CTL_NOT_SET,
                                 .max_spare_threads = CTL_NOT_SET,
                                 .cpus = 2,
                                 .wait_target_us = 2000,
                                 .hold_us = CHILD_HOLDS * 5 * S };
}

static void test_sums(void)
{
    overseer_t o;
    overseer_sums_t sums = { .sample = { .serving = 2 } };
    overseer_child_t a = { .threads = 10,
                           .busy = 3,
                           .idle = 7,
                           .blocked_permille = 1400,
                           .waited_us = 5,
                           .waiting = 2,
                           .taken = 100,
                           .exhausted = true };
    overseer_child_t b = { .threads = 4,
                           .busy = 4,
                           .blocked_permille = 1200,
                           .waited_us = 9,
                           .waiting = -1,
                           .taken = 50,
                           .out_of_descriptors = true };
    overseer_child_t huge = { .threads = INT_MAX / 2, .busy = INT_MAX / 2, .waiting = INT_MAX / 2 };
    ctl_child_sample_t sample;
    int i;

    overseer_init(&o, 0);
    overseer_add(&o, &sums, &a);
    overseer_add(&o, &sums, &b);
    sample = overseer_sample(&o, &sums);
    is(sample.threads, 14, "threads add up");
    is(sample.busy, 7, "so do the busy ones");
    is(sample.blocked, 3, "1.4 and 1.2 blocked ones are 2.6, rounded at the end");
    is(sample.waiting, 2, "what is not known does not count as waiting");
    is(sample.waited_us, 9, "the longest wait");
    is(sample.exhausted, 1, "one is exhausted");
    is(sample.out_of_descriptors, 1, "one is out of descriptors");
    is(sample.arrivals, 150, "events");
    is(sample.completions, 143, "... and those that are done");
    is(sample.serving, 2, "what the caller knew is kept");
    for (i = 0; i < 100; i++) {
        overseer_add(&o, &sums, &huge);
    }
    sample = overseer_sample(&o, &sums);
    ok(sample.busy > 0 && sample.threads > 0 && sample.waiting > 0,
       "hostile numbers do not overflow");
    is(sample.completions, 143, "and undo nothing");
}

static void test_share(void)
{
    ctl_child_limits_t plenty = limits_of(1024), tight = limits_of(100), none = limits_of(8);
    ctl_child_sample_t sample = { .serving = 3, .starting = 1, .threads = 60 };
    overseer_child_t busy = { .threads = 20, .busy = 20, .idle = 0 },
                     idle = { .threads = 20, .idle = 20 };
    overseer_share_t share = overseer_share(&plenty, &sample, 3, 2);

    is(overseer_grant(&share, &idle), 64, "there is plenty: each may have all its threads");
    share = overseer_share(&tight, &sample, 3, 2);
    /* 100 - 60 - 2 for the one that starts = 38: 12 each, 2 are left */
    is(overseer_grant(&share, &busy), 33,
       "what is left is shared, the rest goes to who has none idle");
    is(overseer_grant(&share, &idle), 32, "... not to who has");
    is(overseer_grant(&share, &busy), 33, "... as long as it lasts");
    is(overseer_grant(&share, &busy), 32, "... and no longer");
    share = overseer_share(&none, &sample, 3, 2);
    is(overseer_grant(&share, &idle), 20, "nothing is left: each keeps what it has");
    is(overseer_grant(&share, &(overseer_child_t) { .threads = 0 }), 1, "and one thread at least");
    sample = (ctl_child_sample_t) { .starting = 2 };
    share = overseer_share(&tight, &sample, 0, 64);
    is(overseer_grant(&share, &idle), 20, "no child shares yet: no division by zero");
}

/* However children were granted, their sum stays below what there may be. */
static void test_share_sums(void)
{
    int children, limit, above = 0;

    for (children = 1; children <= 16; children++) {
        for (limit = children * 4; limit < 1200; limit += 37) {
            ctl_child_limits_t limits = limits_of(limit);
            ctl_child_sample_t sample = { .serving = children, .threads = children * 4 };
            overseer_share_t share = overseer_share(&limits, &sample, children, 2);
            int i, sum = 0;

            for (i = 0; i < children; i++) {
                sum += overseer_grant(&share, &(overseer_child_t) { .threads = 4, .busy = 4 });
            }
            above += sum > limit;
        }
    }
    is(above, 0, "what is granted is never more than there may be");
}

static void test_pace(void)
{
    overseer_t o;
    ctl_child_limits_t limits = limits_of(1024);
    ctl_child_sample_t sample = { .now_us = 100 * S, .serving = 2, .threads = 4 };
    int64_t rest_us;

    overseer_init(&o, 100 * S);
    ok(overseer_is_due(&o, 100 * S), "the first decision is due");
    overseer_decide(&o, &sample, &limits);
    rest_us = overseer_next_us(&o);
    ok(rest_us >= 100 * S + OVERSEER_ROUND_US, "the next has time");
    ok(!overseer_is_due(&o, 100 * S + OVERSEER_ROUND_US), "nothing has happened: none");
    overseer_wake(&o);
    ok(!overseer_is_due(&o, 100 * S + 1000),
       "however often children ring, it does not decide at each");
    is(overseer_next_us(&o), 100 * S + OVERSEER_ROUND_US, "... but soon");
    ok(overseer_is_due(&o, 100 * S + OVERSEER_ROUND_US), "then it does");
    sample.now_us += OVERSEER_ROUND_US;
    overseer_decide(&o, &sample, &limits);
    ok(!overseer_is_due(&o, sample.now_us + OVERSEER_ROUND_US), "and the ring is answered");
}

static void test_whole_children(void)
{
    overseer_t o;
    ctl_child_limits_t limits = limits_of(100);
    ctl_child_sample_t sample = { .now_us = S,
                                  .serving = 1,
                                  .threads = 64,
                                  .busy = 64,
                                  .blocked = 64,
                                  .waiting = 30,
                                  .waited_us = 100000,
                                  .exhausted = 1 };
    ctl_child_plan_t plan;

    limits.min_children = 1;
    overseer_init(&o, 0);
    plan = overseer_decide(&o, &sample, &limits);
    is(plan.target, 2, "100 threads are a child of 64 and one of 36");
    is(overseer_start_threads(&plan, &sample, &limits, 2, 64), 30,
       "that starts with its part of those that are missing");
    sample.threads = 99;
    is(overseer_start_threads(&plan, &sample, &limits, 1, 64), 1, "and of those that there may be");
    plan.start = 0;
    is(overseer_start_threads(&plan, &sample, &limits, 2, 64), 2,
       "no child is planned: what one has at least");
    plan.demand = 1e300;
    plan.start = 1;
    sample.threads = 0;
    is(overseer_start_threads(&plan, &sample, &limits, 2, 64), 64,
       "never more than ThreadsPerChild");
}

static void test_orders(void)
{
    overseer_child_t few = { .connections = 3, .lasting = 1 },
                     many = { .connections = 9, .lasting = 0 };
    overseer_child_t more = { .connections = 10, .lasting = 0 };

    ok(overseer_parks_before(&many, &few), "what lasts weighs more than what is idle");
    ok(!overseer_parks_before(&few, &many), "... either way round");
    ok(overseer_parks_before(&many, &more), "then the one with fewer connections");
    ok(!overseer_parks_before(&many, &many), "none before itself");
    ok(overseer_retires_before(&few, &many) && !overseer_retires_before(&many, &few),
       "who has fewest ends first");
    ok(overseer_resumes_before(&more, &many) && !overseer_resumes_before(&many, &more),
       "who has most comes back first");
}

int main(void)
{
    tap_begin(20);
    test_sums();
    test_share();
    test_share_sums();
    test_pace();
    test_whole_children();
    test_orders();
    return tap_done();
}
