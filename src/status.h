/* The module's part of mod_status's pages: lines of ?auto, a section of the page for people. */
#ifndef ADP_STATUS_H
#define ADP_STATUS_H

#include "retained.h"

/* Add to mod_status, whether it is loaded or not. The module's register_hooks. */
void status_register_hooks(void);

/* What to show from now on, also in the children that are forked later. Before the first
 * child of a generation is started; the retained block and the configuration outlive it. */
void status_show(const retained_t *retained, const adp_config_t *config);

/* Tell the shared memory what each child is doing, so that children can show it. The parent,
 * in each round of its loop. */
void status_note_slots(const retained_t *retained, int64_t now_us);

#endif
