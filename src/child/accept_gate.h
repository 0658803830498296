/* Whether a child accepts, and when it tries again: one word.
 *
 *   CLOSED <---> ON <---> NO_RESOURCES, ASYNC_LIMIT, FULL, CROWDED   (tried again at a time)
 *                 |            |
 *                 +-- PARKED --+                                     (until the parent says so)
 *
 * Workers pause, a connection that is closed brings the next attempt forward, and the steward
 * opens, parks and closes: each by what it has just seen of the state. State and time lie in
 * one word, and whoever acts on what he has seen changes the word only if it is still that:
 * a time to try again never outlives the pause that it belongs to.
 *
 * Pure C11 atomics: tested and raced without httpd.
 */
#ifndef ADP_ACCEPT_GATE_H
#define ADP_ACCEPT_GATE_H

#include "base/check.h"
#include "base/clock.h"
#include "base/testhook.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Why a child does not accept right now. */
typedef enum {
    ACCEPT_ON,
    ACCEPT_NO_RESOURCES,        /* descriptors or memory ran out: tried again soon */
    ACCEPT_ASYNC_LIMIT,         /* AsyncRequestWorkerFactor reached */
    ACCEPT_FULL,                /* the threads that are left are for those who are connected */
    ACCEPT_CROWDED,             /* a sibling with fewer connections comes first */
    ACCEPT_PARKED,              /* the parent does not need the child right now */
    ACCEPT_CLOSED               /* the child is draining */
} accept_state_e;

/* For the log. */
static inline const char *accept_gate_name(accept_state_e state)
{
    static const char *const names[] = {
        [ACCEPT_ON] = "accepting",
        [ACCEPT_NO_RESOURCES] = "not accepting (resources are short)",
        [ACCEPT_ASYNC_LIMIT] = "not accepting (AsyncRequestWorkerFactor)",
        [ACCEPT_FULL] = "not accepting (all threads but a few are taken)",
        [ACCEPT_CROWDED] = "not accepting (siblings have fewer connections)",
        [ACCEPT_PARKED] = "not accepting (parked)",
        [ACCEPT_CLOSED] = "not accepting (closed)"
    };

    return names[state];
}

#define ACCEPT_STATE_BITS 3
#define ACCEPT_RETRY_NEVER (UINT64_MAX >> ACCEPT_STATE_BITS)

/* One look: state and time fit together. */
typedef uint64_t accept_seen_t;

typedef struct accept_gate_t {
    _Atomic uint64_t word;      /* time to try again << ACCEPT_STATE_BITS | accept_state_e */
} accept_gate_t;

static inline uint64_t accept_gate_word(accept_state_e state, uint64_t retry_us)
{
    return retry_us << ACCEPT_STATE_BITS | (uint64_t)state;
}

/* Any thread. */
static inline accept_seen_t accept_gate_look(const accept_gate_t *gate)
{
    return atomic_load(&gate->word);
}

static inline accept_state_e accept_gate_state_of(accept_seen_t seen)
{
    return (accept_state_e)(seen & ((1 << ACCEPT_STATE_BITS) - 1));
}

static inline accept_state_e accept_gate_state(const accept_gate_t *gate)
{
    return accept_gate_state_of(accept_gate_look(gate));
}

/* A state that is left by itself: it is tried again at a time. */
static inline bool accept_gate_pauses(accept_state_e state)
{
    return state == ACCEPT_NO_RESOURCES || state == ACCEPT_ASYNC_LIMIT || state == ACCEPT_FULL
           || state == ACCEPT_CROWDED;
}

static inline bool accept_gate_is_paused(accept_seen_t seen)
{
    return accept_gate_pauses(accept_gate_state_of(seen));
}

/* When to try again, monotonic; CLOCK_NEVER if it is not paused. */
static inline int64_t accept_gate_retry_us(accept_seen_t seen)
{
    uint64_t retry_us = seen >> ACCEPT_STATE_BITS;

    return retry_us == ACCEPT_RETRY_NEVER ? CLOCK_NEVER : (int64_t)retry_us;
}

/* Whether one state may follow another: the arrows above. Whoever is paused may be paused for
 * another reason, and every state may be entered again. */
static inline bool accept_gate_may_lead(accept_state_e from, accept_state_e to)
{
    bool from_closed = from == ACCEPT_CLOSED, from_parked = from == ACCEPT_PARKED;

    return to == ACCEPT_ON || to == ACCEPT_CLOSED || to == from || (!from_closed && !from_parked);
}

static inline void accept_gate_enter(accept_gate_t *gate, accept_state_e state, uint64_t retry_us)
{
    CHECK(accept_gate_may_lead(accept_gate_state(gate), state));
    atomic_store(&gate->word, accept_gate_word(state, retry_us));
}

/* From now on it is so. Called with listeners_t.lock held, which keeps the registrations with the
 * poller in step. */
static inline void accept_gate_set(accept_gate_t *gate, accept_state_e state)
{
    accept_gate_enter(gate, state, ACCEPT_RETRY_NEVER);
}

/* Called with listeners_t.lock held: why is a state that pauses. */
static inline void accept_gate_pause(accept_gate_t *gate, accept_state_e why, int64_t retry_us)
{
    accept_gate_enter(gate, why, (uint64_t)retry_us);
}

/* What was seen still holds, and is to be tried again at retry_us. Without effect if something has
 * happened meanwhile: then the steward looks again. The steward. */
static inline void accept_gate_postpone(accept_gate_t *gate, accept_seen_t seen, int64_t retry_us)
{
    atomic_compare_exchange_strong(
        &gate->word, &seen, accept_gate_word(accept_gate_state_of(seen), (uint64_t)retry_us));
}

/* What was missing may be there: if it is paused, try again at once. True: the steward has to be
 * woken for it. Any thread. */
static inline bool accept_gate_hasten(accept_gate_t *gate)
{
    accept_seen_t seen = accept_gate_look(gate);

    while (accept_gate_is_paused(seen) && accept_gate_retry_us(seen) > 0) {
        ADP_PAUSE(accept_gate_hasten);
        if (atomic_compare_exchange_strong(&gate->word, &seen,
                                           accept_gate_word(accept_gate_state_of(seen), 0))) {
            return true;
        }
    }
    return false;
}

#endif
