/* A bound on how fast a loop turns that should sleep.
 *
 * Whatever keeps it from sleeping (a descriptor that stays ready because nobody knows what to do
 * with it, a time that is always due) is a fault that nobody has thought of: then it gets a
 * pause at each turn, and somebody is told, instead of a processor of its own.
 *
 * Pure C: tested without httpd.
 */
#ifndef ADP_TURNS_H
#define ADP_TURNS_H

#include "clock.h"

#include <stdbool.h>
#include <stdint.h>

#define TURNS_MOST_PER_S 5000               /* wake-ups of a burst are far fewer */
#define TURNS_PAUSE_US   (5 * CLOCK_US_PER_MS)

/* Zero it before the first use. */
typedef struct turns_t {
    int64_t since_us;           /* turns are counted since then */
    int count;
    bool too_many;              /* in the last second, and not calm since */
} turns_t;

/* The loop is about to sleep, at now_us (monotonic). Returns for how long it must not turn again,
 * 0: as it likes. *begins: from now on, so say it. */
static inline int64_t turns_pause_us(turns_t *turns, int64_t now_us, bool *begins)
{
    *begins = false;
    if (now_us - turns->since_us >= CLOCK_US_PER_S) {
        /* With a pause at each turn a loop that still does not sleep fills the second with them;
         * one that sleeps, if only for 2 ms, does not. */
        turns->too_many = turns->too_many
                          && turns->count >= CLOCK_US_PER_S / TURNS_PAUSE_US * 3 / 4
                          && now_us - turns->since_us < 2 * CLOCK_US_PER_S;
        turns->since_us = now_us;
        turns->count = 0;
    }
    if (++turns->count > TURNS_MOST_PER_S && !turns->too_many) {
        turns->too_many = *begins = true;
    }
    return turns->too_many ? TURNS_PAUSE_US : 0;
}

#endif
