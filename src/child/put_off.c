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

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* What is looked at of a request that may have to wait: the request line and a few headers. */
#define PEEKED_BYTES 1024
/* Where a queue stands nobody waits longer than this part of AdaptiveMaxWait. */
#define STANDING_PART 10
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

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        return false;           /* the client has gone */
    }
    return target != TARGET_UNKNOWN ? targets_compute(&conn->child->put_off.targets, target)
                                    : conn->computes;
}

void put_off_note_target(conn_t *conn, const request_rec *r)
{
    /* where nobody is lowered nothing is learned of it */
    conn->target = conn->child->lowering.works && r->unparsed_uri
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

/* The queue goes on in the backlog. */
static bool is_shut(const child_t *child)
{
    return atomic_load_explicit(&child->listeners.outside_since_us, memory_order_relaxed) > 0;
}

/* These are called with the lock held. */
static void add_last(const put_off_t *p, waiting_t *waiting, conn_t *conn)
{
    HELD(&p->lock);
    waiting->stands = waiting->stands && (waiting->first || is_shut(conn->child));
    conn->put_off_us = clock_now_us();
    conn->put_off_next = NULL;
    conn->put_off_before = waiting->last;
    *(waiting->last ? &waiting->last->put_off_next : &waiting->first) = conn;
    waiting->last = conn;
    atomic_fetch_add(&waiting->count, 1);
    atomic_fetch_add(&conn->child->ext->put_off, 1);
}

static void pick(const put_off_t *p, waiting_t *waiting, conn_t *conn)
{
    HELD(&p->lock);
    *(conn->put_off_before ? &conn->put_off_before->put_off_next : &waiting->first)
        = conn->put_off_next;
    *(conn->put_off_next ? &conn->put_off_next->put_off_before : &waiting->last)
        = conn->put_off_before;
    atomic_fetch_sub(&waiting->count, 1);
    atomic_fetch_sub(&conn->child->ext->put_off, 1);
    conn->was_put_off = true;
}

/* Whose turn it is. */
static conn_t *take_next(const put_off_t *p, waiting_t *waiting)
{
    conn_t *conn = waiting->stands ? waiting->last : waiting->first;

    if (conn) {
        pick(p, waiting, conn);
    }
    return conn;
}

/* Who has waited too long. */
static conn_t *take_late(const put_off_t *p, waiting_t *waiting, int64_t max_wait_us,
                         int64_t now_us)
{
    conn_t *conn = waiting->first;
    int64_t most_us = waiting->stands ? max_wait_us / STANDING_PART : max_wait_us;

    HELD(&p->lock);
    if (!conn || now_us - conn->put_off_us < most_us) {
        return NULL;
    }
    waiting->stands = true;
    pick(p, waiting, conn);
    conn->is_shed = true;
    return conn;
}

bool put_off(conn_t *conn)
{
    child_t *child = conn->child;
    bool waits;

    ON_WORKER();
    if (!rooms_computing_is_full(child) || conn->was_put_off
        || atomic_load_explicit(&conn->carries, memory_order_relaxed)
        || !is_known_to_compute(conn)) {
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
    /* ... but room may come without an event, which only the steward sees */
    bell_steward(child);
    return true;
}

conn_t *put_off_take(child_t *child, waiting_t *waiting)
{
    conn_t *conn;

    if (atomic_load(&waiting->count) == 0) {
        return NULL;
    }
    lock_take(&child->put_off.lock);
    conn = take_next(&child->put_off, waiting);
    lock_give(&child->put_off.lock);
    return conn;
}

conn_t *put_off_take_late(child_t *child, int64_t now_us)
{
    put_off_t *p = &child->put_off;
    int64_t most_us = child->config->max_wait_us;
    conn_t *conn;

    ON_STEWARD();
    if (most_us == 0 || atomic_load(&p->new.count) + atomic_load(&p->computing.count) == 0) {
        return NULL;
    }
    lock_take(&p->lock);
    conn = take_late(p, &p->new, most_us, now_us);
    if (!conn) {
        conn = take_late(p, &p->computing, most_us, now_us);
    }
    lock_give(&p->lock);
    return conn;
}

conn_t *put_off_next(worker_t *worker)
{
    child_t *child = worker->child;
    conn_t *conn;

    ON_WORKER();
    lock_take(&child->put_off.lock);
    if (!worker_is_lowered(worker)) {
        lock_give(&child->put_off.lock);
        return NULL;            /* it was spared (lowering_spare()) */
    }
    /* more than should be are under way, because they were not known: one less */
    conn = atomic_load(&child->ext->lowered) > atomic_load(&child->rooms.computing)
           ? NULL : take_next(&child->put_off, &child->put_off.computing);
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
