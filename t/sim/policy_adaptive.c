/* The adaptive policy's beginning; see adaptive.h for the rest. */
#include "adaptive.h"

#include <stdlib.h>

static void begin(model_t *m)
{
    adaptive_memory_t *memory = calloc(1, sizeof(*memory));
    int i;

    if (!memory) {
        abort();
    }
    m->memory = memory;
    memory->max_children = m->trace->max_threads / m->trace->threads_per_child;
    memory->start_threads = ADAPTIVE_START_THREADS;
    overseer_init(&memory->overseer, 0);
    memory->overseer.control.without = m->policy->terms_off;
    for (i = 0; i < adaptive_start_children(m->trace); i++) {
        model_look_at(m, model_first_child(m, ADAPTIVE_START_THREADS), 0);
    }
    model_parent_at(m, 0);
}

static void child_ready(model_t *m, child_t *c)
{
    model_look_at(m, c, m->now_us + ADAPTIVE_WAKE_US + model_stall_us(m));
    adaptive_wake_parent(m);
}

const policy_ops_t policy_adaptive_ops = { .begin = begin,
                                           .nobody_idle = adaptive_nobody_idle,
                                           .busier = adaptive_busier,
                                           .ready = adaptive_ready,
                                           .child_ready = child_ready,
                                           .look = adaptive_look,
                                           .parent = adaptive_parent };
