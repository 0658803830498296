/* How many of the workers that serve use, or wait for, a processor right now: the others are
 * blocked, and more threads would serve what waits. Linux: from /proc. */
#ifndef ADP_RUNNABLE_H
#define ADP_RUNNABLE_H

#include "adaptive.h"

/* An estimate from a sample of those among count workers that serve; serving is about how
 * many these are. The states and not the schedstat files, because these account a wait for a
 * processor only when it is over: of 25 threads that share two processors they show two
 * within 10 ms. CTL_UNKNOWN where /proc cannot be read (ChrootDir).
 * The steward; reads up to 16 files of 7 µs each. */
int runnable_count(worker_t *workers, int count, int serving);

#endif
