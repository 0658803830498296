/* A child that was told to finish: what keeps it from ending, and how long it may.
 *
 * AdaptiveDrainTimeout bounds it. It comes through shared memory, so that a reload changes it
 * for children that drain already. Without it the child waits for ever, as httpd does, but says
 * after a while which connections it waits for.
 */
#ifndef ADP_DRAIN_H
#define ADP_DRAIN_H

#include "drain_schedule.h"
#include "fwd.h"

/* How a child was told to finish. */
typedef enum {
    DRAIN_NOT,
    DRAIN_LEAVE_BACKLOG,
    DRAIN_TAKE_BACKLOG, /* the child may be the last to hold the sockets */
    DRAIN_END_SOCKETS   /* nobody accepts from them any more: the same, and no SYN is answered */
} drain_order_e;

/* The child was told to finish. The steward. */
void drain_begin(child_t *child, int64_t now_us);

/* Say what has to be said, and when the time is up close what can be closed in order; then
 * set child->told_to_stop, from which the steward goes on as for an ungraceful stop. Returns
 * when to call it again, CLOCK_NEVER for a child that was not told to finish. The steward, on
 * every round, also while it waits for threads to leave. */
int64_t drain_round(child_t *child, int64_t now_us);

/* The child ends: if it was said that it does not, say so. The steward. */
void drain_ends(child_t *child);

#endif
