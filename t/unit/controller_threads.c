/* The threads of a child: every reason, then courses of load. */

#include "law/controller.h"

#include "tap.h"

#include <string.h>

#define MS 1000
#define S  INT64_C(1000000)

static const ctl_thread_limits_t usual = {
    .min_threads = 2, .max_threads = 64, .ceiling = CTL_THREADS_PER_CHILD, .cpus = 1,
    .wait_target_us = 2 * MS, .hold_us = 30 * S
};

/* A child as a very simple model: what it has, what it is asked. */
typedef struct child_t {
    ctl_thread_state_t state;
    ctl_thread_limits_t limits;
    ctl_thread_sample_t sample;
    ctl_thread_plan_t plan;
    int started, retired;
} child_t;

static child_t child_with(int threads)
{
    child_t c;

    memset(&c, 0, sizeof(c));
    c.limits = usual;
    c.sample.now_us = 100 * S;
    c.sample.threads = c.sample.admitted = threads;
    c.sample.waiting = c.sample.runnable = c.sample.idle_processors = CTL_UNKNOWN;
    controller_threads_init(&c.state, c.sample.now_us);
    return c;
}

static ctl_thread_plan_t ask(child_t *c)
{
    return c->plan = controller_threads(&c->state, &c->sample, &c->limits);
}

/* Time passes, in which requests come, each of which keeps a thread busy for service_us and
 * a processor for cpu_us; whatever is planned happens at once. */
static void serve(child_t *c, int64_t for_us, double per_s, int64_t service_us, int64_t cpu_us)
{
    const int64_t step_us = 5 * MS;
    int64_t end_us = c->sample.now_us + for_us;
    double arrived = 0;

    while (c->sample.now_us < end_us) {
        int events;

        arrived += per_s * (double)step_us / (double)S;
        events = (int)arrived;
        arrived -= events;
        c->sample.now_us += step_us;
        c->sample.arrivals += (uint64_t)events;
        c->sample.completions += (uint64_t)events;
        c->sample.runnable = service_us ? (int)(c->sample.busy * cpu_us / service_us) : CTL_UNKNOWN;
        ask(c);
        c->sample.threads += c->plan.start - c->plan.retire;
        c->sample.admitted = c->plan.admit < c->sample.threads ? c->plan.admit
                                                               : c->sample.threads;
        c->started += c->plan.start;
        c->retired += c->plan.retire;
    }
}

static int64_t from_now_us(const child_t *c)
{
    return c->plan.look_again_us == CTL_NEVER_US ? CTL_NEVER_US
                                                 : c->plan.look_again_us - c->sample.now_us;
}

static void test_reasons(void)
{
    child_t c = child_with(0);

    ask(&c);
    is(c.plan.start, 2, "no thread: the least there has to be");
    is(c.plan.reason, CTL_FLOOR, "... and says so");

    c = child_with(2);
    ask(&c);
    is(c.plan.start + c.plan.retire, 0, "idle at the floor: nothing to do");
    is(c.plan.reason, CTL_FLOOR, "... the least there has to be");
    is(c.plan.look_again_us, CTL_NEVER_US, "... and no look before something happens");
    ok(!c.plan.wants_child, "... no child is wanted");

    c = child_with(6);
    c.sample.runnable = 0;
    c.sample.busy = 5;
    ask(&c);
    is(c.plan.start, 0, "one idle thread is enough while little is known");
    is(c.plan.reason, CTL_STEADY, "... steady");

    c = child_with(6);
    c.sample.runnable = 0;
    c.sample.busy = 6;
    ask(&c);
    is(c.plan.target, 7, "all busy: one more");
    is(c.plan.reason, CTL_DEMAND, "... because of the requests under way");

    c = child_with(16);
    c.sample.busy = 15;
    serve(&c, 2 * S, 15, S, MS);
    ok(c.plan.target > 16, "requests that block: some to spare");
    ok(c.plan.target < 24, "... not many, as they take long");
    c.sample.threads = c.sample.admitted = 15;
    ask(&c);
    is(c.plan.reason, CTL_LEAD_TIME, "... because of the lead time");

    c = child_with(8);
    c.sample.busy = 8;
    c.sample.waited_us = 3 * MS;
    ask(&c);
    is(c.plan.reason, CTL_DEMAND, "a first thread for one that waits is wanted anyway");
    c.sample.threads = c.sample.admitted = c.sample.busy = 9;
    c.sample.now_us += 2 * MS;
    ask(&c);
    is(c.plan.start, 2, "one that goes on waiting: two");
    is(c.plan.reason, CTL_WAITING, "... because something waits");

    c = child_with(64);
    c.sample.busy = 64;
    c.sample.waited_us = 3 * MS;
    ask(&c);
    is(c.plan.target, 64, "never more than there may be");
    is(c.plan.reason, CTL_CEILING, "... that is a ceiling");
    is(c.plan.ceiling, CTL_THREADS_PER_CHILD, "... which has a name");
    ok(c.plan.wants_child, "... and another child is wanted");

    c = child_with(2);
    c.sample.busy = 2;
    c.sample.waited_us = 3 * MS;
    c.sample.runnable = 2;
    ask(&c);
    is(c.plan.start, 0, "requests that compute get no more threads");
    is(c.plan.admit, 2, "... two may serve on one processor");
    is(c.plan.reason, CTL_CPU_BOUND, "... because they compute");
    ok(!c.plan.wants_child, "... and no child is wanted");

    c = child_with(20);
    c.sample.busy = 19;
    ask(&c);
    c.sample.busy = 0;
    c.sample.now_us += S;
    ask(&c);
    is(c.plan.retire, 0, "surplus is kept");
    is(c.plan.reason, CTL_HOLD, "... for a while");
    is(from_now_us(&c), 32 * S, "... and looked at after that");
    c.sample.now_us = c.plan.look_again_us;
    ask(&c);
    is(c.plan.retire, 6, "then a third goes");
    is(c.plan.reason, CTL_SURPLUS, "... as surplus");
    is(from_now_us(&c), S, "... and more a second later");
}

static void test_panic(void)
{
    static const int batches[] = { 1, 2, 4, 8, 16, 32, 64, 64 };
    child_t c = child_with(8);
    size_t i;
    int wrong = 0;

    c.limits.max_threads = 1000;
    c.state.without = CTL_TERM_FLUCTUATION | CTL_TERM_GROWTH;
    for (i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        c.sample.busy = c.sample.admitted = c.sample.threads;
        c.sample.waited_us = 3 * MS;
        ask(&c);
        wrong += c.plan.start != batches[i];
        c.sample.threads += c.plan.start;
        c.sample.now_us += 2 * MS;
    }
    is(wrong, 0, "while work goes on waiting the batches double, up to 64");

    c.sample.busy = c.sample.admitted = c.sample.threads;
    c.sample.starting = 5;
    ask(&c);
    is(c.plan.start, 0, "what is starting counts");
    c.sample.waiting = 25;
    ask(&c);
    is(c.plan.start, 21, "unless more than these wait, and one to spare");
    c.sample.threads += 5 + c.plan.start;
    c.sample.busy = c.sample.admitted = c.sample.threads;
    c.sample.starting = 0;
    c.sample.waiting = CTL_UNKNOWN;
    c.sample.waited_us = 2 * MS;
    ask(&c);
    c.sample.waited_us = 3 * MS;
    ask(&c);
    is(c.plan.start, 1, "the next panic begins with one");

    c.sample.busy = 1;
    c.sample.now_us += 2 * S;
    c.limits.hold_us = 0;
    c.sample.waited_us = 0;
    ask(&c);
    is(c.plan.retire, 0, "nothing is retired soon after a panic");
    c.sample.now_us += 2 * S;
    ask(&c);
    c.sample.now_us += 2 * S;
    ask(&c);
    ok(c.plan.retire > 0, "but later");
}

static void test_processors(void)
{
    child_t c = child_with(30);
    int i;

    /* nothing but computing: 2 on one processor */
    c.sample.busy = 2;
    serve(&c, 2 * S, 1000, 500, 500);
    is(c.plan.admit, 2, "requests that only compute: two threads a processor may serve");
    c.limits.cpus = 4;
    ask(&c);
    is(c.plan.admit, 8, "... on four processors eight");
    c.limits.cpus = 0.1;
    ask(&c);
    is(c.plan.admit, 2, "... and never fewer than two");

    /* 15 ms of a processor in 50 ms */
    c = child_with(30);
    c.sample.busy = 10;
    serve(&c, 2 * S, 200, 50 * MS, 15 * MS);
    is(c.plan.admit, 6, "three tenths computing: as many as keep two at a processor");

    /* blocked requests lift the cap: two looks, because one may err */
    c = child_with(30);
    c.sample.busy = 2;
    serve(&c, 2 * S, 1000, 500, 500);
    c.sample.waited_us = 3 * MS;
    c.sample.runnable = 0;
    c.sample.now_us += 2 * MS;
    ask(&c);
    is(c.plan.admit, 2, "nobody computes while work waits: once may be an accident");
    c.sample.now_us += 2 * MS;
    ask(&c);
    is(c.plan.admit, 8, "... twice makes room for four times as many");
    is(c.plan.start, 0, "... those that are there come back into the poll first");
    c.sample.admitted = c.sample.busy = 8;
    c.sample.now_us += 2 * MS;
    ask(&c);
    is(c.plan.admit, 32, "... and again");

    c = child_with(2);
    c.sample.busy = 2;
    serve(&c, 2 * S, 1000, 500, 500);
    c.sample.waited_us = 3 * MS;
    c.sample.runnable = 1;
    for (i = 0; i < 3; i++) {
        c.sample.now_us += 2 * MS;
        ask(&c);
    }
    is(c.plan.admit, 8, "one of two that blocks does not fill the processor");
    c.sample.idle_processors = 0;
    for (i = 0; i < 1000; i++) {
        c.sample.now_us += 2 * MS;
        c.sample.arrivals++;
        c.sample.completions++;
        ask(&c);
    }
    ok(c.plan.admit <= 4, "but others on this machine do: it is no reason for more");
}

/* Lowered workers get what the others leave: they do not count against those that may serve, and
 * they need threads as those that wait do. */
static void test_lowered(void)
{
    child_t c = child_with(30);

    c.sample.busy = 2;
    serve(&c, 2 * S, 1000, 500, 500);
    is(c.plan.admit, 2, "requests compute: capped");
    c.sample.lowered = 20;
    c.sample.busy = c.sample.admitted = 22;
    c.sample.runnable = 2;
    c.sample.now_us += 2 * MS;
    ask(&c);
    is(c.plan.admit, 22, "twenty that are lowered: as many more may serve");
    ok(c.plan.blocked_part > 0.9, "for the parent they are no load of the processors");
    c.sample.busy = c.sample.lowered;
    c.sample.waited_us = 0;
    ok(!controller_threads_wants_count(&c.state, &c.sample, &c.limits),
       "they alone are not worth a count");
}

/* What was learned of computing requests says nothing of those that follow: others that block,
 * so short that the probe never waits from one look to the next. Measured are only those looks
 * for which the law wants it. Returns the time until more than two may serve. */
static int64_t stuck_us(child_t *c, int64_t most_us)
{
    int64_t begin_us = c->sample.now_us;

    c->sample.waited_us = 0;
    while (c->sample.admitted <= 2 && c->sample.now_us - begin_us < most_us) {
        int64_t next_us = c->sample.now_us + 20 * MS;

        c->sample.now_us = c->plan.look_again_us < next_us ? c->plan.look_again_us : next_us;
        c->sample.arrivals += 20;
        c->sample.completions += 20;
        c->sample.busy = c->sample.admitted;
        c->sample.runnable = controller_threads_wants_count(&c->state, &c->sample, &c->limits)
                                 ? 0
                                 : CTL_UNKNOWN;
        ask(c);
        c->sample.threads += c->plan.start - c->plan.retire;
        c->sample.admitted = c->plan.admit < c->sample.threads ? c->plan.admit : c->sample.threads;
    }
    return c->sample.now_us - begin_us;
}

static void test_stuck_cap(void)
{
    child_t c = child_with(2);

    c.sample.busy = 2;
    serve(&c, 4 * S, 1000, 500, 500);
    is(c.plan.admit, 2, "requests compute: capped");
    ok(stuck_us(&c, 10 * S) <= 100 * MS, "then they block: the cap lifts within 100 ms");

    c = child_with(2);
    c.sample.busy = 1;
    ok(!controller_threads_wants_count(&c.state, &c.sample, &c.limits),
       "nothing waits, few are busy: not worth a count");
    c.sample.waited_us = 2 * MS;
    ok(controller_threads_wants_count(&c.state, &c.sample, &c.limits), "work waits: it is");
    c.sample.waited_us = 0;
    c.sample.busy = 3;
    ok(controller_threads_wants_count(&c.state, &c.sample, &c.limits),
       "... and while more are busy than processors take");

    c = child_with(4);
    c.sample.busy = 2;
    serve(&c, 4 * S, 1000, 500, 500);
    c.sample.runnable = CTL_UNKNOWN;
    c.sample.now_us += 2 * S;
    ask(&c);
    ok(c.plan.admit > 4, "what was not measured for long is not capped");
    ok(c.plan.blocked_part > 0.99, "... and not said to compute");
}

/* Let requests be computed that take take_us each on the one processor there is, more than
 * can be done, for five seconds. The most threads that are admitted. */
static int overload(child_t *c, int64_t take_us)
{
    int64_t done_us = c->sample.now_us, end_us = c->sample.now_us + 5 * S;
    int most = 0;

    c->sample.waited_us = 100 * MS;
    while (c->sample.now_us < end_us) {
        c->sample.busy = c->sample.runnable = c->sample.admitted;
        if (c->sample.now_us - done_us >= take_us) {
            done_us += take_us;
            c->sample.arrivals++;
            c->sample.completions++;
        }
        ask(c);
        c->sample.threads += c->plan.start - c->plan.retire;
        c->sample.admitted = c->plan.admit < c->sample.threads ? c->plan.admit
                                                               : c->sample.threads;
        most = most > c->sample.admitted ? most : c->sample.admitted;
        c->sample.now_us += 10 * MS;
    }
    return most;
}

static void test_progress(void)
{
    child_t c = child_with(2);

    is(overload(&c, 20 * MS), 2, "a mere queue of computations gets no more threads");
    c = child_with(2);
    ok(overload(&c, 2 * S) > 10, "computations of seconds let others pass, one thread at a time");
    c = child_with(2);
    c.state.without = CTL_TERM_PROGRESS;
    is(overload(&c, 2 * S), 2, "... without that rule they do");
}

static void test_lead_time(void)
{
    child_t slow = child_with(40), quick = child_with(40), computing = child_with(40);

    slow.sample.busy = quick.sample.busy = computing.sample.busy = 30;
    serve(&slow, 2 * S, 30, S, MS);
    serve(&quick, 2 * S, 3000, 10 * MS, 10);
    serve(&computing, 2 * S, 3000, 10 * MS, 10 * MS);
    ok(slow.plan.spare < 5, "requests that take long: few spare threads");
    ok(quick.plan.spare > slow.plan.spare + 3, "short ones change faster: more");
    ok(computing.plan.spare < 1.01, "computing ones: none, they wait for processors anyway");

    slow.sample.thread_start_us = 100 * MS;
    ask(&slow);
    ok(slow.plan.spare > 5, "threads that start slowly are started earlier");
}

static void test_texts(void)
{
    int i, empty = 0;

    for (i = -1; i <= CTL_REASONS; i++) {
        empty += !*controller_reason_text((ctl_reason_e)i);
    }
    for (i = -1; i <= CTL_CEILINGS; i++) {
        empty += !*controller_ceiling_text((ctl_ceiling_e)i);
    }
    is(empty, 0, "every reason and ceiling has a text");
    ok(!strcmp(controller_ceiling_text(CTL_MAX_REQUEST_WORKERS), "MaxRequestWorkers"),
       "ceilings have the names that administrators know");
}

int main(void)
{
    tap_begin(20);
    test_reasons();
    test_panic();
    test_processors();
    test_lowered();
    test_stuck_cap();
    test_progress();
    test_lead_time();
    test_texts();
    return tap_done();
}
