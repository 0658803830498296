/* The steward, on each round of a serving child. Measures for law/steward.c and carries out what
 * that says. */
#include "steer_threads.h"

#include "bell.h"
#include "bench.h"
#include "child.h"
#include "child_internal.h"
#include "conn.h"
#include "listeners.h"
#include "lowering.h"
#include "runnable.h"
#include "shed.h"
#include "watch.h"
#include "workers.h"

#include "base/clock.h"
#include "base/probes.h"
#include "base/sum.h"
#include "board/board_view.h"
#include "report/report.h"

#include <malloc.h>
#include <sys/param.h>

/* While the steward watches, or connections may wait outside, it looks at least so often: no
 * worker wakes it then. */
#define WATCH_ROUND_US (20 * CLOCK_US_PER_MS)
/* The same where nothing is taken and nothing ends, none waits, but may come, outside. */
#define REST_ROUND_US  (100 * CLOCK_US_PER_MS)

void steer_threads_init(child_t *child, int64_t now_us)
{
    ON_STEWARD();
    steward_init(&child->steer.steward, now_us);
    watch_expect(child);
}

/* Why it may not have more; the parent's word, unless a sibling has written there. */
static ctl_ceiling_e granted_ceiling(const child_t *child)
{
    int ceiling = atomic_load(&child->ext->ceiling);

    return ceiling > CTL_NO_CEILING && ceiling < CTL_CEILINGS ? (ctl_ceiling_e)ceiling
                                                              : CTL_THREADS_PER_CHILD;
}

static ctl_thread_limits_t thread_limits_of(const child_t *child, int busy)
{
    const adp_config_t *config = child->config;
    steward_settings_t settings = {
        .start_threads = config->start_threads,
        .thread_limit = child->workers.limit,
        .min_spare_threads = config->given.min_spare_threads ? config->min_spare_threads
                                                             : CTL_NOT_SET,
        .cpus = child->cpus,
        .wait_target_us = config->wait_target_us,
        .hold_us = config->hold_us
    };
    steward_grant_t grant = {
        .max_threads = atomic_load(&child->ext->most_threads),
        .ceiling = granted_ceiling(child),
        .serving = child_sharing(child)
    };

    return steward_limits(&settings, &grant, busy);
}

/* Connections that nobody has accepted yet: all children share them. */
static int waiting_in(const child_t *child)
{
    return listeners_backlog(child) / child_sharing(child) + 1;
}

/* Events taken since the last call; the board's counter wraps. */
static uint64_t taken_since(child_t *child)
{
    return (ext_events(child->ext) - child->steer.steward.arrivals)
           & (UINT64_MAX >> EXT_IDLE_BITS);
}

static ctl_thread_sample_t take_thread_sample(child_t *child, int64_t waited_us, int64_t now_us,
                                       const ctl_thread_limits_t *limits)
{
    const ext_child_t *ext = child->ext;
    workers_t *workers = &child->workers;
    steward_t *steward = &child->steer.steward;
    board_view_t own = board_view(ext, workers->limit);
    int arriving = MIN(MAX(atomic_load(&ext->arriving), 0), own.admitted);
    int busy = own.busy;
    int counted;
    ctl_thread_sample_t sample = {
        .now_us = now_us,
        .threads = own.threads - arriving,
        .admitted = own.admitted - arriving,
        .busy = busy,
        /* those that carry streams take no processor from anybody either, and no place */
        .lowered = MIN(bounded_sum(bounded_count(atomic_load(&ext->lowered)),
                                   bounded_count(atomic_load(&ext->carrying))), busy),
        .starting = arriving,
        .waited_us = waited_us,
        .runnable = CTL_UNKNOWN,
        .idle_processors = CTL_UNKNOWN,
        .thread_start_us = workers_start_us(workers)
    };

    if (waited_us >= limits->wait_target_us) {
        sample.waiting = waiting_in(child);
    }
    steward_count(steward, taken_since(child), &sample);
    counted = steward_threads_to_count(steward, &sample, limits);
    if (counted > 0) {
        sample.idle_processors = idle_processors(child->online_processors);
        sample.runnable = runnable_count(workers, busy - sample.lowered, counted,
                                         sample.idle_processors, now_us);
    }
    return sample;
}

/* What one look finds and the parent may not see. */
static void note_thread_peak(ext_child_t *ext, int busy, int64_t waited_us)
{
    int busy_most = atomic_load(&ext->busy_most);
    int64_t waited_most_us = atomic_load(&ext->waited_most_us);

    while (busy > busy_most
           && !atomic_compare_exchange_weak(&ext->busy_most, &busy_most, busy)) {
        continue;
    }
    while (waited_us > waited_most_us
           && !atomic_compare_exchange_weak(&ext->waited_most_us, &waited_most_us, waited_us)) {
        continue;
    }
}

/* For the parent. */
static void publish(child_t *child, const ctl_thread_sample_t *sample,
                    const steward_orders_t *orders)
{
    ext_child_t *ext = child->ext;

    atomic_store(&ext->exhausted, orders->exhausted);
    atomic_store(&ext->waiting, sample->waiting);
    atomic_store(&ext->waited_us, sample->waited_us);
    note_thread_peak(ext, sample->busy, sample->waited_us);
    atomic_store(&ext->computing_permille, 1000 - (int)(1000 * orders->plan.blocked_part));
}

static void start_planned(child_t *child, const steward_orders_t *orders, int64_t waited_us,
                          int64_t now_us)
{
    int started = workers_start(child, orders->start, now_us);

    if (started > 0) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, child->server, ADPNO(0060)
                     "%d worker threads, %d more: %s (%d busy, work waited %d ms)",
                     workers_live(child), started, controller_reason_text(orders->plan.reason),
                     workers_busy(child), (int)(waited_us / CLOCK_US_PER_MS));
    }
}

/* AdaptiveMode off and observe: all threads from the start, as under event. */
static void keep_all_threads(child_t *child, int64_t now_us)
{
    int missing = child->workers.limit - workers_live(child);

    /* a child that is draining lets idle threads go */
    if (missing > 0 && atomic_load(&child->phase) == CHILD_SERVING
        && now_us >= workers_retry_at(&child->workers)) {
        workers_start(child, missing, now_us);
    }
}

static void apply(child_t *child, const steward_orders_t *orders, int lowered, int64_t waited_us,
                  int64_t now_us)
{
    atomic_store(&child->cpu_bound, orders->plan.reason == CTL_CPU_BOUND);
    bench_admit(child, MAX(orders->admit - lowered, 1));
    if (orders->start > 0) {
        start_planned(child, orders, waited_us, now_us);
    }
    else if (atomic_load(&child->phase) == CHILD_SERVING) {
        /* 0 as well: it cancels what was planned before */
        workers_retire(child, orders->retire);
    }
}

static steward_facts_t see(const child_t *child, int64_t now_us)
{
    const ext_child_t *ext = child->ext;

    return (steward_facts_t) {
        .now_us = now_us,
        .events = ext_events(ext),
        .idle = ext_idle(ext),
        .busy = workers_busy(child),
        .live = workers_live(child),
        .shut = accept_gate_state(&child->listeners.gate) == ACCEPT_FULL,
        .arriving = atomic_load(&ext->arriving),
        .granted = atomic_load(&ext->most_threads),
        .serving = atomic_load(&child->phase) == CHILD_SERVING,
        .retry_us = workers_retry_at(&child->workers)
    };
}

static ctl_thread_plan_t decide(child_t *child, const steward_facts_t *facts, int64_t waited_us)
{
    const adp_config_t *config = child->config;
    ctl_thread_limits_t limits = thread_limits_of(child, facts->busy);
    ctl_thread_sample_t sample = take_thread_sample(child, waited_us, facts->now_us, &limits);
    steward_orders_t orders = steward_decide(&child->steer.steward, &sample, &limits, facts);

    ADP_PROBE4(plan, sample.threads, sample.busy, orders.start, orders.plan.reason);
    publish(child, &sample, &orders);
    if (facts->serving && config->adaptive_mode != EXT_MODE_OFF) {
        report_thread_plan(&child->steer.report, child->board, child->server, child->slot,
                           config->adaptive_mode, &sample, &limits, &orders.plan);
    }
    if (config->adaptive_mode == EXT_MODE_ON) {
        apply(child, &orders, sample.lowered, waited_us, facts->now_us);
        rooms_share_out(child, limits.max_threads, atomic_load(&child->bench.admitted));
    }
    else {
        keep_all_threads(child, facts->now_us);
    }
    if (orders.ring_parent) {
        bell_parent(child);
    }
    return orders.plan;
}

/* What many threads have needed lies in the pools of their connections, and about in as many arenas
 * of the C library. */
static void give_memory_back(child_t *child)
{
    if (steward_gives_memory_back(&child->steer.steward, workers_live(child))) {
        conn_trim(child);
        malloc_trim(0);
    }
}

/* Workers look after each event; but none may end, and there may be room all the same: the parent
 * has granted more threads. One at a time: it takes up room only when a worker has it. */
static void begin_new(child_t *child, int64_t now_us)
{
    conn_t *conn = rooms_for_another(child)
                   ? put_off_take(child, &child->put_off.new) : NULL;

    if (conn) {
        conn_queue_put_off(conn, now_us);
    }
}

/* A decision, if one is due. Returns when to come again. */
static int64_t decide_if_due(child_t *child, int64_t now_us)
{
    steward_t *steward = &child->steer.steward;
    steward_look_t look = watch_look(child, now_us);
    steward_facts_t facts = see(child, now_us);
    ctl_thread_plan_t plan;
    int64_t next_us;

    if (!steward_is_due(steward, &facts, &look)) {
        give_memory_back(child);
        return steward_next_us(steward);
    }
    plan = decide(child, &facts, look.waited_us);
    facts = see(child, now_us);
    next_us = steward_settle(steward, &facts, &look, &plan);
    watch_expect(child);
    if (watch_many_busy(&child->watch, child->ext) && facts.retry_us <= now_us) {
        next_us = clock_earlier(next_us, now_us + STEWARD_ROUND_US);
    }
    return next_us;
}

/* The look that is due whatever the decision planned. At rest the poller wakes the steward; only
 * for what is outside of that it has to look, and only if no sibling does. */
static int64_t watch_round_at(const child_t *child, int64_t now_us)
{
    const steward_t *steward = &child->steer.steward;
    bool full = accept_gate_state(&child->listeners.gate) == ACCEPT_FULL;
    bool outside = atomic_load(&child->put_off.new.count) > 0
                   || atomic_load(&child->listeners.outside_since_us) > 0;

    if (outside || !steward->still) {
        return outside || full || steward->watching ? now_us + WATCH_ROUND_US : CLOCK_NEVER;
    }
    return full && !listeners_sibling_accepts(child) ? now_us + REST_ROUND_US : CLOCK_NEVER;
}

int64_t steer_threads_round(child_t *child, int64_t now_us)
{
    int64_t lowering_us = lowering_round(child, now_us);

    ON_STEWARD();
    shed_late(child, now_us);
    /* looks at who computes are many, and each of them would be a reason to decide */
    if (child->heard || now_us >= child->steer.round_us) {
        child->heard = false;
        rooms_round(child, now_us);
        begin_new(child, now_us);
        child->steer.round_us = clock_earlier(decide_if_due(child, now_us),
                                              watch_round_at(child, now_us));
    }
    return clock_earlier(child->steer.round_us, lowering_us);
}
