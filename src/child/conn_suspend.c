/* Connections that a module has suspended, until it is done with them. */

#include "conn_internal.h"

#include "base/clock.h"

/* The connection whose process_connection hooks this thread runs. Of this model, because the
 * usual one of a shared object would need another library than libc. */
static _Thread_local conn_t *in_hooks __attribute__((tls_model("initial-exec")));

/* httpd 2.4 does not tell the MPM when a module is done with a connection that it
 * suspended: the module's timed callback merely leaves another state in c->cs. Which
 * callback that was is unknown, and the one that did it may still be at work on the
 * connection. So the change counts once every callback that began after the hooks, and by the
 * time it was seen, has ended. Earlier ones were not registered for this suspension: one that
 * hangs does not hold connections that are suspended later.
 *
 * The callback may be so fast that the thread which suspends the connection never sees
 * CONN_STATE_SUSPENDED. If one was registered from within hooks on this connection, and one
 * that began since the hooks did is still running, they may be the same: the connection counts
 * as suspended. */

void conn_enter_hooks(conn_t *conn)
{
    in_hooks = conn;
    conn->callbacks_before = atomic_load(&conn->child->callbacks_started);
}

void conn_callback_registered(void)
{
    if (in_hooks) {
        in_hooks->has_callback = true;
    }
}

/* Called with suspended_lock held: one of the callbacks after this one, up to the last, still
 * runs. */
static bool callback_runs(const child_t *child, uint64_t after, uint64_t last)
{
    const workers_t *workers = &child->workers;
    int i;

    HELD(&child->suspended_lock);
    for (i = 0; i < workers->limit + MOST_JANITORS; i++) {
        uint64_t running = atomic_load(&workers->list[i].callback);

        if (running > after && running <= last) {
            return true;
        }
    }
    return false;
}

static bool callback_runs_since(child_t *child, uint64_t before)
{
    bool runs;

    lock_take(&child->suspended_lock);
    runs = callback_runs(child, before, UINT64_MAX);
    lock_give(&child->suspended_lock);
    return runs;
}

bool conn_leave_hooks(conn_t *conn)
{
    in_hooks = NULL;
    /* the state first: whoever changes it later is a callback that still runs */
    return conn->cs.state == CONN_STATE_SUSPENDED
           || (conn->has_callback && callback_runs_since(conn->child, conn->callbacks_before));
}

void conn_callback_begins(child_t *child, worker_t *worker)
{
    ON_WORKER();
    lock_take(&child->suspended_lock);
    atomic_store(&worker->callback, atomic_fetch_add(&child->callbacks_started, 1) + 1);
    lock_give(&child->suspended_lock);
}

/* A suspended connection is done with; job_fn, on a worker. */
static void run_resumed(job_t *job, void *taker)
{
    conn_t *conn = conn_of_job(job);
    worker_t *worker = taker;

    ON_WORKER();
    if (conn->cs.state == CONN_STATE_KEEPALIVE) {
        conn_enter(conn, CONN_STATE_WRITE_COMPLETION, "a module has resumed it");
    }
    if (conn_is_janitor(worker)) {
        conn->state_is_new = true;
        conn_leave_to_workers(conn, worker, POLLER_WRITE);
        return;
    }
    conn_count_served(conn);
    conn_attach(conn, worker);
    conn_serve(conn, worker);
}

/* Called with suspended_lock held. */
static void resume_settled(child_t *child)
{
    conn_t *conn, *next;

    HELD(&child->suspended_lock);
    for (conn = child->suspended; conn; conn = next) {
        next = conn->suspended_next;
        if (conn->cs.state == CONN_STATE_SUSPENDED) {
            continue;
        }
        if (!conn->settled_after) {
            conn->settled_after = child->callbacks_started;
        }
        if (!callback_runs(child, conn->callbacks_before, conn->settled_after)) {
            *conn->suspended_link = next;
            if (next) {
                next->suspended_link = conn->suspended_link;
            }
            conn->settled_after = 0;
            conn->job.run = run_resumed;
            jobs_push(&child->jobs, &conn->job, clock_coarse_us());
        }
    }
}

step_e conn_step_suspended(conn_t *conn, worker_t *worker)
{
    child_t *child = conn->child;

    (void)worker;
    deadlines_drop(&child->deadlines, &conn->deadline);
    conn_set_hint(conn, HINT_SUSPENDED);
    conn_count_waiting(conn, &child->score->suspended);
    conn_detach(conn);
    lock_take(&child->suspended_lock);
    conn->suspended_next = child->suspended;
    conn->suspended_link = &child->suspended;
    if (child->suspended) {
        child->suspended->suspended_link = &conn->suspended_next;
    }
    child->suspended = conn;
    /* the callback may have been faster than we are */
    resume_settled(child);
    lock_give(&child->suspended_lock);
    return STEP_GONE;
}

void conn_callback_ends(child_t *child, worker_t *worker)
{
    ON_WORKER();
    lock_take(&child->suspended_lock);
    atomic_store(&worker->callback, 0);
    resume_settled(child);
    lock_give(&child->suspended_lock);
}
