/* The steward chooses, workers tell. Counts what was sent away, and says so once a minute. */
#include "shed.h"

#include "accept.h"
#include "child_internal.h"
#include "conn.h"
#include "listeners.h"
#include "put_off.h"

#include "base/clock.h"

#include "apr_strings.h"

/* At one round, so that the steward has time for everything else. */
#define MOST_A_ROUND 64

static void say_so(child_t *child, int told, int new, int computing, int64_t now_us)
{
    if (!scoreboard_ext_may_log(child->board, LOG_SHED, now_us)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0066)
                 "%d requests are answered with 503, %" APR_UINT64_T_FMT " were before: of this "
                 "child's %d waited for a thread and %d while others compute, and more comes than "
                 "can be served within AdaptiveMaxWait %d ms; if that is meant to be, raise it or "
                 "turn it off", told, atomic_load(&child->board->shed), new, computing,
                 (int)(child->config->max_wait_us / CLOCK_US_PER_MS));
}

void shed_late(child_t *child, int64_t now_us)
{
    conn_t *conn;
    int new, computing, shed = 0;

    ON_STEWARD();
    if (child->config->max_wait_us > 0
        && listeners_strand(child, child->config->max_wait_us, now_us)) {
        /* they have waited long enough where nobody could tell them */
        atomic_store(&child->put_off.new.stands, true);
        accept_to_wait(child);
    }
    new = atomic_load(&child->put_off.new.count);
    computing = atomic_load(&child->put_off.computing.count);
    while (shed < MOST_A_ROUND && (conn = put_off_take_late(child, now_us)) != NULL) {
        conn_queue_put_off(conn, now_us);
        shed++;
    }
    if (shed > 0) {
        say_so(child, shed, new, computing, now_us);
    }
}

bool shed_request(conn_t *conn, request_rec *r)
{
    int64_t retry_s = (conn->child->config->max_wait_us + CLOCK_US_PER_S - 1) / CLOCK_US_PER_S;

    ON_WORKER();
    /* not the error document, which httpd looks for by a request of its own */
    if (!conn->is_shed || r->prev || r->main) {
        return false;
    }
    conn->is_shed = false;
    atomic_fetch_add(&conn->child->board->shed, 1);
    apr_table_setn(r->err_headers_out, "Retry-After",
                   apr_psprintf(r->pool, "%" APR_INT64_T_FMT, retry_s));
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, ADPNO(0067)
                  "it has waited for AdaptiveMaxWait: 503");
    return true;
}
