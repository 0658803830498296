/* The parent, on each round. Measures for law/overseer.c and law/spares.c, and carries out what
 * they say. */
#include "steer_children.h"

#include "census.h"
#include "children.h"
#include "slots.h"

#include "base/clock.h"
#include "base/probes.h"
#include "base/sum.h"
#include "board/board_view.h"
#include "child/child.h"
#include "config/config.h"
#include "law/overseer.h"
#include "law/spares.h"
#include "report/report.h"
#include "report/report_text.h"
#include "report/status.h"

#include <sys/param.h>

/* One surplus child goes per interval, as under event. */
#define SHRINK_INTERVAL_US  CLOCK_US_PER_S
/* Growth that follows the last one sooner doubles it. */
#define GROWTH_PAUSE_US     (500 * CLOCK_US_PER_MS)
#define LARGEST_STEP        16      /* children at once */
/* While threads are busy the spare threads are counted at least this often. */
#define BUSY_ROUND_US       (100 * CLOCK_US_PER_MS)
/* ... and whether parked ones can end. */
#define PARKED_ROUND_US     CLOCK_US_PER_S
/* Children whose memory is measured: those in the first slots stand for the others. */
#define MEASURED_CHILDREN   256

/* --- what the children tell ------------------------------------------------------- */

/* The child's own peaks, which lie between two looks of ours. They need not have been at the same
 * time: the most busy threads are those of now, with one child at its peak, by *busier more. */
static void note_peak(retained_t *r, int i, int busy, int *busier)
{
    board_peak_t peak = board_take_peak(&r->board->children[i], r->fixed.thread_limit);

    *busier = MAX(*busier, peak.busy - busy);
    r->peak.waited_us = MAX(r->peak.waited_us, peak.waited_us);
}

static overseer_child_t see_child(const generation_t *g, int i, const board_view_t *view)
{
    const slot_t *slot = &g->retained->slots[i];

    return (overseer_child_t) {
        .threads = view->threads,
        .busy = view->busy,
        .idle = view->idle,
        .blocked_permille = view->blocked_permille,
        .waiting = view->waiting,
        .waited_us = view->waited_us,
        .exhausted = view->exhausted,
        .out_of_descriptors = view->out_of_descriptors && slot->state == SLOT_SERVING
                              && census_is_current(g, slot),
        .taken = board_events_since(slot->events, view->events)
    };
}

static ctl_child_sample_t take_sample(generation_t *g, int64_t now_us)
{
    retained_t *r = g->retained;
    overseer_sums_t sums = { .sample = {
        .now_us = now_us,
        .parked = census_parked(g),
        .lasting = census_parked_lasting(g),
        .draining = census_draining(g),
        .slots = r->fixed.slot_count,
        .child_start_us = r->child_start_us
    } };
    ctl_child_sample_t sample;
    int i, busier = 0, count = census_accepting(g, -1);

    sums.sample.starting = count - census_serving(g, -1);
    /* of a child and its successor one is there to stay */
    count -= census_successors(g);
    sums.sample.starting = MIN(sums.sample.starting, count);
    sums.sample.serving = count - sums.sample.starting;
    for (EACH_SLOT(r, i, SLOTS_SHARING)) {
        /* those of the last generation carry load until they are told to finish */
        board_view_t view = census_view(g, i);
        overseer_child_t child = see_child(g, i, &view);

        r->slots[i].events = view.events;
        overseer_add(&r->overseer, &sums, &child);
        note_peak(r, i, view.busy, &busier);
    }
    sample = overseer_sample(&r->overseer, &sums);
    r->peak.busy = MAX(r->peak.busy, bounded_sum(sample.busy, busier));
    r->peak.waited_us = MAX(r->peak.waited_us, sample.waited_us);
    return sample;
}

/* --- what they may have ----------------------------------------------------------- */

/* Memory and tasks, as they are used now; not while the parent sleeps. Children whose threads
 * are not counted would make a thread look dear: those are others to the limits. */
static void measure(generation_t *g, const ctl_child_sample_t *sample, int64_t now_us)
{
    retained_t *r = g->retained;
    pid_t pids[MEASURED_CHILDREN];
    ext_ceilings_t ceilings;
    int connections = 0;
    int i, count = 0;
    bool changed;

    if (!limits_is_due(config_limits(), &r->usage, sample->threads, now_us)) {
        return;
    }
    for (EACH_SLOT(r, i, SLOTS_SHARING)) {
        if (count == MEASURED_CHILDREN) {
            break;
        }
        pids[count++] = r->slots[i].pid;
        connections = bounded_sum(connections, census_connections(i));
    }
    changed = config_look_at_groups(&r->groups_us, now_us);
    limits_refresh_usage(config_limits(), &r->usage, now_us);
    limits_note_children(&r->usage, count, sample->threads, connections - sample->busy,
                         limits_children_bytes("", pids, count));
    ceilings = limits_ceilings(config_limits(), &r->usage);
    scoreboard_ext_write_ceilings(r->board, &ceilings);
    if (changed) {
        config_expect(&r->usage);
        status_show(r->board, g->config);
        config_log_limits(g->server);
    }
}

static ctl_child_limits_t limits_of(const generation_t *g)
{
    const adp_config_t *config = g->config;
    ctl_child_limits_t limits = {
        .threads_per_child = MIN(config->threads_per_child,
                                 limits_threads_by_descriptors(config_limits())),
        .min_children = MAX(config->start_servers, g->bucket_count),
        .max_children = config->max_children,
        .max_threads = config->max_request_workers,
        .ceiling = config->ceiling,
        .min_spare_threads = config->given.min_spare_threads ? config->min_spare_threads
                                                             : CTL_NOT_SET,
        .max_spare_threads = config->given.max_spare_threads ? config->max_spare_threads
                                                             : CTL_NOT_SET,
        .cpus = g->cpus,
        .wait_target_us = config->wait_target_us,
        .hold_us = CHILD_HOLDS * config->hold_us
    };
    ctl_ceiling_e ceiling;
    int found = limits_max_threads(config_limits(), &g->retained->usage, &ceiling);

    limits.min_children = MIN(limits.min_children, limits.max_children);
    if (found < limits.max_threads) {
        limits.max_threads = found;
        limits.ceiling = ceiling;
    }
    return limits;
}

static void grant(ext_child_t *ext, int threads, const ctl_child_limits_t *limits, int serving)
{
    atomic_store(&ext->most_threads, threads);
    atomic_store(&ext->ceiling, limits->ceiling);
    atomic_store(&ext->serving, serving);
}

/* Share the threads that there may be: each child keeps what it has, and what is left is
 * there for all alike, the rest for those that have nothing left. */
static void share_out(generation_t *g, const ctl_child_limits_t *limits,
                      const ctl_child_sample_t *sample)
{
    retained_t *r = g->retained;
    int serving = MAX(sample->serving, 1);
    overseer_share_t share = overseer_share(limits, sample, slots_count(r, SLOTS_SHARING),
                                            r->start_threads);
    int i;

    for (EACH_SLOT(r, i, SLOTS_SHARING)) {
        slot_t *slot = &r->slots[i];
        board_view_t view = census_view(g, i);
        overseer_child_t child = see_child(g, i, &view);

        grant(&r->board->children[i], overseer_grant(&share, &child), limits, serving);
        if (g->config->given.min_spare_threads && slot->serving_told != serving) {
            /* its part of MinSpareThreads has changed, and it may be asleep */
            children_order(g, i, CHILD_ORDER_DECIDE);
        }
        slot->serving_told = serving;
    }
}

/* --- what is done ----------------------------------------------------------------- */

static void park(generation_t *g, int count)
{
    while (count-- > 0) {
        int slot = census_to_park(g);

        if (slot < 0) {
            return;
        }
        children_order(g, slot, CHILD_ORDER_PARK);
    }
}

static void retire(generation_t *g, int count)
{
    while (count-- > 0) {
        int slot = census_to_retire(g);

        if (slot < 0) {
            return;
        }
        children_order(g, slot, CHILD_ORDER_RETIRE);
    }
}

static void act(generation_t *g, const ext_plan_t *p)
{
    retained_t *r = g->retained;

    r->wanted_children = p->plan.target;
    r->start_threads = overseer_start_threads(
        &p->plan, &p->sample, &p->limits, g->config->start_threads, g->config->threads_per_child);
    park(g, p->plan.park);
    retire(g, p->plan.retire);
}

/* What people are told of arrivals are requests, over a whole second: what the controller makes of
 * some milliseconds looks like thousands where twenty come at once. */
static double requests_per_s(const generation_t *g, int64_t now_us)
{
    const retained_t *r = g->retained;
    int64_t last = now_us / CLOCK_US_PER_S - 1;
    int i, count = 0;

    for (EACH_SLOT(r, i, SLOTS_SHARING)) {
        count = bounded_sum(count, board_requests_in(&r->board->children[i], last));
    }
    return count;
}

static void write_down(generation_t *g, report_t *report, ext_plan_t *p)
{
    retained_t *r = g->retained;

    p->busy_most = r->peak.busy;
    p->waited_most_us = r->peak.waited_us;
    report_child_plan(report, &r->history, r->board, g->server, p);
    r->peak = (board_peak_t) { 0 };
}

/* Returns when the controller wants to be asked again. */
static int64_t control(generation_t *g, ext_plan_t *p, int64_t now_us)
{
    retained_t *r = g->retained;
    bool followed = p->mode == EXT_MODE_ON;

    if (!overseer_is_due(&r->overseer, now_us)) {
        p->plan = r->overseer.plan;
        return overseer_next_us(&r->overseer);
    }
    p->plan = overseer_decide(&r->overseer, &p->sample, &p->limits);
    ADP_PROBE4(plan_children, p->sample.serving, p->sample.busy, p->plan.target, p->plan.reason);
    p->plan.arrivals_per_s = requests_per_s(g, now_us);
    r->overseer.plan.arrivals_per_s = p->plan.arrivals_per_s;
    write_down(g, followed ? &r->report : &r->observed, p);
    if (followed) {
        act(g, p);
    }
    return overseer_next_us(&r->overseer);
}

/* --- the rule of MinSpareThreads and MaxSpareThreads ------------------------------ */

/* The faster demand follows demand, the larger the step: children that are starting count
 * as capacity already, so more of it was asked for than the last step gave. */
static int widen_step(const generation_t *g, spare_rule_t *rule, int change, int64_t now_us)
{
    rule->step = now_us - rule->grown_us < GROWTH_PAUSE_US ? MIN(2 * rule->step, LARGEST_STEP) : 1;
    rule->grown_us = now_us;
    return MIN(MAX(change, rule->step), g->config->max_children - g->retained->wanted_children);
}

static void add_children(generation_t *g, spare_rule_t *rule, int change, int64_t now_us)
{
    g->retained->wanted_children += widen_step(g, rule, change, now_us);
    rule->shrink_us = now_us + SHRINK_INTERVAL_US;
}

/* A child with connections that last would hold its slot as long: parked it can come back. */
static void retire_one(generation_t *g, spare_rule_t *rule, int64_t now_us)
{
    int slot = census_to_park(g);

    rule->shrink_us = now_us + SHRINK_INTERVAL_US;
    if (slot >= 0) {
        g->retained->wanted_children--;
        children_order(g, slot, census_lasting(slot) > 0 ? CHILD_ORDER_PARK : CHILD_ORDER_RETIRE);
    }
}

/* A child without descriptors takes no connection: its idle threads are none to spare. */
static int threads_not_spare(const generation_t *g, const ctl_child_sample_t *sample)
{
    int busy = bounded_sum(census_busy_threads(g),
                         sample->out_of_descriptors * g->config->threads_per_child);

    return MIN(busy, g->retained->wanted_children * g->config->threads_per_child);
}

/* Keep the spare threads between their bounds. Returns when to look again. */
static int64_t follow_rule(generation_t *g, spare_rule_t *rule, ext_plan_t *p, int64_t now_us)
{
    spares_sample_t sample = {
        .children = g->retained->wanted_children,
        .busy_threads = threads_not_spare(g, &p->sample),
        .threads_per_child = p->limits.threads_per_child,
        .min_spare_threads = g->config->min_spare_threads,
        .max_spare_threads = g->config->max_spare_threads,
        .min_children = g->bucket_count,
        .max_children = g->config->max_children
    };
    int change = spares_change(&sample), before = sample.children;

    if (change > 0) {
        add_children(g, rule, change, now_us);
    }
    else if (change < 0 && now_us >= rule->shrink_us) {
        retire_one(g, rule, now_us);
    }
    retire(g, census_parked(g));
    p->mode = EXT_MODE_OFF;
    p->limits.min_spare_threads = sample.min_spare_threads;
    p->limits.max_spare_threads = sample.max_spare_threads;
    p->plan = (ctl_child_plan_t) {
        .target = g->retained->wanted_children,
        .start = MAX(g->retained->wanted_children - before, 0),
        .park = MAX(before - g->retained->wanted_children, 0),
        .reason = change > 0 ? CTL_MIN_SPARE : change < 0 ? CTL_MAX_SPARE : CTL_STEADY
    };
    if (sample.busy_threads > (sample.max_children - 1) * sample.threads_per_child
        && p->sample.exhausted > 0) {
        p->plan.reason = CTL_CEILING;
        p->plan.ceiling = p->limits.ceiling;
    }
    if (g->config->adaptive_mode == EXT_MODE_OFF) {
        write_down(g, &g->retained->report, p);
    }
    else {
        report_child_act(&g->retained->report, g->retained->board, g->server, p);
    }
    if (change < 0) {
        return rule->shrink_us;
    }
    if (census_parked(g) > 0) {
        return now_us + PARKED_ROUND_US;
    }
    /* with few threads busy only a child's wake-up can change the answer */
    return sample.busy_threads > sample.children ? now_us + BUSY_ROUND_US : CLOCK_NEVER;
}

/* --- in all ----------------------------------------------------------------------- */

/* Worker threads of the generation that a reload has ended; those that only wait for it are
 * not needed again. */
static int threads_before(const generation_t *g)
{
    int i, threads = 0;

    for (EACH_SLOT(g->retained, i, SLOT_IN(SLOT_SERVING))) {
        threads = bounded_sum(threads, census_view(g, i).admitted);
    }
    return threads;
}

void steer_children_begin(generation_t *g, spare_rule_t *rule, int64_t now_us)
{
    retained_t *r = g->retained;
    const adp_config_t *config = g->config;
    int threads = 0;

    rule->shrink_us = now_us + SHRINK_INTERVAL_US;
    /* limits may have changed; what a child and a thread cost has not */
    r->usage = (limits_usage_t) { .child_bytes = r->usage.child_bytes,
                                  .thread_bytes = r->usage.thread_bytes };
    if (!r->mpm->was_graceful || !r->controlled) {
        overseer_init(&r->overseer, now_us);
        r->controlled = true;
        r->wanted_children = 0;
    }
    else {
        /* as many as before the reload: its load is still there */
        threads = threads_before(g);
    }
    r->wanted_children = MAX(config->start_servers, r->wanted_children);
    r->wanted_children = MAX(MIN(r->wanted_children, config->max_children), 1);
    r->start_threads = config->threads_per_child;
    if (config->adaptive_mode == EXT_MODE_ON) {
        threads = (threads + r->wanted_children - 1) / r->wanted_children;
        r->start_threads = MIN(MAX(threads, config->start_threads), config->threads_per_child);
    }
}

int64_t steer_children_round(generation_t *g, spare_rule_t *rule, int64_t now_us)
{
    ext_plan_t p = { .mode = g->config->adaptive_mode, .draining = census_draining(g) };
    int64_t next_us = CLOCK_NEVER;

    p.sample = take_sample(g, now_us);
    measure(g, &p.sample, now_us);
    p.limits = limits_of(g);
    p.more_follow = limits_more_follow(&g->retained->handout, &g->retained->usage,
                                       report_all_busy(&p), p.limits.max_threads, p.limits.ceiling);
    share_out(g, &p.limits, &p.sample);
    if (p.mode != EXT_MODE_OFF) {
        next_us = control(g, &p, now_us);
    }
    if (p.mode != EXT_MODE_ON) {
        next_us = clock_earlier(next_us, follow_rule(g, rule, &p, now_us));
    }
    return clock_earlier(next_us, report_ceiling(&g->retained->observed, g->server, &p,
                                                 report_ceiling_of(&p)));
}
