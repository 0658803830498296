/* The parent's children: start (children_start.c), tell (children_orders.c), bury (children_end.c).
 * How many there should be, and what to do with them, is decided elsewhere. */
#ifndef ADP_CHILDREN_H
#define ADP_CHILDREN_H

#include "generation.h"

#define CHILDREN_NO_SLOT (-1)
#define CHILDREN_REFUSED (-2)

/* Fork a child of the current generation for a bucket. Returns its slot, or why there is
 * none: no slot is free, or fork was refused (retained_t.start_pace says when to try again). Both
 * are logged. */
int children_start(generation_t *g, int bucket, int64_t now_us);

/* Send one order to a child: from now on it counts as parked, serving or going by it. False: it
 * could not be told. Then it counts as before, but for an order to finish; and one that has
 * closed its lifeline gets SIGTERM and counts as draining (draining.h). */
bool children_order(generation_t *g, int slot, char order);

/* Somebody was woken for a connection that will not take it, or has ended: all children that accept
 * from this bucket will have to look at its backlog. */
void children_need_look(generation_t *g, int bucket);

/* Have them look: one order per child, however many children were the cause. In each round of a
 * loop. */
void children_look(generation_t *g);

/* Note which of the starting children have become ready. */
void children_note_ready(generation_t *g, int64_t now_us);

/* A process ended. Takes it out of the books; true if it was a child of ours.
 * *give_up is set if the server has to end because of how the child ended. */
bool children_ended(generation_t *g, apr_proc_t *process, apr_exit_why_e why, int status,
                    int64_t now_us, bool *give_up);

/* End all children, with signals of rising force. */
void children_reclaim(generation_t *g);

/* Have a parked child of a bucket (of any: -1) accept again. False: there is none, or it could
 * not be told. */
bool children_resurrect(generation_t *g, int bucket);

#endif
