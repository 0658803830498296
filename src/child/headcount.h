/* The workers of a child, counted: the only file that writes ext_child_t.work, threads, arriving,
 * benched and lowered, by which the steward and the parent decide.
 *
 *   ABSENT ---start---> ARRIVING ---arrived---> BUSY ---wait---> IDLE
 *     ^                    |                    | ^ ^              |
 *     +----start refused---+               sit  | | +----event-----+
 *     |                                         v | called
 *     |                                       BENCHED
 *     +---leave--- BUSY
 *
 * ARRIVING  started, not at the poller yet: a thread in creation must not look busy
 * BUSY      has an event in hand, or is between two
 * IDLE      waits at the poller: ext_child_t.work counts these and the events taken in one word
 * BENCHED   kept out of the poll (bench.h): it is none of ext_child_t.threads
 *
 * A BUSY one may be lowered as well (lowering.h): it is one of ext_child_t.lowered, from the
 * steward's word until the worker has ended its event and raises itself again, or leaves.
 *
 * Whoever changes a worker's state is alone with it: the steward before the thread runs, then the
 * worker, and with bench_t.lock held whoever calls it from the bench.
 */
#ifndef ADP_HEADCOUNT_H
#define ADP_HEADCOUNT_H

#include "base/check.h"
#include "scoreboard_ext.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum {
    WORKER_ABSENT,
    WORKER_ARRIVING,
    WORKER_BUSY,
    WORKER_IDLE,
    WORKER_BENCHED
} worker_state_e;

/* The one place where a state changes. */
static inline void headcount_enter(worker_state_e *state, worker_state_e from, worker_state_e to)
{
    (void)from;
    CHECK(*state == from);
    *state = to;
}

/* A thread is about to be created. The steward. */
static inline void headcount_start(ext_child_t *ext, worker_state_e *state)
{
    headcount_enter(state, WORKER_ABSENT, WORKER_ARRIVING);
    /* arriving first: between the two the thread must not look busy */
    atomic_fetch_add(&ext->arriving, 1);
    atomic_fetch_add(&ext->threads, 1);
}

/* ... and was refused. The steward. */
static inline void headcount_start_refused(ext_child_t *ext, worker_state_e *state)
{
    headcount_enter(state, WORKER_ARRIVING, WORKER_ABSENT);
    atomic_fetch_sub(&ext->threads, 1);
    atomic_fetch_sub(&ext->arriving, 1);
}

/* It runs. The worker, as for all that follows unless said otherwise. */
static inline void headcount_arrive(ext_child_t *ext, worker_state_e *state)
{
    headcount_enter(state, WORKER_ARRIVING, WORKER_BUSY);
    atomic_fetch_sub(&ext->arriving, 1);
}

static inline void headcount_wait(ext_child_t *ext, worker_state_e *state)
{
    headcount_enter(state, WORKER_BUSY, WORKER_IDLE);
    atomic_fetch_add(&ext->work, 1);
}

/* The wait is over; of_client: with an event that counts as load. Returns how many were idle
 * before, this worker included. */
static inline int headcount_take(ext_child_t *ext, worker_state_e *state, bool of_client)
{
    headcount_enter(state, WORKER_IDLE, WORKER_BUSY);
    return ext_idle_of(atomic_fetch_add(&ext->work, of_client ? EXT_EVENT - 1 : (uint64_t)-1));
}

/* An event was taken without a wait. */
static inline void headcount_event(ext_child_t *ext)
{
    atomic_fetch_add(&ext->work, EXT_EVENT);
}

/* It sits down. With bench_t.lock held. */
static inline void headcount_sit(ext_child_t *ext, worker_state_e *state)
{
    headcount_enter(state, WORKER_BUSY, WORKER_BENCHED);
    atomic_fetch_sub(&ext->threads, 1);
    atomic_fetch_add(&ext->benched, 1);
}

/* It is called, to work or to leave. Any thread, with bench_t.lock held. */
static inline void headcount_call(ext_child_t *ext, worker_state_e *state)
{
    headcount_enter(state, WORKER_BENCHED, WORKER_BUSY);
    atomic_fetch_sub(&ext->benched, 1);
    atomic_fetch_add(&ext->threads, 1);
}

/* It is lowered, and raised again. The steward; the worker. */
static inline void headcount_lower(ext_child_t *ext)
{
    atomic_fetch_add(&ext->lowered, 1);
}

static inline void headcount_raise(ext_child_t *ext)
{
    atomic_fetch_sub(&ext->lowered, 1);
}

/* It serves a connection that carries streams, which have threads of their own (mod_http2's): it
 * waits for them most of the time, for as long as the client likes, and needs no place among those
 * that may serve. Any thread. */
static inline void headcount_carry(ext_child_t *ext, _Atomic bool *carries, bool does)
{
    if (atomic_load_explicit(carries, memory_order_relaxed) != does
        && atomic_exchange(carries, does) != does) {
        atomic_fetch_add(&ext->carrying, does ? 1 : -1);
    }
}

static inline void headcount_leave(ext_child_t *ext, worker_state_e *state)
{
    headcount_enter(state, WORKER_BUSY, WORKER_ABSENT);
    atomic_fetch_sub(&ext->threads, 1);
}

#endif
