#include "controller_internal.h"

#include <string.h>

/* A thread is wanted at the next look and then takes some time to start; a start that is
 * slower than usual is covered by the factor. */
#define LOOK_LEAD_S      0.010
#define START_FACTOR     4
#define LARGEST_BATCH    64
/* The parent and a new child need about so long. */
#define CHILD_LEAD_S     0.2
#define NEAR_END         0.75

#define PANIC_LOOK_US    (2 * US_PER_MS)
#define BUSY_LOOK_US     (10 * US_PER_MS)
#define FULL_LOOK_US     (20 * US_PER_MS)
#define LONGEST_LOOK_US  (160 * US_PER_MS)
/* Blocked threads from which on a forecast is worth a look while somebody is idle. */
#define MANY_BLOCKED     8

/* What one look makes of a sample. */
typedef struct look_t {
    int64_t now_us;
    int threads, admitted, busy, starting, waiting;
    int have;                   /* threads that are there or on their way */
    int cap;                    /* by processors */
    int least, most;
    bool waits, panic, calm;
    double demand, spare, growth;
} look_t;

void controller_threads_init(ctl_thread_state_t *state, int64_t now_us)
{
    memset(state, 0, sizeof(*state));
    ctl_clock_init(&state->clock, now_us);
    ctl_cpu_init(&state->cpu, state->clock.now_us);
    ctl_hold_init(&state->hold);
    state->batch = 1;
    state->quiet_us = BUSY_LOOK_US;
}

static int count(int given)
{
    return ctl_least(ctl_most(given, 0), INT32_MAX / 8);
}

static look_t look(ctl_thread_state_t *state, const ctl_thread_sample_t *s,
                   const ctl_thread_limits_t *limits)
{
    int64_t elapsed_us = ctl_clock_advance(&state->clock, s->now_us);
    bool completed = s->completions != state->flow.completions;
    double service_s, lead_s;
    look_t l;

    l.now_us = state->clock.now_us;
    l.threads = count(s->threads);
    l.admitted = ctl_least(count(s->admitted), l.threads);
    l.busy = ctl_least(count(s->busy), l.threads);
    l.starting = count(s->starting);
    l.waiting = count(s->waiting);
    l.have = l.threads + l.starting;
    l.most = ctl_most(limits->max_threads, 0);
    l.least = ctl_least(ctl_most(limits->min_threads, 0), l.most);
    l.waits = s->waited_us > limits->wait_target_us;

    service_s = ctl_flow_service_s(&state->flow);
    ctl_cpu_update(&state->cpu, l.now_us, elapsed_us, s, limits, service_s, completed,
                   state->without);
    l.cap = ctl_cpu_cap(&state->cpu, limits, l.waits, state->without);
    ctl_flow_update(&state->flow, l.now_us, s->arrivals, s->completions, l.busy);
    service_s = ctl_flow_service_s(&state->flow);

    /* only threads that wait for something else are missing while others are started */
    lead_s = LOOK_LEAD_S + START_FACTOR * ctl_bounded((double)s->thread_start_us, 0, US_PER_S)
                           / US_PER_S;
    l.demand = (double)l.busy + l.waiting;
    l.growth = ctl_flow_growth(&state->flow) * state->cpu.blocked_part;
    l.spare = 1;
    if (!(state->without & CTL_TERM_GROWTH)) {
        l.spare += l.growth * lead_s;
    }
    if (!(state->without & CTL_TERM_FLUCTUATION)) {
        l.spare += BETA * ctl_fluctuation(l.demand * state->cpu.blocked_part, lead_s, service_s);
    }
    return l;
}

/* Threads that a panic adds, those that come back into the poll counted. What is starting
 * counts as well, or slow starts would be repeated at every look. */
static int panic_adds(ctl_thread_state_t *state, const look_t *l)
{
    int idle = l->admitted - l->busy;
    int adds = l->waiting - l->starting - idle;

    if (l->starting == 0 && idle <= 0 && adds < state->batch) {
        adds = state->batch;
        state->batch = ctl_least(state->batch * 2, LARGEST_BATCH);
    }
    return ctl_most(adds, 0);
}

static int64_t look_delay_us(ctl_thread_state_t *state, const look_t *l, int target, int need)
{
    int64_t delay_us = CTL_NEVER_US, next_us;

    state->quiet_us = need != state->need ? BUSY_LOOK_US
                      : state->quiet_us < LONGEST_LOOK_US ? state->quiet_us * 2 : LONGEST_LOOK_US;
    if (l->waits || l->admitted <= l->busy) {
        if (l->have >= l->most) {
            return FULL_LOOK_US;
        }
        return l->admitted >= l->cap ? BUSY_LOOK_US : PANIC_LOOK_US;
    }
    if (l->demand * state->cpu.blocked_part >= MANY_BLOCKED) {
        delay_us = state->quiet_us;
    }
    next_us = ctl_hold_next_us(&state->hold, target, l->least);
    if (next_us != INT64_MAX) {
        if (next_us < state->calm_at_us) {
            next_us = state->calm_at_us;
        }
        if (next_us - l->now_us < delay_us) {
            delay_us = next_us - l->now_us;
        }
    }
    return delay_us;
}

ctl_thread_plan_t controller_threads(ctl_thread_state_t *state, const ctl_thread_sample_t *sample,
                                     const ctl_thread_limits_t *limits)
{
    look_t l = look(state, sample, limits);
    ctl_thread_plan_t plan;
    bool cpu_bound = false, full = false;
    int need, target;
    int64_t hold_us = state->without & CTL_TERM_HOLD ? 0 : limits->hold_us;
    int idle;

    memset(&plan, 0, sizeof(plan));
    plan.demand = l.demand;
    plan.spare = l.spare;
    plan.blocked_part = state->cpu.known ? state->cpu.blocked_part : 1;
    plan.admit = ctl_least(l.cap, l.most);

    need = ctl_ceil(l.demand + l.spare);
    plan.reason = need <= ctl_ceil(l.demand) + 1 ? CTL_DEMAND : CTL_LEAD_TIME;
    if (need < l.least) {
        need = l.least;
        plan.reason = CTL_FLOOR;
    }
    if (l.waits && !(state->without & CTL_TERM_PANIC)) {
        if (l.cap > l.admitted) {
            int room = ctl_most(ctl_least(plan.admit, l.threads) - l.admitted, 0);
            /* those that wait outside of the poll come first */
            int adds = panic_adds(state, &l) - room;

            if (adds > 0 && l.have + adds > need) {
                need = l.have + adds;
                plan.reason = CTL_WAITING;
            }
            state->calm_at_us = l.now_us + CALM_US;
        }
    }
    else if (!l.waits) {
        state->batch = 1;
    }
    if (need > ctl_most(l.cap, l.least)) {
        need = ctl_most(l.cap, l.least);
        cpu_bound = true;
    }
    if (need > l.most) {
        need = l.most;
        full = true;
    }
    target = ctl_hold_target(&state->hold, l.now_us, hold_us,
                             ctl_least(ctl_ceil(l.demand), need), need, l.have,
                             l.now_us >= state->calm_at_us);
    target = ctl_least(ctl_most(target, l.least), l.most);

    idle = l.threads - l.busy;
    plan.target = target;
    plan.start = ctl_most(target - l.have, 0);
    plan.retire = ctl_least(ctl_most(l.have - target, 0), idle);
    if (full) {
        plan.reason = CTL_CEILING;
        plan.ceiling = limits->ceiling;
    }
    else if (plan.retire) {
        plan.reason = CTL_SURPLUS;
    }
    else if (cpu_bound) {
        plan.reason = CTL_CPU_BOUND;
    }
    else if (!plan.start) {
        plan.reason = target > need ? CTL_HOLD : target > l.least ? CTL_STEADY : CTL_FLOOR;
    }
    plan.wants_child = !cpu_bound && l.most > 0
                       && l.demand + l.spare + l.growth * CHILD_LEAD_S >= NEAR_END * l.most;
    plan.look_again_us = ctl_clock_after(&state->clock,
                                         look_delay_us(state, &l, target, need));
    state->need = need;
    return plan;
}
