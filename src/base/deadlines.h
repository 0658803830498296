/* Deadlines of waiting connections: a hashed timing wheel (Varghese and Lauck, 1987).
 *
 * A connection is filed once and carries its real deadline with it. Requests move the
 * deadline later, which costs one atomic store and no lock: the steward looks at the real
 * deadline only when the filed one comes up, and files it again if it moved. Only a
 * deadline that moves earlier than it is filed takes the lock.
 *
 * Times are monotonic µs (clock.h). Pure C and pthreads: tested and raced without httpd.
 * Lock: deadlines_t.lock, a leaf: nothing is called with it held but the claim function.
 */
#ifndef ADP_DEADLINES_H
#define ADP_DEADLINES_H

#include "lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DEADLINES_SLOTS   1024
#define DEADLINES_TICK_US INT64_C(65536)

typedef struct deadline_t deadline_t;
struct deadline_t {
    /* the real deadline: written by the connection's owner */
    _Atomic int64_t due_us;
    /* where it is filed, CLOCK_NEVER if nowhere: written under the lock */
    _Atomic int64_t filed_us;
    /* guarded by the lock; next also links the list that deadlines_expire() returns */
    deadline_t *next;
    deadline_t *prev;
};

typedef struct deadlines_t {
    lock_t lock;
    /* guarded by lock */
    deadline_t *slots[DEADLINES_SLOTS];
    uint64_t occupied[DEADLINES_SLOTS / 64];
    int64_t tick;               /* all slots before this tick have been looked at */
    int64_t sleeping_until_us;  /* what deadlines_next() last told the steward */
    int64_t began_us;           /* from then on rechecks are counted: each child has its own beat */
    uint64_t count;
} deadlines_t;

/* Decides over an entry whose deadline has passed: true takes the connection for the
 * caller, false means that somebody is working on it right now. Called with the lock held. */
typedef bool deadlines_claim_fn(deadline_t *entry, void *ctx);

int deadlines_init(deadlines_t *d, int64_t now_us);
void deadlines_destroy(deadlines_t *d);

/* Make a fresh entry known to nobody; before the first deadlines_set(). */
void deadline_init(deadline_t *e);

/* Set the deadline of a connection that the caller owns. Returns true if the steward
 * sleeps past it and has to be woken. Any thread, but only the connection's owner. */
bool deadlines_set(deadlines_t *d, deadline_t *e, int64_t due_us);

/* Take an entry out. Any thread, but only the connection's owner; afterwards no other
 * thread knows the entry. */
void deadlines_drop(deadlines_t *d, deadline_t *e);

/* Take out every entry that is due and that claim takes, and return them linked by next.
 * Entries that are busy are looked at again within busy_recheck_us, all of them at a time: however
 * many there are, they cost one look in that time. The steward only. */
deadline_t *deadlines_expire(deadlines_t *d, int64_t now_us, int64_t busy_recheck_us,
                             deadlines_claim_fn *claim, void *ctx);

/* Take out up to most entries that claim takes, due or not, the earliest filed first. The
 * steward only. */
deadline_t *deadlines_take(deadlines_t *d, unsigned most, deadlines_claim_fn *claim, void *ctx);

/* When to call deadlines_expire() next, CLOCK_NEVER if nothing is filed. From then on
 * deadlines_set() tells its caller to wake the steward for anything earlier. Steward only. */
int64_t deadlines_next(deadlines_t *d);

#endif
