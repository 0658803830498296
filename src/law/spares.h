/* How many children there should be: between the spare-thread bounds.
 *
 * The rule of MinSpareThreads and MaxSpareThreads, as event has it, with one difference:
 * a thread that a child may still grow counts as spare. Pure C: no clock, no state.
 */
#ifndef ADP_SPARES_H
#define ADP_SPARES_H

typedef struct spares_sample_t {
    int children;               /* that accept, or are starting */
    int busy_threads;           /* of these children */
    int threads_per_child;
    int min_spare_threads;
    int max_spare_threads;
    int min_children;           /* one per listener bucket */
    int max_children;
} spares_sample_t;

/* By how many children to grow (> 0) or shrink (-1: one at a time); 0: stay. */
int spares_change(const spares_sample_t *sample);

#endif
