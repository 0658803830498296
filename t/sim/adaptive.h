/* The adaptive policy: the project's own law, src/law, with the model in the place of httpd.
 *
 * Decisions are all made there: adaptive_child.c and adaptive_parent.c do for steward.c and
 * overseer.c what src/child/watch.c, src/child/steer_threads.c and src/parent/steer_children.c do
 * in the server: they measure, and carry out.
 */
#ifndef SIM_ADAPTIVE_H
#define SIM_ADAPTIVE_H

#include "policy.h"

#include "law/overseer.h"
#include "law/steward.h"

#define ADAPTIVE_WAIT_TARGET_US 2000
#define ADAPTIVE_START_THREADS     2
#define ADAPTIVE_WAKE_US        30.0    /* until a steward or the parent runs that was woken */

/* What a child has beside what the model knows of it. */
typedef struct adaptive_child_t {
    steward_t steward;
    uint32_t incarnation;       /* whose it is */
    bool listening;             /* the poller wakes the steward when something is ready */
    double probe_us;            /* when its probe was sent; 0: none is on its way */
    uint64_t probe_behind;      /* it is taken after this many events */
    uint64_t counted_taken;     /* events that were counted, by the steward ... */
    uint64_t summed_taken;      /* ... and by the parent */
    steward_grant_t grant;
    /* what it tells the parent */
    int waiting;
    double waited_us;
    double blocked_part;
    bool exhausted;
} adaptive_child_t;

typedef struct adaptive_memory_t {
    overseer_t overseer;
    adaptive_child_t children[MODEL_CHILDREN];
    int start_threads;          /* of the next child */
    int max_children;
} adaptive_memory_t;

adaptive_child_t *adaptive_child(model_t *m, const child_t *c);

/* The steward's turns. */
void adaptive_look(model_t *m, child_t *c);
void adaptive_nobody_idle(model_t *m, child_t *c);
void adaptive_busier(model_t *m, child_t *c);
void adaptive_ready(model_t *m, child_t *c);

/* The parent's. */
void adaptive_wake_parent(model_t *m);
void adaptive_parent(model_t *m);
int adaptive_start_children(const trace_t *t);

static inline int adaptive_min(int a, int b)
{
    return a < b ? a : b;
}

static inline int adaptive_max(int a, int b)
{
    return a > b ? a : b;
}

#endif
