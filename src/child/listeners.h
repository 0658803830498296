/* The listening sockets of a child's bucket: registered with the poller while it accepts, and why
 * it does not (descriptors, memory, AsyncRequestWorkerFactor, parked, closed). accept.h accepts. */
#ifndef ADP_LISTENERS_H
#define ADP_LISTENERS_H

#include "accept_gate.h"
#include "drain.h"
#include "first_byte.h"
#include "fwd.h"
#include "quota.h"

#include "base/lock.h"

#include "ap_listen.h"

#include <pthread.h>

typedef struct listeners_t {
    ap_listen_rec **records;
    opening_e *openings;        /* by record */
    int count;
    accept_gate_t gate;         /* whether it accepts; changed under lock, read without */
    _Atomic unsigned accepted;  /* connections, wraps */
    quota_t quota;              /* MaxConnectionsPerChild */
    int64_t short_since_us;     /* guarded by lock: resources are short since then ... */
    int64_t short_last_us;      /* ... and were last found so then */
    /* the steward's, while resources are short */
    int64_t waiting_since_us;   /* the backlog was found filled at each look since then, */
    int64_t helpless_since_us;  /* ... and no sibling accepted */
    int64_t waiting_last_us;    /* the last such look */
    _Atomic int64_t outside_since_us;   /* connections wait while the child is full; 0: none
                                         * does. The steward's, workers read it */
    int64_t evicted_us;         /* when connections last had to make room */
    _Atomic int64_t crowded_until_us;   /* its siblings have time to catch up */
    _Atomic int64_t relieved_us;        /* when they were last asked to look */
    int descriptor_limit;       /* an accepted descriptor this high means they run out */
    _Atomic bool is_narrow;     /* one was near it, and half of the connections are still there: */
    _Atomic unsigned narrow_above;
    lock_t narrow_lock;    /* accepting, while it is; lock may be taken with it held */
    lock_t lock;       /* registering and deregistering with the poller */
} listeners_t;

/* Take over a bucket's listening sockets. The steward, before it starts workers. */
apr_status_t listeners_init(child_t *child, ap_listen_rec *bucket);

/* Begin to accept, with all that MaxConnectionsPerChild allows. The steward, once. */
void listeners_begin(child_t *child, int64_t now_us);

/* Begin again after a pause. The steward. */
void listeners_open(child_t *child);

/* Stop accepting until listeners_resume(), and keep the connections. The steward. */
void listeners_park(child_t *child);
void listeners_resume(child_t *child);

/* Connections that are complete and that nobody has accepted; those of all siblings that
 * share the sockets. The steward. */
int listeners_backlog(const child_t *child);

/* Descriptors or memory are short, and connections are not accepted because of that. What can do
 * without a connection gives it up. Any thread. */
bool listeners_are_short(const child_t *child);

/* How many connections that wait for a next request should make room now; 0 while there is hope
 * that siblings take what waits, or that what is missing comes back by itself. The steward,
 * whose next round closes no more until these are gone. */
unsigned listeners_evictions(child_t *child, int64_t now_us);

/* Stop accepting for a while. The connection that this child was woken for goes to a
 * sibling: the kernel wakes one child for each and will not wake another by itself. Where the
 * descriptors of this process are short the parent starts another, if it may. A worker. */
void listeners_pause(child_t *child, accept_state_e why, bool out_of_descriptors);

/* accept(2) failed, or no memory was there for a connection: log that once a second, and pause.
 * A worker. */
void listeners_accept_failed(child_t *child, apr_status_t rv);

/* Whether the next descriptor would leave the reserve alone. Without any connection it is
 * not connections that use it up. Any thread. */
bool listeners_descriptors_left(const child_t *child);

/* AsyncRequestWorkerFactor: more connections than these wait for threads of this child. */
bool listeners_above_async_limit(const child_t *child);

/* Of the children that have an idle worker the kernel wakes the one that registered first, so
 * that clients who stay would all gather in one child, and wait for its threads alone when
 * they become active together. A crowded child registers anew, behind its siblings. A worker. */
void listeners_step_back(child_t *child);

/* Clearly more connections than the children have on average, and one that has fewer has a thread
 * for the next, or may start one. Any thread. */
bool listeners_are_crowded(const child_t *child);

/* The three steps of accept_close(): accept no more, returning what was so before; have the kernel
 * begin no more connections on these sockets; put something in their place. The steward. */
accept_state_e listeners_shut(child_t *child);
void listeners_end_sockets(const child_t *child);
void listeners_give_up(child_t *child);

/* There was no memory for a connection: accept no more for a moment. */
void listeners_out_of_memory(child_t *child);

/* How long connections have waited to be accepted while this child is full, as far as its looks
 * tell; 0: none does, or it accepts. The steward, at each look. */
int64_t listeners_waited_outside_us(child_t *child, int64_t now_us);

/* Some sibling accepts, or will soon. Any thread. */
bool listeners_sibling_accepts(const child_t *child);

/* The child is full, some have waited for this long, and no sibling accepts. The steward. */
bool listeners_strand(child_t *child, int64_t waited_us, int64_t now_us);

/* It accepts, or it is full and just now has a thread for one more. A worker. */
bool listeners_may_accept(child_t *child);

/* What was missing may be there: have the steward try again at once. Any thread. */
void listeners_hasten(child_t *child);

/* A connection was closed: the resource that was missing may be there again. */
void listeners_connection_closed(child_t *child);

/* When the steward has to call listeners_retry(), CLOCK_NEVER if not at all. */
int64_t listeners_retry_at(child_t *child);
void listeners_retry(child_t *child, int64_t now_us);

#endif
