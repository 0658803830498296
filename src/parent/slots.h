/* The parent's table of children: a row for each slot of the scoreboard that may have one. */
#ifndef ADP_SLOTS_H
#define ADP_SLOTS_H

#include "retained.h"

/* The child is in this state from now on, if it was not before: the one place where that changes,
 * along the arrows drawn in retained.h. The parent. */
void slots_enter(slot_t *slot, slot_state_e state);

/* Tell the shared memory what each child is doing, so that children can show it. The parent,
 * in each round of its loop. */
void slots_show(const retained_t *retained, int64_t now_us);

#endif
