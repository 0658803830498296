/* How many of a child's busy workers use a processor, or wait for one. */
#ifndef ADP_RUNNABLE_H
#define ADP_RUNNABLE_H

#include "workers.h"

#include <stdbool.h>

/* Of `serving` workers, lowered ones not counted: those that compute, as the kernel's scheduler
 * sees them. At most `looks` are looked at, each time others, and the number is scaled up. The
 * states and not the schedstat files, because these account a wait for a processor only when it is
 * over: of 25 threads that share two processors they show two within 10 ms. So do the clocks that
 * lowering reads; but while processors are idle nobody waits for one, and what lowering has just
 * found to use none is believed to wait for something else. CTL_UNKNOWN: nothing could be read
 * (ChrootDir). The steward; a look reads a file of /proc, which takes 7 µs. */
int runnable_count(workers_t *workers, int serving, int looks, int idle_processors,
                   int64_t now_us);

/* Of the machine's processors, `online` of them, those that nobody uses at this moment;
 * CTL_UNKNOWN: it does not tell. The steward; costs as much. */
int idle_processors(int online);

#endif
