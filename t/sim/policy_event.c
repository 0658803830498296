/* How mpm_event decides, described by what it does (its manual: mod/event, mod/mpm_common,
 * misc/perf-tuning): once a second the parent counts the idle threads of all children. Below
 * MinSpareThreads it starts children, one in the first such second, then 2, 4 .. 32 as long
 * as it lasts. Above MaxSpareThreads it stops one child. A child has all of its
 * ThreadsPerChild from its start to its end. MaxRequestWorkers bounds the threads of all
 * children that accept, ServerLimit the children, finishing ones included.
 */
#include "policy.h"

#include <stdlib.h>

#define TICK_US 1e6
#define FASTEST 32

typedef struct event_memory_t {
    int rate;
} event_memory_t;

tuning_t policy_tuning(policy_e id, const trace_t *trace)
{
    switch (id) {
    case POLICY_EVENT_DEFAULT:
        return trace_debians_tuning;
    case POLICY_EVENT_LARGE:
        return (tuning_t){ .start_servers = 10,
                           .threads_per_child = 32,
                           .max_request_workers = 8000,
                           .min_spare_threads = 160,
                           .max_spare_threads = 1600,
                           .server_limit = 375 };
    default:
        return trace->expert;
    }
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

static void begin(model_t *m)
{
    event_memory_t *memory = calloc(1, sizeof(*memory));
    tuning_t t = policy_tuning(m->policy->id, m->trace);
    int i;

    if (!memory) {
        abort();
    }
    memory->rate = 1;
    m->memory = memory;
    for (i = 0; i < t.start_servers; i++) {
        model_first_child(m, t.threads_per_child);
    }
    model_parent_at(m, TICK_US);
}

/* Whichever child comes first to read the order: the last one of those with most to spare. */
static child_t *idlest(model_t *m)
{
    child_t *best = NULL;
    int i;

    for (i = 0; i < m->slots; i++) {
        child_t *c = &m->children[i];

        if (c->state == CHILD_SERVING && (!best || model_idle(c) >= model_idle(best))) {
            best = c;
        }
    }
    return best;
}

static void tick(model_t *m)
{
    event_memory_t *memory = m->memory;
    tuning_t t = policy_tuning(m->policy->id, m->trace);
    int children = 0, idle = 0, start, i;

    for (i = 0; i < m->slots; i++) {
        const child_t *c = &m->children[i];

        if (c->state == CHILD_SERVING || c->state == CHILD_STARTING) {
            children++;
            idle += c->state == CHILD_SERVING ? model_idle(c) : t.threads_per_child;
        }
    }
    if (idle > t.max_spare_threads) {
        child_t *c = idlest(m);

        if (c && children > 1) {
            model_stop_child(m, c);
        }
        memory->rate = 1;
    }
    else if (idle < t.min_spare_threads) {
        start = least(memory->rate, t.max_request_workers / t.threads_per_child - children);
        start = least(start, t.server_limit - m->alive);
        for (i = 0; i < start; i++) {
            model_fork(m, t.threads_per_child);
        }
        memory->rate = start > 0 ? least(2 * memory->rate, FASTEST) : 1;
    }
    else {
        memory->rate = 1;
    }
    model_parent_at(m, m->now_us + TICK_US);
}

const policy_ops_t policy_event_ops = { .begin = begin, .parent = tick };
