/* The steward's watch over how long work waits for a thread, and the growth that follows.
 *
 * While some worker is idle nothing waits and the steward sleeps. The worker that leaves
 * none idle wakes it. From then on it looks every few milliseconds: if something is ready
 * and nobody takes it, it adds a probe (an event of its own) to the end of the ready list,
 * which the kernel serves in order. The time until a worker takes the probe is how long
 * work waits; a probe that is not taken in time is the reason to start threads.
 */
#ifndef ADP_WATCH_H
#define ADP_WATCH_H

#include "adaptive.h"

/* Work that waited so long gets more threads. */
#define WATCH_TARGET_US (2 * CLOCK_US_PER_MS)

/* No worker is idle any more. The worker that made it so. */
void watch_nobody_idle(child_t *child);

/* A worker got the probe. */
void watch_probe_taken(child_t *child);

/* One look; returns when to look again, CLOCK_NEVER if the watch is over. The steward. */
int64_t watch_round(child_t *child, int64_t now_us);

#endif
