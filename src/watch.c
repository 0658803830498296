#include "watch.h"

#include "child.h"
#include "pool.h"
#include "runnable.h"
#include "wakeup.h"

#include <sys/param.h>

#define ROUND_US         (2 * CLOCK_US_PER_MS)
#define FULL_ROUND_US    (20 * CLOCK_US_PER_MS)
/* Rounds with somebody idle after which the steward goes back to sleep. */
#define QUIET_ROUNDS     5
#define LARGEST_BATCH    64
/* Looks in a row that must find processors unused before threads are started. */
#define BLOCKED_ROUNDS   2
/* A thread more than there are processors does not make requests that compute any faster,
 * it only makes the others wait longer for a processor. But a computation of seconds must
 * not hold up everybody else: the longer work has waited, the more such threads. */
#define PATIENCE_US      (50 * CLOCK_US_PER_MS)
#define LAST_PATIENCE_US (250 * CLOCK_US_PER_MS)
/* Jobs (passed deadlines, timed callbacks) that waited so long get the janitor. */
#define JANITOR_AFTER_US (100 * CLOCK_US_PER_MS)

void watch_nobody_idle(child_t *child)
{
    if (!atomic_load(&child->watch.on)) {
        child_wake_steward(child);
    }
}

void watch_probe_taken(child_t *child)
{
    atomic_store(&child->watch.probe_taken, true);
}

/* Would one more thread get a processor, or do those that are there compute already? One
 * look at the threads' states says little: a thread may sleep for a moment only. */
static bool thread_would_help(child_t *child, int64_t waited_us)
{
    int enough = waited_us < PATIENCE_US ? child->cpus : 4 * child->cpus;
    pool_t *pool = &child->workers;

    if (waited_us >= LAST_PATIENCE_US) {
        return true;
    }
    if (runnable_count(pool->workers, pool->limit, enough) >= enough) {
        child->watch.blocked_rounds = 0;
        return false;
    }
    return ++child->watch.blocked_rounds >= BLOCKED_ROUNDS;
}

static void grow(child_t *child, int64_t waited_us, int64_t now_us)
{
    watch_t *w = &child->watch;
    pool_t *pool = &child->workers;
    int room = pool->limit - pool_live(pool);
    int started;

    if (room <= 0) {
        if (!atomic_exchange(&child->ext->exhausted, true)) {
            child_wake_parent(child);
        }
        return;
    }
    /* those that are on their way count: a slow start must not multiply them */
    if (now_us < pool_retry_at(pool) || atomic_load(&pool->arriving) > 0
        || !thread_would_help(child, waited_us)) {
        return;
    }
    started = pool_start(child, MIN(w->batch, room), now_us);
    w->batch = MIN(w->batch * 2, LARGEST_BATCH);
    if (started) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, child->server, ADPNO(0060)
                     "%d worker threads, %d more, because a request waited %d ms for one",
                     pool_live(pool), started, (int)(waited_us / CLOCK_US_PER_MS));
        child_wake_parent(child);
    }
}

static void follow_probe(child_t *child, int64_t now_us)
{
    watch_t *w = &child->watch;

    if (w->probe_sent_us && atomic_exchange(&w->probe_taken, false)) {
        w->probe_sent_us = 0;
        w->batch = 1;
        w->blocked_rounds = 0;
        atomic_store(&child->ext->exhausted, false);
    }
    if (!w->probe_sent_us) {
        if (poller_has_ready(&child->poller)) {
            w->probe_sent_us = now_us;
            wakeup_send(child->probe_fd);
        }
    }
    else if (now_us - w->probe_sent_us >= WATCH_TARGET_US) {
        grow(child, now_us - w->probe_sent_us, now_us);
    }
}

static bool somebody_idle(const child_t *child)
{
    return atomic_load(&child->ext->idle) > 0;
}

int64_t watch_round(child_t *child, int64_t now_us)
{
    watch_t *w = &child->watch;

    if (!atomic_load(&w->on)) {
        if (somebody_idle(child)) {
            return CLOCK_NEVER;
        }
        atomic_store(&w->on, true);
        w->quiet_ticks = 0;
        w->batch = 1;
    }
    if (somebody_idle(child) && !(w->probe_sent_us && !atomic_load(&w->probe_taken))) {
        w->quiet_ticks++;
    }
    else {
        w->quiet_ticks = 0;
    }
    follow_probe(child, now_us);
    if (jobs_oldest_us(&child->jobs, now_us) > JANITOR_AFTER_US) {
        pool_start_janitor(child);
    }
    if (w->quiet_ticks < QUIET_ROUNDS) {
        /* with nothing left to start, only the end of it is of interest */
        return now_us + (atomic_load(&child->ext->exhausted) ? FULL_ROUND_US : ROUND_US);
    }
    atomic_store(&w->on, false);
    /* the last idle worker may have become busy, and found the watch still on */
    return somebody_idle(child) ? CLOCK_NEVER : now_us;
}
