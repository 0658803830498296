/* The child's threads stay on a processor of its own while that pays (law/affinity.h). */
#ifndef ADP_PINNING_H
#define ADP_PINNING_H

#include "fwd.h"

#include "law/affinity.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct pinning_t {
    bool works;                 /* more than one processor, and nobody has forbidden it */
    _Atomic bool samples;       /* the steward looks; workers read it */
    _Atomic bool wanted;        /* a worker has found that the child is busy */
    affinity_t affinity;
    cpu_set_t given;            /* what the server may use */
    int processors;             /* in there */
    int stat_fd;                /* /proc/stat */
    int64_t sample_us;          /* when the next is due; CLOCK_NEVER: none is */
    int64_t sampled_us;         /* when the last was */
    int64_t *idle_ticks;        /* of each processor, at the last sample */
    int64_t cpu_us;             /* what this process had used of them, then */
} pinning_t;

/* The steward, before the first worker. */
void pinning_init(child_t *child);

/* Now and then, counted in events, a worker says that the child is busy. A worker. */
#define PINNING_EVENTS 256
void pinning_busy(child_t *child);

/* One sample, if it is due; returns when the next is. The steward, on every round. */
int64_t pinning_round(child_t *child, int64_t now_us);

#endif
