/* The parent process: one run per configuration, from start or restart to the next. */
#ifndef ADP_PARENT_H
#define ADP_PARENT_H

#include "children.h"

/* Hook mpm: run until a restart (OK) or a shutdown (DONE). */
int parent_run(generation_t *g, bool one_process);

/* The listening sockets are about to change while children of the last generation still
 * accept: have them close theirs, so that the new ones can be bound. open_logs. */
void parent_release_listeners(retained_t *retained);

#endif
