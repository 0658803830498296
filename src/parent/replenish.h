/* As many children as are wanted, from each bucket: whoever is missing is brought back or started,
 * whoever is used up is replaced. */
#ifndef ADP_REPLENISH_H
#define ADP_REPLENISH_H

#include "generation.h"

/* Bring back or start what is missing of retained_t.wanted_children. The parent, on every round. */
void replenish_start_missing(generation_t *g, int64_t now_us);

/* MaxConnectionsPerChild: start successors for children that are used up, and retire these when the
 * successor serves. The parent, on every round. */
void replenish_replace_used_up(generation_t *g, int64_t now_us);

/* How a child of an earlier generation is told to finish: an order of child.h. The sockets of
 * further buckets end with their configuration: what is in their backlog is lost unless the last to
 * hold them takes it along. */
char replenish_farewell(const slot_t *slot);

#endif
