/* The child that this process is: for hooks and signal handlers, which are told nothing. */
#ifndef ADP_SELF_H
#define ADP_SELF_H

#include "fwd.h"

/* Before the child's first thread starts. */
void self_set(child_t *child);

/* NULL in the parent. Any thread, and signal handlers. */
child_t *self_get(void);

#endif
