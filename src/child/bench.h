/* The bench: workers that are kept out of the poll.
 *
 * More workers that compute than there are processors only make each other slow. Those
 * beyond bench_t.admitted sit here instead of waiting for events, at the price of nothing but
 * their stacks, and are back within a millisecond when requests begin to block.
 */
#ifndef ADP_BENCH_H
#define ADP_BENCH_H

#include "fwd.h"

#include "base/lock.h"
#include "scoreboard_ext.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* What a worker on the bench is told. */
typedef enum {
    BENCH_WAIT,
    BENCH_GO,                   /* back to work */
    BENCH_LEAVE                 /* the thread ends */
} bench_verdict_e;

/* Workers that are kept out of the poll. */
typedef struct bench_t {
    lock_t lock;
    worker_t **seats;           /* guarded by lock: who sits, the warmest last */
    int taken;                  /* guarded by lock */
    bool closed;                /* guarded by lock: nobody sits any more */
    _Atomic int admitted;       /* workers that may take work, those that are lowered not counted;
                                 * written under lock */
} bench_t;

/* Room for all workers; everybody is admitted. Returns 0 or an errno value. The steward. */
int bench_init(child_t *child);

/* More workers take work than may. The worker, before it waits for the next event. */
static inline bool bench_is_due(const bench_t *bench, const ext_child_t *ext)
{
    return ext_light_threads(ext) > atomic_load_explicit(&bench->admitted, memory_order_relaxed);
}

/* Sit down until called, if it is still due. False: the thread has to end. The worker. */
bool bench_sit(worker_t *worker);

/* So many may take work from now on, beside those that are lowered: the warmest are called back.
 * The steward. */
void bench_admit(child_t *child, int count);

/* A worker was lowered, and does not count any more: another may take work. The steward. */
void bench_fill(child_t *child);

/* Let up to count go, the coldest first. Returns how many go. The steward. */
int bench_dismiss(child_t *child, int count);

/* Call everybody back for good: the child stops. The steward. */
void bench_close(child_t *child);

#endif
