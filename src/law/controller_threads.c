/* Pure; the steward asks. Sample and limits in, how many workers to start, admit and retire
 * out. */
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
#define FULL_LOOK_US     (5 * US_PER_MS)
#define LONGEST_LOOK_US  (640 * US_PER_MS)
/* Blocked threads from which on a forecast is worth a look while somebody is idle. */
#define MANY_BLOCKED     8

/* One look: what is there, and what is made of it. */
typedef struct threads_look_t {
    int64_t now_us;
    int threads, admitted, busy, lowered, starting, waiting;
    double blocked_part;        /* of the busy threads: those that need no processor of their own */
    int have;                   /* threads that are there or on their way */
    int least, most;
    bool waits;                 /* work does, for too long */
    int cap;                    /* by processors */
    double demand, spare, growth;
    int need;
    ctl_reason_e why;
    bool cpu_bound, full;       /* the need was cut: by processors, by the ceiling */
} threads_look_t;

void controller_threads_init(ctl_thread_state_t *state, int64_t now_us)
{
    memset(state, 0, sizeof(*state));
    ctl_clock_init(&state->clock, now_us);
    ctl_cpu_init(&state->cpu, state->clock.now_us);
    ctl_hold_init(&state->hold);
    state->batch = 1;
    state->quiet_us = BUSY_LOOK_US;
}

static void take_counts(threads_look_t *l, const ctl_thread_sample_t *s,
                        const ctl_thread_limits_t *limits)
{
    l->threads = ctl_count(s->threads);
    l->admitted = ctl_min(ctl_count(s->admitted), l->threads);
    l->busy = ctl_min(ctl_count(s->busy), l->threads);
    l->lowered = ctl_min(ctl_count(s->lowered), l->busy);
    l->starting = ctl_count(s->starting);
    l->waiting = ctl_count(s->waiting);
    l->have = l->threads + l->starting;
    l->most = ctl_max(limits->max_threads, 0);
    l->least = ctl_min(ctl_max(limits->min_threads, 0), l->most);
    l->waits = s->waited_us > limits->wait_target_us;
}

/* Lowered threads take no processor from the others: they need threads, like those that wait. */
static double with_lowered(const threads_look_t *l, double blocked_part)
{
    double lowered_part = l->busy > 0 ? (double)l->lowered / l->busy : 0;

    return lowered_part + (1 - lowered_part) * blocked_part;
}

static void estimate(ctl_thread_state_t *state, threads_look_t *l, const ctl_thread_sample_t *s,
                     const ctl_thread_limits_t *limits, int64_t elapsed_us)
{
    ctl_cpu_count_t count = {
        .busy = l->busy - l->lowered, .runnable = s->runnable,
        .idle_processors = s->idle_processors, .waits = l->waits,
        .completed = s->completions != state->flow.completions
    };
    double start_s = ctl_clamp((double)s->thread_start_us, 0, US_PER_S) / US_PER_S;
    double lead_s = LOOK_LEAD_S + START_FACTOR * start_s;
    double blocked;

    ctl_cpu_update(&state->cpu, l->now_us, elapsed_us, &count, limits,
                   ctl_flow_service_is_known(&state->flow) ? ctl_flow_usual_rate(&state->flow)
                                                           : 0, state->without);
    l->cap = ctl_cpu_cap(&state->cpu, limits, state->without);
    l->cap = l->cap < INT32_MAX - l->lowered ? l->cap + l->lowered : INT32_MAX;
    ctl_flow_update(&state->flow, l->now_us, s->arrivals, s->completions, l->busy);

    /* only of threads that wait for something else are more missing while some start */
    l->demand = (double)l->busy + l->waiting;
    l->blocked_part = with_lowered(l, state->cpu.blocked_part);
    blocked = l->demand * l->blocked_part;
    l->growth = ctl_flow_growth(&state->flow) * l->blocked_part;
    l->spare = 1;
    if (!(state->without & CTL_TERM_GROWTH)) {
        l->spare += l->growth * lead_s;
    }
    if (!(state->without & CTL_TERM_FLUCTUATION)) {
        l->spare += BETA * ctl_fluctuation(blocked, lead_s, ctl_flow_service_s(&state->flow));
    }
}

/* Threads that a panic adds. What is starting counts, or slow starts would be repeated at
 * every look; and those that come back into the poll come first. */
static int panic_adds(ctl_thread_state_t *state, const threads_look_t *l)
{
    int idle = l->admitted - l->busy;
    int back = ctl_max(ctl_min(ctl_min(l->cap, l->most), l->threads) - l->admitted, 0);
    int adds = l->waiting - l->starting - idle;

    if (l->starting == 0 && idle <= 0 && adds < state->batch) {
        adds = state->batch;
        state->batch = ctl_min(state->batch * 2, LARGEST_BATCH);
    }
    return adds - back;
}

static void panic(ctl_thread_state_t *state, threads_look_t *l)
{
    int adds;

    if (!l->waits) {
        state->batch = 1;
        return;
    }
    if (l->cap <= l->admitted) {
        return;                     /* it waits for a processor */
    }
    state->calm_at_us = l->now_us + CALM_US;
    adds = panic_adds(state, l);
    if (adds > 0 && l->have + adds > l->need && !(state->without & CTL_TERM_PANIC)) {
        l->need = l->have + adds;
        l->why = CTL_WAITING;
    }
}

static void find_need(ctl_thread_state_t *state, threads_look_t *l)
{
    l->need = ctl_ceil(l->demand + l->spare);
    l->why = l->need <= ctl_ceil(l->demand) + 1 ? CTL_DEMAND : CTL_LEAD_TIME;
    if (l->need < l->least) {
        l->need = l->least;
        l->why = CTL_FLOOR;
    }
    panic(state, l);
    l->cpu_bound = l->need > ctl_max(l->cap, l->least);
    if (l->cpu_bound) {
        l->need = ctl_max(l->cap, l->least);
    }
    l->full = l->need > l->most;
    if (l->full) {
        l->need = l->most;
    }
}

static ctl_reason_e reason(const threads_look_t *l, const ctl_thread_plan_t *plan)
{
    if (l->full) {
        return CTL_CEILING;
    }
    if (plan->retire) {
        return CTL_SURPLUS;
    }
    if (plan->start) {
        return l->why;
    }
    if (l->cpu_bound) {
        return CTL_CPU_BOUND;
    }
    return plan->target > l->need ? CTL_HOLD : plan->target > l->least ? CTL_STEADY : CTL_FLOOR;
}

static int64_t look_delay_us(ctl_thread_state_t *state, const threads_look_t *l,
                             const ctl_thread_plan_t *plan)
{
    bool changes = plan->start || plan->retire || l->starting || l->waits;
    int64_t delay_us = CTL_NEVER_US;

    state->quiet_us = changes ? BUSY_LOOK_US
                      : ctl_sooner_us(state->quiet_us * 2, LONGEST_LOOK_US);
    if (l->waits || l->admitted <= l->busy) {
        return l->have >= l->most ? FULL_LOOK_US
               : l->admitted >= l->cap && l->now_us - state->cpu.free_us > 20 * US_PER_MS
                 ? BUSY_LOOK_US : PANIC_LOOK_US;
    }
    if (l->demand * l->blocked_part >= MANY_BLOCKED) {
        delay_us = state->quiet_us;
    }
    delay_us = ctl_sooner_us(delay_us, ctl_hold_delay_us(&state->hold, l->now_us, plan->target,
                                                         l->least, state->calm_at_us));
    return delay_us;
}

bool controller_threads_wants_count(const ctl_thread_state_t *state,
                                    const ctl_thread_sample_t *sample,
                                    const ctl_thread_limits_t *limits)
{
    int light = sample->busy - sample->lowered;

    return light > 0
           && (sample->waited_us >= limits->wait_target_us
               || light > PER_PROCESSOR * limits->cpus
               || light >= ctl_cpu_cap(&state->cpu, limits, state->without));
}

ctl_thread_plan_t controller_threads(ctl_thread_state_t *state, const ctl_thread_sample_t *sample,
                                     const ctl_thread_limits_t *limits)
{
    int64_t hold_us = state->without & CTL_TERM_HOLD ? 0 : limits->hold_us;
    int64_t elapsed_us = ctl_clock_advance(&state->clock, sample->now_us);
    ctl_thread_plan_t plan;
    threads_look_t l;
    int used;

    memset(&l, 0, sizeof(l));
    l.now_us = state->clock.now_us;
    take_counts(&l, sample, limits);
    estimate(state, &l, sample, limits, elapsed_us);
    find_need(state, &l);
    /* what is kept is what was in use: to spare is what the present demands */
    used = ctl_min(ctl_ceil(l.demand) + 1, l.need);

    memset(&plan, 0, sizeof(plan));
    plan.target = ctl_hold_target(&state->hold, l.now_us, hold_us, used, l.need, l.have,
                                  l.now_us >= state->calm_at_us);
    plan.target = ctl_min(ctl_max(plan.target, l.least), l.most);
    plan.start = ctl_max(plan.target - l.have, 0);
    plan.retire = ctl_min(ctl_max(l.have - plan.target, 0), l.threads - l.busy);
    plan.admit = ctl_min(l.cap, l.most);
    plan.reason = reason(&l, &plan);
    plan.ceiling = plan.reason == CTL_CEILING ? limits->ceiling : CTL_NO_CEILING;
    plan.demand = l.demand;
    plan.spare = l.spare;
    plan.blocked_part = state->cpu.counts ? l.blocked_part : 1;
    plan.wants_child = !l.cpu_bound && l.most > 0
                       && l.demand + l.spare + l.growth * CHILD_LEAD_S >= NEAR_END * l.most;
    plan.look_again_us = ctl_clock_after(&state->clock, look_delay_us(state, &l, &plan));
    return plan;
}
