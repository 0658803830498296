/* Waits that end by time: deadlines that have passed, and what a child that is draining, or is
 * short of descriptors, closes early. The steward takes connections (the claim functions,
 * under the wheel's lock) and queues them; workers do the rest. */

#include "conn_internal.h"

#include <poll.h>
#include <sys/param.h>

bool conn_claim_deadline(deadline_t *entry, void *ctx)
{
    (void)ctx;
    return claim_by_deadline(&conn_of_deadline(entry)->claim);
}

/* Only a look: between it and the claim the connection may have been served, which
 * run_idle() sees. It must not be claimed and given back here: the event that a worker
 * has fetched for it meanwhile would be dropped as stale, and it would wait for ever. */
bool conn_claim_idle(deadline_t *entry, void *ctx)
{
    conn_t *conn = conn_of_deadline(entry);

    (void)ctx;
    return conn_hint(conn) == HINT_IDLE && claim_by_deadline(&conn->claim);
}

bool conn_claim_slow(deadline_t *entry, void *ctx)
{
    conn_t *conn = conn_of_deadline(entry);
    conn_hint_e hint = conn_hint(conn);
    const int64_t *latest_us = ctx;

    return (hint == HINT_NEW || hint == HINT_REQUEST) && atomic_load(&conn->since_us) < *latest_us
           && claim_by_deadline(&conn->claim);
}

bool conn_claim_long_linger(deadline_t *entry, void *ctx)
{
    conn_t *conn = conn_of_deadline(entry);
    const int64_t *latest_us = ctx;

    return conn_hint(conn) == HINT_LINGERING && atomic_load(&entry->due_us) > *latest_us
           && claim_by_deadline(&conn->claim);
}

/* The connection was taken from its wait for a reason that does not hold (any more): leave
 * it to wait on as before. */
static void wait_on(conn_t *conn, worker_t *worker)
{
    apr_uint32_t *counter = conn->counter;
    conn_hint_e hint = conn_hint(conn);
    int64_t since_us = atomic_load(&conn->since_us);

    conn->armed = true;
    conn_attach(conn, worker);
    conn_count_served(conn);
    conn_set_hint_since(conn, hint, since_us);
    conn_wait(conn, conn->want, atomic_load(&conn->deadline.due_us), counter);
}

/* Has what the connection waits for happened, though no worker had time to see it? */
static bool is_ready(const conn_t *conn)
{
    struct pollfd pfd = {
        .fd = conn->fd, .events = conn->want == POLLER_WRITE ? POLLOUT : POLLIN
    };

    return poll(&pfd, 1, 0) == 1;
}

/* The wait will not be waited to its end; job_fn, on a worker. */
static void run_close(job_t *job, void *taker)
{
    conn_t *conn = conn_of_job(job);
    worker_t *worker = taker;

    ON_WORKER();
    conn->armed = true;
    conn_count_served(conn);
    conn_attach(conn, worker);
    if (!conn->begun || conn_lingers(conn)) {
        conn_close(conn, worker);
        return;
    }
    conn->no_request = conn->cs.state == CONN_STATE_KEEPALIVE;
    if (conn->cs.state == CONN_STATE_WRITE_COMPLETION || conn->cs.state == CONN_STATE_LINGER) {
        /* the client does not take what is there: nothing more can be said to it */
        conn->c->aborted = 1;
    }
    conn_enter(conn, CONN_STATE_LINGER, "its time is over");
    conn_serve(conn, worker);
}

/* A wait timed out; job_fn, on a worker. */
static void run_expired(job_t *job, void *taker)
{
    conn_t *conn = conn_of_job(job);
    worker_t *worker = taker;

    ON_WORKER();
    conn->armed = true;
    /* of one that is being collected nobody else knows whether its time is over */
    if (conn_hint(conn) != HINT_REQUEST && (conn_lingers(conn) || !is_ready(conn))) {
        if (conn_hint(conn) != HINT_NEW || !conn_first_byte_late(conn, worker)) {
            run_close(job, taker);
        }
        return;
    }
    if (conn_is_janitor(worker)) {
        /* nothing may be there to be read of a request whose time is over */
        conn_leave_to_workers(conn, worker, conn_hint(conn) == HINT_REQUEST ? POLLER_WRITE
                                                                            : conn->want);
    }
    else {
        conn_resume(conn, worker);
    }
}

/* The child is draining and this connection waits for a next request; job_fn, on a worker.
 * A request that has arrived meanwhile is served rather than cut off. */
static void run_idle(job_t *job, void *taker)
{
    conn_t *conn = conn_of_job(job);
    worker_t *worker = taker;

    ON_WORKER();
    if (conn->cs.state != CONN_STATE_KEEPALIVE) {
        wait_on(conn, worker);
        return;
    }
    conn->armed = true;
    if (conn_first_byte(conn) == FIRST_THERE) {
        if (conn_is_janitor(worker)) {
            conn_leave_to_workers(conn, worker, POLLER_READ);
        }
        else {
            conn_resume(conn, worker);
        }
        return;
    }
    conn_count_served(conn);
    conn_attach(conn, worker);
    conn->no_request = true;
    conn_enter(conn, CONN_STATE_LINGER, "the child drains");
    conn_serve(conn, worker);
}

/* The child is draining and this client has not closed yet: it has less time now; job_fn, on a
 * worker. */
static void run_shorten_linger(job_t *job, void *taker)
{
    conn_t *conn = conn_of_job(job);
    int64_t soon_us = conn_after(apr_time_from_sec(LINGER_SHORT_S));

    ON_WORKER();
    conn->linger_until_us = MIN(conn->linger_until_us, soon_us);
    if (conn_hint(conn) == HINT_LINGERING) {
        atomic_store(&conn->deadline.due_us, conn->linger_until_us);
    }
    wait_on(conn, taker);
}

static void queue_list(child_t *child, deadline_t *list, job_fn *run, int64_t now_us)
{
    ON_STEWARD();
    while (list) {
        conn_t *conn = conn_of_deadline(list);

        list = list->next;
        conn->deadline.next = NULL;
        conn->job.run = run;
        jobs_push(&child->jobs, &conn->job, now_us);
    }
}

void conn_queue_expired(child_t *child, deadline_t *list, int64_t now_us)
{
    queue_list(child, list, run_expired, now_us);
}

void conn_queue_close(child_t *child, deadline_t *list, int64_t now_us)
{
    queue_list(child, list, run_close, now_us);
}

void conn_queue_idle(child_t *child, deadline_t *list, int64_t now_us)
{
    queue_list(child, list, run_idle, now_us);
}

void conn_queue_long_lingers(child_t *child, deadline_t *list, int64_t now_us)
{
    queue_list(child, list, run_shorten_linger, now_us);
}
