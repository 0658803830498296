/* Children that take too long to become ready: a module may hang in child_init for ever.
 *
 * How long is too long follows from how long others took (start_pace.h). Such a child no longer
 * counts as capacity, so that another is started in its place; when one of its generation has
 * become ready in half the time, it is killed. As long as none has it may be that slow, and is
 * left alone. One that was told to finish before it was ready, and does not hear that, is killed
 * when it is late: nobody needs it. */
#ifndef ADP_LATECOMERS_H
#define ADP_LATECOMERS_H

#include "generation.h"

/* Look after them; returns when to look again (CLOCK_NEVER: none is starting). Parent. */
int64_t latecomers_round(generation_t *g, int64_t now_us);

#endif
