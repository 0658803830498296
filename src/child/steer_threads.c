/* The steward, on each round of a serving child. Measures, asks the controller and does what it
 * says; it decides nothing of its own but when to look again. */
#include "steer_threads.h"

#include "bell.h"
#include "bench.h"
#include "child.h"
#include "child_internal.h"
#include "conn.h"
#include "listeners.h"
#include "runnable.h"
#include "watch.h"
#include "workers.h"

#include "base/clock.h"
#include "board/board_view.h"
#include "report/report.h"

#include <malloc.h>
#include <sys/param.h>

/* While nobody is idle the controller says how often to look, within: */
#define ROUND_US         (2 * CLOCK_US_PER_MS)
#define LONGEST_ROUND_US (20 * CLOCK_US_PER_MS)
/* The parent is not woken for more children more often than: */
#define TELL_PARENT_US   (10 * CLOCK_US_PER_MS)
/* While nothing is taken, nothing ends and nothing waits, pauses get twice as long, from ROUND_US
 * up to the first of these; while all threads are busy that may be, up to the others. */
#define LONGEST_PAUSE_US (2 * CLOCK_US_PER_S)
#define WAITING_PAUSE_US (100 * CLOCK_US_PER_MS)
#define FULL_PAUSE_US    (20 * CLOCK_US_PER_MS)
/* Threads whose state is read at a look, and at one of a child in which nothing changes. After a
 * while in which nothing did it is known. */
#define COUNTED          16
#define COUNTED_AT_REST  4
#define COUNTED_UNTIL_US (200 * CLOCK_US_PER_MS)
/* Busy workers that are no reason to look while a look is not planned anyway. */
#define FEW_BUSY         4

void steer_threads_init(child_t *child, int64_t now_us)
{
    ON_STEWARD();
    controller_threads_init(&child->steer.state, now_us);
    atomic_init(&child->watch.many, FEW_BUSY);
}

/* Children that share the processors, the backlog and MinSpareThreads. */
static int sharing_children(const child_t *child)
{
    return MIN(MAX(atomic_load(&child->ext->serving), 1), child->config->slot_count);
}

/* Why it may not have more; the parent's word, unless a sibling has written there. */
static ctl_ceiling_e granted_ceiling(const child_t *child)
{
    int ceiling = atomic_load(&child->ext->ceiling);

    return ceiling > CTL_NO_CEILING && ceiling < CTL_CEILINGS ? (ctl_ceiling_e)ceiling
                                                              : CTL_THREADS_PER_CHILD;
}

static ctl_thread_limits_t thread_limits_of(const child_t *child)
{
    const adp_config_t *config = child->config;
    int granted = atomic_load(&child->ext->most_threads);
    int serving = sharing_children(child);
    ctl_thread_limits_t limits = {
        .min_threads = config->start_threads,
        .max_threads = child->workers.limit,
        .ceiling = CTL_THREADS_PER_CHILD,
        .cpus = child->cpus / serving,
        .wait_target_us = config->wait_target_us,
        .hold_us = config->hold_us
    };

    if (granted > 0 && granted < limits.max_threads) {
        limits.max_threads = MAX(granted, 1);
        limits.ceiling = granted_ceiling(child);
    }
    if (config->given.min_spare_threads) {
        /* this child's part of them, beside those that serve */
        limits.min_threads = MAX(limits.min_threads, workers_busy(child)
                                 + (config->min_spare_threads + serving - 1) / serving);
    }
    limits.min_threads = MIN(limits.min_threads, limits.max_threads);
    return limits;
}

/* Connections that nobody has accepted yet: all children share them. */
static int waiting_in(const child_t *child)
{
    return listeners_backlog(child) / sharing_children(child) + 1;
}

static int count_runnable(child_t *child, int busy)
{
    int64_t pause_us = child->steer.pause_us;

    return pause_us > COUNTED_UNTIL_US
           ? CTL_UNKNOWN
           : runnable_count(&child->workers, busy, pause_us > 0 ? COUNTED_AT_REST : COUNTED);
}

static ctl_thread_sample_t take_thread_sample(child_t *child, int64_t waited_us, int64_t now_us,
                                       const ctl_thread_limits_t *limits)
{
    const ext_child_t *ext = child->ext;
    workers_t *workers = &child->workers;
    board_view_t own = board_view(ext, workers->limit);
    int arriving = MIN(MAX(atomic_load(&ext->arriving), 0), own.admitted);
    int busy = own.busy;
    ctl_thread_sample_t sample = {
        .now_us = now_us,
        .threads = own.threads - arriving,
        .admitted = own.admitted - arriving,
        .busy = busy,
        .starting = arriving,
        .waited_us = waited_us,
        .runnable = CTL_UNKNOWN,
        .thread_start_us = workers_start_us(workers)
    };

    if (waited_us >= limits->wait_target_us) {
        sample.waiting = waiting_in(child);
    }
    if (controller_threads_wants_count(&child->steer.state, &sample, limits)) {
        sample.runnable = count_runnable(child, busy);
    }
    /* one word holds both, so what is done can be told from what was taken */
    child->steer.events += (ext_events(ext) - child->steer.events) & (UINT64_MAX >> EXT_IDLE_BITS);
    sample.arrivals = child->steer.events;
    child->steer.completions = MAX(child->steer.completions, sample.arrivals - MIN((uint64_t)busy, sample.arrivals));
    sample.completions = child->steer.completions;
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
                    const ctl_thread_plan_t *plan)
{
    ext_child_t *ext = child->ext;

    atomic_store(&ext->waiting, sample->waiting);
    atomic_store(&ext->waited_us, sample->waited_us);
    note_thread_peak(ext, sample->busy, sample->waited_us);
    atomic_store(&ext->computing_permille, 1000 - (int)(1000 * plan->blocked_part));
}

/* At edges: once told, the parent looks by itself as long as anything goes on. */
static void tell_parent(child_t *child, bool wants_siblings, bool exhausted, int busy,
                        int64_t now_us)
{
    ext_child_t *ext = child->ext;
    steer_t *s = &child->steer;
    bool news = atomic_exchange(&ext->exhausted, exhausted) != exhausted;

    if (!wants_siblings) {
        s->told_busy = 0;
    }
    if (news || (wants_siblings && busy > s->told_busy
                 && now_us - s->told_parent_us >= TELL_PARENT_US)) {
        s->told_parent_us = now_us;
        s->told_busy = wants_siblings ? MAX(busy, s->told_busy) : 0;
        bell_parent(child);
    }
}

static void start_planned(child_t *child, const ctl_thread_plan_t *plan, int64_t waited_us,
                          int64_t now_us)
{
    int started = workers_start(child, plan->start, now_us);

    if (started > 0) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, child->server, ADPNO(0060)
                     "%d worker threads, %d more: %s (%d busy, work waited %d ms)",
                     workers_live(child), started, controller_reason_text(plan->reason),
                     workers_busy(child), (int)(waited_us / CLOCK_US_PER_MS));
    }
}

/* AdaptiveMode off and observe: all threads from the start, as under event. */
static void keep_all_threads(child_t *child, int64_t now_us)
{
    int missing = child->workers.limit - workers_live(child);

    /* a child that is going lets idle threads go */
    if (missing > 0 && atomic_load(&child->phase) == CHILD_SERVING
        && now_us >= workers_retry_at(&child->workers)) {
        workers_start(child, missing, now_us);
    }
}

static void apply(child_t *child, const ctl_thread_plan_t *plan, int64_t waited_us,
                  int64_t now_us)
{
    bool serving = atomic_load(&child->phase) == CHILD_SERVING;

    atomic_store(&child->cpu_bound, plan->reason == CTL_CPU_BOUND);
    bench_admit(child, MAX(plan->admit, 1));
    /* A child that is going lets idle threads go at once (workers_dismiss_idle()): it starts none
     * ahead of demand, or the two would undo each other's work. */
    if (plan->start > 0 && (serving || ext_idle(child->ext) == 0)
        && now_us >= workers_retry_at(&child->workers)) {
        start_planned(child, plan, waited_us, now_us);
    }
    else if (serving) {
        workers_retire(child, plan->retire);
    }
}

/* What many threads have needed lies about in as many arenas of the C library: once, when the
 * child has come to rest. */
static void give_memory_back(child_t *child)
{
    steer_t *s = &child->steer;

    if (s->shrunk && s->look_us == CTL_NEVER_US && workers_live(child) <= s->target) {
        s->shrunk = false;
        conn_trim(child, workers_live(child));
        malloc_trim(0);
    }
}

static ctl_thread_plan_t decide(child_t *child, int64_t waited_us, int64_t now_us)
{
    ctl_thread_limits_t limits = thread_limits_of(child);
    ctl_thread_sample_t sample = take_thread_sample(child, waited_us, now_us, &limits);
    ctl_thread_plan_t plan = controller_threads(&child->steer.state, &sample, &limits);
    /* it has all threads that it may have, or that the system lets it have */
    bool full = sample.busy >= limits.max_threads
                || (sample.busy >= sample.threads && now_us < workers_retry_at(&child->workers));
    bool exhausted = waited_us >= limits.wait_target_us && full;

    publish(child, &sample, &plan);
    if (atomic_load(&child->phase) == CHILD_SERVING
        && child->config->adaptive_mode != EXT_MODE_OFF) {
        report_thread_plan(&child->steer.report, child->board, child->server, child->slot,
                           child->config->adaptive_mode, &sample, &limits, &plan);
    }
    if (child->config->adaptive_mode == EXT_MODE_ON) {
        apply(child, &plan, waited_us, now_us);
    }
    else {
        keep_all_threads(child, now_us);
    }
    tell_parent(child, plan.wants_child, exhausted, sample.busy, now_us);
    child->steer.full = full && plan.start == 0;
    return plan;
}

/* --- how often ---------------------------------------------------------------------- */

static void note_seen(child_t *child, int64_t waited_us)
{
    steer_t *s = &child->steer;

    s->seen.events = ext_events(child->ext);
    s->seen.busy = workers_busy(child);
    s->seen.live = workers_live(child);
    s->seen.granted = atomic_load(&child->ext->most_threads);
    s->seen.waits = waited_us > 0;
}

/* Work waits, no thread can be started for it, and the parent knows. */
static bool is_told(const child_t *child)
{
    return child->steer.full && atomic_load(&child->ext->exhausted);
}

/* Nobody is idle, and it is all as the last decision saw it. */
static bool is_still(const child_t *child, int64_t waited_us)
{
    const steer_t *s = &child->steer;
    const ext_child_t *ext = child->ext;

    return ext_idle(ext) == 0 && atomic_load(&ext->arriving) == 0
           && s->seen.events == ext_events(ext) && s->seen.busy == workers_busy(child)
           && s->seen.live == workers_live(child)
           && s->seen.granted == atomic_load(&ext->most_threads)
           && s->seen.waits == (waited_us > 0) && (!watch_finds_waiting(&child->watch) || is_told(child));
}

/* How long the next decision can wait, 0: as long as the controller says. If something is to be
 * done earlier the poller, a worker or the parent wakes the steward. */
static int64_t look_pause_after(child_t *child, int64_t waited_us, bool still)
{
    steer_t *s = &child->steer;

    s->pause_us = !still ? 0
                  : clock_earlier(MAX(2 * s->pause_us, 2 * ROUND_US),
                                  waited_us == 0 ? LONGEST_PAUSE_US : WAITING_PAUSE_US);
    return is_told(child) ? MAX(s->pause_us, FULL_PAUSE_US) : s->pause_us;
}

int64_t steer_threads_round(child_t *child, int64_t now_us)
{
    steer_t *s = &child->steer;
    int64_t waited_us, next_us;
    bool soon = watch_look(child, now_us, &waited_us);
    bool many = watch_many_busy(&child->watch, child->ext);
    bool still = is_still(child, waited_us);
    int64_t pause_us;
    ctl_thread_plan_t plan;

    ON_STEWARD();
    if (!soon && !many && now_us < s->look_us) {
        give_memory_back(child);
        return s->look_us;
    }
    if (still && now_us < s->look_us) {
        return s->look_us;
    }
    plan = decide(child, waited_us, now_us);
    note_seen(child, waited_us);
    pause_us = look_pause_after(child, waited_us, still);
    s->look_us = pause_us ? now_us + pause_us : plan.look_again_us;
    s->target = plan.target;
    s->shrunk = s->shrunk || plan.retire > 0;
    /* what would be a surprise until then */
    atomic_store(&child->watch.many, MAX(FEW_BUSY, workers_busy(child) * 5 / 4 + 1));
    next_us = watch_many_busy(&child->watch, child->ext) ? now_us : s->look_us;
    if (soon && !pause_us) {
        next_us = clock_earlier(next_us, now_us + LONGEST_ROUND_US);
    }
    if (plan.start > 0 && workers_retry_at(&child->workers) > now_us) {
        next_us = MAX(next_us, workers_retry_at(&child->workers));
    }
    return MAX(next_us, now_us + ROUND_US);
}
