/* A list and an eventfd that the poller watches edge-triggered. Any thread of a child pushes,
 * workers run one at a time. */
#include "jobs.h"

#include "wakeup.h"

#include <stddef.h>

int jobs_open(jobs_t *q)
{
    int rc = wakeup_open(&q->event_fd);

    if (rc) {
        return rc;
    }
    atomic_init(&q->count, 0);
    q->head = NULL;
    q->tail = &q->head;
    q->announced = false;
    return lock_init(&q->lock, LOCK_INNER);
}

void jobs_close(jobs_t *q)
{
    wakeup_close(&q->event_fd);
    lock_destroy(&q->lock);
}

void jobs_push(jobs_t *q, job_t *job, int64_t now_us)
{
    bool announce;

    job->next = NULL;
    job->queued_us = now_us;
    lock_take(&q->lock);
    *q->tail = job;
    q->tail = &job->next;
    atomic_fetch_add_explicit(&q->count, 1, memory_order_relaxed);
    announce = !q->announced;
    q->announced = true;
    lock_give(&q->lock);
    if (announce) {
        wakeup_send(q->event_fd);
    }
}

/* One event is outstanding as long as there are jobs: whoever takes a job and leaves
 * others behind announces the next one before it starts on its own. */
bool jobs_run_one(jobs_t *q, void *worker)
{
    job_t *job;
    bool more;

    lock_take(&q->lock);
    job = q->head;
    if (job) {
        q->head = job->next;
        if (!q->head) {
            q->tail = &q->head;
        }
        atomic_fetch_sub_explicit(&q->count, 1, memory_order_relaxed);
    }
    more = q->head != NULL;
    q->announced = more;
    lock_give(&q->lock);
    if (more) {
        wakeup_send(q->event_fd);
    }
    if (!job) {
        return false;
    }
    job->run(job, worker);
    return true;
}

void jobs_settle(jobs_t *q)
{
    if (atomic_load_explicit(&q->count, memory_order_relaxed) > 0) {
        return;
    }
    lock_take(&q->lock);
    if (!q->head && !q->announced) {
        wakeup_receive(q->event_fd);
    }
    lock_give(&q->lock);
}

int64_t jobs_oldest_us(jobs_t *q, int64_t now_us)
{
    int64_t waited_us = 0;

    if (atomic_load_explicit(&q->count, memory_order_relaxed) == 0) {
        return 0;
    }
    lock_take(&q->lock);
    if (q->head) {
        waited_us = now_us - q->head->queued_us;
    }
    lock_give(&q->lock);
    return waited_us;
}
