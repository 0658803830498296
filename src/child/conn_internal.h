/* What the files of the connection state machine share: conn.c (memory, waiting), conn_begin.c
 * (from accept to first byte, and what follows a wait), conn_steps.c (states), conn_expiry.c
 * (deadlines), conn_suspend.c, conn_hooks.c.
 *
 * Unless said otherwise a function is called by the thread that owns the connection.
 */
#ifndef ADP_CONN_INTERNAL_H
#define ADP_CONN_INTERNAL_H

#include "conn.h"

#include "child_internal.h"

#include "base/check.h"

#include <sys/param.h>

/* How long a lingering close may last once the child is draining, or a module asked for it. */
#define LINGER_SHORT_S 2

/* What a step of the state machine came to. */
typedef enum {
    STEP_AGAIN,                 /* conn->cs.state says how to go on */
    STEP_GONE                   /* the connection waits, or is closed: not ours any more */
} step_e;

typedef step_e step_fn(conn_t *conn, worker_t *worker);

/* What a look at the socket of a new connection finds. */
typedef enum {
    FIRST_THERE,
    FIRST_MISSING,
    FIRST_NEVER                 /* the client has closed already */
} first_byte_e;

/* The connection is this thread's: nobody else touches it. */
#define OWNED(conn) CHECK(claim_state(&(conn)->claim) == CLAIM_OWNED)

/* The connection is in this state from now on: the one way in which this module changes it, along
 * the arrows drawn in conn.h (modules change it on their own). why: for the log at level trace2. */
void conn_enter(conn_t *conn, conn_state_e state, const char *why);

/* Run a connection until it waits or is closed: afterwards it is not ours. */
void conn_serve(conn_t *conn, worker_t *worker);

/* The step of CONN_STATE_SUSPENDED (conn_suspend.c). */
step_fn conn_step_suspended;

/* Before and after process_connection hooks. Afterwards true if a timed callback has the
 * connection: only conn_step_suspended() may follow (conn_suspend.c). */
void conn_enter_hooks(conn_t *conn);
bool conn_leave_hooks(conn_t *conn);

/* Leave the connection to the poller and its deadline, counted in a field of process_score.
 * Afterwards it is not ours: another thread may be serving it before this returns. */
step_e conn_wait(conn_t *conn, poller_want_e want, int64_t due_us, apr_uint32_t *counter);

/* The janitor has something to serve: the poller fires at once, for the next worker that
 * is free. */
void conn_leave_to_workers(conn_t *conn, worker_t *worker, poller_want_e want);

/* Close the socket and give the connection back. worker: the thread, which gets back what it has
 * lent; NULL: it has lent nothing. */
step_e conn_close(conn_t *conn, worker_t *worker);

/* The first byte did not come in time: have the modules find that out, so that it is logged as
 * under other MPMs (408). False: there is nothing to tell, the connection is still ours. */
bool conn_first_byte_late(conn_t *conn, worker_t *worker);

/* Look for a first byte, or a next request's, without reading it. */
first_byte_e conn_first_byte(conn_t *conn);

/* The connection gets a thread, and leaves it: scoreboard handle, current_thread, hooks. */
void conn_attach(conn_t *conn, worker_t *worker);
void conn_detach(conn_t *conn);

/* The first half of conn_attach(): current_thread and scoreboard handle. */
void conn_give_thread(conn_t *conn, worker_t *worker);

/* Show in the scoreboard what its thread does with the connection, by the state of that. */
void conn_show(const conn_t *conn, const worker_t *worker);

/* The connection begins to wait, and ends it, as the status page counts it. */
void conn_count_waiting(conn_t *conn, apr_uint32_t *counter);
void conn_count_served(conn_t *conn);

static inline void conn_set_hint_since(conn_t *conn, conn_hint_e hint, int64_t since_us)
{
    atomic_store_explicit(&conn->hint, hint, memory_order_relaxed);
    atomic_store_explicit(&conn->since_us, since_us, memory_order_relaxed);
}

static inline void conn_set_hint(conn_t *conn, conn_hint_e hint)
{
    conn_set_hint_since(conn, hint, clock_coarse_us());
}

/* Any thread. */
static inline conn_hint_e conn_hint(conn_t *conn)
{
    return (conn_hint_e)atomic_load_explicit(&conn->hint, memory_order_relaxed);
}

/* The janitor and the steward have no place in the scoreboard. */
static inline bool conn_is_janitor(const worker_t *worker)
{
    return worker->slot < 0;
}

/* Our side is closed already, and pre_close_connection hooks have run. */
static inline bool conn_lingers(const conn_t *conn)
{
    return conn->begun && (conn->cs.state == CONN_STATE_LINGER_NORMAL
                           || conn->cs.state == CONN_STATE_LINGER_SHORT);
}

/* A deadline that far from now. */
static inline int64_t conn_after(apr_interval_time_t timeout)
{
    return clock_coarse_us() + MAX(timeout, 0);
}

static inline conn_t *conn_of_conn_rec(conn_rec *c)
{
    /* secondary connections (HTTP/2 streams) have none: their threads are not ours, and
     * what they do must not touch the state of the connection that carries them */
    return ap_get_module_config(c->conn_config, &mpm_adaptive_module);
}

static inline conn_t *conn_of_deadline(deadline_t *entry)
{
    return (conn_t *)(void *)((char *)entry - APR_OFFSETOF(conn_t, deadline));
}

static inline conn_t *conn_of_job(job_t *job)
{
    return (conn_t *)(void *)((char *)job - APR_OFFSETOF(conn_t, job));
}

#endif
