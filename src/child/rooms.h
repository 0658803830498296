/* How a child's threads are shared out between those who are connected and those who come, between
 * what is short and what computes (law/attained.h). */
#ifndef ADP_ROOMS_H
#define ADP_ROOMS_H

#include "fwd.h"

#include <stdatomic.h>
#include <stdbool.h>

/* attained_rooms_t. The steward writes, workers read. */
typedef struct rooms_t {
    _Atomic int computing;
    _Atomic int lowered;
    _Atomic int most;
    _Atomic int reserved;
} rooms_t;

/* All for everybody. The steward. */
void rooms_init(child_t *child);

/* How many threads there may be, and how many of them may serve without being lowered. The steward,
 * with every decision. */
void rooms_share_out(child_t *child, int most, int admitted);

/* A new connection leaves enough threads to those who are connected. A worker, which counts as one
 * that serves it. */
bool rooms_for_new(const child_t *child);

/* As many that compute are under way as should be. Any thread. */
bool rooms_computing_is_full(const child_t *child);

#endif
