/* The number of children: every reason, then courses of load. */

#include "law/controller.h"
#include "law/overseer.h"

#include "random.h"
#include "tap.h"

#include <string.h>

#define MS 1000
#define S  INT64_C(1000000)
#define MOST_BUSY 20000

static const ctl_child_limits_t usual = {
    .threads_per_child = 64, .min_children = 2, .max_children = 128, .max_threads = 8192,
    .ceiling = CTL_AVAILABLE_MEMORY, .min_spare_threads = CTL_NOT_SET,
    .max_spare_threads = CTL_NOT_SET, .cpus = 2, .wait_target_us = 2 * MS, .hold_us = 60 * S
};

typedef struct server_t {
    ctl_child_state_t state;
    ctl_child_limits_t limits;
    ctl_child_sample_t sample;
    ctl_child_plan_t plan;
    random_t dice;
    int64_t ready_us;           /* those that are starting */
    int64_t next_us;            /* arrival */
    int64_t ends_us[MOST_BUSY]; /* of what is busy */
    int started, ended, goes, looks, missed;
} server_t;

/* Large, and only one is used at a time. */
static server_t server;

static server_t *server_with(int children)
{
    server_t *s = &server;

    memset(s, 0, sizeof(*s));
    s->limits = usual;
    s->sample.now_us = s->next_us = 100 * S;
    s->sample.serving = children;
    s->sample.threads = children * 64;
    s->sample.blocked = s->sample.waiting = CTL_UNKNOWN;
    s->dice = random_seed(1);
    controller_children_init(&s->state, s->sample.now_us);
    return s;
}

static ctl_child_plan_t ask(server_t *s)
{
    return s->plan = controller_children(&s->state, &s->sample, &s->limits);
}

static void apply(server_t *s)
{
    s->sample.serving += s->plan.resurrect - s->plan.park;
    s->sample.parked += s->plan.park - s->plan.resurrect - s->plan.retire;
    s->sample.starting += s->plan.start;
    s->started += s->plan.start;
    s->ended += s->plan.retire;
    if (s->plan.start) {
        s->goes++;
        s->ready_us = s->sample.now_us + 20 * MS;
    }
}

static void arrive(server_t *s, double per_s, int64_t service_us)
{
    ctl_child_sample_t *n = &s->sample;
    int i;

    for (i = 0; i < n->busy; i++) {
        if (s->ends_us[i] <= n->now_us) {
            s->ends_us[i--] = s->ends_us[--n->busy];
            n->completions++;
        }
    }
    while (per_s > 0 && s->next_us <= n->now_us) {
        /* a sum of uniform gaps is near enough to a Poisson process for this */
        s->next_us += (int64_t)((double)random_below(&s->dice, 2 * S) / per_s);
        if (n->busy < n->serving * s->limits.threads_per_child && n->busy < MOST_BUSY) {
            s->ends_us[n->busy++] = n->now_us + service_us;
            n->arrivals++;
        }
        else {
            s->missed++;
        }
    }
    if (per_s <= 0) {
        s->next_us = n->now_us;
    }
}

/* Requests that wait for a backend. The parent looks when it said so, and at the latest 20 ms
 * after the level has risen, as children would wake it. */
static void serve(server_t *s, int64_t for_us, double per_s, int64_t service_us)
{
    ctl_child_sample_t *n = &s->sample;
    int64_t end_us = n->now_us + for_us, looked_us = 0;
    int level = n->busy;

    while (n->now_us < end_us) {
        n->now_us += MS;
        arrive(s, per_s, service_us);
        if (n->starting && n->now_us >= s->ready_us) {
            n->serving += n->starting;
            n->starting = 0;
        }
        n->exhausted = n->busy >= n->serving * s->limits.threads_per_child ? n->serving : 0;
        n->waited_us = n->exhausted ? 20 * MS : 0;
        n->threads = (n->serving + n->parked) * s->limits.threads_per_child;
        n->blocked = n->busy;
        if (n->now_us >= s->plan.look_again_us
            || (n->busy > level + 8 && n->now_us - looked_us >= 20 * MS)) {
            ask(s);
            apply(s);
            s->looks++;
            looked_us = n->now_us;
            level = n->busy;
        }
    }
}

static int64_t from_now_us(const server_t *s)
{
    return s->plan.look_again_us == CTL_NEVER_US ? CTL_NEVER_US
                                                 : s->plan.look_again_us - s->sample.now_us;
}

static void test_reasons(void)
{
    server_t *s = server_with(0);

    ask(s);
    is(s->plan.start, 2, "no child: the least there has to be");
    is(s->plan.reason, CTL_FLOOR, "... and says so");

    s = server_with(2);
    ask(s);
    is(s->plan.start + s->plan.park, 0, "idle at the floor: nothing to do");
    is(s->plan.reason, CTL_FLOOR, "... the least there has to be");
    ask(s);
    is(s->plan.look_again_us, CTL_NEVER_US, "... and no look before something happens");

    s->sample.busy = 60;
    ask(s);
    is(s->plan.start, 0, "a child to spare: nothing to do");
    is(s->plan.reason, CTL_STEADY, "... as many as needed");
    s->sample.busy = 80;
    ask(s);
    is(s->plan.target, 3, "one child to spare");
    is(s->plan.start, 1, "... is started");
    is(s->plan.reason, CTL_DEMAND, "... because of the requests under way");

    s = server_with(36);
    s->sample.busy = 34 * 64;
    ask(s);
    s->sample.now_us += 100 * MS;
    s->sample.arrivals = s->sample.completions = 2000;
    s->sample.busy = 35 * 64;
    ask(s);
    is(s->plan.reason, CTL_LEAD_TIME, "many requests fluctuate by more than a child");

    s = server_with(5);
    s->limits.max_children = 5;
    s->sample.busy = 300;
    ask(s);
    is(s->plan.target, 5, "never more than there may be");
    is(s->plan.reason, CTL_CEILING, "... that is a ceiling");
    is(s->plan.ceiling, CTL_AVAILABLE_MEMORY, "... which has a name");
    s->limits.max_children = 128;
    s->limits.max_threads = 6 * 64 + 63;
    s->sample.busy = 1000;
    ask(s);
    is(s->plan.target, 6, "nor more threads than there may be");

    s = server_with(10);
    s->sample.busy = 400;
    ask(s);
    s->sample.busy = 0;
    s->sample.now_us += 10 * S;
    ask(s);
    is(s->plan.park, 0, "surplus is kept");
    is(s->plan.reason, CTL_HOLD, "... for a while");
    s->sample.now_us += 55 * S;
    ask(s);
    is(s->plan.park, 3, "then a third is parked");
    is(s->plan.retire, 0, "... not yet retired");
    is(s->plan.reason, CTL_SURPLUS, "... as surplus");
}

static void test_spare_bounds(void)
{
    server_t *s = server_with(2);

    s->limits.min_spare_threads = 200;
    ask(s);
    is(s->plan.target, 4, "MinSpareThreads 200 without load: four children");
    is(s->plan.reason, CTL_MIN_SPARE, "... and says so");

    s = server_with(10);
    s->limits.max_spare_threads = 200;
    s->sample.busy = 300;
    ask(s);
    s->sample.busy = 100;
    s->sample.now_us += 10 * S;
    ask(s);
    is(s->plan.target, 4, "MaxSpareThreads 200: no more, whatever is held");
    is(s->plan.park, 6, "... surplus is parked");
    is(s->plan.reason, CTL_MAX_SPARE, "... and says so");
    apply(s);
    s->sample.now_us += 15 * S;
    ask(s);
    is(s->plan.retire, 0, "... not yet retired");
    s->sample.now_us += 10 * S;
    ask(s);
    is(s->plan.retire, 6, "... but later, whatever is held");

    s = server_with(4);
    s->limits.min_spare_threads = s->limits.max_spare_threads = 128;
    serve(s, 10 * S, 1000, 300 * MS);
    ok(s->sample.serving * 64 - s->sample.busy >= 128, "the same for both: so many are spare");
    ok(s->sample.serving * 64 - s->sample.busy < 256, "... and not many more");
    serve(s, 20 * S, 100, 300 * MS);
    ok(s->sample.serving * 64 - s->sample.busy >= 128, "... with little load as well");
    ok(s->sample.serving * 64 - s->sample.busy < 256, "... not many more");
}

static void test_computing_after_burst(void)
{
    server_t *s = server_with(2);
    int before, early = 0, i;

    serve(s, 20 * S, 1000, 400 * MS);
    before = s->sample.serving;
    ok(before > 6, "after a burst there are children");
    for (i = 0; i < 50; i++) {
        s->sample.now_us += 100 * MS;
        s->sample.busy = 30;
        s->sample.blocked = 1;
        s->sample.exhausted = 0;
        s->sample.arrivals += 30;
        s->sample.completions += 30;
        ask(s);
        apply(s);
        s->sample.starting = 0;
        early = i == 9 ? s->sample.serving : early;
    }
    is(early, before, "then requests compute: children that were needed a moment ago are kept, ");
    is(s->sample.serving, 2, "... and parked if that goes on");
    is(s->plan.reason, CTL_CPU_BOUND, "... because they compute");
    is(s->sample.parked + s->sample.serving, before, "... and kept");
    s->sample.now_us += 100 * MS;
    s->sample.busy = s->sample.blocked = 30;
    ask(s);
    apply(s);
    s->sample.now_us += 100 * MS;
    s->sample.busy = s->sample.blocked = 60;
    ask(s);
    apply(s);
    is(s->sample.serving, 2, "... until they are needed");
    s->sample.now_us += 100 * MS;
    s->sample.busy = s->sample.blocked = 64 * (before - 1);
    ask(s);
    apply(s);
    is(s->sample.serving, before, "... when requests wait for others again");
    is(s->sample.starting, 0, "... without a start");
}

static void test_computing(void)
{
    server_t *s = server_with(2);
    int i;

    for (i = 0; i < 100; i++) {
        s->sample.now_us += 100 * MS;
        s->sample.busy = 120;
        s->sample.blocked = 3;
        s->sample.waiting = 5000;
        s->sample.waited_us = S;
        s->sample.arrivals += 100;
        s->sample.completions += 100;
        ask(s);
        apply(s);
        s->sample.serving += s->sample.starting;
        s->sample.starting = 0;
    }
    is(s->sample.serving, 2, "requests that compute are no reason for children");
}

/* 20 a second, then 1,200 a second of 400 ms for ten seconds. */
static void test_step(void)
{
    server_t *s = server_with(2);
    int before;

    serve(s, 20 * S, 20, 400 * MS);
    is(s->sample.serving, 2, "8 requests under way: two children");
    serve(s, 60 * MS, 1200, 400 * MS);
    ok(s->sample.serving + s->sample.starting >= 6, "60 ms after a step most children are started");
    serve(s, 10 * S, 1200, 400 * MS);
    is(s->missed, 0, "nothing finds all threads busy");
    ok(s->sample.serving >= 8 && s->sample.serving <= 11, "as many as needed, few to spare");
    ok(s->goes <= 5, "started in few goes");
    diag("%d children in %d goes, %d looks", s->sample.serving, s->goes, s->looks);

    before = s->sample.serving;
    serve(s, 50 * S, 20, 400 * MS);
    is(s->sample.serving, before, "kept for the hold time");
    serve(s, 60 * S, 20, 400 * MS);
    is(s->sample.serving + s->sample.parked, 2, "back two minutes after");
}

static void test_bursts(void)
{
    server_t *s = server_with(2);
    int i, started = 0;

    serve(s, 20 * S, 20, 400 * MS);
    for (i = 0; i < 5; i++) {
        serve(s, 10 * S, 1200, 400 * MS);
        started = i ? started : s->started;
        serve(s, 10 * S, 20, 400 * MS);
    }
    is(s->missed, 0, "bursts: nothing finds all threads busy");
    ok(s->started - started + s->ended <= 2, "hardly anything is started or ended after the first");
    diag("started %d, %d of them in the first, ended %d", s->started, started, s->ended);
}

/* A minute of requests that compute and of others that block, in turns. How often a child was
 * parked or resurrected. */
static int flaps(server_t *s, int64_t turn_us)
{
    int64_t begin_us = s->sample.now_us;
    int count = 0;

    while (s->sample.now_us < begin_us + 60 * S) {
        bool cpu_bound = (s->sample.now_us - begin_us) / turn_us % 2;

        s->sample.now_us += 20 * MS;
        s->sample.busy = cpu_bound ? 30 : 300;
        s->sample.blocked = cpu_bound ? 0 : 300;
        s->sample.arrivals += 20;
        s->sample.completions += 20;
        ask(s);
        count += s->plan.park + s->plan.resurrect;
        apply(s);
        s->sample.serving += s->sample.starting;
        s->sample.starting = 0;
    }
    return count;
}

static void test_flapping(void)
{
    static const int64_t turns_ms[] = { 100, 300, 500, 1000, 2000, 5000, 15000 };
    size_t i;
    int most = 0;

    for (i = 0; i < sizeof(turns_ms) / sizeof(turns_ms[0]); i++) {
        int count = flaps(server_with(2), turns_ms[i] * MS);

        diag("turns of %d ms: %d a minute", (int)turns_ms[i], count);
        most = most > count ? most : count;
    }
    /* four children of six are surplus: each goes and comes twice */
    ok(most <= 16, "computing and blocking in turns: children are seldom parked and resurrected");
}

static void test_parking(void)
{
    server_t *s = server_with(10);

    s->limits.hold_us = 5 * S;
    serve(s, 10 * S, 0, 0);
    ok(s->sample.parked > 2, "surplus is parked");
    is(s->ended, 0, "... not ended at once");
    s->sample.busy = s->sample.blocked = 500;
    ask(s);
    ok(s->plan.resurrect > 0, "parked ones come back");
    is(s->plan.start, 0, "... before any are started");
    s->sample.busy = 0;

    s = server_with(10);
    s->limits.hold_us = 5 * S;
    serve(s, 60 * S, 0, 0);
    is(s->sample.serving, 2, "without load the least that there has to be");
    is(s->sample.parked, 0, "... and parked ones have ended");
    is(s->ended, 8, "... each of them");
    ask(s);
    is(s->plan.look_again_us, CTL_NEVER_US, "... then nothing is looked at");
}

/* Children that were told to end keep their slots as long as one connection lasts. */
static void test_slots(void)
{
    server_t *s = server_with(4);

    s->limits.hold_us = 5 * S;
    s->limits.max_children = 4;
    s->limits.min_children = 1;
    s->sample.slots = 12;
    serve(s, 15 * S, 0, 0);
    s->sample.lasting = s->sample.parked;
    is(s->sample.parked, 3, "surplus is parked");
    serve(s, 60 * S, 0, 0);
    is(s->ended, 0, "with connections that last they are not told to end");
    ok(from_now_us(s) > S, "... and seldom looked at");
    s->sample.lasting = 1;
    s->sample.draining = 7;
    ask(s);
    is(s->plan.retire, 1, "slots are left for all children that there may be");
    s->sample.draining = 0;
    ask(s);
    is(s->plan.retire, 2, "those that hold nothing may end");

    s = server_with(1);
    s->limits.max_children = 4;
    s->sample.slots = 12;
    s->sample.draining = 9;
    s->sample.busy = s->sample.blocked = 180;
    ask(s);
    is(s->plan.start, 2, "no more is started than there are slots");
    is(s->plan.reason, CTL_CEILING, "... which is a ceiling");
    is(s->plan.ceiling, CTL_SERVER_LIMIT, "... with a name");
}

/* The state outlives a graceful restart: the counters begin anew, the children are new. */
static void test_reload(void)
{
    server_t *s = server_with(2);

    serve(s, 20 * S, 1000, 400 * MS);
    s->sample.serving = s->sample.busy = s->sample.blocked = 0;
    s->sample.arrivals = s->sample.completions = 0;
    s->sample.now_us += 100 * MS;
    ask(s);
    ok(s->plan.start >= 7, "a new generation starts with what the load needs");
    ok(s->plan.start <= 10, "... and not more");
}

/* Four bursts, that long after each other: how many children had been started in each. */
static server_t *bursts(int64_t away_us, int started[4])
{
    server_t *s = server_with(2);
    int i;

    s->limits.hold_us = 20 * S;
    for (i = 0; i < 4; i++) {
        serve(s, 10 * S, 1000, 400 * MS);
        started[i] = s->started;
        serve(s, away_us, 20, 400 * MS);
    }
    return s;
}

static void test_learning(void)
{
    int started[4];
    server_t *s = bursts(60 * S, started);

    ok(started[1] > started[0], "a burst after the hold time: children are started again");
    is(started[3], started[2], "... after some such bursts they are kept for longer");
    serve(s, 300 * S, 20, 400 * MS);
    is(s->sample.serving + s->sample.parked, 2, "... but not for ever");
}

/* One that comes back within the time in which it is missed is missed once, however long it was
 * away. */
static void test_learning_at_once(void)
{
    int started[4];

    bursts(85 * S, started);
    ok(started[1] > started[0], "a burst that comes back after 85 s misses its children");
    is(started[2], started[1], "... and the next does not");
    is(started[3], started[1], "... nor the one after that");
}

/* What a burst needs again and again is not forgotten while it does. */
static void test_confirming(void)
{
    server_t *s = server_with(2);
    int i, started = 0;

    s->limits.hold_us = 20 * S;
    for (i = 0; i < 30; i++) {
        serve(s, 10 * S, 1000, 400 * MS);
        serve(s, 85 * S, 20, 400 * MS);
        started = i == 2 ? s->started : started;
    }
    is(s->started, started, "bursts for an hour: no child is started but for the first two");
}

/* 45 s after a burst that does not come back. */
static void test_after_a_burst(void)
{
    server_t *s = server_with(2);

    s->limits.hold_us = CHILD_HOLDS * 5 * S;
    serve(s, 5 * S, 20, 400 * MS);
    serve(s, 5 * S, 1200, 400 * MS);
    ok(s->sample.serving > 8, "a burst: many children");
    serve(s, 18 * S, 20, 400 * MS);
    is(s->ended, 0, "... all kept for a while");
    serve(s, 27 * S, 20, 400 * MS);
    is(s->sample.serving + s->sample.parked, 2, "... and gone after 45 s");
}

static void test_looks(void)
{
    server_t *s = server_with(2);

    serve(s, 60 * S, 20, 400 * MS);
    s->looks = 0;
    serve(s, 60 * S, 20, 400 * MS);
    ok(s->looks <= 120, "constant load: few looks");
    ok(from_now_us(s) <= S, "... at least one a second while something is busy");
    diag("%d looks a minute", s->looks);
}

/* Everything is full: looks are worth something only if a child can be had. */
static void test_looks_at_ceiling(void)
{
    server_t *s = server_with(4);
    int64_t began_us = s->sample.now_us;

    s->limits.max_children = 4;
    s->sample.busy = s->sample.blocked = s->sample.threads;
    s->sample.exhausted = 4;
    s->sample.waiting = 100;
    s->sample.waited_us = S;
    for (s->looks = 0; s->sample.now_us < began_us + 10 * S; s->looks++) {
        ask(s);
        s->sample.now_us = s->plan.look_again_us;
    }
    is(s->plan.reason, CTL_CEILING, "all children there may be are exhausted: a ceiling");
    ok(s->looks <= 15, "... and few looks, as nothing can be started");
    ok(from_now_us(s) <= S, "... at least one a second");
    diag("%d looks in ten seconds", s->looks);

    s->sample.threads++;
    ask(s);
    ok(from_now_us(s) <= 20 * MS,
       "while a ceiling of threads is approached it may rise: looks are frequent");
    ask(s);
    ok(from_now_us(s) >= 100 * MS, "... and then not any more");
    s->limits.max_children = 6;
    ask(s);
    is(s->plan.start, 2, "the ceiling rises: children start at the next look");
    ok(from_now_us(s) <= 20 * MS, "... and looks are frequent");
}

static void test_out_of_descriptors(void)
{
    server_t *s = server_with(2);

    s->sample.out_of_descriptors = 1;
    is(ask(s).start, 0, "one of two children is out of descriptors: the other takes connections");
    s->sample.out_of_descriptors = 2;
    is(ask(s).start, 1, "both are: a third, however idle their threads are");
    is(s->plan.reason, CTL_NO_DESCRIPTORS, "... because of that");
    apply(s);
    is(ask(s).start, 0, "... and no more while it starts");
    s->sample.starting = 0;
    s->sample.serving = s->sample.out_of_descriptors = 3;
    is(ask(s).start, 1, "it is out of them, too: the next");

    s = server_with(2);
    s->sample.parked = 1;
    s->sample.out_of_descriptors = 2;
    is(ask(s).resurrect, 1, "a parked child comes before a new one");
    is(s->plan.start, 0, "... instead of it");

    s = server_with(2);
    s->limits.max_spare_threads = 64;
    s->sample.out_of_descriptors = 2;
    is(ask(s).start, 1, "MaxSpareThreads is about threads that could serve");

    s = server_with(4);
    s->limits.max_children = 4;
    s->sample.out_of_descriptors = 4;
    is(ask(s).start, 0, "there may be no more");
    is(s->plan.reason, CTL_CEILING, "... which is said");
    is(s->plan.ceiling, CTL_DESCRIPTORS, "... with what would help");

    s = server_with(2);
    s->sample.out_of_descriptors = 5;
    is(ask(s).target, 3, "no more children can be out of them than serve");
}

int main(void)
{
    tap_begin(20);
    test_reasons();
    test_spare_bounds();
    test_computing();
    test_computing_after_burst();
    test_step();
    test_bursts();
    test_flapping();
    test_parking();
    test_slots();
    test_reload();
    test_learning();
    test_learning_at_once();
    test_confirming();
    test_after_a_burst();
    test_looks();
    test_looks_at_ceiling();
    test_out_of_descriptors();
    return tap_done();
}
