/* From one generation to the next: after a graceful restart the old children of each bucket accept
 * until the new ones are there. */
#ifndef ADP_HANDOVER_H
#define ADP_HANDOVER_H

#include "generation.h"

typedef struct handover_t {
    int64_t began_us;
    int64_t late_us;            /* it is said that it takes long after that time */
    bool under_way;             /* children of the last generation still accept */
} handover_t;

/* A run begins. What is neither serving nor will is told to go. */
handover_t handover_begin(generation_t *g, int64_t now_us);

/* The old children of each bucket go when the new ones are there. While it is under way, on every
 * round. */
void handover_round(handover_t *handover, generation_t *g, int64_t now_us);

/* Children of earlier generations finish what they have: those of one bucket, or all (-1). */
void handover_retire_old(generation_t *g, int bucket);

/* The listening sockets change with the configuration that is being read: the children of the last
 * one let go of theirs. Returns when they have, or after half a second. */
void handover_release_listeners(retained_t *retained);

#endif
