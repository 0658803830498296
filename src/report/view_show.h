/* What status pages of this process show: view.h is what they show of it. */
#ifndef ADP_VIEW_SHOW_H
#define ADP_VIEW_SHOW_H

#include "config/effective.h"
#include "scoreboard_ext.h"

#include <stdbool.h>

/* From now on, also in the processes that are forked later. The parent, before the first child of a
 * generation is started; the shared memory and the configuration outlive it. */
void view_show(const scoreboard_ext_t *board, const adp_config_t *config);

/* Something is. */
bool view_is_shown(void);

#endif
