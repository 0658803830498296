/* The parent's part of the control: what the children tell goes to the controller, and what
 * comes back is done: children are resurrected, started, parked, retired, and what they may
 * have is shared out among them.
 */
#ifndef ADP_STEER_CHILDREN_H
#define ADP_STEER_CHILDREN_H

#include "generation.h"

/* What the rule of MinSpareThreads and MaxSpareThreads remembers within one run. */
typedef struct spare_rule_t {
    int64_t shrink_us;          /* no surplus child goes before */
    int64_t grown_us;           /* when children were last added ... */
    int step;                   /* ... and how many at least the next time */
} spare_rule_t;

/* With how many children, and threads in each, a generation begins: StartServers, or as many
 * as the load before a reload needs. Before the first child is started. */
void steer_children_begin(generation_t *g, spare_rule_t *rule, int64_t now_us);

/* Look, decide, act; sets retained_t.wanted_children. Returns when to come again,
 * CLOCK_NEVER if only an event can change anything. On every round of the parent. */
int64_t steer_children_round(generation_t *g, spare_rule_t *rule, int64_t now_us);

#endif
