/* The worker threads of a child: started and let go as steer_threads.c says.
 *
 * Only the steward starts and joins threads, so that none of this needs a lock. A thread
 * that leaves marks its worker_t and wakes the steward, which joins it before the slot is
 * used again.
 */
#ifndef ADP_POOL_H
#define ADP_POOL_H

#include "adaptive.h"

/* Prepare for up to config->threads_per_child threads. The steward. */
apr_status_t pool_init(child_t *child);

/* Start up to count more threads; returns how many were. What cannot be started is logged
 * and tried again when pool_retry_at() has passed. The steward. */
int pool_start(child_t *child, int count, int64_t now_us);

/* No new thread before this time: the system refused one. */
int64_t pool_retry_at(const pool_t *pool);

/* Start a janitor if jobs (passed deadlines, timed callbacks) have waited long, because all
 * workers are stuck: an extra thread that only runs jobs. If they still wait it is stuck, too,
 * and the next one is started, up to MOST_JANITORS. Returns when to look again. The steward,
 * on every round. */
int64_t pool_relieve_jobs(child_t *child, int64_t now_us);

/* The thread is about to end: it may be joined. The worker; wake the steward afterwards. */
static inline void pool_left(worker_t *worker)
{
    atomic_store(&worker->left, true);
    atomic_fetch_add(&worker->child->workers.left_count, 1);
}

/* Join threads that have left. The steward, on every round. */
void pool_join_left(child_t *child);

/* Let count threads go that have nothing to do: those on the bench first, then idle ones.
 * Fewer if fewer are idle; 0: nobody who was to go and has not gone. The steward. */
void pool_retire(child_t *child, int count);

/* The child is going: threads that idle already look like it on the status page. The
 * steward. */
void pool_show_going(child_t *child);

/* The child is going: idle workers but a few are to leave. The steward, again and again. */
void pool_dismiss_idle(child_t *child);

/* 95th percentile, about, of how long a thread takes to start; 0: none has. The steward. */
int64_t pool_start_us(const pool_t *pool);

/* Threads that are started and have not left, janitors not counted; and those of them that serve. From 0
 * to the limit, whatever a sibling wrote into this child's record. Any thread. */
int pool_live(const child_t *child);
int pool_busy(const child_t *child);

/* All threads have left, janitors included, and are joined. The steward. */
bool pool_is_empty(child_t *child);

/* What the steward passes where a worker is asked for. */
worker_t *pool_steward(pool_t *pool);

/* Thread entry points, worker.c. */
void *worker_main(apr_thread_t *thread, void *arg);
void *worker_janitor_main(apr_thread_t *thread, void *arg);

#endif
