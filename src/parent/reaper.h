/* Processes that have ended: SIGCHLD tells that there are some, the parent's loop buries them. */
#ifndef ADP_REAPER_H
#define ADP_REAPER_H

#include "generation.h"

/* From now on SIGCHLD is heard; and not any more. Its handler is code of this module, which httpd
 * unloads between two runs. */
void reaper_begin(void);
void reaper_end(void);

/* Some process has ended since the last round began. */
bool reaper_is_due(void);

/* Bury every process that has ended. False: one ended so that the server has to end, too. */
bool reaper_round(generation_t *g);

#endif
