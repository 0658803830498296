/* A worker thread: take an event, serve, repeat. */

#include "worker.h"

#include "accept.h"
#include "bell.h"
#include "bench.h"
#include "child.h"
#include "child_internal.h"
#include "conn.h"
#include "lending.h"
#include "listeners.h"
#include "put_off.h"
#include "rooms.h"
#include "token.h"
#include "watch.h"
#include "workers.h"

#include "base/clock.h"

#include "apr_portable.h"
#include "apr_strings.h"

#include <errno.h>
#include <sys/param.h>
#include <sys/syscall.h>
#include <unistd.h>

/* While requests compute, one event in this many is a new connection: while there are some, and
 * after there was none. */
#define TURN_OF_MANY 4
#define TURN_OF_NONE 8

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

static void note_thread_start(const worker_t *worker)
{
    _Atomic int64_t *slowest_us = &worker->child->workers.slowest_start_us;

    atomic_store(slowest_us, clock_slowest_us(atomic_load(slowest_us),
                                              clock_now_us() - worker->started_us));
}

/* For top -H, perf and gdb. The steward keeps the name of the process, by which people find
 * that. */
static void name_thread(const worker_t *worker)
{
    char name[16];      /* the kernel has no more */

    if (worker->slot < 0) {
        apr_cpystrn(name, "adp-janitor", sizeof(name));
    }
    else {
        apr_snprintf(name, sizeof(name), "adp-w%02d", worker->slot);
    }
    pthread_setname_np(pthread_self(), name);
}

/* What modules allocate in this thread ends the process if there is no memory. */
static void take_thread(worker_t *worker, apr_thread_t *thread)
{
    SET_ROLE(ROLE_WORKER);
    name_thread(worker);
    worker->self = thread;
    apr_pool_abort_set(apr_pool_abort_get(worker->child->pool), apr_thread_pool_get(thread));
}

static void arrive(worker_t *worker)
{
    child_t *child = worker->child;
    worker_score *score = ap_get_scoreboard_worker_from_indexes(child->slot, worker->slot);

    score->pid = getpid();
    score->tid = apr_os_thread_current();
    score->generation = child->generation;
    pthread_getcpuclockid(pthread_self(), &worker->cpu_clock);
    worker->slow_to_end = 0;
    atomic_store(&worker->tid, (int)syscall(SYS_gettid));
    note_thread_start(worker);
    headcount_arrive(child->ext, &worker->state);
}

static void leave(worker_t *worker)
{
    child_t *child = worker->child;

    if (worker->spare) {
        conn_discard(worker->spare, NULL);
        worker->spare = NULL;
    }
    lending_end(worker);
    worker->dismissed = false;
    /* a stream of a connection that it has left may have begun since */
    headcount_carry(child->ext, &worker->carries, false);
    atomic_store(&worker->tid, 0);
    if (atomic_exchange(&worker->lowered, false)) {
        headcount_raise(child->ext);
    }
    atomic_store(&worker->slow, false);
    headcount_leave(child->ext, &worker->state);
    show_status(worker, SERVER_DEAD);
    workers_left(&worker->child->workers, worker);
    bell_steward(child);
}

/* What clients do counts as load; our own probes, jobs and farewells do not. */
static bool is_clients(poller_token_t token)
{
    return token_kind(token) == TOKEN_CONNECTION || token_kind(token) == TOKEN_LISTENER;
}

/* Wait for one event as an idle thread. Returns as poller_wait(). */
static int wait_idle(worker_t *worker, poller_token_t *token)
{
    child_t *child = worker->child;
    int idle_before, n;

    headcount_wait(child->ext, &worker->state);
    n = poller_wait(&child->poller, token, -1);
    idle_before = headcount_take(child->ext, &worker->state, n > 0 && is_clients(*token));
    if (ext_events(child->ext) % PINNING_EVENTS == 0) {
        pinning_busy(child);
    }
    if (idle_before == 1 || watch_many_busy(&child->watch, child->ext)) {
        watch_wanted(child);
    }
    return n;
}

/* Requests compute, workers are few and all busy: now and then somebody new has his turn before
 * those who are connected. */
static bool is_turn_of_new(worker_t *worker)
{
    child_t *child = worker->child;

    return atomic_load_explicit(&child->cpu_bound, memory_order_relaxed)
           && worker->turns-- <= 0 && ext_idle(child->ext) == 0;
}

/* The listening sockets have no turn of their own in the poller, or too few. True: a connection
 * was accepted, and served. */
static bool serve_listener(worker_t *worker)
{
    child_t *child = worker->child;
    bool full = accept_gate_state(&child->listeners.gate) == ACCEPT_FULL;
    bool due = atomic_load_explicit(&child->look_due, memory_order_relaxed);
    bool served;

    if (full || due ? !rooms_for_new(child) : !is_turn_of_new(worker)) {
        return false;
    }
    if (due) {
        atomic_store(&child->look_due, false);
    }
    worker_turn(worker);
    served = accept_turn(child, worker);
    worker_end_turn(worker);
    worker->turns = (served ? TURN_OF_MANY : TURN_OF_NONE) - 1;
    if (served) {
        headcount_event(child->ext);
        if (due) {
            /* there may be more */
            atomic_store(&child->look_due, true);
        }
    }
    else if (full) {
        listeners_hasten(child);
    }
    return served;
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
        accept_event(child, token_index(token), worker);
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

/* A connection that was put off is an event of its own. */
static void serve_put_off(worker_t *worker, conn_t *conn)
{
    worker_turn(worker);
    conn_resume(conn, worker);
    worker_end_turn(worker);
}

/* The event is over. A worker that was lowered for it serves what was put off; then it is as
 * before, or, where the system does not allow that, it has to leave: false. */
static bool end_lowering(worker_t *worker)
{
    conn_t *conn;

    if (!worker_is_lowered(worker) && !atomic_load_explicit(&worker->slow, memory_order_relaxed)) {
        return true;
    }
    while ((conn = put_off_next(worker)) != NULL) {
        serve_put_off(worker, conn);
    }
    if (put_off_raise(worker)) {
        atomic_store(&worker->slow, false);
        return true;
    }
    worker->slow_to_end = atomic_load(&worker->tid);
    return false;
}

/* New connections that found the child full: it may not be any more. */
static bool serve_new(worker_t *worker)
{
    child_t *child = worker->child;
    conn_t *conn = atomic_load_explicit(&child->put_off.new.count, memory_order_relaxed) > 0
                   && rooms_for_new(child) ? put_off_take(child, &child->put_off.new) : NULL;

    if (!conn) {
        return false;
    }
    serve_put_off(worker, conn);
    headcount_event(child->ext);
    return true;
}

void *worker_main(apr_thread_t *thread, void *arg)
{
    worker_t *worker = arg;
    child_t *child = worker->child;
    bool staying = true;

    take_thread(worker, thread);
    arrive(worker);
    while (staying) {
        poller_token_t token = 0;
        int n;

        show_status(worker, idle_status(child));
        if (bench_is_due(&child->bench, child->ext) && !bench_sit(worker)) {
            break;
        }
        if (atomic_load_explicit(&child->jobs.count, memory_order_relaxed) == 0
            && (serve_new(worker) || serve_listener(worker))) {
            staying = end_lowering(worker);
            continue;
        }
        n = wait_idle(worker, &token);
        if (n > 0) {
            worker_turn(worker);
            staying = dispatch(worker, token) && !worker->dismissed;
            worker_end_turn(worker);
            staying = end_lowering(worker) && staying;
        }
        else if (n < 0) {
            child_log_limited(child, LOG_THREADS, APLOG_CRIT, errno, ADPNO(0050)
                              "cannot wait for events, this child ends");
            /* nothing that it has can be served to its end */
            atomic_store(&child->told_to_stop, true);
            bell_steward(child);
            staying = false;
        }
    }
    leave(worker);
    return NULL;
}

void *worker_janitor_main(apr_thread_t *thread, void *arg)
{
    worker_t *worker = arg;
    child_t *child = worker->child;

    take_thread(worker, thread);
    atomic_store(&worker->tid, (int)syscall(SYS_gettid));
    while (jobs_run_one(&child->jobs, worker)) {
        continue;
    }
    atomic_store(&worker->tid, 0);
    workers_left(&worker->child->workers, worker);
    bell_steward(child);
    return NULL;
}
