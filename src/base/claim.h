/* Who may touch a connection: one word, settled by compare-and-swap.
 *
 *                accept                       park: arm the poller
 *      FREE ---------------> OWNED ------------------------------> ARMING
 *       ^                    ^ | ^                                  |  |
 *       |      release       | | |   event while still arming       |  | armed
 *       +--------------------|-+ +----------------------------------+  |
 *                            |                                         v
 *                            +-------------------------------------- PARKED
 *                              event (a worker), or
 *                              deadline passed (the steward, for a worker)
 *
 * OWNED: exactly one thread has the connection and everything that hangs on it.
 * ARMING: its owner is inside the poller call that will make it ready. An event may
 * already take it; a deadline may not, because whoever took it could close the descriptor
 * under the poller call. PARKED: nobody has it.
 *
 * The word also carries a generation, raised with every wait and when the connection is
 * freed, and so does the poller's token: an event that was fetched for an earlier wait, or
 * for an earlier life of the slot, finds another generation and is dropped. Nothing is lost
 * by that: arming anew makes a descriptor that is ready fire again.
 *
 * Pure C11 atomics: tested and raced without httpd.
 */
#ifndef ADP_CLAIM_H
#define ADP_CLAIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    CLAIM_FREE,
    CLAIM_OWNED,
    CLAIM_ARMING,
    CLAIM_PARKED
} claim_state_e;

typedef struct claim_t {
    _Atomic uint32_t word;      /* generation << 2 | claim_state_e */
} claim_t;

#define CLAIM_GENERATION_MASK UINT32_C(0x3fffffff)

static inline uint32_t claim_word(uint32_t generation, claim_state_e state)
{
    return generation << 2 | (uint32_t)state;
}

static inline bool claim_move(claim_t *c, uint32_t generation, claim_state_e from,
                              claim_state_e to)
{
    uint32_t expected = claim_word(generation, from);

    return atomic_compare_exchange_strong(&c->word, &expected, claim_word(generation, to));
}

/* The generation of the connection that the caller owns (or of a free one). */
static inline uint32_t claim_generation(claim_t *c)
{
    return atomic_load_explicit(&c->word, memory_order_relaxed) >> 2;
}

static inline claim_state_e claim_state(claim_t *c)
{
    return (claim_state_e)(atomic_load_explicit(&c->word, memory_order_acquire) & 3);
}

/* FREE -> OWNED, by the thread that took the slot off the free list. */
static inline void claim_acquire(claim_t *c)
{
    atomic_store(&c->word, claim_word(claim_generation(c), CLAIM_OWNED));
}

/* OWNED -> FREE, in the next generation; before the slot goes to the free list. */
static inline void claim_release(claim_t *c)
{
    atomic_store(&c->word, claim_word((claim_generation(c) + 1) & CLAIM_GENERATION_MASK,
                                      CLAIM_FREE));
}

/* OWNED -> ARMING, before the poller is told. Returns the generation of this wait, for the
 * poller's token and for the end of arming. */
static inline uint32_t claim_begin_arming(claim_t *c)
{
    uint32_t generation = (claim_generation(c) + 1) & CLAIM_GENERATION_MASK;

    atomic_store(&c->word, claim_word(generation, CLAIM_ARMING));
    return generation;
}

/* ARMING -> PARKED, after the poller was told. If an event has taken the connection
 * meanwhile it may be gone, or be arming for its next wait: then this does nothing. */
static inline void claim_finish_arming(claim_t *c, uint32_t generation)
{
    claim_move(c, generation, CLAIM_ARMING, CLAIM_PARKED);
}

/* ARMING -> OWNED again, because the poller refused. False if an event took it. */
static inline bool claim_cancel_arming(claim_t *c, uint32_t generation)
{
    return claim_move(c, generation, CLAIM_ARMING, CLAIM_OWNED);
}

/* A worker with an event of this wait takes the connection. False: stale event. */
static inline bool claim_by_event(claim_t *c, uint32_t generation)
{
    return claim_move(c, generation, CLAIM_PARKED, CLAIM_OWNED)
           || claim_move(c, generation, CLAIM_ARMING, CLAIM_OWNED)
           /* the poller call returned between the two looks */
           || claim_move(c, generation, CLAIM_PARKED, CLAIM_OWNED);
}

/* The steward takes a connection whose deadline has passed. False: somebody works on it. */
static inline bool claim_by_deadline(claim_t *c)
{
    return claim_move(c, claim_generation(c), CLAIM_PARKED, CLAIM_OWNED);
}

#endif
