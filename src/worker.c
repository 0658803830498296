/* A worker thread: take an event, serve, repeat. */

#include "child.h"
#include "conn.h"
#include "listeners.h"
#include "pool.h"
#include "watch.h"

#include "apr_portable.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static void show_status(const worker_t *worker, int status)
{
    ap_update_child_status_from_indexes(worker->child->slot, worker->slot, status, NULL);
}

/* What an idle thread of this child is, as the status page tells it. */
static int idle_status(const child_t *child)
{
    return atomic_load_explicit(&child->phase, memory_order_relaxed) <= CHILD_SERVING
           ? SERVER_READY : SERVER_GRACEFUL;
}

static void arrive(worker_t *worker)
{
    child_t *child = worker->child;
    worker_score *score = ap_get_scoreboard_worker_from_indexes(child->slot, worker->slot);

    score->pid = getpid();
    score->tid = apr_os_thread_current();
    score->generation = child->generation;
    atomic_store(&worker->tid, (int)syscall(SYS_gettid));
    atomic_fetch_sub(&child->workers.arriving, 1);
}

static void leave(worker_t *worker)
{
    child_t *child = worker->child;

    if (worker->spare) {
        conn_discard(worker->spare);
        worker->spare = NULL;
    }
    worker->dismissed = false;
    atomic_store(&worker->tid, 0);
    atomic_fetch_sub(&child->ext->threads, 1);
    show_status(worker, SERVER_DEAD);
    atomic_store(&worker->left, true);
    child_wake_steward(child);
}

/* Wait for one event as an idle thread. Returns as poller_wait(). */
static int wait_idle(worker_t *worker, poller_token_t *token)
{
    child_t *child = worker->child;
    int n;

    atomic_fetch_add(&child->ext->idle, 1);
    n = poller_wait(&child->poller, token, pool_idle_ms(child));
    if (atomic_fetch_sub(&child->ext->idle, 1) == 1) {
        watch_nobody_idle(child);
    }
    return n;
}

/* Serve one event. False: the worker has to leave. */
static bool dispatch(worker_t *worker, poller_token_t token)
{
    child_t *child = worker->child;

    switch (token_kind(token)) {
    case TOKEN_CONNECTION:
        conn_event(child, token, worker);
        break;
    case TOKEN_LISTENER:
        listeners_accept(child, token_index(token), worker);
        break;
    case TOKEN_JOBS:
        jobs_run_one(&child->jobs, worker);
        break;
    case TOKEN_PROBE:
        watch_probe_taken(child);
        break;
    case TOKEN_EXIT:
        return false;
    }
    return true;
}

void *worker_main(apr_thread_t *thread, void *arg)
{
    worker_t *worker = arg;
    child_t *child = worker->child;
    bool retired = false;       /* its place in pool_t.live is given away already */
    bool staying = true;

    worker->self = thread;
    arrive(worker);
    while (staying) {
        poller_token_t token = 0;
        int n;

        show_status(worker, idle_status(child));
        n = wait_idle(worker, &token);
        if (n > 0) {
            staying = dispatch(worker, token);
            retired = worker->dismissed;
            staying = staying && !retired;
        }
        else if (n == 0) {
            retired = pool_may_retire(child);
            staying = !retired;
        }
        else {
            ap_log_error(APLOG_MARK, APLOG_CRIT, errno, child->server, ADPNO(0050)
                         "cannot wait for events, this child ends");
            child_drain(child);
            staying = false;
        }
    }
    if (!retired) {
        atomic_fetch_sub(&child->workers.live, 1);
    }
    leave(worker);
    return NULL;
}

void *worker_janitor_main(apr_thread_t *thread, void *arg)
{
    worker_t *worker = arg;

    worker->self = thread;
    atomic_store(&worker->tid, (int)syscall(SYS_gettid));
    while (jobs_run_one(&worker->child->jobs, worker)) {
        continue;
    }
    atomic_store(&worker->tid, 0);
    atomic_store(&worker->left, true);
    child_wake_steward(worker->child);
    return NULL;
}
