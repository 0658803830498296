/* Pure; the parent asks. Sample and limits in, how many children to start, resurrect, park and
 * retire out. */
#include "controller_internal.h"

#include <string.h>

/* A child is wanted at the next look, and takes some time to start. */
#define LOOK_LEAD_S      0.1
#define START_FACTOR     1.5
#define START_UNKNOWN_S  0.05
/* How far ahead a surge of arrivals is followed. */
#define SURGE_LEAD_S     1.0
#define SURGE_FACTOR     1.5
#define UNEXPLAINED      1.5
/* Until then the rate is that of the time before. */
#define RATE_KNOWN_US    (30 * US_PER_MS)
/* Requests compute if less than this part of the busy threads is blocked and the others are more
 * than there are processors; not any more if they are not, and more than that is blocked. */
#define COMPUTING_PART   0.2
#define BLOCKING_PART    0.6
/* A child that was needed so short a time ago is not parked for that, as requests that block may
 * be back as soon. It doubles if a parked one is missed within some times as long. */
#define DWELL_US         (2000 * (int64_t)US_PER_MS)
#define DWELL_DOUBLINGS  5
#define DWELL_MISSED     16
/* The hold time of children is short, as most bursts do not come back soon, and what it takes to
 * keep them for one that does is learned from the first that misses them. */
#define HOLD_DOUBLINGS   4
#define HOLD_MISSED      3
/* They are in use if at most this part of them is not: a number of children is never quite that
 * of the time before. */
#define UNUSED_PART      8
#define LARGEST_BATCH    32     /* forked in one go */
/* Work waits in a child for a thread, and that is not the child's own business any more. */
#define PANIC_FACTOR     5
/* A parked child is kept so long. */
#ifndef PARKED_MS
#define PARKED_MS        15000
#endif
#define PARKED_US        (PARKED_MS * (int64_t)US_PER_MS)
#define BLOCKED_TIME_US  (100 * US_PER_MS)
#define SMOOTH_TIME_US   US_PER_S

#define FAST_LOOK_US     (20 * US_PER_MS)
#define BUSY_LOOK_US     (100 * US_PER_MS)
#define LONGEST_LOOK_US  US_PER_S
#define LONGEST_LOOK_S   1.0
/* So much of a child filling up until the latest look is worth more looks. */
#define NOTABLE_PART     0.5

typedef struct children_look_t {
    int64_t now_us;
    int serving, starting, parked, busy, waiting, exhausted;
    int out_of_descriptors; /* children: whatever idle threads they have, nothing comes to them */
    int ending;                 /* parked ones that would end soon */
    int free_slots;             /* where a child could be started, */
    int spare_slots;            /* ... beside all children that there may be */
    int have;                   /* that accept or soon will */
    int slots;                  /* threads per child */
    int least, most;            /* children */
    bool quiet;                 /* nothing busy, nothing came */
    bool fills;                 /* the demand surely grows */
    bool cpu_bound;              /* requests need processors, not children */
    bool panic;
    int need, held;
    ctl_reason_e why;
    int spare_least, spare_most; /* children, by MinSpareThreads and MaxSpareThreads */
    bool settles;               /* busy threads of a moment ago still keep MaxSpareThreads up */
    bool full, trimmed;         /* the need was cut: by the ceiling, by MaxSpareThreads */
    bool no_slot;               /* draining children hold those that are needed */
    bool widens;                /* more threads than at the last look, or a higher ceiling */
    double demand, forecast, spare, rate, least_rate, service_s, growth;
} children_look_t;

void controller_children_init(ctl_child_state_t *state, int64_t now_us)
{
    memset(state, 0, sizeof(*state));
    ctl_clock_init(&state->clock, now_us);
    ctl_hold_init(&state->hold);
    ctl_hold_init(&state->parking);
    state->blocked_part = 1;
    state->batch = 1;
    state->quiet_us = BUSY_LOOK_US;
}

/* A child that was told to end keeps its slot until its last connection ends, which may be
 * never. */
static void take_slots(children_look_t *l, const ctl_child_sample_t *s)
{
    int draining = ctl_count(s->draining);

    l->ending = ctl_max(l->parked - ctl_count(s->lasting), 0);
    l->free_slots = l->spare_slots = INT32_MAX;
    if (s->slots > 0) {
        l->free_slots = ctl_max(s->slots - l->have - l->parked - draining, 0);
        l->spare_slots = ctl_max(s->slots - ctl_max(l->most, l->have + l->parked) - draining, 0);
    }
}

static void take_children_counts(ctl_child_state_t *state, children_look_t *l,
                                 const ctl_child_sample_t *s, const ctl_child_limits_t *limits)
{
    l->serving = ctl_count(s->serving);
    l->starting = ctl_count(s->starting);
    l->parked = ctl_count(s->parked);
    l->busy = ctl_count(s->busy);
    l->waiting = ctl_count(s->waiting);
    l->exhausted = ctl_min(ctl_count(s->exhausted), l->serving);
    l->out_of_descriptors = ctl_min(ctl_count(s->out_of_descriptors), l->serving);
    l->have = l->serving + l->starting;
    l->slots = ctl_max(limits->threads_per_child, 1);
    l->most = ctl_max(limits->max_children, 0);
    if (limits->max_threads >= 0) {
        /* one child there has to be */
        l->most = ctl_min(l->most, ctl_max(limits->max_threads / l->slots, 1));
    }
    l->least = ctl_min(ctl_max(limits->min_children, 0), l->most);
    take_slots(l, s);
    l->widens = ctl_count(s->threads) > state->threads || limits->max_threads > state->most_threads;
    state->threads = ctl_count(s->threads);
    state->most_threads = limits->max_threads;
    l->panic = s->waited_us > 0
               && s->waited_us / PANIC_FACTOR > (limits->wait_target_us > 0
                                                 ? limits->wait_target_us : 0);
}

/* Where a surge of arrivals leads: rate * service time, and that can be told before they are
 * there; not farther than the growth can get within the lead. If there are more under way than
 * that explains, they take longer, and it goes on for the lead time. 0: neither. */
static double forecast(const ctl_child_state_t *state, const children_look_t *l, double level,
                       double lead_s)
{
    bool surge = ctl_flow_service_is_known(&state->flow)
                 && l->least_rate > SURGE_FACTOR * ctl_flow_usual_rate(&state->flow);
    /* less one standard deviation: what is missing then is started at the next look */
    double rate = l->rate - (l->rate - l->least_rate) / CTL_SURGE_SIGMAS;

    if (l->fills && !(state->without & CTL_TERM_GROWTH)
        && (!ctl_flow_service_is_known(&state->flow)
            || (l->now_us - state->filling_us >= RATE_KNOWN_US
                && level > UNEXPLAINED * l->rate * l->service_s))) {
        return level + l->growth * lead_s;
    }
    if (!surge || (state->without & CTL_TERM_OFFERED)) {
        return 0;
    }
    return ctl_clamp(rate * l->service_s, 0, level + l->growth * SURGE_LEAD_S);
}

static void estimate_children(ctl_child_state_t *state, children_look_t *l,
                              const ctl_child_sample_t *s, double cpus, int64_t elapsed_us)
{
    double arrived = state->flow.primed ? ctl_gained(s->arrivals, state->flow.arrivals) : 0;
    double start_s = s->child_start_us > 0
                     ? ctl_clamp((double)s->child_start_us, 0, 60e6) / US_PER_S
                     : START_UNKNOWN_S;
    double lead_s = LOOK_LEAD_S + START_FACTOR * start_s;
    double level = (double)l->busy + l->waiting;
    double fluctuation, blocked_part = state->blocked_part;
    bool crowded;

    l->quiet = l->busy == 0 && l->waiting == 0 && arrived == 0;
    ctl_flow_update(&state->flow, l->now_us, s->arrivals, s->completions, l->busy);
    l->rate = ctl_surge_rate(&state->surge, l->now_us, arrived, &l->least_rate);
    l->service_s = ctl_flow_service_s(&state->flow);
    l->growth = ctl_flow_growth(&state->flow);
    l->fills = l->growth * LONGEST_LOOK_S > NOTABLE_PART * l->slots
               && ctl_flow_surely_grows(&state->flow);
    if (!l->fills) {
        state->filling_us = l->now_us;
    }

    /* busy threads that compute need processors: another child has none to give */
    if (s->blocked >= 0 && l->busy > 0 && !(state->without & CTL_TERM_CPU)) {
        double part = ctl_clamp((double)s->blocked / l->busy, 0, 1);

        state->blocked_part += state->blocked_known
                               ? ctl_weight(elapsed_us, BLOCKED_TIME_US)
                                 * (part - state->blocked_part)
                               : part - state->blocked_part;
        state->blocked_known = true;
        /* down at once: a moment in which all wait says little */
        blocked_part = part < state->blocked_part ? part : state->blocked_part;
        crowded = l->busy - s->blocked > cpus;
        state->cpu_bound = state->cpu_bound ? crowded || state->blocked_part < BLOCKING_PART
                                          : crowded && state->blocked_part < COMPUTING_PART;
    }
    l->cpu_bound = state->cpu_bound;
    state->busy_smooth += ctl_weight(elapsed_us, SMOOTH_TIME_US) * (l->busy - state->busy_smooth);

    /* a backlog that is worked off is not load */
    l->demand = ctl_flow_service_is_known(&state->flow)
                ? ctl_clamp(l->rate * l->service_s, l->busy, level) : level;
    l->demand *= blocked_part;
    fluctuation = ctl_fluctuation(l->demand, lead_s, l->service_s);
    l->spare = 1;
    if (!(state->without & CTL_TERM_FLUCTUATION)) {
        l->spare += BETA * fluctuation;
    }
    l->forecast = forecast(state, l, level, lead_s) * blocked_part;
}

/* Children that a panic adds: all have all their threads, all are busy, and work waits; nobody
 * knows how much more comes. What is starting counts. */
static int children_panic_adds(ctl_child_state_t *state, const children_look_t *l)
{
    int adds = ctl_ceil((double)l->waiting / l->slots) - l->starting;

    if (l->starting == 0 && adds < state->batch) {
        adds = state->batch;
        state->batch = ctl_min(state->batch * 2, LARGEST_BATCH);
    }
    return ctl_max(adds, 0);
}

static void children_panic(ctl_child_state_t *state, children_look_t *l)
{
    int adds;

    if (!l->panic) {
        state->batch = 1;
        return;
    }
    if (l->exhausted == 0 || l->exhausted < l->serving || l->cpu_bound) {
        return;                     /* children can help themselves, or no child can */
    }
    state->calm_at_us = l->now_us + CALM_US;
    adds = children_panic_adds(state, l);
    if (l->have + adds > l->need && !(state->without & CTL_TERM_PANIC)) {
        l->need = l->have + adds;
        l->why = CTL_WAITING;
    }
}

/* MinSpareThreads and MaxSpareThreads bound the result of everything else. */
static void find_spare_bounds(const ctl_child_state_t *state, children_look_t *l,
                              const ctl_child_limits_t *limits)
{
    double busy = state->busy_smooth > l->busy ? state->busy_smooth : l->busy;

    l->spare_least = 0;
    l->spare_most = INT32_MAX;
    if (limits->min_spare_threads >= 0) {
        l->spare_least = ctl_ceil(((double)l->busy + limits->min_spare_threads) / l->slots)
                         + l->out_of_descriptors;
    }
    if (limits->max_spare_threads >= 0) {
        l->settles = state->busy_smooth > l->busy + 1;
        double most = ctl_clamp((busy + limits->max_spare_threads) / l->slots, 1, 1e9);

        /* not so few that busy threads would have to go, or the others' bounds not be held */
        l->spare_most = ctl_max((int)most, ctl_ceil((l->busy + 1.0) / l->slots))
                        + l->out_of_descriptors;
        l->spare_most = ctl_max(l->spare_most, ctl_max(l->spare_least, l->least));
    }
}

static void bound_need(children_look_t *l)
{
    if (l->need < l->least) {
        l->need = l->least;
        l->why = CTL_FLOOR;
    }
    l->trimmed = l->need > l->spare_most;
    if (l->trimmed) {
        l->need = l->spare_most;
        l->why = CTL_MAX_SPARE;
    }
    if (l->need < l->spare_least) {
        l->need = l->spare_least;
        l->why = CTL_MIN_SPARE;
    }
    l->full = l->need > l->most;
    if (l->full) {
        l->need = l->most;
    }
}

static void find_children_need(ctl_child_state_t *state, children_look_t *l,
                               const ctl_child_limits_t *limits)
{
    /* a child with all its threads is always to spare: connections do not spread evenly */
    double room = l->spare > l->slots ? l->spare : l->slots;
    int by_forecast = ctl_ceil((l->forecast + l->spare) / l->slots);

    l->need = ctl_ceil((l->demand + room) / l->slots);
    l->why = l->spare > l->slots ? CTL_LEAD_TIME : CTL_DEMAND;
    if (by_forecast > l->need) {
        l->need = by_forecast;
        l->why = CTL_LEAD_TIME;
    }
    children_panic(state, l);
    if (l->out_of_descriptors >= l->need && l->out_of_descriptors > 0) {
        /* one more that can take connections; when that is full, too, the next */
        l->need = l->out_of_descriptors + 1;
        l->why = CTL_NO_DESCRIPTORS;
    }
    find_spare_bounds(state, l, limits);
    bound_need(l);
}

/* How to get from what there is to the target. */
static void find_steps(ctl_child_state_t *state, children_look_t *l, ctl_child_plan_t *plan)
{
    int missing = ctl_max(plan->target - l->have, 0);
    int parked, start;

    plan->resurrect = ctl_min(missing, l->parked);
    parked = l->parked - plan->resurrect;
    start = ctl_min(missing - plan->resurrect, LARGEST_BATCH - l->starting);
    start = ctl_max(ctl_min(start, l->most - l->have - l->parked), 0);
    plan->start = ctl_min(start, l->free_slots);
    l->no_slot = plan->start < start;
    plan->park = ctl_min(ctl_max(l->have - plan->target, 0), l->serving);

    ctl_peak_put(&state->unparked, l->now_us, PARKED_US, -parked);
    if (!missing) {
        plan->retire = ctl_min(-ctl_peak(&state->unparked), ctl_min(parked, l->ending));
        plan->retire = ctl_min(plan->retire, l->spare_slots);
        plan->retire = ctl_max(ctl_min(plan->retire, l->have + l->parked - l->held), 0);
    }
}

static ctl_reason_e children_reason(const children_look_t *l, const ctl_child_plan_t *plan)
{
    if (l->full || l->no_slot) {
        return CTL_CEILING;
    }
    if (plan->park) {
        return l->trimmed ? CTL_MAX_SPARE : l->cpu_bound ? CTL_CPU_BOUND : CTL_SURPLUS;
    }
    if (l->cpu_bound && l->held > plan->target) {
        return CTL_CPU_BOUND;
    }
    if (plan->start || plan->resurrect || l->trimmed) {
        return l->why;
    }
    if (plan->target > l->need) {
        return CTL_HOLD;
    }
    return l->why == CTL_FLOOR || l->why == CTL_MIN_SPARE ? l->why : CTL_STEADY;
}

/* The next look may show that another child is needed. At a ceiling it may as well, but there is
 * none to be had until a child ends, which wakes the parent, or the ceiling rises. Threads that are
 * being added up to a ceiling are measured soon, and that may raise it. */
static bool is_urgent(const children_look_t *l, const ctl_child_plan_t *plan)
{
    return plan->start || plan->resurrect
           || ((l->panic || l->exhausted > 0 || l->fills)
               && (plan->reason != CTL_CEILING || l->widens));
}

/* The pause between looks: twice as long each time while nothing changes. */
static int64_t longer_us(int64_t quiet_us, const children_look_t *l)
{
    if (l->starting) {
        /* it tells when it is there, however long that takes: it may hang */
        return ctl_sooner_us(quiet_us * 2, l->quiet ? LONGEST_LOOK_US : BUSY_LOOK_US);
    }
    return quiet_us < BUSY_LOOK_US ? BUSY_LOOK_US : ctl_sooner_us(quiet_us * 2, LONGEST_LOOK_US);
}

static int64_t children_look_delay_us(ctl_child_state_t *state, const children_look_t *l,
                             const ctl_child_plan_t *plan)
{
    bool changes = is_urgent(l, plan);
    int64_t delay_us = CTL_NEVER_US;

    state->quiet_us = changes ? FAST_LOOK_US : longer_us(state->quiet_us, l);
    if (l->cpu_bound && l->parked > 0) {
        state->quiet_us = ctl_sooner_us(state->quiet_us, BUSY_LOOK_US);
    }
    if (changes || l->starting || !l->quiet || l->settles) {
        delay_us = state->quiet_us;
    }
    delay_us = ctl_sooner_us(delay_us, ctl_hold_delay_us(&state->hold, l->now_us, plan->target,
                                                         l->least, state->calm_at_us));
    if (l->parked + plan->park > plan->resurrect + plan->retire) {
        delay_us = ctl_sooner_us(delay_us, ctl_peak_falls_us(&state->unparked) - l->now_us);
    }
    /* what is due already is done by this plan */
    return delay_us < FAST_LOOK_US ? FAST_LOOK_US : delay_us;
}

/* Of those that are held: parked ones are a part of them, and come back when they are needed. */
static int worth_keeping(const children_look_t *l)
{
    return ctl_max(l->have, l->held - l->parked);
}

/* What computes needs processors: surplus children only divide them, so they are parked soon,
 * and kept parked in case that requests block again. */
static int needed_lately(ctl_child_state_t *state, const children_look_t *l)
{
    ctl_peak_put(&state->parking.peak, l->now_us, ctl_hold_us(&state->parking, DWELL_US), l->need);
    return ctl_min(ctl_peak(&state->parking.peak), ctl_max(ctl_peak(&state->hold.peak), l->need));
}

static void note_use(ctl_child_state_t *state, const children_look_t *l, int64_t hold_us)
{
    int all = l->have + l->parked;

    if (l->need < all - all / UNUSED_PART) {
        return;
    }
    if (all >= state->used - state->used / UNUSED_PART) {
        /* they were all kept for it */
        ctl_hold_confirm(&state->hold, l->now_us, hold_us, l->now_us - state->used_us);
    }
    state->used_us = l->now_us;
    state->used = all;
}

static void learn(ctl_child_state_t *state, const children_look_t *l, const ctl_child_plan_t *plan,
                  int64_t hold_us)
{
    const ctl_lesson_t hold = { hold_us, HOLD_DOUBLINGS, HOLD_MISSED, l->now_us - state->used_us };
    const ctl_lesson_t dwell = { DWELL_US, DWELL_DOUBLINGS, DWELL_MISSED, CTL_UNUSED_UNKNOWN };

    note_use(state, l, hold_us);
    ctl_hold_learn(&state->hold, l->now_us, &hold, plan->start > 0, plan->retire > 0);
    ctl_hold_learn(&state->parking, l->now_us, &dwell, plan->start + plan->resurrect > 0,
                   l->cpu_bound && plan->park > 0);
}

ctl_child_plan_t controller_children(ctl_child_state_t *state, const ctl_child_sample_t *sample,
                                     const ctl_child_limits_t *limits)
{
    int64_t hold_us = state->without & CTL_TERM_HOLD ? 0 : limits->hold_us;
    int64_t elapsed_us = ctl_clock_advance(&state->clock, sample->now_us);
    ctl_child_plan_t plan;
    children_look_t l;

    memset(&l, 0, sizeof(l));
    l.now_us = state->clock.now_us;
    take_children_counts(state, &l, sample, limits);
    estimate_children(state, &l, sample, ctl_clamp(limits->cpus, 1, 1e6), elapsed_us);
    find_children_need(state, &l, limits);

    memset(&plan, 0, sizeof(plan));
    l.held = ctl_hold_target(&state->hold, l.now_us, hold_us, l.need, l.need,
                             l.cpu_bound ? l.have + l.parked : l.have,
                             l.now_us >= state->calm_at_us);
    plan.target = needed_lately(state, &l);
    if (!l.cpu_bound) {
        plan.target = ctl_min(ctl_max(plan.target, worth_keeping(&l)), l.held);
    }
    l.trimmed = l.trimmed || plan.target > l.spare_most;
    l.held = ctl_min(l.held, l.spare_most);
    plan.target = ctl_min(plan.target, l.spare_most);
    plan.target = ctl_min(ctl_max(plan.target, l.least), l.most);
    find_steps(state, &l, &plan);
    if (!(state->without & CTL_TERM_LEARNING)) {
        learn(state, &l, &plan, hold_us);
    }

    plan.reason = children_reason(&l, &plan);
    plan.ceiling = plan.reason != CTL_CEILING ? CTL_NO_CEILING
                   : !l.full ? CTL_SERVER_LIMIT
                   : l.why == CTL_NO_DESCRIPTORS ? CTL_DESCRIPTORS : limits->ceiling;
    plan.demand = l.demand;
    plan.spare = ctl_clamp((double)l.need * l.slots - l.demand, 0, 1e12);
    plan.arrivals_per_s = l.rate;
    plan.service_us = l.service_s * US_PER_S;
    plan.look_again_us = ctl_clock_after(&state->clock, children_look_delay_us(state, &l, &plan));
    return plan;
}
