/* Workers, but for what the steward has begun. Owns the queue, and the memory of what computes.
 * Never serves a connection itself: whoever takes one does. */
#include "put_off.h"

#include "bell.h"
#include "child_internal.h"
#include "conn.h"
#include "headcount.h"
#include "listeners.h"
#include "rooms.h"

#include "base/clock.h"

#include <sys/resource.h>
#include <sys/socket.h>

/* What is looked at of a request that may have to wait: the request line and a few headers. */
#define PEEKED_BYTES 1024
/* A worker that leaves does not wake the steward if that looks within this time anyway. */
#define SOON_US      (2 * CLOCK_US_PER_MS)

int put_off_init(child_t *child)
{
    return lock_init(&child->put_off.lock, LOCK_INNER);
}

/* --- who computes ------------------------------------------------------------------ */

static bool is_known_to_compute(const conn_t *conn)
{
    char bytes[PEEKED_BYTES];
    ssize_t n = recv(conn->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    uint32_t target = n > 0 ? target_of_bytes(bytes, (size_t)n) : TARGET_UNKNOWN;

    return target != TARGET_UNKNOWN ? targets_compute(&conn->child->put_off.targets, target)
                                    : conn->computes;
}

void put_off_note_target(conn_t *conn, const request_rec *r)
{
    conn->target = r->unparsed_uri
                   ? target_of_request(r->unparsed_uri, apr_table_get(r->headers_in, "Host"))
                   : TARGET_UNKNOWN;
}

void put_off_learn(conn_t *conn, const worker_t *worker)
{
    conn->computes = worker_is_lowered(worker);
    conn->was_put_off = false;
    targets_learn(&conn->child->put_off.targets, conn->target, conn->computes);
    conn->target = TARGET_UNKNOWN;
}

/* --- the queue --------------------------------------------------------------------- */

/* These two are called with the lock held. */
static void add_last(const put_off_t *p, waiting_t *waiting, conn_t *conn)
{
    HELD(&p->lock);
    conn->put_off_next = NULL;
    *(waiting->last ? &waiting->last->put_off_next : &waiting->first) = conn;
    waiting->last = conn;
    atomic_fetch_add(&waiting->count, 1);
}

static conn_t *take_first(const put_off_t *p, waiting_t *waiting)
{
    conn_t *conn = waiting->first;

    HELD(&p->lock);
    if (conn) {
        waiting->first = conn->put_off_next;
        waiting->last = waiting->first ? waiting->last : NULL;
        atomic_fetch_sub(&waiting->count, 1);
        conn->was_put_off = true;
    }
    return conn;
}

bool put_off(conn_t *conn)
{
    child_t *child = conn->child;
    bool waits;

    ON_WORKER();
    if (!rooms_computing_is_full(child) || conn->was_put_off || !is_known_to_compute(conn)) {
        return false;
    }
    lock_take(&child->put_off.lock);
    /* with the lock held nobody ceases to be lowered: somebody will look into the queue */
    waits = atomic_load(&child->ext->lowered) > 0 && rooms_computing_is_full(child);
    if (waits) {
        add_last(&child->put_off, &child->put_off.computing, conn);
    }
    lock_give(&child->put_off.lock);
    return waits;
}

bool put_off_new(conn_t *conn)
{
    child_t *child = conn->child;

    ON_WORKER();
    if (conn->was_put_off || rooms_for_new(child)) {
        return false;
    }
    /* this worker looks into the queue itself before it waits for an event */
    lock_take(&child->put_off.lock);
    add_last(&child->put_off, &child->put_off.new, conn);
    lock_give(&child->put_off.lock);
    return true;
}

conn_t *put_off_take_new(child_t *child)
{
    put_off_t *p = &child->put_off;
    conn_t *conn;

    if (atomic_load(&p->new.count) == 0) {
        return NULL;
    }
    lock_take(&p->lock);
    conn = take_first(p, &p->new);
    lock_give(&p->lock);
    return conn;
}

conn_t *put_off_take(child_t *child)
{
    conn_t *conn;

    lock_take(&child->put_off.lock);
    conn = take_first(&child->put_off, &child->put_off.computing);
    lock_give(&child->put_off.lock);
    return conn;
}

conn_t *put_off_next(worker_t *worker)
{
    child_t *child = worker->child;
    conn_t *conn;

    ON_WORKER();
    lock_take(&child->put_off.lock);
    /* more than should be are under way, because they were not known: one less */
    conn = atomic_load(&child->ext->lowered) > atomic_load(&child->rooms.computing)
           ? NULL : take_first(&child->put_off, &child->put_off.computing);
    if (!conn) {
        atomic_store(&worker->lowered, false);
        headcount_raise(child->ext);
    }
    lock_give(&child->put_off.lock);
    return conn;
}

bool put_off_raise(const worker_t *worker)
{
    child_t *child = worker->child;

    ON_WORKER();
    if (accept_gate_state(&child->listeners.gate) == ACCEPT_FULL) {
        listeners_hasten(child);
    }
    if (!setpriority(PRIO_PROCESS, 0, child->lowering.nice)) {
        return true;
    }
    atomic_fetch_add(&child->lowering.left, 1);
    if (atomic_load(&child->lowering.look_us) > clock_now_us() + SOON_US) {
        bell_steward(child);
    }
    return false;
}
