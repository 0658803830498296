/* The parent's loop without its hands: when it asks the controller, what each child may have, whom
 * it parks, retires and brings back, with how many threads a new child starts.
 *
 * Pure, like the controller: C99 library only, time is an argument. src/parent/steer_children.c
 * measures for it and carries out what it says; the simulator (t/sim) runs the same functions. Only
 * the parent calls them.
 *
 * One round, with what the caller does in between in parentheses:
 *
 *     overseer_add()        for each child     (what the children tell, summed up)
 *     overseer_share()      and overseer_grant() for each child
 *     overseer_is_due()     false: nothing but the time of overseer_next_us()
 *     overseer_decide()     (start, park, retire)
 */
#ifndef ADP_OVERSEER_H
#define ADP_OVERSEER_H

#include "controller.h"

#include <stdbool.h>
#include <stdint.h>

/* However often children ring, it does not decide more often than this. */
#define OVERSEER_ROUND_US 5000

/* A child costs more than a thread to start, some milliseconds against some 60 us, and is kept
 * longer, by this factor: docs/dev/controller.md, "The way down". */
#ifndef CHILD_HOLDS
#define CHILD_HOLDS 4
#endif

/* Its memory; outlives graceful restarts. The caller looks at `plan` only. */
typedef struct overseer_t {
    ctl_child_state_t control;
    ctl_child_plan_t plan;      /* the last */
    int64_t decided_us;         /* when it was made */
    bool woken;                 /* something has happened since */
    uint64_t arrivals;          /* events taken by all children, */
    uint64_t completions;       /* ... and done: never fewer than before */
} overseer_t;

void overseer_init(overseer_t *overseer, int64_t now_us);

/* Something has happened: a child has rung or ended, or is ready. */
void overseer_wake(overseer_t *overseer);

/* --- what the children tell ------------------------------------------------------- */

/* A child that serves or is parked. */
typedef struct overseer_child_t {
    int threads, busy, idle;
    int64_t blocked_permille;   /* of the busy ones, thousandths of threads */
    int waiting;
    int64_t waited_us;
    bool exhausted;
    bool out_of_descriptors;    /* ... and it serves */
    uint64_t taken;             /* events, since it was added last */
    int connections;
    int lasting;                /* of these: would not end soon if the child were told to */
} overseer_child_t;

/* Sums are bounded: children may be hostile. */
typedef struct overseer_sums_t {
    ctl_child_sample_t sample;
    int64_t blocked_permille;   /* rounded in the end, or many children with few busy threads would
                                 * never be seen to compute */
} overseer_sums_t;

void overseer_add(overseer_t *overseer, overseer_sums_t *sums, const overseer_child_t *child);

/* The sample, when all children are added. The caller has filled in what it knows itself: times and
 * numbers of children. */
ctl_child_sample_t overseer_sample(overseer_t *overseer, const overseer_sums_t *sums);

/* --- what they may have ----------------------------------------------------------- */

/* How the threads that there may be are shared out in this round. */
typedef struct overseer_share_t {
    bool plenty;                /* each can have all its threads */
    int each, rest;             /* on top of what a child has; the rest for those with none left */
    int threads_per_child;
} overseer_share_t;

/* sharing: children that serve or are parked; start_threads: of each that is starting. */
overseer_share_t overseer_share(const ctl_child_limits_t *limits, const ctl_child_sample_t *sample,
                                int sharing, int start_threads);

/* Threads that a child may have, > 0; for each of the sharing children in turn. */
int overseer_grant(overseer_share_t *share, const overseer_child_t *child);

/* --- decisions -------------------------------------------------------------------- */

bool overseer_is_due(const overseer_t *overseer, int64_t now_us);

/* When to come again if nothing happens. */
int64_t overseer_next_us(const overseer_t *overseer);

ctl_child_plan_t overseer_decide(overseer_t *overseer, const ctl_child_sample_t *sample,
                                 const ctl_child_limits_t *limits);

/* Threads that a child starts with which the plan asks for: its part of those that are missing, and
 * of those that there may be. least: of a child without load; most: ThreadsPerChild. */
int overseer_start_threads(const ctl_child_plan_t *plan, const ctl_child_sample_t *sample,
                           const ctl_child_limits_t *limits, int least, int most);

/* Orders of children. Of two that serve, is a the better one to park: its clients miss it less? */
bool overseer_parks_before(const overseer_child_t *a, const overseer_child_t *b);

/* Of two that are parked: is it a that ends? */
bool overseer_retires_before(const overseer_child_t *a, const overseer_child_t *b);

/* Of two that are parked: is it a that comes back? It has kept more. */
bool overseer_resumes_before(const overseer_child_t *a, const overseer_child_t *b);

#endif
