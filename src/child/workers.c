/* The steward alone starts and joins threads. What a thread does is worker.c's, how many there
 * are steer_threads.c's. */
#include "workers.h"

#include "bell.h"
#include "bench.h"
#include "child.h"
#include "child_internal.h"

#include "base/clock.h"
#include "base/own_pool.h"
#include "board/board_view.h"
#include "config/config.h"

#include "apr_portable.h"
#include "mpm_common.h"

#include <sys/param.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Threads that a child keeps to its end. */
#define FLOOR_WHEN_DRAINING 2

#define FIRST_BACKOFF_US (100 * CLOCK_US_PER_MS)
#define LAST_BACKOFF_US  CLOCK_US_PER_S

/* Jobs (passed deadlines, timed callbacks) that waited so long get a janitor; one that has
 * changed nothing about that for so long gets help. */
#define JANITOR_AFTER_US (100 * CLOCK_US_PER_MS)

/* Places of threads: workers, then janitors. */
static int places(const workers_t *workers)
{
    return workers->limit + MOST_JANITORS;
}

static job_fn run_dismiss;

apr_status_t workers_init(child_t *child)
{
    workers_t *workers = &child->workers;
    apr_status_t rv;
    int i;

    ON_STEWARD();
    workers->dismiss_job.run = run_dismiss;
    workers->limit = MIN(child->config->threads_per_child,
                      limits_threads_by_descriptors(config_limits()));
    workers->list = apr_pcalloc(child->pool, sizeof(*workers->list) * (places(workers) + 1));
    for (i = 0; i <= places(workers); i++) {
        workers->list[i].child = child;
        workers->list[i].slot = i < workers->limit ? i : -1;
        pthread_cond_init(&workers->list[i].called, NULL);
    }
    rv = apr_threadattr_create(&workers->attributes, child->pool);
    if (rv == APR_SUCCESS && ap_thread_stacksize != 0) {
        rv = apr_threadattr_stacksize_set(workers->attributes, ap_thread_stacksize);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, rv, child->server, ADPNO(0040)
                         "ThreadStackSize %" APR_SIZE_T_FMT " is not accepted by the system, "
                         "using its default", ap_thread_stacksize);
            rv = APR_SUCCESS;
        }
    }
    return rv;
}

static void join(worker_t *worker)
{
    apr_status_t rv;

    apr_thread_join(&rv, worker->thread);
    worker->thread = NULL;
    apr_pool_destroy(worker->pool);
    worker->pool = NULL;
    atomic_store(&worker->left, false);
    atomic_fetch_sub(&worker->child->workers.left_count, 1);
}

static apr_status_t start(child_t *child, worker_t *worker, apr_thread_start_t entry)
{
    apr_status_t rv = APR_SUCCESS;

    if (worker->thread) {
        join(worker);
    }
    if (!worker->pool) {
        /* what a thread had goes back to the system with it */
        worker->pool = own_pool_create(child->pool, "worker");
        rv = worker->pool ? APR_SUCCESS : APR_ENOMEM;
    }
    if (rv == APR_SUCCESS) {
        /* the thread's own pool inherits it: worker_main() has httpd's again */
        apr_pool_abort_set(own_pool_bear_no_memory, worker->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = ap_thread_create(&worker->thread, child->workers.attributes, entry, worker,
                              worker->pool);
    }
    if (rv != APR_SUCCESS) {
        worker->thread = NULL;
    }
    return rv;
}

/* The thread is gone, or so near to its end that nobody waits long for it. One that was lowered may
 * still wait for a processor, and the steward must not wait behind all others with it. */
static bool is_gone(const worker_t *worker)
{
    return atomic_load(&worker->left)
           && (worker->slow_to_end == 0
               || syscall(SYS_tgkill, getpid(), worker->slow_to_end, 0) != 0);
}

static bool is_free(const worker_t *worker)
{
    return !worker->thread || is_gone(worker);
}

static void refused(child_t *child, apr_status_t rv, int64_t now_us)
{
    workers_t *workers = &child->workers;

    ext_count(child->board, EXT_THREADS_REFUSED);
    workers->backoff_us = workers->backoff_us ? workers->backoff_us * 2 : FIRST_BACKOFF_US;
    if (workers->backoff_us > LAST_BACKOFF_US) {
        workers->backoff_us = LAST_BACKOFF_US;
    }
    workers->retry_us = now_us + workers->backoff_us;
    child_log_limited(child, LOG_THREADS, APLOG_WARNING, rv, ADPNO(0041)
                      "cannot start another worker thread, going on with %d; raise the limit "
                      "of processes (ulimit -u, pids.max) or lower ThreadsPerChild %d",
                      workers_live(child), workers->limit);
}

int workers_start(child_t *child, int count, int64_t now_us)
{
    workers_t *workers = &child->workers;
    int i, started = 0;

    ON_STEWARD();
    for (i = 0; i < workers->limit && started < count; i++) {
        worker_t *worker = &workers->list[i];
        apr_status_t rv;

        if (!is_free(worker)) {
            continue;
        }
        ap_update_child_status_from_indexes(child->slot, i, SERVER_STARTING, NULL);
        headcount_start(child->ext, &worker->state);
        worker->started_us = clock_now_us();
        rv = start(child, worker, worker_main);
        if (rv != APR_SUCCESS) {
            headcount_start_refused(child->ext, &worker->state);
            ap_update_child_status_from_indexes(child->slot, i, SERVER_DEAD, NULL);
            refused(child, rv, now_us);
            break;
        }
        ext_count(child->board, EXT_THREADS_STARTED);
        workers->backoff_us = 0;
        workers->used = MAX(workers->used, i + 1);
        started++;
    }
    return started;
}

int64_t workers_start_us(const workers_t *workers)
{
    return atomic_load(&workers->slowest_start_us);
}

int64_t workers_retry_at(const workers_t *workers)
{
    return workers->retry_us;
}

static void start_janitor(child_t *child)
{
    workers_t *workers = &child->workers;
    int i;

    for (i = workers->limit; i < places(workers); i++) {
        if (is_free(&workers->list[i])) {
            start(child, &workers->list[i], worker_janitor_main);
            return;
        }
    }
}

int64_t workers_relieve_jobs(child_t *child, int64_t now_us)
{
    workers_t *workers = &child->workers;
    int64_t oldest_us = jobs_oldest_us(&child->jobs, now_us);

    ON_STEWARD();
    if (oldest_us >= JANITOR_AFTER_US && now_us - workers->janitor_us >= JANITOR_AFTER_US) {
        workers->janitor_us = now_us;
        start_janitor(child);
    }
    return atomic_load(&child->jobs.count) > 0 ? now_us + JANITOR_AFTER_US : CLOCK_NEVER;
}

bool workers_join_left(child_t *child)
{
    int i;

    ON_STEWARD();
    if (atomic_load(&child->workers.left_count) == 0) {
        return true;
    }
    for (i = 0; i < places(&child->workers); i++) {
        worker_t *worker = &child->workers.list[i];

        if (worker->thread && is_gone(worker)) {
            join(worker);
        }
    }
    return atomic_load(&child->workers.left_count) == 0;
}

int workers_live(const child_t *child)
{
    return board_view(child->ext, child->workers.limit).threads;
}

int workers_busy(const child_t *child)
{
    return board_view(child->ext, child->workers.limit).busy;
}

static void post_dismissal(child_t *child)
{
    if (!atomic_exchange(&child->workers.dismiss_queued, true)) {
        jobs_push(&child->jobs, &child->workers.dismiss_job, clock_now_us());
    }
}

/* job_fn, on a worker: leave, and pass the word on to the next that idles. */
static void run_dismiss(job_t *job, void *taker)
{
    worker_t *worker = taker;
    child_t *child = worker->child;
    int left;

    (void)job;
    /* in this order, against workers_retire(): a number that is missed here finds nothing queued */
    atomic_store(&child->workers.dismiss_queued, false);
    left = atomic_load(&child->workers.dismissals);
    if (worker->slot < 0) {
        return;
    }
    while (left > 0 && !atomic_compare_exchange_weak(&child->workers.dismissals, &left, left - 1)) {
        continue;
    }
    worker->dismissed = left > 0;
    if (left > 1 && ext_idle(child->ext) > 0) {
        post_dismissal(child);
    }
    /* which may have waited for this job only */
    bell_steward(child);
}

void workers_retire(child_t *child, int count)
{
    workers_t *workers = &child->workers;

    ON_STEWARD();
    if (count > 0) {
        count -= bench_dismiss(child, count);
        count = MIN(count, ext_idle(child->ext));
    }
    /* a job of before that nobody has taken yet lets nobody go who is needed now */
    atomic_store(&workers->dismissals, MAX(count, 0));
    if (count > 0) {
        post_dismissal(child);
    }
}

void workers_show_draining(child_t *child)
{
    int i;

    ON_STEWARD();
    for (i = 0; i < child->workers.limit; i++) {
        worker_score *score = ap_get_scoreboard_worker_from_indexes(child->slot, i);

        /* one that takes an event right now shows the truth a moment later */
        if (score->status == SERVER_READY) {
            score->status = SERVER_GRACEFUL;
        }
    }
}

void workers_dismiss_idle(child_t *child)
{
    ON_STEWARD();
    workers_retire(child, workers_live(child) - MAX(FLOOR_WHEN_DRAINING, workers_busy(child) + 1));
}

bool workers_is_empty(child_t *child)
{
    int i;

    ON_STEWARD();
    workers_join_left(child);
    for (i = 0; i < places(&child->workers); i++) {
        if (child->workers.list[i].thread) {
            return false;
        }
    }
    return true;
}
