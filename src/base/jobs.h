/* Work that no descriptor announces (a wait that timed out, a timed callback, a look at
 * the listeners), handed by the steward to the workers through their own poller.
 *
 * Pure C and pthreads. Lock: jobs_t.lock, a leaf.
 */
#ifndef ADP_JOBS_H
#define ADP_JOBS_H

#include "lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct job_t job_t;

/* Does the work. worker is whatever the taking thread passed to jobs_run_one(). */
typedef void job_fn(job_t *job, void *worker);

struct job_t {
    job_t *next;
    job_fn *run;
    int64_t queued_us;
};

typedef struct jobs_t {
    int event_fd;               /* written once while there is work; see jobs_open() */
    _Atomic uint64_t count;     /* readable without the lock */
    lock_t lock;
    /* guarded by lock */
    job_t *head;
    job_t **tail;
    bool announced;             /* an event is on its way to a worker */
} jobs_t;

/* Opens an eventfd that the caller registers edge-triggered with the workers' poller; each
 * event entitles one worker to one jobs_run_one(). Returns 0 or an errno value. */
int jobs_open(jobs_t *q);
void jobs_close(jobs_t *q);

/* Queue a job; it stays its owner's memory and must live until it ran. Any thread. */
void jobs_push(jobs_t *q, job_t *job, int64_t now_us);

/* Take the oldest job, if any, and run it in this thread. Returns whether there was one. */
bool jobs_run_one(jobs_t *q, void *worker);

/* Whoever ran the last job without having been told of it by the poller (a janitor) has left an
 * event there that stands for nothing: take it back. Any thread. */
void jobs_settle(jobs_t *q);

/* How long the oldest job has waited, 0 if there is none. Any thread. */
int64_t jobs_oldest_us(jobs_t *q, int64_t now_us);

#endif
