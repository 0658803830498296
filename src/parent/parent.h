/* The parent process: one run per configuration, from start or restart to the next. */
#ifndef ADP_PARENT_H
#define ADP_PARENT_H

#include "generation.h"

/* Hook mpm: run until a restart (OK) or a shutdown (DONE). */
int parent_run(generation_t *g, bool one_process);

#endif
