/* Lowering: workers whose event has used a processor for long go on behind the others
 * (law/attained.h has the rule and its sources).
 *
 *     serves --the steward: its event has had its share--> lowered: nice 19, not counted against
 *       ^                                                  those that may serve (bench.h)
 *       |                                                     |
 *       +--raised again--- the event is over <----------------+
 *                             |    ^
 *                             |    +-- takes the next connection that was put off, if any
 *                             +--> leaves; the steward starts another in its place
 *
 * A thread may always make itself nicer. It may take that back only where RLIMIT_NICE allows it:
 * the parent raises that limit where it may (CAP_SYS_RESOURCE; containers do not have it). Where it
 * may not, the worker leaves after its event and a new one takes its place (some 60 µs).
 *
 * A few of those that compute keep the processors busy (attained_rooms_t). More of them only make
 * each other slow, need a thread each, and one that holds a lock, of a module or of malloc(3), would
 * have to wait for a processor behind all the others. So a request that is known to compute is put
 * off: its connection waits, claimed, in a queue that workers which are lowered serve from. What
 * computes is known from requests for the same target (target.h), or by the last request on the
 * connection where that cannot be seen (TLS). Others are begun, and lowered if they compute.
 *
 * If those that were begun leave processors idle, because they wait for something else, what was
 * put off is begun.
 */
#ifndef ADP_LOWERING_H
#define ADP_LOWERING_H

#include "fwd.h"
#include "target.h"
#include "worker.h"

#include "base/jobs.h"
#include "base/lock.h"
#include "law/attained.h"

#include "httpd.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lowering_t {
    /* the steward's */
    bool works;                 /* the server is not the nicest itself, and the kernel agrees */
    int nice;                   /* of workers that are not lowered */
    attained_pace_t pace;
    /* the steward writes, workers read */
    _Atomic int64_t look_us;    /* its next look */
    _Atomic int most_computing; /* attained_rooms_t */
    _Atomic int most_lowered;
    _Atomic int most_busy;
    targets_t targets;          /* those that compute */
    /* workers write, the steward takes */
    _Atomic int left;           /* workers that could not be raised again */
    lock_t lock;
    conn_t *first, *last;       /* guarded by lock: connections that were put off */
    _Atomic int put_off;        /* written under lock */
    job_t begin_job;            /* a worker that takes it begins what was put off first */
    _Atomic bool begin_queued;
    int64_t begun_us;           /* the steward's: when it last had some begun */
} lowering_t;

/* Keep the way back, if that is allowed. The child, before it drops privileges. */
void lowering_keep_way_back(void);

/* 0 or an errno value. The steward. */
int lowering_init(child_t *child);

/* One look, if it is due: lowers workers, and replaces those that have left for it. Returns when
 * the next is due. The steward, on every round of a child that serves or drains. */
int64_t lowering_round(child_t *child, int64_t now_us);

/* How many threads there may be, and how many of them may serve without being lowered. The steward,
 * with every decision. */
void lowering_share_out(child_t *child, int most, int admitted);

/* A new connection would leave enough threads to those who are connected. The calling worker counts
 * as one that serves. Any thread. */
bool lowering_has_room(const child_t *child);

/* Should this connection wait for a worker that is lowered? True: it has been put off, and is not
 * ours any more. The worker that has claimed it, when its client has sent something. */
bool lowering_puts_off(conn_t *conn);

/* What the request asks for, to be remembered if it computes. The worker that serves it. */
void lowering_note_target(conn_t *conn, const request_rec *r);

/* The request has been served. The worker that has done so. */
void lowering_request_ends(conn_t *conn, const worker_t *worker);

/* The worker's event is over. Serves what was put off, if it is lowered; false: it has to leave.
 * The worker, after each event. */
bool lowering_event_ends(worker_t *worker);

#endif
