/* The two policies that decide nothing while they run. */
#include "policy.h"

#include <math.h>

/* A quarter above the peak: a fixed pool that is sized for the mean load at the peak queues. */
#define FIXED_MARGIN 1.25
#define FIXED_CHILD  64

static void begin_fixed(model_t *m)
{
    int threads = m->policy->fixed_threads;

    if (!threads) {
        threads = (int)ceil(fmax(m->trace->peak * FIXED_MARGIN, 4 * m->trace->cpus));
    }
    while (threads > 0) {
        int some = threads < FIXED_CHILD || m->trace->threads_per_child > FIXED_CHILD ? threads : FIXED_CHILD;

        some = some < m->trace->threads_per_child || m->policy->fixed_threads ? some : m->trace->threads_per_child;
        model_first_child(m, some);
        threads -= some;
    }
}

const policy_ops_t policy_fixed_ops = { .begin = begin_fixed };

static void begin_optimum(model_t *m)
{
    model_first_child(m, 0);
}

const policy_ops_t policy_optimum_ops = { .begin = begin_optimum };
