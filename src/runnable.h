/* How many of a child's busy workers use a processor, or wait for one. */
#ifndef ADP_RUNNABLE_H
#define ADP_RUNNABLE_H

#include "adaptive.h"

/* Of `serving` workers: those that compute, as the kernel's scheduler sees them. At most `looks`
 * are looked at, each time others, and the number is scaled up: a look reads a file of /proc.
 * CTL_UNKNOWN: nothing could be read. The steward. */
int runnable_count(pool_t *pool, int serving, int looks);

#endif
