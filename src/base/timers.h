/* Timed callbacks of modules (ap_mpm_register_timed_callback): a binary heap by due time.
 *
 * Pure C and pthreads. Times are monotonic µs. Lock: timers_t.lock, a leaf.
 */
#ifndef ADP_TIMERS_H
#define ADP_TIMERS_H

#include "jobs.h"
#include "lock.h"

typedef void timer_callback_fn(void *baton);

typedef struct adp_timer_t {
    job_t job;                  /* first, so that the job is the timer */
    int64_t due_us;
    uint64_t order;             /* equal due times fire in the order of registration */
    timer_callback_fn *callback;
    void *baton;
} adp_timer_t;

typedef struct timers_t {
    lock_t lock;
    /* guarded by lock */
    adp_timer_t **heap;
    size_t count;
    size_t room;
    uint64_t registered;
    int64_t sleeping_until_us;  /* what timers_next() last told the steward */
} timers_t;

int timers_init(timers_t *t);
void timers_destroy(timers_t *t);

/* Register callback(baton) for due_us. Returns 0 or ENOMEM; *wake is set if the steward
 * sleeps past it and has to be woken. Any thread. */
int timers_add(timers_t *t, int64_t due_us, timer_callback_fn *callback, void *baton,
               bool *wake);

/* Take out the first timer that is due, NULL if none is. The caller runs its callback and
 * frees it with free(3). The steward only. */
adp_timer_t *timers_take_due(timers_t *t, int64_t now_us);

/* When to look again, CLOCK_NEVER if nothing is registered. The steward only. */
int64_t timers_next(timers_t *t);

#endif
