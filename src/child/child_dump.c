/* The steward. Reads what others write, and changes nothing. */
#include "child_dump.h"

#include "child_internal.h"
#include "overview.h"
#include "workers.h"

#include "base/clock.h"
#include "board/board_view.h"
#include "law/controller.h"

#include "apr_strings.h"
#include "scoreboard.h"

#include <sys/param.h>

/* Busy threads that are named. */
#define NAMED_THREADS 64

static int64_t ms_until(int64_t at_us, int64_t now_us)
{
    return at_us == CLOCK_NEVER ? -1 : MAX(at_us - now_us, 0) / CLOCK_US_PER_MS;
}

static void dump_threads(const child_t *child, int64_t now_us)
{
    const ext_child_t *ext = child->ext;
    board_view_t own = board_view(ext, child->workers.limit);

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, child->server,
                 ADPNO(0051) "child %d of generation %d, started %d s ago, %s and %s: %d worker "
                             "threads (%d busy, %d idle, %d arriving, %d admitted; "
                             "up to %d, %d granted because of %s)",
                 child->slot, (int)child->generation,
                 (int)((now_us - child->began_us) / CLOCK_US_PER_S),
                 child_phase_name(atomic_load(&child->phase)),
                 accept_gate_name(accept_gate_state(&child->listeners.gate)),
                 workers_live(child), own.busy,
                 own.idle, atomic_load(&ext->arriving), own.admitted, child->workers.limit,
                 atomic_load(&ext->most_threads),
                 /* never out of its table, whatever a sibling wrote there */
                 controller_ceiling_text((ctl_ceiling_e)atomic_load(&ext->ceiling)));
}

static void dump_connections(child_t *child, int64_t now_us)
{
    char text[OVERVIEW_BYTES];

    overview_describe(child, text, sizeof(text), now_us);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, child->server, ADPNO(0052) "child %d has %s",
                 child->slot, text);
}

/* Times in milliseconds from now, -1: none. */
static void dump_steward(child_t *child, int64_t now_us)
{
    const steward_t *s = &child->steer.steward;

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, child->server,
                 ADPNO(0053) "child %d: the steward %s%s, expects fewer than %d busy threads, "
                             "plans %d, decides in %" APR_INT64_T_FMT " ms; jobs %d, next "
                             "deadline in %" APR_INT64_T_FMT " ms, next timer in %" APR_INT64_T_FMT
                             " ms, listeners again in %" APR_INT64_T_FMT " ms; arrivals "
                             "%" APR_UINT64_T_FMT,
                 child->slot, s->watching ? "watches" : "sleeps",
                 s->probe_sent_us ? " and has a probe on its way" : "", s->many, s->target,
                 ms_until(s->look_us, now_us), (int)atomic_load(&child->jobs.count),
                 ms_until(deadlines_next(&child->deadlines), now_us),
                 ms_until(timers_next(&child->timers), now_us),
                 ms_until(listeners_retry_at(child), now_us), s->arrivals);
}

static const char *doing(int status)
{
    switch (status) {
    case SERVER_BUSY_READ:
        return "reads a request";
    case SERVER_BUSY_WRITE:
        return "works on";
    case SERVER_BUSY_KEEPALIVE:
        return "keeps alive";
    case SERVER_BUSY_LOG:
        return "logs";
    case SERVER_BUSY_DNS:
        return "looks a name up";
    case SERVER_CLOSING:
        return "closes";
    default:
        return NULL;
    }
}

/* For how long it has not been idle: httpd notes that with ExtendedStatus only. */
static void say_since(const worker_score *score, char *text, size_t size)
{
    text[0] = '\0';
    if (ap_extended_status && score->last_used > 0) {
        apr_snprintf(text, size, " for %d s",
                     (int)MAX(apr_time_sec(apr_time_now() - score->last_used), 0));
    }
}

/* What the scoreboard shows of a thread; false: nothing. */
static bool dump_worker(const child_t *child, const worker_t *worker)
{
    worker_score score;
    char request[sizeof(score.request)], client[sizeof(score.client64)], since[40];
    const char *what;

    ap_copy_scoreboard_worker(&score, child->slot, worker->slot);
    what = doing(score.status);
    if (!atomic_load(&worker->tid) || !what) {
        return false;
    }
    /* a sibling may have written there, and left no end */
    apr_cpystrn(request, score.request, sizeof(request));
    apr_cpystrn(client, score.client64, sizeof(client));
    say_since(&score, since, sizeof(since));
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, child->server, ADPNO(0054)
                 "child %d: worker %d (thread %d, adp-w%02d) %s%s%s%s%s%s", child->slot,
                 worker->slot, atomic_load(&worker->tid), worker->slot, what, since,
                 request[0] ? ": " : "", request, client[0] ? ", from " : "", client);
    return true;
}

static void dump_workers(const child_t *child)
{
    int i, named = 0;

    for (i = 0; i < child->workers.limit && named < NAMED_THREADS; i++) {
        named += dump_worker(child, &child->workers.list[i]);
    }
}

void child_dump(child_t *child)
{
    int64_t now_us = clock_now_us();

    ON_STEWARD();
    dump_threads(child, now_us);
    dump_connections(child, now_us);
    dump_steward(child, now_us);
    dump_workers(child);
}
