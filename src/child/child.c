/* A child's main thread, the steward: it brings the child up, makes its rounds until the child
 * is drained or told to stop, and tears it down. It owns the phase, and it never runs a request
 * nor waits for a worker. */
#include "child.h"

#include "accept.h"
#include "bell.h"
#include "bench.h"
#include "bulkhead.h"
#include "child_internal.h"
#include "conn.h"
#include "drain.h"
#include "hearing.h"
#include "listeners.h"
#include "lowering.h"
#include "response.h"
#include "self.h"
#include "steer_threads.h"
#include "token.h"
#include "watch.h"
#include "workers.h"

#include "base/clock.h"
#include "base/own_pool.h"
#include "base/testhook.h"
#include "base/wakeup.h"

#include "apr_signal.h"
#include "http_main.h"
#include "mpm_common.h"
#include "unixd.h"

#include <stdlib.h>
#include <sys/param.h>
#include <unistd.h>

/* A connection that was busy when its filed deadline came up is looked at again within: */
#define BUSY_RECHECK_US (2 * CLOCK_US_PER_S)
/* How often a draining child looks for connections that have become idle, */
#define DRAIN_ROUND_US  (200 * CLOCK_US_PER_MS)
/* ... for as long as there may be any: later nothing becomes idle, it is closed. */
#define DRAIN_SETTLED_US (5 * CLOCK_US_PER_S)
/* A draining child shortens lingering closes that may last longer. */
#define LONG_LINGER_US (3 * CLOCK_US_PER_S)
/* How often lingering connections are looked for while descriptors are short: each connection that
 * ends brings a round, and a look goes through all that there are. */
#define LINGERS_PAUSE_US (20 * CLOCK_US_PER_MS)
/* While descriptors are short a client that takes longer to send its request may have to make room.
 * Those that send it at all do so within a few round trips. */
#define SLOW_REQUEST_US (3 * CLOCK_US_PER_S)
/* How long an ungraceful stop waits for threads before it leaves without them; below the
 * time after which ap_reclaim_child_processes() resorts to SIGKILL. */
#define STOP_PATIENCE_US CLOCK_US_PER_S
/* ... and how often it looks whether they are gone. */
#define JOIN_ROUND_US (10 * CLOCK_US_PER_MS)

static void on_stop_signal(int signo)
{
    child_t *self = self_get();

    (void)signo;
    if (self) {
        atomic_store(&self->told_to_stop, true);
    }
}

/* Whoever wants to know what this child is doing: the steward's sleep ends, and it says so. */
static void on_dump_signal(int signo)
{
    child_t *self = self_get();

    (void)signo;
    if (self) {
        atomic_store(&self->told_to_dump, true);
    }
}

/* The parent may have ended: the steward's sleep does, and it looks. */
static void on_parent_signal(int signo)
{
    (void)signo;
}

/* --- timed callbacks -------------------------------------------------------------- */

/* job_fn, on a worker. */
static void run_timer(job_t *job, void *taker)
{
    adp_timer_t *timer = (adp_timer_t *)(void *)job;
    worker_t *worker = taker;

    if (worker->slot >= 0) {
        ap_update_child_status_from_indexes(worker->child->slot, worker->slot, SERVER_BUSY_WRITE,
                                            NULL);
    }
    conn_callback_begins(worker->child, worker);
    timer->callback(timer->baton);
    conn_callback_ends(worker->child, worker);
    free(timer);
}

apr_status_t child_hook_register_timer(apr_time_t delay, ap_mpm_callback_fn_t *callback,
                                       void *baton)
{
    child_t *self = self_get();
    int64_t now_us = clock_now_us();
    bool wake;

    if (!self) {
        return APR_ENOTIMPL;
    }
    delay = MIN(MAX(delay, 0), CLOCK_NEVER - now_us);
    conn_callback_registered();
    if (timers_add(&self->timers, now_us + delay, callback, baton, &wake)) {
        return APR_ENOMEM;
    }
    if (wake) {
        bell_steward(self);
    }
    return APR_SUCCESS;
}

static void queue_due_timers(child_t *child, int64_t now_us)
{
    adp_timer_t *timer;

    ON_STEWARD();
    while ((timer = timers_take_due(&child->timers, now_us)) != NULL) {
        timer->job.run = run_timer;
        jobs_push(&child->jobs, &timer->job, now_us);
    }
}

/* --- phases ----------------------------------------------------------------------- */

static child_phase_e phase_of(child_t *child)
{
    return (child_phase_e)atomic_load(&child->phase);
}

static void enter(child_t *child, child_phase_e phase)
{
    ON_STEWARD();
    CHECK(phase > phase_of(child));
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, child->server, ADPNO(0070)
                 "child %d: %s -> %s", child->slot, child_phase_name(phase_of(child)),
                 child_phase_name(phase));
    atomic_store(&child->phase, phase);
}

/* The first workers run: accept. Tried again later if the system refused them all. */
static void begin_serving(child_t *child, int64_t now_us)
{
    int missing = child->start_threads - workers_live(child);

    /* One that was told to finish before it was ready does not begin: its configuration may have
     * ended meanwhile, with what modules need. */
    if (now_us < workers_retry_at(&child->workers)
        || atomic_load(&child->told_to_drain) != DRAIN_NOT) {
        return;
    }
    workers_start(child, missing, now_us);
    if (workers_live(child) > 0) {
        enter(child, CHILD_SERVING);
        listeners_begin(child, clock_now_us());
        atomic_store(&child->ext->ready_us, clock_now_us());
        atomic_store(&child->ext->ready, true);
        bell_parent(child);
    }
}

/* Tell the modules and the status page that this child is draining. */
static void announce_end(child_t *child, volatile int *mpm_state, bool graceful)
{
    /* responses say "Connection: close" from now on */
    *mpm_state = AP_MPMQ_STOPPING;
    child->score->quiescing = 1;
    ap_run_child_stopping(child->pool, graceful);
}

static void begin_draining(child_t *child, volatile int *mpm_state, drain_order_e order)
{
    if (phase_of(child) >= CHILD_DRAINING) {
        return;
    }
    enter(child, CHILD_DRAINING);
    drain_begin(child, clock_now_us());
    accept_close(child, order);
    announce_end(child, mpm_state, true);
    workers_show_draining(child);
    workers_dismiss_idle(child);
}

static void begin_stopping(child_t *child, volatile int *mpm_state, bool graceful)
{
    child_phase_e before = phase_of(child);

    enter(child, CHILD_STOPPING);
    if (before < CHILD_DRAINING) {
        accept_close(child, DRAIN_LEAVE_BACKLOG);
        announce_end(child, mpm_state, graceful);
    }
    bench_close(child);
    wakeup_send(child->exit_fd);
}

static bool is_drained(child_t *child)
{
    return phase_of(child) == CHILD_DRAINING && child_connections(child) == 0
           && atomic_load(&child->jobs.count) == 0;
}

/* --- the steward ------------------------------------------------------------------ */

static unsigned length_of(const deadline_t *list)
{
    unsigned length = 0;

    for (; list; list = list->next) {
        length++;
    }
    return length;
}

/* Connections that wait for a next request make room, and where there are not enough of them those
 * that are slow to send one: each time those whose deadline was filed for the earliest time. */
static void evict(child_t *child, unsigned evictions, int64_t now_us)
{
    int64_t slow_us = now_us - SLOW_REQUEST_US;
    deadline_t *idle = deadlines_take(&child->deadlines, evictions, conn_claim_idle, NULL);
    unsigned left = evictions - length_of(idle);

    conn_queue_idle(child, idle, now_us);
    if (left > 0) {
        conn_queue_close(child, deadlines_take(&child->deadlines, left, conn_claim_slow, &slow_us),
                         now_us);
    }
}

/* Descriptors or memory are short. What only waits for its client to close goes at once. */
static void make_room_for_connections(child_t *child, int64_t now_us)
{
    unsigned evictions = listeners_evictions(child, now_us);
    int64_t any_us = 0;

    if (now_us - child->lingers_cut_us >= LINGERS_PAUSE_US) {
        child->lingers_cut_us = now_us;
        conn_queue_close(child, deadlines_take(&child->deadlines, UINT_MAX,
                                               conn_claim_long_linger, &any_us), now_us);
    }
    if (evictions > 0) {
        evict(child, evictions, now_us);
    }
}

/* Everything that has become due; returns when to look again. */
static int64_t steward_round(child_t *child)
{
    int64_t now_us = clock_now_us();
    int64_t next_us;
    bool all_joined;

    ON_STEWARD();
    if (phase_of(child) == CHILD_STARTING) {
        begin_serving(child, now_us);
    }
    conn_queue_expired(child, deadlines_expire(&child->deadlines, now_us, BUSY_RECHECK_US,
                                               conn_claim_deadline, NULL), now_us);
    queue_due_timers(child, now_us);
    listeners_retry(child, now_us);
    if (listeners_are_short(child)) {
        make_room_for_connections(child, now_us);
    }
    all_joined = workers_join_left(child);
    next_us = phase_of(child) == CHILD_STARTING ? CLOCK_NEVER : steer_threads_round(child, now_us);
    if (!all_joined) {
        next_us = clock_earlier(next_us, now_us + STEWARD_ROUND_US);
    }
    next_us = clock_earlier(next_us, pinning_round(child, now_us));
    if (phase_of(child) == CHILD_DRAINING) {
        int64_t linger_us = now_us + LONG_LINGER_US;
        int64_t drain_us = drain_round(child, now_us);

        workers_dismiss_idle(child);
        conn_queue_idle(child, deadlines_take(&child->deadlines, UINT_MAX, conn_claim_idle,
                                              NULL), now_us);
        conn_queue_long_lingers(child, deadlines_take(&child->deadlines, UINT_MAX,
                                                      conn_claim_long_linger, &linger_us),
                                now_us);
        next_us = clock_earlier(next_us, now_us + (now_us - child->drain.began_us < DRAIN_SETTLED_US
                                         ? DRAIN_ROUND_US : DRAIN_SETTLED_US));
        next_us = clock_earlier(next_us, drain_us);
    }
    if (phase_of(child) == CHILD_STARTING) {
        next_us = clock_earlier(next_us, workers_retry_at(&child->workers));
    }
    next_us = clock_earlier(next_us, deadlines_next(&child->deadlines));
    next_us = clock_earlier(next_us, timers_next(&child->timers));
    next_us = clock_earlier(next_us, workers_relieve_jobs(child, now_us));
    return clock_earlier(next_us, listeners_retry_at(child));
}

static void steward_loop(child_t *child, volatile int *mpm_state)
{
    while (!atomic_load(&child->told_to_stop)) {
        int64_t next_us = steward_round(child);

        drain_order_e order = (drain_order_e)atomic_exchange(&child->told_to_drain, DRAIN_NOT);

        if (order != DRAIN_NOT) {
            begin_draining(child, mpm_state, order);
            continue;
        }
        if (is_drained(child)) {
            break;
        }
        hearing_sleep_until(child, next_us);
    }
}

/* Wait for the workers to leave. False: some are stuck and we were told not to wait. */
static bool stop_workers(child_t *child, volatile int *mpm_state)
{
    int64_t give_up_us = CLOCK_NEVER;

    begin_stopping(child, mpm_state, !atomic_load(&child->told_to_stop));
    for (;;) {
        int64_t next_us;

        if (workers_is_empty(child)) {
            drain_ends(child);
            return true;
        }
        /* a thread may hang on without a connection */
        next_us = drain_round(child, clock_now_us());
        if (atomic_load(&child->workers.left_count) > 0) {
            next_us = MIN(next_us, clock_now_us() + JOIN_ROUND_US);
        }
        if (atomic_load(&child->told_to_stop) && give_up_us == CLOCK_NEVER) {
            conn_shutdown_all(child);
            give_up_us = clock_now_us() + STOP_PATIENCE_US;
        }
        if (clock_now_us() >= give_up_us) {
            return false;
        }
        hearing_sleep_until(child, MIN(give_up_us, next_us));
    }
}

/* --- birth and death -------------------------------------------------------------- */

static void handle_signals(child_t *child)
{
    self_set(child);
    /* Workers never see a signal: a handler's interruption is not for modules to bear. The
     * steward opens its mask only while it sleeps. The control signals of the parent are
     * blocked as well: they reach the whole process group when somebody types ^C or
     * resizes a terminal. But for SIGHUP, which ends a sleep and has no other effect. */
    apr_setup_signal_thread();
    apr_signal(SIGTERM, on_stop_signal);
    apr_signal(SIGUSR2, on_dump_signal);
    if (child->one_process) {
        apr_signal(SIGINT, on_stop_signal);
    }
    else {
        apr_signal(SIGHUP, on_parent_signal);
    }
}

/* So that ap_thread_current() answers in child_init and child_stopping hooks. */
static apr_status_t name_main_thread(child_t *child)
{
    apr_thread_t *thread;

    /* without a fork main() has done so */
    return child->one_process ? APR_SUCCESS : ap_thread_main_create(&thread, child->pool);
}

static apr_status_t open_parts(child_t *child, const child_start_t *start)
{
    apr_status_t rv;

    if ((rv = wakeup_open(&child->steward_fd)) != 0
        || (rv = wakeup_open(&child->probe_fd)) != 0
        || (rv = wakeup_open(&child->exit_fd)) != 0
        || (rv = poller_open(&child->poller)) != 0
        || (rv = jobs_open(&child->jobs)) != 0
        || (rv = timers_init(&child->timers)) != 0
        || (rv = deadlines_init(&child->deadlines, clock_now_us())) != 0
        || (rv = slab_init(&child->connections, sizeof(conn_t))) != 0
        || (rv = lock_init(&child->suspended_lock, LOCK_OUTER)) != 0
        || (rv = poller_add_edge(&child->poller, child->jobs.event_fd,
                                 token_make(TOKEN_JOBS, 0, 0))) != 0
        || (rv = poller_add_edge(&child->poller, child->probe_fd,
                                 token_make(TOKEN_PROBE, 0, 0))) != 0
        || (rv = poller_add_level(&child->poller, child->exit_fd,
                                  token_make(TOKEN_EXIT, 0, 0))) != 0
        || (rv = workers_init(child)) != APR_SUCCESS
        || (rv = bench_init(child)) != 0
        || (rv = put_off_init(child)) != 0
        || (rv = listeners_init(child, start->bucket)) != APR_SUCCESS
        || (rv = name_main_thread(child)) != APR_SUCCESS) {
        return rv;
    }
    return APR_SUCCESS;
}

/* The pool of everything in this child. All threads share it: its allocator has a lock. */
static apr_pool_t *create_shared_pool(apr_pool_t *pconf)
{
    apr_pool_t *pool = own_pool_create(pconf, "pchild");
    apr_thread_mutex_t *mutex;

    if (pool && apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT, pool) != APR_SUCCESS) {
        apr_pool_destroy(pool);
        return NULL;
    }
    if (pool) {
        apr_allocator_mutex_set(apr_pool_allocator_get(pool), mutex);
    }
    return pool;
}

static child_t *create_child(const child_start_t *start)
{
    apr_pool_t *pool = create_shared_pool(start->pconf);
    child_t *child;

    if (!pool) {
        return NULL;
    }
    child = apr_pcalloc(pool, sizeof(*child));
    child->pool = pool;
    child->server = start->server;
    child->config = start->config;
    child->slot = start->slot;
    child->generation = start->generation;
    child->score = ap_get_scoreboard_process(start->slot);
    child->board = start->board;
    child->ext = &start->board->children[start->slot];
    child->memory_bytes = limits_memory(config_limits());
    child->cpus = start->cpus;
    child->online_processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    child->start_threads = start->start_threads;
    child->began_us = clock_now_us();
    child->one_process = start->one_process;
    child->lifeline_fd = start->lifeline_fd;
    child->parent_pid = start->parent_pid;
    child->parent_pidfd = -1;
    child->parent_fd = start->parent_fd;
    return child;
}

int child_run(const child_start_t *start)
{
    child_t *child = create_child(start);
    apr_status_t rv;

    if (!child) {
        return APEXIT_CHILDSICK;
    }
    SET_ROLE(ROLE_STEWARD);
    ap_fatal_signal_child_setup(start->server);
    handle_signals(child);
    if (!child->one_process) {
        hearing_watch_parent(child);
    }
    lowering_keep_way_back();
    rv = ap_reopen_scoreboard(child->pool, NULL, 0);
    if (rv != APR_SUCCESS || ap_run_drop_privileges(child->pool, start->server)) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, start->server, ADPNO(0073)
                     "cannot become an unprivileged child");
        return APEXIT_CHILDFATAL;
    }
    hearing_watch_parent_by_signal(child);
    rv = open_parts(child, start);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ALERT, rv, start->server, ADPNO(0074)
                     "cannot set up a child process");
        return APEXIT_CHILDSICK;
    }
    rooms_init(child);
    lowering_init(child);
    pinning_init(child);
    bulkhead_init(child);
    ap_run_child_init(child->pool, start->server);
    steer_threads_init(child, clock_now_us());
    if (child->lifeline_fd >= 0) {
        /* initialising may have taken long */
        hearing_take_orders(child);
    }
    steward_loop(child, start->mpm_state);
    if (!stop_workers(child, start->mpm_state)) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, start->server, ADPNO(0075)
                     "leaving %d busy worker threads behind", workers_live(child));
        /* destructors would pull the memory away under them */
        _exit(APEXIT_OK);
    }
    /* what is not in the pool (descriptors, the slab) goes with the process */
    self_set(NULL);             /* a signal may still come */
    apr_pool_destroy(child->pool);
    return APEXIT_OK;
}
