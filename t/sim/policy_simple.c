/* The two policies that decide nothing while they run. */
#include "policy.h"

#include <math.h>

/* A quarter above the peak: a fixed pool that is sized for the mean load at the peak queues. */
#define FIXED_MARGIN 1.25

/* Shared out evenly. */
static void begin_fixed(model_t *m)
{
    int threads = m->policy->fixed_threads, per_child = m->trace->threads_per_child, children, i;

    if (!threads) {
        threads = (int)ceil(fmax(m->trace->peak * FIXED_MARGIN, 4 * m->trace->cpus));
    }
    children = (threads + per_child - 1) / per_child;
    for (i = 0; i < children; i++) {
        model_first_child(m, threads / children + (i < threads % children));
    }
}

const policy_ops_t policy_fixed_ops = { .begin = begin_fixed };

static void begin_optimum(model_t *m)
{
    model_first_child(m, 0);
}

const policy_ops_t policy_optimum_ops = { .begin = begin_optimum };
