#include "controller_internal.h"

#include <string.h>

/* A child is wanted at the next look, and takes some time to start. */
#define LOOK_LEAD_S      0.1
#define START_FACTOR     1.5
#define START_UNKNOWN_S  0.05
/* How far ahead a surge of arrivals is followed. */
#define SURGE_LEAD_S     1.0
#define SURGE_FACTOR     1.5
#define LARGEST_BATCH    32     /* forked in one go */
/* Work waits in a child for a thread, and that is not the child's own business any more. */
#define PANIC_FACTOR     5
/* A parked child is kept so long. */
#define PARKED_US        (20 * (int64_t)US_PER_S)
#define BLOCKED_TIME_US  (100 * US_PER_MS)
#define SMOOTH_TIME_US   US_PER_S

#define FAST_LOOK_US     (20 * US_PER_MS)
#define BUSY_LOOK_US     (100 * US_PER_MS)
#define LONGEST_LOOK_US  US_PER_S

typedef struct look_t {
    int64_t now_us;
    int serving, starting, parked, busy, waiting, exhausted;
    int have;                   /* that accept or soon will */
    int slots;                  /* threads a child */
    int least, most;            /* children */
    bool quiet;                 /* nothing busy, nothing came */
    bool panic;
    double demand, forecast, spare, rate, least_rate, service_s, growth;
} look_t;

void controller_children_init(ctl_child_state_t *state, int64_t now_us)
{
    memset(state, 0, sizeof(*state));
    ctl_clock_init(&state->clock, now_us);
    ctl_hold_init(&state->hold);
    state->blocked_part = 1;
    state->batch = 1;
    state->quiet_us = BUSY_LOOK_US;
}

static int count(int given)
{
    return ctl_least(ctl_most(given, 0), INT32_MAX / 8);
}

static void take_counts(look_t *l, const ctl_child_sample_t *s, const ctl_child_limits_t *limits)
{
    l->serving = count(s->serving);
    l->starting = count(s->starting);
    l->parked = count(s->parked);
    l->busy = count(s->busy);
    l->waiting = count(s->waiting);
    l->exhausted = ctl_least(count(s->exhausted), l->serving);
    l->have = l->serving + l->starting;
    l->slots = ctl_most(limits->threads_per_child, 1);
    l->most = ctl_most(limits->max_children, 0);
    if (limits->max_threads >= 0) {
        /* one child there has to be */
        l->most = ctl_least(l->most, ctl_most(limits->max_threads / l->slots, 1));
    }
    l->least = ctl_least(ctl_most(limits->min_children, 0), l->most);
    l->panic = s->waited_us > 0
               && s->waited_us / PANIC_FACTOR > (limits->wait_target_us > 0
                                                 ? limits->wait_target_us : 0);
}

/* Busy threads in lead_s. If more requests come than usual, that ends at rate * service time,
 * and can be told before they are there. If they take longer, nobody knows where it ends. */
static double forecast(const ctl_child_state_t *state, const look_t *l, double level,
                       double lead_s)
{
    bool surge = ctl_flow_service_is_known(&state->flow)
                 && l->least_rate > SURGE_FACTOR * ctl_flow_usual_rate(&state->flow);

    if (surge && !(state->without & CTL_TERM_OFFERED)) {
        /* less one standard deviation: what is missing then is started at the next look */
        double surge_rate = l->rate - (l->rate - l->least_rate) / CTL_SURGE_SIGMAS;

        return ctl_bounded(surge_rate * l->service_s, 0, level + l->growth * SURGE_LEAD_S);
    }
    return state->without & CTL_TERM_GROWTH ? level : level + l->growth * lead_s;
}

static void estimate(ctl_child_state_t *state, look_t *l, const ctl_child_sample_t *s,
                     int64_t elapsed_us)
{
    double arrived = state->flow.primed ? ctl_gained(s->arrivals, state->flow.arrivals) : 0;
    double start_s = s->child_start_us > 0
                     ? ctl_bounded((double)s->child_start_us, 0, 60e6) / US_PER_S
                     : START_UNKNOWN_S;
    double lead_s = LOOK_LEAD_S + START_FACTOR * start_s;
    double level = (double)l->busy + l->waiting;
    double fluctuation, blocked_part = state->blocked_part;

    l->quiet = l->busy == 0 && l->waiting == 0 && arrived == 0;
    ctl_flow_update(&state->flow, l->now_us, s->arrivals, s->completions, l->busy);
    l->rate = ctl_surge_rate(&state->surge, l->now_us, arrived, &l->least_rate);
    l->service_s = ctl_flow_service_s(&state->flow);
    l->growth = ctl_flow_growth(&state->flow);

    /* busy threads that compute need processors: another child has none to give */
    if (s->blocked >= 0 && l->busy > 0 && !(state->without & CTL_TERM_CPU)) {
        double part = ctl_bounded((double)s->blocked / l->busy, 0, 1);

        state->blocked_part += state->blocked_known
                               ? ctl_weight(elapsed_us, BLOCKED_TIME_US)
                                 * (part - state->blocked_part)
                               : part - state->blocked_part;
        state->blocked_known = true;
        /* down at once: a moment in which all wait says little */
        blocked_part = part < state->blocked_part ? part : state->blocked_part;
    }
    state->busy_smooth += ctl_weight(elapsed_us, SMOOTH_TIME_US) * (l->busy - state->busy_smooth);

    /* a backlog that is worked off is not load */
    l->demand = ctl_flow_service_is_known(&state->flow)
                ? ctl_bounded(l->rate * l->service_s, l->busy, level) : level;
    l->demand *= blocked_part;
    fluctuation = ctl_fluctuation(l->demand, lead_s, l->service_s);
    l->spare = 1;
    if (!(state->without & CTL_TERM_FLUCTUATION)) {
        l->spare += BETA * fluctuation;
    }
    l->forecast = forecast(state, l, level, lead_s) * blocked_part;
}

/* All children have all their threads, all are busy, and work waits: nobody knows how much
 * more comes. */
static int panic_need(ctl_child_state_t *state, const look_t *l)
{
    int adds = ctl_ceil((double)l->waiting / l->slots) - l->starting;

    if (l->starting == 0 && adds < state->batch) {
        adds = state->batch;
        state->batch = ctl_least(state->batch * 2, LARGEST_BATCH);
    }
    return l->have + ctl_most(adds, 0);
}

static int children_needed(ctl_child_state_t *state, const look_t *l, ctl_reason_e *reason)
{
    /* a child with all its threads is always to spare: connections do not spread evenly */
    double room = l->spare > l->slots ? l->spare : l->slots;
    int by_demand = ctl_ceil((l->demand + room) / l->slots);
    int by_forecast = ctl_ceil((l->forecast + l->spare) / l->slots);
    int need = by_demand;

    *reason = l->spare > l->slots ? CTL_LEAD_TIME : CTL_DEMAND;
    if (by_forecast > need) {
        need = by_forecast;
        *reason = CTL_LEAD_TIME;
    }
    /* connections cannot move to another child, but new ones find one */
    if (l->exhausted >= need && !(state->without & CTL_TERM_EXHAUSTED)) {
        need = l->exhausted + 1;
        *reason = CTL_WAITING;
    }
    if (l->panic && l->exhausted > 0 && l->exhausted >= l->serving) {
        if (!(state->without & CTL_TERM_PANIC)) {
            int panic = panic_need(state, l);

            if (panic > need) {
                need = panic;
                *reason = CTL_WAITING;
            }
        }
        state->calm_at_us = l->now_us + CALM_US;
    }
    else if (!l->panic) {
        state->batch = 1;
    }
    if (need < l->least) {
        need = l->least;
        *reason = CTL_FLOOR;
    }
    return need;
}

/* MinSpareThreads and MaxSpareThreads bound the result of everything else. */
static void spare_bounds(const ctl_child_state_t *state, const look_t *l,
                         const ctl_child_limits_t *limits, int *least, int *most)
{
    double busy = state->busy_smooth > l->busy ? state->busy_smooth : l->busy;

    *least = 0;
    *most = INT32_MAX;
    if (limits->min_spare_threads >= 0) {
        *least = ctl_ceil(((double)l->busy + limits->min_spare_threads) / l->slots);
    }
    if (limits->max_spare_threads >= 0) {
        *most = (int)ctl_bounded((busy + limits->max_spare_threads) / l->slots, 1, 1e9);
        *most = ctl_most(*most, ctl_ceil((l->busy + 1.0) / l->slots));
        *most = ctl_most(*most, ctl_most(*least, l->least));
    }
}

static int64_t look_delay_us(ctl_child_state_t *state, const look_t *l,
                             const ctl_child_plan_t *plan, int need)
{
    int64_t delay_us = CTL_NEVER_US, next_us;
    bool changes = plan->start || plan->resurrect || l->starting || l->panic
                   || need != state->need;

    state->quiet_us = changes ? FAST_LOOK_US
                      : state->quiet_us < BUSY_LOOK_US ? BUSY_LOOK_US
                      : state->quiet_us < LONGEST_LOOK_US ? state->quiet_us * 2 : LONGEST_LOOK_US;
    if (changes || !l->quiet) {
        delay_us = state->quiet_us < LONGEST_LOOK_US ? state->quiet_us : LONGEST_LOOK_US;
    }
    next_us = ctl_hold_next_us(&state->hold, plan->target, l->least);
    if (next_us != INT64_MAX) {
        if (next_us < state->calm_at_us) {
            next_us = state->calm_at_us;
        }
        if (next_us - l->now_us < delay_us) {
            delay_us = next_us - l->now_us;
        }
    }
    if (l->parked + plan->park > plan->resurrect + plan->retire) {
        next_us = ctl_peak_falls_us(&state->unparked);
        if (next_us - l->now_us < delay_us) {
            delay_us = next_us - l->now_us;
        }
    }
    /* what could have been done now, had it been time */
    return delay_us < FAST_LOOK_US ? FAST_LOOK_US : delay_us;
}

ctl_child_plan_t controller_children(ctl_child_state_t *state, const ctl_child_sample_t *sample,
                                     const ctl_child_limits_t *limits)
{
    int64_t elapsed_us = ctl_clock_advance(&state->clock, sample->now_us);
    int64_t hold_us = state->without & CTL_TERM_HOLD ? 0 : limits->hold_us;
    ctl_child_plan_t plan;
    int need, target, least, most, missing;
    bool full = false, trimmed = false;
    look_t l;

    memset(&plan, 0, sizeof(plan));
    l.now_us = state->clock.now_us;
    take_counts(&l, sample, limits);
    estimate(state, &l, sample, elapsed_us);
    plan.demand = l.demand;
    plan.arrivals_per_s = l.rate;
    plan.service_us = l.service_s * US_PER_S;

    need = children_needed(state, &l, &plan.reason);
    spare_bounds(state, &l, limits, &least, &most);
    if (need > most) {
        need = most;
        plan.reason = CTL_MAX_SPARE;
        trimmed = true;
    }
    if (need < least) {
        need = least;
        plan.reason = CTL_MIN_SPARE;
    }
    if (need > l.most) {
        need = l.most;
        full = true;
    }
    plan.spare = ctl_bounded((double)need * l.slots - l.demand, 0, 1e12);
    target = ctl_hold_target(&state->hold, l.now_us, hold_us, need, need, l.have,
                             l.now_us >= state->calm_at_us);
    if (target > most) {
        target = most;
        trimmed = true;
    }
    target = ctl_least(ctl_most(target, l.least), l.most);
    plan.target = target;

    missing = ctl_most(target - l.have, 0);
    plan.resurrect = ctl_least(missing, l.parked);
    plan.start = ctl_most(ctl_least(ctl_least(missing - plan.resurrect,
                                              LARGEST_BATCH - l.starting),
                                    l.most - l.have - l.parked), 0);
    plan.park = ctl_least(ctl_most(l.have - target, 0), l.serving);
    ctl_peak_put(&state->unparked, l.now_us, PARKED_US, -(l.parked - plan.resurrect));
    plan.retire = ctl_least(-ctl_peak(&state->unparked), l.parked - plan.resurrect);
    plan.retire = missing ? 0 : ctl_most(plan.retire, 0);
    if (!(state->without & CTL_TERM_LEARNING)) {
        ctl_hold_learn(&state->hold, l.now_us, hold_us, plan.start > 0, plan.retire > 0);
    }

    if (full) {
        plan.reason = CTL_CEILING;
        plan.ceiling = limits->ceiling;
    }
    else if (plan.park) {
        plan.reason = trimmed ? CTL_MAX_SPARE : CTL_SURPLUS;
    }
    else if (!plan.start && !plan.resurrect && !trimmed) {
        plan.reason = target > need ? CTL_HOLD
                      : plan.reason == CTL_FLOOR || plan.reason == CTL_MIN_SPARE ? plan.reason
                      : CTL_STEADY;
    }
    plan.look_again_us = ctl_clock_after(&state->clock, look_delay_us(state, &l, &plan, need));
    state->need = need;
    return plan;
}
