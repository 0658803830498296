/* What holds for whatever comes: thousands of random walks, with limits that vary, clocks
 * that jump, counters that wrap and fields that nobody knows. */

#include "law/controller.h"

#include "random.h"
#include "tap.h"

#include <string.h>

#define MS 1000
#define S  INT64_C(1000000)

static random_t dice;

static int below(int count)
{
    return (int)random_below(&dice, count);
}

static bool one_in(int n)
{
    return below(n) == 0;
}

static bool is_finite(double x)
{
    return x > -1e15 && x < 1e15;
}

/* Small most of the time, huge now and then. */
static uint64_t some_count(void)
{
    switch (below(12)) {
    case 0:
        return random_next(&dice);
    case 1:
        return (uint64_t)below(1000000000);
    case 2:
    case 3:
        return 0;
    default:
        return (uint64_t)below(200);
    }
}

static int64_t some_interval_us(void)
{
    switch (below(16)) {
    case 0:
        return 0;
    case 1:
        return -random_below(&dice, 100 * S);           /* the clock jumps back */
    case 2:
        return random_below(&dice, 100000 * S);
    case 3:
        return (int64_t)(random_next(&dice) >> 2) - (INT64_MAX >> 2);
    case 4:
        return 1 + below(100);
    default:
        return random_below(&dice, below(20) ? 100 * MS : 5 * S);
    }
}

static int64_t later(int64_t now_us, int64_t interval_us)
{
    return (int64_t)((uint64_t)now_us + (uint64_t)interval_us);
}

/* What was learned makes it longer, and it is kept in slices. */
static int64_t longest_hold_us(int64_t hold_us)
{
    return 16 * hold_us * 16 / 15 + 5 * S;
}

static double some_processors(void)
{
    static const double odd[] = { 0, -1, 1e300, 0.001 };
    volatile double nothing = 0;

    switch (below(20)) {
    case 0:
        return odd[below(4)];
    case 1:
        return nothing / nothing;
    default:
        return 0.1 + below(64);
    }
}

/* --- threads ------------------------------------------------------------------------ */

typedef struct child_t {
    ctl_thread_state_t state;
    ctl_thread_sample_t sample;
    ctl_thread_limits_t limits;
    ctl_thread_plan_t plan;
} child_t;

static ctl_thread_limits_t some_thread_limits(bool odd)
{
    ctl_thread_limits_t l = {
        .min_threads = below(10), .max_threads = 1 + below(one_in(4) ? 1000 : 64),
        .ceiling = CTL_THREADS_PER_CHILD, .cpus = odd ? some_processors() : 0.5 + below(8),
        .wait_target_us = below(10 * MS), .hold_us = random_below(&dice, 60 * S)
    };

    if (odd && one_in(10)) {
        l.max_threads = below(2) ? 0 : -below(5);
    }
    if (odd && one_in(10)) {
        l.hold_us = one_in(2) ? -1 : INT64_MAX;
    }
    return l;
}

static void some_thread_sample(ctl_thread_sample_t *s, bool odd)
{
    s->now_us = later(s->now_us, odd ? some_interval_us() : 1 + random_below(&dice, 200 * MS));
    if (s->threads < 0 || s->threads > 2000) {
        s->threads = below(100);
    }
    s->busy = below(s->threads + 1);
    s->admitted = s->busy + below(s->threads - s->busy + 1);
    s->starting = one_in(4) ? below(10) : 0;
    s->waiting = one_in(2) ? CTL_UNKNOWN : below(100);
    s->waited_us = one_in(2) ? 0 : below(20 * MS);
    s->lowered = (int)(s->now_us % 7 * s->busy / 7);
    s->runnable = one_in(2) ? CTL_UNKNOWN : below(s->busy - s->lowered + 1);
    s->idle_processors = (int)(s->now_us % 4) - 1;
    if (odd) {
        s->arrivals += some_count();
        s->completions += some_count();
        s->thread_start_us = one_in(9) ? (int64_t)random_next(&dice) : below(1000);
        if (one_in(20)) {
            s->threads = one_in(2) ? -below(10) : INT32_MAX - below(3);
            s->busy = one_in(2) ? INT32_MAX : -below(10);
        }
    }
    else {
        int events = below(50);

        s->arrivals += (uint64_t)events;
        s->completions += (uint64_t)(events ? events - below(2) : 0);
    }
}

static bool thread_plan_is_sane(const child_t *c)
{
    const ctl_thread_plan_t *p = &c->plan;
    int most = c->limits.max_threads > 0 ? c->limits.max_threads : 0;
    int threads = c->sample.threads > 0 ? c->sample.threads : 0;
    int busy = c->sample.busy > 0 ? c->sample.busy : 0;
    int64_t there = (int64_t)threads + c->sample.starting;

    return p->target >= 0 && p->target <= most && p->start >= 0 && p->retire >= 0
           && !(p->start && p->retire) && (p->start == 0 || there + p->start <= most)
           && p->retire <= (threads > busy ? threads - busy : 0)
           && p->admit >= 0 && p->admit <= most
           && (p->retire == 0 || there - p->retire >= p->target)
           && (unsigned)p->reason < CTL_REASONS && (unsigned)p->ceiling < CTL_CEILINGS
           && *controller_reason_text(p->reason) && *controller_ceiling_text(p->ceiling)
           && (p->reason == CTL_CEILING) == (p->ceiling != CTL_NO_CEILING)
           && is_finite(p->demand) && is_finite(p->spare)
           && p->blocked_part >= 0 && p->blocked_part <= 1
           && p->look_again_us >= c->sample.now_us;
}

static bool same_thread_plan(const ctl_thread_plan_t *a, const ctl_thread_plan_t *b)
{
    return a->target == b->target && a->start == b->start && a->retire == b->retire
           && a->admit == b->admit && a->reason == b->reason && a->ceiling == b->ceiling
           && a->wants_child == b->wants_child && a->look_again_us == b->look_again_us
           && a->demand <= b->demand && a->demand >= b->demand
           && a->spare <= b->spare && a->spare >= b->spare;
}

static child_t some_child(bool odd)
{
    child_t c;

    memset(&c, 0, sizeof(c));
    c.limits = some_thread_limits(odd);
    c.sample.now_us = odd && one_in(5) ? (int64_t)random_next(&dice)
                                       : random_below(&dice, 1000 * S);
    controller_threads_init(&c.state, c.sample.now_us);
    if (odd && one_in(3)) {
        c.state.without = (unsigned)below(512);
    }
    return c;
}

static void follow_threads(child_t *c)
{
    c->plan = controller_threads(&c->state, &c->sample, &c->limits);
    c->sample.threads += c->plan.start - c->plan.retire;
}

static void test_threads_whatever_comes(void)
{
    int walk, step, insane = 0, different = 0;

    for (walk = 0; walk < 3000; walk++) {
        child_t c = some_child(true);

        for (step = 0; step < 60; step++) {
            child_t again;

            some_thread_sample(&c.sample, true);
            if (one_in(30)) {
                int64_t hold_us = c.limits.hold_us;

                c.limits = some_thread_limits(true);
                c.limits.hold_us = one_in(2) ? hold_us : c.limits.hold_us;
            }
            again = c;
            c.plan = controller_threads(&c.state, &c.sample, &c.limits);
            again.plan = controller_threads(&again.state, &again.sample, &again.limits);
            different += !same_thread_plan(&c.plan, &again.plan);
            if (!thread_plan_is_sane(&c) && !insane++) {
                diag("walk %d step %d: threads %d busy %d starting %d most %d: target %d start %d "
                     "retire %d admit %d", walk, step, c.sample.threads, c.sample.busy,
                     c.sample.starting, c.limits.max_threads, c.plan.target, c.plan.start,
                     c.plan.retire, c.plan.admit);
            }
            if (c.sample.threads >= 0 && c.sample.threads < 2000) {
                c.sample.threads += c.plan.start - c.plan.retire;
            }
        }
    }
    is(insane, 0, "threads: whatever comes, every plan is possible and below the ceilings");
    is(different, 0, "threads: the same input gives the same plan");
}

static void test_threads_monotone(void)
{
    int walk, step, less = 0;

    for (walk = 0; walk < 2000; walk++) {
        child_t c = some_child(false);

        for (step = 0; step < 40; step++) {
            child_t busier;

            some_thread_sample(&c.sample, false);
            busier = c;
            busier.sample.busy += below(c.sample.admitted - c.sample.busy + 1);
            if (c.sample.waiting >= 0) {
                busier.sample.waiting += below(50);
            }
            follow_threads(&c);
            follow_threads(&busier);
            if (busier.plan.target < c.plan.target && !less++) {
                diag("walk %d step %d: %d busy -> %d (%s), %d busy -> %d (%s)", walk, step,
                     c.sample.busy, c.plan.target, controller_reason_text(c.plan.reason),
                     busier.sample.busy, busier.plan.target,
                     controller_reason_text(busier.plan.reason));
            }
        }
    }
    is(less, 0, "threads: more demand never gives fewer");
}

/* A constant load: so many busy, each for service_us. The law is asked when it wants to be. */
static int change_threads(child_t *c, int64_t for_us, int busy, int64_t service_us,
                          double computing)
{
    int64_t end_us = c->sample.now_us + for_us;
    int changes = 0;
    ctl_thread_sample_t start = c->sample;

    while (c->sample.now_us < end_us) {
        ctl_thread_sample_t *s = &c->sample;
        double events;

        s->now_us = c->plan.look_again_us < s->now_us + S ? c->plan.look_again_us : s->now_us + S;
        s->busy = busy < s->threads ? busy : s->threads;
        s->admitted = c->plan.admit > s->busy ? c->plan.admit : s->busy;
        s->admitted = s->admitted < s->threads ? s->admitted : s->threads;
        s->waiting = s->starting = 0;
        s->runnable = (int)(s->busy * computing);
        s->idle_processors = CTL_UNKNOWN;
        s->lowered = 0;
        s->waited_us = 0;
        events = (double)(s->now_us - start.now_us) * s->busy / (double)service_us;
        s->arrivals = start.arrivals + (uint64_t)events;
        s->completions = start.completions + (uint64_t)events;
        follow_threads(c);
        changes += c->plan.start > 0 || c->plan.retire > 0;
    }
    return changes;
}

static void test_threads_settle(void)
{
    int walk, step, restless = 0, unfulfilled = 0;

    for (walk = 0; walk < 300; walk++) {
        child_t c = some_child(false);
        int busy, changes;
        int64_t service_us = 1 + random_below(&dice, one_in(2) ? 2 * MS : S);
        double computing = 1.0 / (1 + below(1000));

        for (step = 0; step < 30; step++) {
            some_thread_sample(&c.sample, false);
            follow_threads(&c);
        }
        busy = below(c.limits.max_threads + 1);
        change_threads(&c, longest_hold_us(c.limits.hold_us) + 60 * S, busy, service_us,
                       computing);
        changes = change_threads(&c, 120 * S, busy, service_us, computing);
        if (changes && !restless++) {
            diag("walk %d: %d changes in two minutes: %d threads, %d busy, %s", walk, changes,
                 c.sample.threads, busy, controller_reason_text(c.plan.reason));
        }
        /* what computes need not get what it asks for */
        unfulfilled += c.sample.threads < busy && c.plan.admit > busy;
    }
    is(restless, 0, "threads: a constant load comes to rest within the hold time and a minute");
    is(unfulfilled, 0, "threads: ... with as many as are needed");
}

/* --- children ----------------------------------------------------------------------- */

typedef struct server_t {
    ctl_child_state_t state;
    ctl_child_sample_t sample;
    ctl_child_limits_t limits;
    ctl_child_plan_t plan;
} server_t;

static ctl_child_limits_t some_child_limits(bool odd)
{
    ctl_child_limits_t l = {
        .threads_per_child = 1 + below(one_in(4) ? 1024 : 64), .min_children = below(5),
        .max_children = 1 + below(128), .max_threads = one_in(4) ? CTL_NOT_SET : 1 + below(8192),
        .ceiling = CTL_AVAILABLE_MEMORY, .min_spare_threads = CTL_NOT_SET,
        .max_spare_threads = CTL_NOT_SET, .cpus = odd ? some_processors() : 2,
        .wait_target_us = below(10 * MS), .hold_us = random_below(&dice, 120 * S)
    };

    if (one_in(3)) {
        l.min_spare_threads = below(300);
    }
    if (one_in(3)) {
        l.max_spare_threads = below(1000);
    }
    if (odd && one_in(10)) {
        l.max_children = -below(3);
        l.threads_per_child = -below(3);
        l.max_spare_threads = INT32_MAX;
        l.min_spare_threads = INT32_MAX;
    }
    if (odd && one_in(10)) {
        l.hold_us = one_in(2) ? -1 : INT64_MAX;
    }
    return l;
}

static int most_children(const ctl_child_limits_t *l)
{
    int slots = l->threads_per_child > 0 ? l->threads_per_child : 1;
    int by_threads = l->max_threads < 0 ? INT32_MAX : l->max_threads / slots;
    int most = l->max_children > 0 ? l->max_children : 0;

    by_threads = by_threads > 0 ? by_threads : 1;
    return most < by_threads ? most : by_threads;
}

static void some_child_sample(server_t *v, bool odd)
{
    ctl_child_sample_t *s = &v->sample;
    int slots = v->limits.threads_per_child > 0 ? v->limits.threads_per_child : 1;

    s->now_us = later(s->now_us, odd ? some_interval_us() : 1 + random_below(&dice, 300 * MS));
    s->threads = (s->serving + s->parked) * slots;
    s->busy = below(s->threads + 1);
    s->blocked = one_in(3) ? CTL_UNKNOWN : below(s->busy + 1);
    s->waiting = one_in(2) ? CTL_UNKNOWN : below(100);
    s->waited_us = one_in(2) ? 0 : below(100 * MS);
    s->exhausted = one_in(2) ? 0 : below(s->serving + 1);
    s->child_start_us = one_in(9) ? (int64_t)random_next(&dice) : below(100 * MS);
    if (odd) {
        s->arrivals += some_count();
        s->completions += some_count();
        if (one_in(20)) {
            s->busy = INT32_MAX - below(2);
            s->waiting = INT32_MAX;
            s->waited_us = INT64_MAX;
            s->exhausted = INT32_MAX;
        }
    }
    else {
        int events = below(500);

        s->arrivals += (uint64_t)events;
        s->completions += (uint64_t)(events ? events - below(2) : 0);
    }
}

static bool child_plan_is_sane(const server_t *v)
{
    const ctl_child_plan_t *p = &v->plan;
    const ctl_child_sample_t *s = &v->sample;
    int most = most_children(&v->limits);

    return p->target >= 0 && p->target <= most && p->start >= 0 && p->park >= 0
           && p->resurrect >= 0 && p->retire >= 0 && p->park <= s->serving
           && p->resurrect + p->retire <= s->parked
           && !(p->park && (p->start || p->resurrect)) && !(p->start && p->retire)
           && (p->start == 0 || s->serving + s->starting + s->parked + p->start <= most)
           && (p->start == 0 || p->resurrect == s->parked)
           && (p->park == 0 || s->serving + s->starting - p->park >= p->target)
           && (unsigned)p->reason < CTL_REASONS && (unsigned)p->ceiling < CTL_CEILINGS
           && (p->reason == CTL_CEILING) == (p->ceiling != CTL_NO_CEILING)
           && is_finite(p->demand) && is_finite(p->spare) && is_finite(p->arrivals_per_s / 1e9)
           && is_finite(p->service_us / 1e9) && p->service_us >= 0
           && p->look_again_us >= s->now_us;
}

static bool same_child_plan(const ctl_child_plan_t *a, const ctl_child_plan_t *b)
{
    return a->target == b->target && a->start == b->start && a->park == b->park
           && a->retire == b->retire && a->resurrect == b->resurrect && a->reason == b->reason
           && a->look_again_us == b->look_again_us
           && a->demand <= b->demand && a->demand >= b->demand;
}

static server_t some_server(bool odd)
{
    server_t v;

    memset(&v, 0, sizeof(v));
    v.limits = some_child_limits(odd);
    v.sample.now_us = odd && one_in(5) ? (int64_t)random_next(&dice)
                                       : random_below(&dice, 1000 * S);
    controller_children_init(&v.state, v.sample.now_us);
    if (odd && one_in(3)) {
        v.state.without = (unsigned)below(512);
    }
    return v;
}

/* What is planned is done; what starts is ready at the next look or later. */
static void follow_children(server_t *v)
{
    ctl_child_sample_t *s = &v->sample;

    if (one_in(2)) {
        s->serving += s->starting;
        s->starting = 0;
    }
    v->plan = controller_children(&v->state, s, &v->limits);
}

static void apply_children(server_t *v)
{
    ctl_child_sample_t *s = &v->sample;

    s->serving += v->plan.resurrect - v->plan.park;
    s->parked += v->plan.park - v->plan.resurrect - v->plan.retire;
    s->starting += v->plan.start;
}

static void test_children_whatever_comes(void)
{
    int walk, step, insane = 0, different = 0;

    for (walk = 0; walk < 2000; walk++) {
        server_t v = some_server(true);

        for (step = 0; step < 60; step++) {
            server_t again;
            random_t before;

            if (one_in(30)) {
                v.limits = some_child_limits(true);
            }
            some_child_sample(&v, true);
            again = v;
            before = dice;
            follow_children(&v);
            dice = before;
            follow_children(&again);
            different += !same_child_plan(&v.plan, &again.plan);
            if (!child_plan_is_sane(&v) && !insane++) {
                diag(
                    "walk %d step %d: serving %d starting %d parked %d most %d: target %d start %d "
                    "park %d resurrect %d retire %d look +%" PRId64 " S %g rate %g",
                    walk, step, v.sample.serving, v.sample.starting, v.sample.parked,
                    most_children(&v.limits), v.plan.target, v.plan.start, v.plan.park,
                    v.plan.resurrect, v.plan.retire, v.plan.look_again_us - v.sample.now_us,
                    v.plan.service_us, v.plan.arrivals_per_s);
            }
            apply_children(&v);
        }
    }
    is(insane, 0, "children: whatever comes, every plan is possible and below the ceilings");
    is(different, 0, "children: the same input gives the same plan");
}

static void test_children_monotone(void)
{
    int walk, step, less = 0;

    for (walk = 0; walk < 2000; walk++) {
        server_t v = some_server(false);

        for (step = 0; step < 40; step++) {
            server_t busier;
            random_t before;

            some_child_sample(&v, false);
            if (v.sample.busy == 0) {
                v.sample.blocked = CTL_UNKNOWN;     /* with nothing busy nothing is learned */
            }
            busier = v;
            busier.sample.busy += below(v.sample.threads - v.sample.busy + 1);
            if (v.sample.blocked >= 0) {
                busier.sample.blocked += busier.sample.busy - v.sample.busy;
            }
            if (v.sample.waiting >= 0) {
                busier.sample.waiting += below(50);
            }
            before = dice;
            follow_children(&v);
            dice = before;
            follow_children(&busier);
            if (busier.plan.target < v.plan.target && !less++) {
                diag("walk %d step %d: %d busy -> %d (%s), %d busy -> %d (%s)", walk, step,
                     v.sample.busy, v.plan.target, controller_reason_text(v.plan.reason),
                     busier.sample.busy, busier.plan.target,
                     controller_reason_text(busier.plan.reason));
            }
            apply_children(&v);
        }
    }
    is(less, 0, "children: more demand never gives fewer");
}

/* A constant load, looked at when the law wants to look. */
static int change_children(server_t *v, int64_t for_us, int busy, int64_t service_us)
{
    int64_t end_us = v->sample.now_us + for_us;
    int changes = 0;
    ctl_child_sample_t start = v->sample;

    while (v->sample.now_us < end_us) {
        ctl_child_sample_t *s = &v->sample;
        double events;

        s->now_us = v->plan.look_again_us < s->now_us + S ? v->plan.look_again_us : s->now_us + S;
        events = (double)(s->now_us - start.now_us) * busy / (double)service_us;
        s->busy = s->blocked = busy;
        s->waiting = s->exhausted = 0;
        s->waited_us = 0;
        s->arrivals = start.arrivals + (uint64_t)events;
        s->completions = start.completions + (uint64_t)events;
        follow_children(v);
        apply_children(v);
        changes += v->plan.start || v->plan.park || v->plan.resurrect || v->plan.retire;
    }
    return changes;
}

static void test_children_settle(void)
{
    int walk, step, restless = 0, unfulfilled = 0;

    for (walk = 0; walk < 300; walk++) {
        server_t v = some_server(false);
        int most = most_children(&v.limits) * v.limits.threads_per_child;
        int busy = below(most + 1), changes;
        int64_t service_us = 1 + random_below(&dice, one_in(2) ? 2 * MS : S);

        for (step = 0; step < 30; step++) {
            some_child_sample(&v, false);
            follow_children(&v);
            apply_children(&v);
        }
        change_children(&v, longest_hold_us(v.limits.hold_us) + 120 * S, busy, service_us);
        changes = change_children(&v, 120 * S, busy, service_us);
        if (changes && !restless++) {
            diag("walk %d: %d changes in two minutes: %d children, %d busy, %s", walk, changes,
                 v.sample.serving, busy, controller_reason_text(v.plan.reason));
        }
        unfulfilled += (v.sample.serving + v.sample.starting) * v.limits.threads_per_child < busy;
    }
    is(restless, 0, "children: a constant load comes to rest");
    is(unfulfilled, 0, "children: ... with as many as are needed");
}

int main(void)
{
    tap_begin(60);
    dice = random_seed(2026);
    test_threads_whatever_comes();
    test_threads_monotone();
    test_threads_settle();
    test_children_whatever_comes();
    test_children_monotone();
    test_children_settle();
    return tap_done();
}
