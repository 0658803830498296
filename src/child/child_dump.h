/* The state of a child, into the log, when somebody asks for it: SIGUSR2. */
#ifndef ADP_CHILD_DUMP_H
#define ADP_CHILD_DUMP_H

#include "fwd.h"

/* A few lines at level notice: phase and threads, connections, what the steward is about, and each
 * thread that is busy. The steward. */
void child_dump(child_t *child);

#endif
