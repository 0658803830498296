/* On the worker that the poller told of a listening socket; the steward only when the child
 * closes. It never decides whether the child accepts: that is listeners.c. */
#include "accept.h"

#include "bell.h"
#include "child_internal.h"
#include "conn.h"
#include "listeners.h"
#include "rooms.h"
#include "workers.h"

#include "base/clock.h"
#include "base/testhook.h"

#include "apr_atomic.h"
#include "apr_portable.h"
#include "mpm_common.h"
#include "unixd.h"

#include <errno.h>
#include <sys/param.h>

/* Connections that a child takes from the backlog when it closes its listeners: more than there
 * can be (net.core.somaxconn), but not for ever where last_call() does not work. */
#define MOST_TAKEN_ALONG 8192
/* ... and that a full one takes at a round, so that siblings that become free have some. */
#define MOST_TO_WAIT 32

/* How often a child looks whether it has too many connections, and where it may keep to a
 * processor, which has to do all that it accepts. */
#define LOOK_EVERY        8
#define LOOK_EVERY_PINNED 2

/* What became of an attempt to accept. */
typedef enum {
    ACCEPTED,
    ACCEPT_NOTHING,             /* no connection, or one that was gone already */
    ACCEPT_FAILED
} accept_result_e;

/* Errors of one connection, not of the listening socket: accept(2), "Error handling". */
static bool is_connection_error(apr_status_t rv)
{
    switch (rv) {
    case EAGAIN:
    case EINTR:
    case EPROTO:
    case ECONNABORTED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ENOPROTOOPT:
    case ENONET:
    case EOPNOTSUPP:
        return true;
    default:
        return false;
    }
}

/* Directly where httpd's own accept function would only log what we have to act on. */
static apr_status_t accept_socket(ap_listen_rec *lr, apr_socket_t **socket, apr_pool_t *pool)
{
    void *accepted = NULL;
    apr_status_t rv;

    if (lr->accept_func == ap_unixd_accept) {
        return apr_socket_accept(socket, lr->sd, pool);
    }
    rv = lr->accept_func(&accepted, lr, pool);
    *socket = accepted;
    return rv == APR_SUCCESS && !accepted ? EAGAIN : rv;
}

/* When descriptors become so few that as many threads as there are, accepting at the same
 * moment, could use up the reserve, they accept one after the other and look first: until half of
 * the connections have gone. The number of the last descriptor would not tell when that is over,
 * because one that became free below is given out first. */
static void note_descriptor(child_t *child, apr_socket_t *socket)
{
    listeners_t *l = &child->listeners;
    apr_uint32_t connections = child_connections(child);
    int fd = -1;

    apr_os_sock_get(&fd, socket);
    if (fd >= l->descriptor_limit - child->workers.limit - 1) {
        atomic_store(&l->narrow_above, connections / 2);
        atomic_store(&l->is_narrow, true);
    }
    else if (atomic_load_explicit(&l->is_narrow, memory_order_relaxed)
             && connections < atomic_load(&l->narrow_above)) {
        atomic_store(&l->is_narrow, false);
    }
    if (fd >= l->descriptor_limit) {
        listeners_accept_failed(child, EMFILE);
    }
}

/* Accept into a fresh connection. */
static accept_result_e accept_now(child_t *child, uint32_t index, worker_t *worker,
                                  apr_socket_t **socket)
{
    apr_status_t rv;

    if (!worker->spare) {
        worker->spare = conn_new(child);
        if (!worker->spare) {
            listeners_accept_failed(child, ENOMEM);
            return ACCEPT_FAILED;
        }
    }
    /* counted before it is there, so that a child that is draining waits for it */
    apr_atomic_inc32(&child->score->connections);
    ADP_PAUSE(accept_counted);
    rv = accept_socket(child->listeners.records[index], socket, worker->spare->pool);
    if (rv == APR_SUCCESS) {
        note_descriptor(child, *socket);
        return ACCEPTED;
    }
    conn_uncount(child);
    if (is_connection_error(rv)) {
        return ACCEPT_NOTHING;
    }
    listeners_accept_failed(child, rv);
    return ACCEPT_FAILED;
}

/* Accept, unless descriptors run out. */
static accept_result_e accept_one(child_t *child, uint32_t index, worker_t *worker,
                                  apr_socket_t **socket)
{
    listeners_t *l = &child->listeners;
    accept_result_e result = ACCEPT_FAILED;

    if (!atomic_load_explicit(&l->is_narrow, memory_order_relaxed)) {
        return accept_now(child, index, worker, socket);
    }
    lock_take(&l->narrow_lock);
    if (accept_gate_state(&l->gate) == ACCEPT_CLOSED || listeners_descriptors_left(child)) {
        result = accept_now(child, index, worker, socket);
    }
    else if (!listeners_are_short(child)) {
        listeners_accept_failed(child, EMFILE);
    }
    lock_give(&l->narrow_lock);
    return result;
}

/* Count one accept against MaxConnectionsPerChild; near its end the parent starts a
 * successor, and this child goes on accepting until that one is there. */
static void use_quota(child_t *child)
{
    quota_t *quota = &child->listeners.quota;

    if (ap_max_requests_per_child <= 0 || !quota_take(quota, clock_coarse_us())) {
        return;
    }
    if (child->one_process) {
        if (atomic_load(&quota->left) <= 0) {
            bell_drain(child);
        }
    }
    else if (!atomic_exchange(&child->ext->wants_successor, true)) {
        bell_parent(child);
    }
}

/* It leaves the next connections to its siblings. */
static void leave_to_siblings(child_t *child)
{
    if (child->pinning.works) {
        listeners_pause(child, ACCEPT_CROWDED, false);
    }
    else {
        listeners_step_back(child);
    }
}

/* What an accept means for the limits of this child. */
static void account_accepted(child_t *child)
{
    use_quota(child);
    if (listeners_above_async_limit(child)) {
        listeners_pause(child, ACCEPT_ASYNC_LIMIT, false);
    }
    else if (atomic_fetch_add(&child->listeners.accepted, 1)
             % (child->pinning.works ? LOOK_EVERY_PINNED : LOOK_EVERY) == 0
             && listeners_are_crowded(child)) {
        leave_to_siblings(child);
    }
}

static conn_t *take_spare(worker_t *worker)
{
    conn_t *conn = worker->spare;

    worker->spare = NULL;
    return conn;
}

static void serve_accepted(child_t *child, uint32_t index, worker_t *worker,
                           apr_socket_t *socket)
{
    conn_t *conn = take_spare(worker);

    account_accepted(child);
    conn_accepted(conn, socket, child->listeners.openings[index], worker);
}

void accept_event(child_t *child, uint32_t index, worker_t *worker)
{
    apr_socket_t *socket;

    ON_WORKER();
    if (!rooms_for_new(child)) {
        listeners_pause(child, ACCEPT_FULL, false);
        return;
    }
    if (accept_one(child, index, worker, &socket) == ACCEPTED) {
        serve_accepted(child, index, worker, socket);
    }
}

/* Accept from the first listening socket that has a connection. Its index, -1: none has. */
static int accept_any(child_t *child, worker_t *worker, apr_socket_t **socket)
{
    int i;

    for (i = 0; i < child->listeners.count; i++) {
        if (listeners_may_accept(child)
            && accept_one(child, (uint32_t)i, worker, socket) == ACCEPTED) {
            return i;
        }
    }
    return -1;
}

bool accept_turn(child_t *child, worker_t *worker)
{
    apr_socket_t *socket;
    int i = accept_any(child, worker, &socket);

    ON_WORKER();
    if (i >= 0) {
        serve_accepted(child, (uint32_t)i, worker, socket);
    }
    return i >= 0;
}

/* The janitor: no worker is free for what may wait. It must not be taken all the same: a sibling
 * may have one soon. Whoever ends an event looks (worker.c). */
static void look_later(child_t *child)
{
    atomic_store(&child->look_due, true);
    if (ext_idle(child->ext) > 0) {
        /* he may have become idle before he could see it */
        accept_look(child);
    }
}

/* job_fn, on a worker: take one connection, and let the next worker look for the next. */
static void run_look(job_t *job, void *taker)
{
    child_t *child = (child_t *)(void *)((char *)job - APR_OFFSETOF(child_t, accept_job));
    apr_socket_t *socket;
    int i;

    ON_WORKER();
    atomic_store(&child->accept_job_queued, false);
    if (((worker_t *)taker)->slot < 0) {
        look_later(child);
        return;
    }
    if (!rooms_for_new(child)) {
        listeners_pause(child, ACCEPT_FULL, false);
        return;
    }
    i = accept_any(child, taker, &socket);
    if (i >= 0) {
        accept_look(child);
        serve_accepted(child, (uint32_t)i, taker, socket);
    }
}

void accept_look(child_t *child)
{
    if (!atomic_exchange(&child->accept_job_queued, true)) {
        child->accept_job.run = run_look;
        jobs_push(&child->jobs, &child->accept_job, clock_now_us());
    }
}

/* Accept what is complete in the backlog: nobody else will. */
static void take_along(child_t *child, int most)
{
    worker_t *steward = workers_steward(&child->workers);
    int i, taken = 0;

    ON_STEWARD();
    for (i = 0; i < child->listeners.count; i++) {
        apr_socket_t *socket;

        while (taken++ < most
               && accept_one(child, (uint32_t)i, steward, &socket) == ACCEPTED) {
            conn_t *conn = take_spare(steward);

            conn_taken_along(conn, socket, child->listeners.openings[i]);
        }
    }
}

void accept_to_wait(child_t *child)
{
    if (accept_gate_state(&child->listeners.gate) == ACCEPT_FULL) {
        take_along(child, MOST_TO_WAIT);
    }
}

void accept_close(child_t *child, drain_order_e order)
{
    accept_state_e before = listeners_shut(child);

    ON_STEWARD();
    if (order == DRAIN_END_SOCKETS) {
        listeners_end_sockets(child);
    }
    /* a child that has never accepted may have no worker to serve it */
    if (order != DRAIN_LEAVE_BACKLOG && before != ACCEPT_CLOSED) {
        take_along(child, MOST_TAKEN_ALONG);
    }
    listeners_give_up(child);
}
