/* Children that were told to finish, as the parent sees them: that they hear of it, and that they
 * end in time. A child does both by itself (drain.h) unless its steward is stuck.
 */
#ifndef ADP_DRAINING_H
#define ADP_DRAINING_H

#include "generation.h"

/* Repeat orders that were lost. True: some still are. */
bool draining_repeat_orders(generation_t *g);

/* Repeat orders that were lost, and end children that have outlived AdaptiveDrainTimeout by more
 * than they need to cut their connections off, or a SIGTERM by more than they need to end.
 * Returns when to come again, CLOCK_NEVER if only a new order can change anything. The parent, on
 * every round. */
int64_t draining_round(generation_t *g, int64_t now_us);

#endif
