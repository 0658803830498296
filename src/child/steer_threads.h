/* The steward's part of the control: what a child knows goes to the controller, and what
 * comes back is done: threads are started, called from the bench, benched, retired.
 */
#ifndef ADP_STEER_THREADS_H
#define ADP_STEER_THREADS_H

#include "fwd.h"

#include "law/steward.h"
#include "report/report_text.h"

#include <stdbool.h>
#include <stdint.h>

/* The steward's decisions about threads. */
typedef struct steer_t {
    steward_t steward;          /* the law's memory of them */
    report_t report;            /* what was said of them */
    int64_t round_us;           /* when the next round is due, if nothing wakes it */
} steer_t;

/* Before the first round. The steward. */
void steer_threads_init(child_t *child, int64_t now_us);

/* Look, decide, act; returns when to come again, CLOCK_NEVER if only an event can change
 * anything. The steward, on every round from CHILD_SERVING on. */
int64_t steer_threads_round(child_t *child, int64_t now_us);

#endif
