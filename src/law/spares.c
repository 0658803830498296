/* Pure; the parent asks where AdaptiveMode does not act: MinSpareThreads and MaxSpareThreads,
 * in children. */
#include "spares.h"

/* Children that start in one go, so that a burst does not turn into a fork storm. */
#define LARGEST_STEP 32

static int least(int a, int b)
{
    return a < b ? a : b;
}

int spares_change(const spares_sample_t *s)
{
    long spare = (long)s->children * s->threads_per_child - s->busy_threads;

    if (s->children < s->min_children) {
        return least(s->min_children, s->max_children) - s->children;
    }
    if (spare < s->min_spare_threads && s->children < s->max_children) {
        long missing = s->min_spare_threads - spare;
        long children = (missing + s->threads_per_child - 1) / s->threads_per_child;

        if (children > LARGEST_STEP) {
            children = LARGEST_STEP;
        }
        return least((int)children, s->max_children - s->children);
    }
    if (spare > s->max_spare_threads && s->children > s->min_children
        && spare - s->threads_per_child >= s->min_spare_threads) {
        return -1;
    }
    return 0;
}
