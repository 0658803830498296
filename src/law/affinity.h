/* A child belongs to a processor, while that pays.
 *
 * A process whose threads run on several processors pays for each munmap(2) with interrupts of all
 * of them (TLB shootdown), and its threads share one lock for the address space; with a child on
 * each processor neither is so (docs/dev/controller.md has figures). But connections stay with
 * their child: if those of one get busy while the others' sleep, its processor has too much to do
 * and others nothing. So children take hold of their processors only while all of these are busy,
 * and let go as soon as one has nothing to do; or when they have little to do themselves, and it is
 * others who keep the processors busy.
 *
 * Pure, like the controller. A child's steward asks (src/child/pinning.c).
 */
#ifndef ADP_AFFINITY_H
#define ADP_AFFINITY_H

#include <stdbool.h>
#include <stdint.h>

/* Between two samples, where reading them costs nothing to speak of: 8 processors and fewer. */
#define AFFINITY_SAMPLE_US 20000

/* Zeroed at first. */
typedef struct affinity_t {
    bool holds;                 /* the child's threads stay on its processor */
    double own_idle, most_idle; /* smoothed */
    int even, calm;             /* samples in a row */
    int64_t not_before_us;      /* it had to let go: it does not take hold before then, */
    int64_t penalty_us;         /* ... and how long that was */
    int64_t held_us;            /* since when it holds */
} affinity_t;

/* Parts of the time since the last sample, 0..1. */
typedef struct affinity_sample_t {
    int64_t now_us;
    double own_idle;            /* the child's processor */
    double most_idle;           /* the idlest of those that the server may use */
    double mean_idle;
    double used;                /* of processors, by the child itself: 0..processors */
    int children;               /* that accept */
    int place;                  /* of the child among them, from 0 */
    int processors;             /* that the server may use */
} affinity_sample_t;

/* What is so from now on: holds. *again: after how many pauses another sample is worth taking, 1 or
 * AFFINITY_SELDOM (not all processors are busy, and nothing is held); 0: not until something
 * happens. */
#define AFFINITY_SELDOM 4
bool affinity_decide(affinity_t *affinity, const affinity_sample_t *sample, int *again);

#endif
