/* How many workers use, or wait for, a processor right now: the others are blocked, and
 * more threads would serve what waits. Linux: from /proc. */
#ifndef ADP_RUNNABLE_H
#define ADP_RUNNABLE_H

#include "adaptive.h"

/* An estimate from a sample of the live ones among count workers, cut off at enough. A
 * worker that was woken and waits for a processor counts, though it serves nothing yet.
 * The steward; reads a few files of some µs each. */
int runnable_count(worker_t *workers, int count, int enough);

#endif
