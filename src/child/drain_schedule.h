/* How long a child that was told to finish may hang on, and when it is worth a line that it
 * does: times only, no connections (those are drain.c's).
 *
 *   told to finish --- no limit ---> WARN after ten minutes, then each hour
 *         |
 *         +----- the limit passes ---> CLOSE what waits --- half a second ---> CUT the rest
 *
 * The limit may change at any time: a reload of the configuration counts for children that
 * drain already, from the moment that they began to.
 *
 * Pure C: tested without httpd.
 */
#ifndef ADP_DRAIN_SCHEDULE_H
#define ADP_DRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Monotonic times, 0: not yet. Zeroed before drain_schedule_begin(). */
typedef struct drain_schedule_t {
    int64_t began_us;           /* when the child was told to finish */
    int64_t warned_us;          /* when it was last said that it has not */
    int64_t closing_us;         /* when its time was found to be up */
    int64_t limit_us;           /* ... and what it was then */
} drain_schedule_t;

typedef enum {
    DRAIN_GO_ON,
    DRAIN_WARN,                 /* say what holds it */
    DRAIN_TIME_IS_UP,           /* the limit has just passed: say what is left, then CLOSE */
    DRAIN_CLOSE,                /* close in order what can be closed so */
    DRAIN_CUT                   /* cut the rest off and leave */
} drain_act_e;

/* The child begins to drain at now_us (> 0). A second call changes nothing. */
void drain_schedule_begin(drain_schedule_t *s, int64_t now_us);

/* What to do now. limit_us: how long draining may last, 0 for ever. WARN and TIME_IS_UP are
 * answered once for each time that they are due; once the time is up, a longer limit does not
 * bring it back. */
drain_act_e drain_schedule_act(drain_schedule_t *s, int64_t limit_us, int64_t now_us);

/* When drain_schedule_act() will have something to say, if the limit stays; INT64_MAX: a
 * child that does not drain. Past times are possible: now, then. */
int64_t drain_schedule_next(const drain_schedule_t *s, int64_t limit_us);

#endif
