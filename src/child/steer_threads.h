/* The steward's part of the control: what a child knows goes to the controller, and what
 * comes back is done: threads are started, called from the bench, benched, retired.
 */
#ifndef ADP_STEER_THREADS_H
#define ADP_STEER_THREADS_H

#include "fwd.h"

#include "law/controller.h"
#include "report/report_text.h"

#include <stdbool.h>
#include <stdint.h>

/* The steward's decisions about threads. */
typedef struct steer_t {
    ctl_thread_state_t state;
    report_t report;            /* what was said of it */
    int64_t look_us;            /* decide again then */
    int target;                 /* threads that it decided on last */
    bool shrunk;                /* threads have left since memory was last given back */
    bool full;                  /* it could not have started another thread then */
    int64_t told_parent_us;     /* when the parent was last woken for siblings, */
    int told_busy;              /* ... and for how many busy threads; 0: it was not */
    struct {
        uint64_t events;
        int busy, live, granted;
        bool waits;
    } seen;                     /* by the last decision */
    int64_t pause_us;           /* until the next one, while nothing changes */
    uint64_t events;            /* taken, */
    uint64_t completions;       /* ... and done: never fewer than before */
} steer_t;

/* Before the first round. The steward. */
void steer_threads_init(child_t *child, int64_t now_us);

/* Look, decide, act; returns when to come again, CLOCK_NEVER if only an event can change
 * anything. The steward, on every round from CHILD_SERVING on. */
int64_t steer_threads_round(child_t *child, int64_t now_us);

#endif
