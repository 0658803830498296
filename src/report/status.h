/* The module's part of mod_status's pages: lines of ?auto, a section of the page for people. */
#ifndef ADP_STATUS_H
#define ADP_STATUS_H

#include "config/config.h"
#include "scoreboard_ext.h"

/* Add to mod_status, whether it is loaded or not. The module's register_hooks. */
void status_register_hooks(void);

/* What to show from now on, also in the children that are forked later. Before the first
 * child of a generation is started; the shared memory and the configuration outlive it. */
void status_show(scoreboard_ext_t *board, const adp_config_t *config);

#endif
