/* The parent's table of children: a row for each slot of the scoreboard that may have one. */
#ifndef ADP_SLOTS_H
#define ADP_SLOTS_H

#include "retained.h"

/* Sets of states. */
#define SLOT_IN(state) (1u << (state))
#define SLOTS_SHARING   (SLOT_IN(SLOT_SERVING) | SLOT_IN(SLOT_PARKED))
#define SLOTS_ACCEPTING (SLOT_IN(SLOT_STARTING) | SLOT_IN(SLOT_SERVING))
#define SLOTS_UNDRAINED (SLOT_IN(SLOT_STARTING) | SLOTS_SHARING)
#define SLOTS_TAKEN     (SLOTS_UNDRAINED | SLOT_IN(SLOT_DRAINING))

/* The next slot after this one (-1: the first) whose state is one of these; -1: there is none. */
int slots_next(const retained_t *retained, int after, unsigned states);

/* for (EACH_SLOT(retained, i, states)): the table's iterator. A slot may change its state
 * meanwhile. */
#define EACH_SLOT(retained, i, states)                                                             \
    (i) = slots_next((retained), -1, (states));                                                    \
    (i) >= 0;                                                                                      \
    (i) = slots_next((retained), (i), (states))

/* Slots whose state is one of these. */
int slots_count(const retained_t *retained, unsigned states);

/* The child with this process id, by our own books: children can write in the scoreboard. -1: it
 * is none of ours. */
int slots_of_pid(const retained_t *retained, pid_t pid);

/* Empty a row of httpd's scoreboard. */
void slots_clean_row(int slot, int thread_limit);

/* For the log. */
const char *slots_state_name(slot_state_e state);

/* The child is in this state from now on, if it was not before: the one place where that changes,
 * along the arrows drawn in retained.h. The parent. */
void slots_enter(slot_t *slot, slot_state_e state);

/* Tell the shared memory what each child is doing, so that children can show it. The parent,
 * in each round of its loop. */
void slots_show(const retained_t *retained, int64_t now_us);

#endif
