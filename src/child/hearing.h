/* The steward's sleep: workers wake it, the parent gives orders, signals come, the parent may
 * end. */
#ifndef ADP_HEARING_H
#define ADP_HEARING_H

#include "fwd.h"

#include <stdint.h>

/* Notice when the parent ends: by a pidfd or, where there is none, by a signal. The kernel forgets
 * the latter when privileges are dropped, so that is for after it. The steward, before the first
 * worker. */
void hearing_watch_parent(child_t *child);
void hearing_watch_parent_by_signal(child_t *child);

/* Obey what the parent has written into the lifeline. The steward. */
void hearing_take_orders(child_t *child);

/* Sleep until something happens or until_us. Signals arrive here and nowhere else. The steward. */
void hearing_sleep_until(child_t *child, int64_t until_us);

#endif
