#include "pool.h"

#include "child.h"

#include "apr_portable.h"
#include "mpm_common.h"

/* At most one thread a child leaves per interval: 10 of 64 idle ones go in a second. */
#define RETIRE_INTERVAL_US (100 * CLOCK_US_PER_MS)

/* Threads that a child keeps to its end. */
#define FLOOR_WHEN_GOING 2

#define FIRST_BACKOFF_US (100 * CLOCK_US_PER_MS)
#define LAST_BACKOFF_US  CLOCK_US_PER_S

static worker_t *janitor(pool_t *pool)
{
    return &pool->workers[pool->limit];
}

worker_t *pool_steward(pool_t *pool)
{
    return &pool->workers[pool->limit + 1];
}

apr_status_t pool_init(child_t *child)
{
    pool_t *pool = &child->workers;
    apr_status_t rv;
    int i;

    pool->limit = child->config->threads_per_child;
    atomic_init(&pool->floor, child->config->start_threads);
    pool->workers = apr_pcalloc(child->pool, sizeof(*pool->workers) * (pool->limit + 2));
    for (i = 0; i < pool->limit + 2; i++) {
        pool->workers[i].child = child;
        pool->workers[i].slot = i < pool->limit ? i : -1;
    }
    rv = apr_threadattr_create(&pool->attributes, child->pool);
    if (rv == APR_SUCCESS && ap_thread_stacksize != 0) {
        rv = apr_threadattr_stacksize_set(pool->attributes, ap_thread_stacksize);
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
    apr_pool_clear(worker->pool);
    atomic_store(&worker->left, false);
}

static apr_status_t start(child_t *child, worker_t *worker, apr_thread_start_t entry)
{
    apr_status_t rv = APR_SUCCESS;

    if (worker->thread) {
        join(worker);
    }
    if (!worker->pool) {
        rv = apr_pool_create(&worker->pool, child->pool);
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

static bool is_free(const worker_t *worker)
{
    return !worker->thread || atomic_load(&worker->left);
}

static void refused(child_t *child, apr_status_t rv, int64_t now_us)
{
    pool_t *pool = &child->workers;

    pool->backoff_us = pool->backoff_us ? pool->backoff_us * 2 : FIRST_BACKOFF_US;
    if (pool->backoff_us > LAST_BACKOFF_US) {
        pool->backoff_us = LAST_BACKOFF_US;
    }
    pool->retry_us = now_us + pool->backoff_us;
    child_log_limited(child, LOG_THREADS, APLOG_WARNING, rv, ADPNO(0041)
                      "cannot start another worker thread, going on with %d; raise the limit "
                      "of processes (ulimit -u, pids.max) or lower ThreadsPerChild %d",
                      pool_live(pool), pool->limit);
}

int pool_start(child_t *child, int count, int64_t now_us)
{
    pool_t *pool = &child->workers;
    int i, started = 0;

    for (i = 0; i < pool->limit && started < count; i++) {
        worker_t *worker = &pool->workers[i];
        apr_status_t rv;

        if (!is_free(worker)) {
            continue;
        }
        ap_update_child_status_from_indexes(child->slot, i, SERVER_STARTING, NULL);
        atomic_fetch_add(&pool->live, 1);
        atomic_fetch_add(&pool->arriving, 1);
        atomic_fetch_add(&child->ext->threads, 1);
        rv = start(child, worker, worker_main);
        if (rv != APR_SUCCESS) {
            atomic_fetch_sub(&pool->live, 1);
            atomic_fetch_sub(&pool->arriving, 1);
            atomic_fetch_sub(&child->ext->threads, 1);
            ap_update_child_status_from_indexes(child->slot, i, SERVER_DEAD, NULL);
            refused(child, rv, now_us);
            break;
        }
        pool->backoff_us = 0;
        started++;
    }
    return started;
}

int64_t pool_retry_at(const pool_t *pool)
{
    return pool->retry_us;
}

void pool_start_janitor(child_t *child)
{
    worker_t *worker = janitor(&child->workers);

    if (is_free(worker)) {
        start(child, worker, worker_janitor_main);
    }
}

void pool_join_left(child_t *child)
{
    int i;

    for (i = 0; i <= child->workers.limit; i++) {
        worker_t *worker = &child->workers.workers[i];

        if (worker->thread && atomic_load(&worker->left)) {
            join(worker);
        }
    }
}

int pool_live(const pool_t *pool)
{
    return atomic_load(&pool->live);
}

int pool_idle_ms(const child_t *child)
{
    return pool_live(&child->workers) > atomic_load(&child->workers.floor)
           ? POOL_HOLD_MS : -1;
}

/* Give a place away unless only the floor is left. */
static bool give_place(pool_t *pool)
{
    int live = pool_live(pool);

    while (live > atomic_load(&pool->floor)) {
        if (atomic_compare_exchange_weak(&pool->live, &live, live - 1)) {
            return true;
        }
    }
    return false;
}

bool pool_may_retire(child_t *child)
{
    pool_t *pool = &child->workers;
    int64_t now_us = clock_coarse_us();
    int64_t last_us = atomic_load(&pool->last_retired_us);

    return now_us - last_us >= RETIRE_INTERVAL_US
           && atomic_compare_exchange_strong(&pool->last_retired_us, &last_us, now_us)
           && give_place(pool);
}

/* job_fn, on a worker: leave, and pass the word on to the next that idles. */
static void run_dismiss(job_t *job, void *taker)
{
    worker_t *worker = taker;
    child_t *child = worker->child;

    if (worker->slot >= 0 && give_place(&child->workers)) {
        worker->dismissed = true;
        if (atomic_load(&child->ext->idle) > 0) {
            jobs_push(&child->jobs, job, clock_coarse_us());
            return;
        }
    }
    /* which may have waited for this job only */
    child_wake_steward(child);
}

void pool_show_going(child_t *child)
{
    int i;

    for (i = 0; i < child->workers.limit; i++) {
        worker_score *score = ap_get_scoreboard_worker_from_indexes(child->slot, i);

        /* one that takes an event right now shows the truth a moment later */
        if (score->status == SERVER_READY) {
            score->status = SERVER_GRACEFUL;
        }
    }
}

void pool_dismiss_idle(child_t *child)
{
    atomic_store(&child->workers.floor, FLOOR_WHEN_GOING);
    child->dismiss_job.run = run_dismiss;
    jobs_push(&child->jobs, &child->dismiss_job, clock_coarse_us());
}

bool pool_is_empty(child_t *child)
{
    int i;

    pool_join_left(child);
    for (i = 0; i <= child->workers.limit; i++) {
        if (child->workers.workers[i].thread) {
            return false;
        }
    }
    return true;
}
