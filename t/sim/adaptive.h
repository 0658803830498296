/* The adaptive policy: the project's own law, src/controller.c, called as the server calls it.
 *
 * What is here follows src/watch.c, src/steer_threads.c and src/steer_children.c: when the two
 * halves of the law are asked, and what they get to know.
 */
#ifndef SIM_ADAPTIVE_H
#define SIM_ADAPTIVE_H

#include "policy.h"

#include "law/controller.h"

#define ADAPTIVE_WAIT_TARGET_US 2000
#define ADAPTIVE_START_THREADS     2
#define ADAPTIVE_WAKE_US        30.0    /* until a steward or the parent runs that was woken */

/* A child's steward. */
typedef struct steward_t {
    ctl_thread_state_t state;
    uint32_t incarnation;       /* whose it is */
    bool watching;              /* looks often, because nobody is idle, or was a moment ago */
    int quiet_rounds;           /* looks with somebody idle while watching */
    int many;                   /* so many busy ones are worth a look */
    double probe_us;            /* when its probe was sent; 0: none is on its way */
    uint64_t probe_behind;      /* it is taken after so many events */
    double told_parent_us;
    /* what it tells the parent */
    int waiting;
    double waited_us;
    double blocked_part;
    bool exhausted;
} steward_t;

typedef struct adaptive_memory_t {
    ctl_child_state_t state;
    steward_t stewards[MODEL_CHILDREN];
    int max_children;
} adaptive_memory_t;

steward_t *adaptive_steward(model_t *m, const child_t *c);

/* The steward's turns. */
void adaptive_look(model_t *m, child_t *c);
void adaptive_nobody_idle(model_t *m, child_t *c);
void adaptive_busier(model_t *m, child_t *c);

/* The parent's. */
void adaptive_wake_parent(model_t *m);
void adaptive_parent(model_t *m);
int adaptive_start_children(const trace_t *t);

static inline int adaptive_least(int a, int b)
{
    return a < b ? a : b;
}

static inline int adaptive_most(int a, int b)
{
    return a > b ? a : b;
}

#endif
