/* How a child's threads are shared out between those who are connected and those who come, between
 * what is short and what computes (law/attained.h). */
#ifndef ADP_ROOMS_H
#define ADP_ROOMS_H

#include "fwd.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* attained_rooms_t. The steward writes, workers read. */
typedef struct rooms_t {
    _Atomic int computing;
    _Atomic int lowered;
    _Atomic int most;
    _Atomic int reserved;
    /* most connections between two requests, in this second or so and in the one before: one that
     * is served just now will be back */
    _Atomic int connected, connected_before;
    int64_t turned_us;          /* the steward's: when the second began */
} rooms_t;

/* As there are threads; with AdaptiveMode off and observe all for everybody, for good. The
 * steward, before the first worker. */
void rooms_init(child_t *child);

/* How many threads there may be, and how many of them may serve without being lowered. The
 * steward, with every decision. */
void rooms_share_out(child_t *child, int most, int admitted);

/* Forgets how many were connected. The steward, on its rounds. */
void rooms_round(child_t *child, int64_t now_us);

/* A new connection leaves enough threads to those who are connected. A worker that may serve it,
 * and is counted as one that serves; the steward, who would have one do it. */
bool rooms_for_new(child_t *child);
bool rooms_for_another(child_t *child);

/* As many that compute are under way as should be. Any thread. */
bool rooms_computing_is_full(const child_t *child);

#endif
