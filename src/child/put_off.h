/* Requests that compute wait for each other.
 *
 * A few of them keep the processors busy (rooms.h). More of them only make each other slow, need a
 * thread each, and one that holds a lock, of a module or of malloc(3), would have to wait for a
 * processor behind all the others. So while a few are under way, a request that is known to
 * compute is put off: its connection waits, claimed, in a queue that workers which are lowered
 * serve from. What computes is known from requests for the same target (target.h), or by the last
 * request on the connection where that cannot be seen (TLS). Others are begun, and lowered if they
 * compute.
 *
 * New connections that a child has accepted before their first request was there wait likewise if
 * it is full by the time that the request is: or they would take the threads that are kept for
 * those who are connected.
 *
 * If those that were begun leave processors idle, because they wait for something else, the
 * steward has more of them begun (lowering.c).
 */
#ifndef ADP_PUT_OFF_H
#define ADP_PUT_OFF_H

#include "fwd.h"
#include "target.h"
#include "worker.h"

#include "base/lock.h"

#include "httpd.h"

#include <stdatomic.h>
#include <stdbool.h>

/* Connections that wait, claimed. The one that came first is served first, and a burst is worked
 * off; but a queue from which somebody had to be sent away (AdaptiveMaxWait) stands: in the order
 * of arrival all who are served would wait as long as that. So from then on the one that came last
 * is served first, and the others are told soon, until the queue has been empty. */
typedef struct waiting_t {
    conn_t *first, *last;       /* guarded by put_off_t.lock */
    _Atomic bool stands;        /* written under it */
    _Atomic int count;          /* likewise */
} waiting_t;

typedef struct put_off_t {
    lock_t lock;
    waiting_t computing;        /* their requests are known to compute */
    waiting_t new;              /* their first request is there, and the child is full */
    targets_t targets;          /* those that compute */
} put_off_t;

/* 0 or an errno value. The steward. */
int put_off_init(child_t *child);

/* Should this connection wait for a worker that is lowered? True: it does, and is not ours any
 * more. The worker that has claimed it, when its client has sent something. */
bool put_off(conn_t *conn);

/* Should this new connection wait, because the threads that are left are for those who are
 * connected already? True: it does, and is not ours any more. The worker that has it, when its
 * first request is there. */
bool put_off_new(conn_t *conn);

/* The connection of one of the two queues whose turn it is, or NULL. Whoever has room for it: a
 * worker that is between two events, or the steward. */
conn_t *put_off_take(child_t *child, waiting_t *waiting);

/* A connection that has waited for so long that it is to be told (conn_t.is_shed); or NULL. The
 * steward. */
conn_t *put_off_take_late(child_t *child, int64_t now_us);

/* The worker's event is over, and it is lowered: the connection that it goes on with, or NULL: it
 * is not lowered any more, as far as the count goes. */
conn_t *put_off_next(worker_t *worker);

/* It gets back its priority. False: the system does not allow that, and the worker has to leave.
 * The worker, after that. */
bool put_off_raise(const worker_t *worker);

/* What the request asks for, to be remembered if it computes. The worker that serves it. */
void put_off_note_target(conn_t *conn, const request_rec *r);

/* The request has been served. The worker that has done so. */
void put_off_learn(conn_t *conn, const worker_t *worker);

#endif
