/* Waking the steward, by an eventfd of its child, and the parent's loop, by one that all children
 * share. Any thread. */
#ifndef ADP_BELL_H
#define ADP_BELL_H

#include "fwd.h"

/* Another round of the steward, or of the parent's loop. */
void bell_steward(child_t *child);
void bell_parent(child_t *child);

/* Ask the steward to finish what there is, the backlog included, and end. */
void bell_drain(child_t *child);

#endif
