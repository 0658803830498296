/* The worker threads of a child: started and let go as steer_threads.c says.
 *
 * Only the steward starts and joins threads, so that none of this needs a lock. A thread
 * that leaves marks its worker_t and wakes the steward, which joins it before the slot is
 * used again.
 */
#ifndef ADP_WORKERS_H
#define ADP_WORKERS_H

#include "worker.h"

#include "base/jobs.h"

/* Janitors of a child, at most: each may be held by what a module does in a callback. */
#define MOST_JANITORS 8

/* The worker threads of a child. Started and joined by the steward only. */
typedef struct workers_t {
    worker_t *list;             /* limit of them, then the janitors' and the steward's */
    int limit;
    apr_threadattr_t *attributes;
    job_t dismiss_job;          /* an idle worker that takes it leaves, see workers_retire() */
    _Atomic bool dismiss_queued;
    _Atomic int dismissals;     /* workers that are to leave that way */
    _Atomic int left_count;     /* threads that have left and are not joined */
    _Atomic int64_t slowest_start_us;   /* from pthread_create(3) to work, decaying */
    /* the steward's */
    int64_t retry_us;           /* thread creation was refused: not before */
    int64_t backoff_us;
    int used;                   /* the highest place in workers that was ever taken, plus one */
    int next_counted;           /* where runnable_count() goes on */
    int64_t janitor_us;         /* the last janitor was started then */
} workers_t;

/* Prepare for up to config->threads_per_child threads. The steward. */
apr_status_t workers_init(child_t *child);

/* Start up to count more threads; returns how many were. What cannot be started is logged
 * and tried again when workers_retry_at() has passed. The steward. */
int workers_start(child_t *child, int count, int64_t now_us);

/* No new thread before this time: the system refused one. */
int64_t workers_retry_at(const workers_t *workers);

/* Start a janitor if jobs (passed deadlines, timed callbacks) have waited long, because all
 * workers are stuck: an extra thread that only runs jobs. If they still wait it is stuck, too,
 * and the next one is started, up to MOST_JANITORS. Returns when to look again. The steward,
 * on every round. */
int64_t workers_relieve_jobs(child_t *child, int64_t now_us);

/* The thread is about to end: it may be joined. The worker; wake the steward afterwards. */
static inline void workers_left(workers_t *workers, worker_t *worker)
{
    atomic_store(&worker->left, true);
    atomic_fetch_add(&workers->left_count, 1);
}

/* Join threads that have left. False: some are not quite gone yet, look again soon. The steward, on
 * every round. */
bool workers_join_left(child_t *child);

/* Let count threads go that have nothing to do: those on the bench first, then idle ones.
 * Fewer if fewer are idle; 0 cancels pending dismissals. The steward. */
void workers_retire(child_t *child, int count);

/* The child is draining: threads that idle already look like it on the status page. The
 * steward. */
void workers_show_draining(child_t *child);

/* The child is draining: idle workers but a few are to leave. The steward, again and again. */
void workers_dismiss_idle(child_t *child);

/* 95th percentile, about, of how long a thread takes to start; 0: none has. The steward. */
int64_t workers_start_us(const workers_t *workers);

/* Threads that are started and have not left, janitors not counted; and those of them that serve.
 * From 0 to the limit, whatever a sibling wrote into this child's record. Any thread. */
int workers_live(const child_t *child);
int workers_busy(const child_t *child);

/* All threads have left, janitors included, and are joined. The steward. */
bool workers_is_empty(child_t *child);

/* What the steward passes where a worker is asked for. */
static inline worker_t *workers_steward(workers_t *workers)
{
    return &workers->list[workers->limit + MOST_JANITORS];
}

#endif
