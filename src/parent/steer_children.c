/* The parent, on each round. Measures, asks the controller and does what it says; shares out
 * threads among children. */
#include "steer_children.h"

#include "base/clock.h"
#include "board/board_view.h"
#include "child/child.h"
#include "config/config.h"
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
/* However often children wake the parent, it does not decide more often than: */
#define SHORTEST_ROUND_US   (5 * CLOCK_US_PER_MS)
/* A child costs more than a thread to start, and is kept longer, by this factor. */
#ifndef CHILD_HOLDS
#define CHILD_HOLDS         12
#endif
/* Children whose memory is measured: those in the first slots stand for the others. */
#define MEASURED_CHILDREN   256

/* --- what the children tell ------------------------------------------------------- */

static bool is_sharing(const slot_t *slot)
{
    return slot->state == SLOT_SERVING || slot->state == SLOT_PARKED;
}

/* What the children of a sample come to beside it. */
typedef struct sums_t {
    int64_t blocked_permille;   /* of the busy threads; rounded in the end, or many children with few
                                 * busy ones would never be seen to compute */
    int busier;                 /* by how many threads a child was busier at its peak, at most */
} sums_t;

static void note_peak(retained_t *r, int i, int busy, sums_t *sums)
{
    board_peak_t peak = board_take_peak(&r->board->children[i], r->fixed.thread_limit);

    sums->busier = MAX(sums->busier, peak.busy - busy);
    r->peak.waited_us = MAX(r->peak.waited_us, peak.waited_us);
}

static void add_child(generation_t *g, int i, ctl_child_sample_t *sample, sums_t *sums)
{
    retained_t *r = g->retained;
    slot_t *slot = &r->slots[i];
    board_view_t view = children_view(g, i);

    r->arrivals += board_events_since(slot->events, view.events);
    slot->events = view.events;
    sample->busy = board_sum(sample->busy, view.busy);
    sums->blocked_permille += view.blocked_permille;
    sample->threads = board_sum(sample->threads, view.threads);
    sample->waiting = board_sum(sample->waiting, view.waiting);
    sample->waited_us = MAX(sample->waited_us, view.waited_us);
    sample->exhausted += view.exhausted;
    sample->out_of_descriptors += view.out_of_descriptors && slot->state == SLOT_SERVING
                                  && children_is_current(g, slot);
    note_peak(r, i, view.busy, sums);
}

/* The children's own peaks, which lie between two looks of ours. They need not have been at the
 * same time: the most busy threads are those of now, with one child at its peak. */
static void note_peaks(retained_t *r, const ctl_child_sample_t *sample, int busier)
{
    r->peak.busy = MAX(r->peak.busy, board_sum(sample->busy, busier));
    r->peak.waited_us = MAX(r->peak.waited_us, sample->waited_us);
}

static ctl_child_sample_t take_sample(generation_t *g, int64_t now_us)
{
    retained_t *r = g->retained;
    ctl_child_sample_t sample = {
        .now_us = now_us,
        .parked = children_parked(g),
        .lasting = children_parked_lasting(g),
        .draining = children_draining(g),
        .slots = r->fixed.slot_count,
        .child_start_us = r->child_start_us
    };
    sums_t sums = { 0 };
    int i, count = children_count(g, -1);

    sample.starting = count - children_serving(g, -1);
    /* of a child and its successor one is there to stay */
    count -= children_successors(g);
    sample.starting = MIN(sample.starting, count);
    sample.serving = count - sample.starting;
    for (i = 0; i < r->slots_used; i++) {
        /* those of the last generation carry load until they are told to finish */
        if (is_sharing(&r->slots[i])) {
            add_child(g, i, &sample, &sums);
        }
    }
    sample.blocked = (int)MIN((sums.blocked_permille + 500) / 1000, sample.busy);
    note_peaks(r, &sample, sums.busier);
    sample.arrivals = r->arrivals;
    r->completions = MAX(r->completions, r->arrivals - MIN((uint64_t)sample.busy, r->arrivals));
    sample.completions = r->completions;
    return sample;
}

/* --- what they may have ----------------------------------------------------------- */

/* Memory and tasks, as they are used now; not while the parent sleeps. Children whose threads
 * are not counted would make a thread look dear: those are others to the limits. */
static void measure(generation_t *g, const ctl_child_sample_t *sample, int64_t now_us)
{
    retained_t *r = g->retained;
    pid_t pids[MEASURED_CHILDREN];
    int connections = 0;
    int i, count = 0;
    bool changed;

    if (!limits_is_due(config_limits(), &r->usage, sample->threads, now_us)) {
        return;
    }
    for (i = 0; i < r->slots_used && count < MEASURED_CHILDREN; i++) {
        if (is_sharing(&r->slots[i])) {
            pids[count++] = r->slots[i].pid;
            connections = board_sum(connections, children_connections(i));
        }
    }
    changed = config_look_at_groups(&r->groups_us, now_us);
    limits_refresh_usage(config_limits(), &r->usage, now_us);
    limits_note_children(&r->usage, count, sample->threads, connections - sample->busy,
                         limits_children_bytes("", pids, count));
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
        .min_spare_threads = config->given.min_spare_threads ? config->min_spare_threads : CTL_NOT_SET,
        .max_spare_threads = config->given.max_spare_threads ? config->max_spare_threads : CTL_NOT_SET,
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

static int children_sharing(const generation_t *g)
{
    int i, count = 0;

    for (i = 0; i < g->retained->slots_used; i++) {
        count += is_sharing(&g->retained->slots[i]);
    }
    return count;
}

static void grant(ext_child_t *ext, int threads, const ctl_child_limits_t *limits, int serving)
{
    atomic_store(&ext->most_threads, MIN(threads, limits->threads_per_child));
    atomic_store(&ext->ceiling, limits->ceiling);
    atomic_store(&ext->serving, serving);
}

/* Share the threads that there may be: each child keeps what it has, and what is left is
 * there for all alike, the rest for those that have nothing left. */
static void share_out(generation_t *g, const ctl_child_limits_t *limits,
                      const ctl_child_sample_t *sample)
{
    retained_t *r = g->retained;
    int serving = MAX(sample->serving, 1), sharing = MAX(children_sharing(g), 1);
    bool plenty = (int64_t)(sharing + sample->starting) * limits->threads_per_child
                  <= limits->max_threads;
    int64_t starting = (int64_t)sample->starting * r->start_threads;
    int room = (int)MAX(limits->max_threads - sample->threads - starting, 0);
    int each = room / sharing, rest = room % sharing;
    int i;

    for (i = 0; i < r->slots_used; i++) {
        slot_t *slot = &r->slots[i];

        if (is_sharing(slot)) {
            board_view_t view = children_view(g, i);
            int has = MIN(view.threads, limits->threads_per_child);
            bool needy = view.idle == 0;

            grant(&r->board->children[i],
                  plenty ? limits->threads_per_child
                         : MAX(has + each + (needy && rest > 0), 1), limits, serving);
            rest -= needy && rest > 0;
            if (g->config->given.min_spare_threads && slot->serving_told != serving) {
                /* its part of MinSpareThreads has changed, and it may be asleep */
                children_order(g, i, CHILD_ORDER_DECIDE);
            }
            slot->serving_told = serving;
        }
    }
}

/* --- what is done ----------------------------------------------------------------- */

static void park(generation_t *g, int count)
{
    while (count-- > 0) {
        int slot = children_least_needed(g);

        if (slot < 0) {
            return;
        }
        children_order(g, slot, CHILD_ORDER_PARK);
    }
}

static void retire(generation_t *g, int count)
{
    while (count-- > 0) {
        int slot = children_least_missed(g);

        if (slot < 0) {
            return;
        }
        children_order(g, slot, CHILD_ORDER_RETIRE);
    }
}

/* Threads that the next child starts with: its part of those that are missing, and of those
 * that there may be. */
static int start_threads(const generation_t *g, const ext_plan_t *p)
{
    int coming = MAX(p->plan.start + p->sample.starting, 1);
    int missing = (int)MIN(p->plan.demand, INT_MAX / 2) - p->sample.threads;
    int room = MAX(p->limits.max_threads - p->sample.threads, 0);
    int each = p->plan.start > 0 ? MIN(missing, room) / coming : 0;

    return MIN(MAX(each, g->config->start_threads), g->config->threads_per_child);
}

/* The controller counts in whole children. The last one need not get all its threads, and
 * those that are always there may have to do with fewer. */
static ctl_child_limits_t in_whole_children(const ctl_child_limits_t *limits)
{
    ctl_child_limits_t whole = *limits;
    int children = (limits->max_threads + limits->threads_per_child - 1) / limits->threads_per_child;

    whole.max_threads = MAX(children, limits->min_children) * limits->threads_per_child;
    return whole;
}

static void act(generation_t *g, const ext_plan_t *p)
{
    retained_t *r = g->retained;

    r->wanted_children = p->plan.target;
    r->start_threads = start_threads(g, p);
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

    for (i = 0; i < r->slots_used; i++) {
        if (is_sharing(&r->slots[i])) {
            count = board_sum(count, board_requests_in(&r->board->children[i], last));
        }
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
    ctl_child_limits_t whole = in_whole_children(&p->limits);

    if (now_us < r->decided_us + SHORTEST_ROUND_US
        || (now_us < r->plan.look_again_us && !r->woken)) {
        p->plan = r->plan;
        return r->woken ? r->decided_us + SHORTEST_ROUND_US : r->plan.look_again_us;
    }
    r->woken = false;
    r->decided_us = now_us;
    p->plan = controller_children(&r->control, &p->sample, &whole);
    p->plan.arrivals_per_s = requests_per_s(g, now_us);
    r->plan = p->plan;
    write_down(g, followed ? &r->report : &r->observed, p);
    if (followed) {
        act(g, p);
    }
    return MAX(r->plan.look_again_us, now_us + SHORTEST_ROUND_US);
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
    int slot = children_least_needed(g);

    rule->shrink_us = now_us + SHRINK_INTERVAL_US;
    if (slot >= 0) {
        g->retained->wanted_children--;
        children_order(g, slot, children_lasting(slot) > 0 ? CHILD_ORDER_PARK : CHILD_ORDER_RETIRE);
    }
}

/* A child without descriptors takes no connection: its idle threads are none to spare. */
static int threads_not_spare(const generation_t *g, const ctl_child_sample_t *sample)
{
    int busy = board_sum(children_busy_threads(g),
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
    retire(g, children_parked(g));
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
    if (children_parked(g) > 0) {
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

    for (i = 0; i < g->retained->slots_used; i++) {
        if (g->retained->slots[i].state == SLOT_SERVING) {
            threads = board_sum(threads, children_view(g, i).admitted);
        }
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
        controller_children_init(&r->control, now_us);
        r->controlled = true;
        r->plan = (ctl_child_plan_t) { .look_again_us = 0 };
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
    ext_plan_t p = { .mode = g->config->adaptive_mode, .draining = children_draining(g) };
    int64_t next_us = CLOCK_NEVER;

    p.sample = take_sample(g, now_us);
    measure(g, &p.sample, now_us);
    p.limits = limits_of(g);
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
