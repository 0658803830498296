/* The steward of a draining child. Reads connections that others own, and writes only log lines
 * and told_to_stop; when, says drain_schedule.c. */
#include "drain.h"

#include "child_internal.h"
#include "conn.h"
#include "drain_schedule.h"
#include "overview.h"
#include "workers.h"

#include "base/clock.h"

#include <limits.h>
#include <poll.h>
#include <sys/param.h>
#include <unistd.h>

/* While connections are closed because the time is up, others come to a point where they can
 * be closed too. */
#define CLOSE_ROUND_US (50 * CLOCK_US_PER_MS)
/* A child that was cut off and still has not left, because the destructor of a module hangs,
 * leaves at once after so long. */
#ifndef DRAIN_LAST_RESORT_MS
#define DRAIN_LAST_RESORT_MS 5000
#endif

/* --- the steward's part ------------------------------------------------------------- */

static int seconds(int64_t us)
{
    return (int)MIN(us / CLOCK_US_PER_S, INT_MAX);
}

static void warn(child_t *child, int64_t now_us)
{
    char holdouts[OVERVIEW_BYTES];

    overview_describe(child, holdouts, sizeof(holdouts), now_us);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0102)
                 "told to finish %d s ago, this child still has %s; AdaptiveDrainTimeout "
                 "limits how long it may", seconds(now_us - child->drain.began_us), holdouts);
}

static void announce_cut(child_t *child, int64_t now_us)
{
    char holdouts[OVERVIEW_BYTES];

    if (child_connections(child) == 0 && workers_live(child) == 0) {
        return;
    }
    overview_describe(child, holdouts, sizeof(holdouts), now_us);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0103)
                 "told to finish %d s ago, and AdaptiveDrainTimeout is %d s: this child ends "
                 "now and cuts off %s", seconds(now_us - child->drain.began_us),
                 seconds(child->drain.limit_us), holdouts);
}

/* Whatever waits is claimed and closed by workers as if its time were over, so that modules
 * say goodbye and TLS ends as it should. */
static void close_waiting(child_t *child, int64_t now_us)
{
    conn_queue_close(child, deadlines_take(&child->deadlines, UINT_MAX, conn_claim_deadline,
                                           NULL), now_us);
}

static void *leave_at_last(void *unused)
{
    (void)unused;
    poll(NULL, 0, DRAIN_LAST_RESORT_MS);
    _exit(APEXIT_OK);
}

/* Nobody else would end a child that hangs in its destructors: the parent does not wait for
 * it. If the system refuses this thread, it ends when it ends. */
static void limit_end(void)
{
    pthread_t thread;

    if (!pthread_create(&thread, NULL, leave_at_last, NULL)) {
        pthread_detach(thread);
    }
}

void drain_begin(child_t *child, int64_t now_us)
{
    ON_STEWARD();
    drain_schedule_begin(&child->drain, now_us);
}

int64_t drain_round(child_t *child, int64_t now_us)
{
    int64_t limit_us = atomic_load(&child->board->drain_timeout_us);

    ON_STEWARD();
    if (atomic_load(&child->told_to_stop)) {
        return CLOCK_NEVER;
    }
    switch (drain_schedule_act(&child->drain, limit_us, now_us)) {
    case DRAIN_GO_ON:
        break;
    case DRAIN_WARN:
        warn(child, now_us);
        break;
    case DRAIN_TIME_IS_UP:
        announce_cut(child, now_us);
        /* fall through */
    case DRAIN_CLOSE:
        close_waiting(child, now_us);
        return now_us + CLOSE_ROUND_US;
    case DRAIN_CUT:
        limit_end();
        atomic_store(&child->told_to_stop, true);
        return now_us;
    }
    return drain_schedule_next(&child->drain, limit_us);
}

void drain_ends(child_t *child)
{
    ON_STEWARD();
    if (child->drain.warned_us && !atomic_load(&child->told_to_stop)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, child->server, ADPNO(0104)
                     "told to finish %d s ago, this child has no connection any more and ends",
                     seconds(clock_now_us() - child->drain.began_us));
    }
}
