/* The steward looks and lowers; workers raise themselves, or leave. Owns the queue of connections
 * that were put off. When a worker is lowered, and how many may be, says law/attained.c. */
#include "lowering.h"

#include "bell.h"
#include "bench.h"
#include "child_internal.h"
#include "conn.h"
#include "headcount.h"
#include "runnable.h"
#include "listeners.h"
#include "workers.h"

#include "base/clock.h"
#include "base/probes.h"

#include <errno.h>
#include <limits.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

/* The nicest there is. Less is not enough: 300 threads that compute at nice 10 crowd out all
 * others, at 19 they weigh 15 of 1024 each. */
#define NICEST      19
/* With less than this between them lowering would change next to nothing. */
#define LEAST_STEPS 5
/* Workers that are lowered at one look. */
#define MOST_AT_ONCE 32
/* A worker that leaves does not wake the steward if that looks within this time anyway. */
#define SOON_US     (2 * CLOCK_US_PER_MS)
/* What is looked at of a request that may have to wait: the request line and a few headers. */
#define PEEKED_BYTES 1024
/* While there are idle processors, and connections that were put off, some are begun so often. */
#define BEGIN_ROUND_US (4 * CLOCK_US_PER_MS)

static job_fn run_begin_put_off;

void lowering_keep_way_back(void)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)(20 - getpriority(PRIO_PROCESS, 0));

    if (!getrlimit(RLIMIT_NICE, &limit) && limit.rlim_cur < needed) {
        limit.rlim_cur = needed;
        limit.rlim_max = MAX(limit.rlim_max, needed);
        (void)setrlimit(RLIMIT_NICE, &limit);
    }
}

int lowering_init(child_t *child)
{
    lowering_t *l = &child->lowering;

    ON_STEWARD();
    l->nice = getpriority(PRIO_PROCESS, 0);
    l->works = child->config->adaptive_mode == EXT_MODE_ON && l->nice <= NICEST - LEAST_STEPS;
    atomic_init(&l->look_us, 0);
    atomic_init(&l->most_computing, INT_MAX);
    atomic_init(&l->most_lowered, INT_MAX);
    atomic_init(&l->most_busy, INT_MAX);
    l->begin_job.run = run_begin_put_off;
    return lock_init(&l->lock, LOCK_INNER);
}

/* This child's part of the processors. */
static double cpus_of(const child_t *child)
{
    return child->cpus / MAX(atomic_load(&child->ext->serving), 1);
}

void lowering_share_out(child_t *child, int most, int admitted)
{
    int connected = (int)MIN(apr_atomic_read32(&child->score->keep_alive), INT_MAX);
    attained_rooms_t rooms = attained_rooms(most, admitted, connected, cpus_of(child));

    ON_STEWARD();
    atomic_store(&child->lowering.most_computing, rooms.computing);
    atomic_store(&child->lowering.most_lowered, rooms.lowered);
    atomic_store(&child->lowering.most_busy, rooms.busy);
}

bool lowering_has_room(const child_t *child)
{
    const lowering_t *l = &child->lowering;

    return ext_busy(child->ext) <= atomic_load(&l->most_busy)
           && atomic_load(&child->ext->lowered) < atomic_load(&l->most_lowered);
}

/* --- the steward ------------------------------------------------------------------- */

/* What a look has found. */
typedef struct finding_t {
    int computing;              /* workers that do, and are not lowered */
    worker_t *due[MOST_AT_ONCE];        /* of these, those that have had their share */
    int due_count;
} finding_t;

static int64_t cpu_us_of(const worker_t *worker)
{
    struct timespec used;

    if (clock_gettime(worker->cpu_clock, &used)) {
        return 0;               /* it is gone */
    }
    return used.tv_sec * CLOCK_US_PER_S + used.tv_nsec / 1000;
}

static void look_at_worker(worker_t *worker, finding_t *found)
{
    uint32_t event = atomic_load_explicit(&worker->event, memory_order_relaxed);
    attained_e what;

    if (!(event & 1) || worker_is_lowered(worker)
        || !attained_wants_clock(&worker->attained, event)) {
        return;
    }
    what = attained_look(&worker->attained, event, cpu_us_of(worker));
    found->computing += what == ATTAINED_COMPUTES || what == ATTAINED_SHARE;
    if (what == ATTAINED_SHARE && found->due_count < MOST_AT_ONCE) {
        found->due[found->due_count++] = worker;
    }
}

/* The worker may have ended its event just now: then the next one is served behind the others, and
 * the one after that is not. */
static void lower(child_t *child, worker_t *worker)
{
    headcount_lower(child->ext);
    atomic_store(&worker->lowered, true);
    if (!setpriority(PRIO_PROCESS, (id_t)atomic_load(&worker->tid), NICEST)) {
        ADP_PROBE2(lower, worker->slot, worker->attained.event);
        return;
    }
    if (errno != ESRCH) {
        ap_log_error(APLOG_MARK, APLOG_INFO, errno, child->server, ADPNO(0064)
                     "the system does not let a thread be niced: requests that compute are served "
                     "like all others");
        child->lowering.works = false;
    }
    if (atomic_exchange(&worker->lowered, false)) {
        headcount_raise(child->ext);
    }
}

/* Somebody has to be there for what comes next. */
static void replace(child_t *child, int lowered, int64_t now_us)
{
    int left = atomic_exchange(&child->lowering.left, 0);
    int granted = atomic_load(&child->ext->most_threads);
    int most = granted > 0 ? MIN(granted, child->workers.limit) : child->workers.limit;
    int live = workers_live(child);
    int missing = MIN(left, child->steer.steward.target - live);

    if (lowered > 0) {
        bench_fill(child);
        if (ext_idle(child->ext) == 0) {
            missing = MAX(missing, lowered - atomic_load(&child->ext->arriving));
        }
    }
    if (MIN(missing, most - live) > 0 && now_us >= workers_retry_at(&child->workers)) {
        workers_start(child, MIN(missing, most - live), now_us);
    }
}

/* While there are processors for all that compute nobody needs to stand back. */
static bool is_crowded_by(const child_t *child, const finding_t *found)
{
    return ext_idle(child->ext) == 0 || found->computing >= cpus_of(child);
}

/* Those that were begun wait for something else: then others may have the processors. */
static void begin_put_off(child_t *child, int64_t now_us)
{
    lowering_t *l = &child->lowering;

    if (atomic_load(&l->put_off) == 0 || now_us - l->begun_us < BEGIN_ROUND_US) {
        return;
    }
    l->begun_us = now_us;
    if (idle_processors() > 0 && !atomic_exchange(&l->begin_queued, true)) {
        jobs_push(&child->jobs, &l->begin_job, now_us);
    }
}

static int64_t look(child_t *child, int64_t now_us)
{
    const workers_t *workers = &child->workers;
    finding_t found = { .computing = 0 };
    int64_t pause_us;
    int i, lowered = 0;

    for (i = 0; i < workers->used; i++) {
        look_at_worker(&workers->list[i], &found);
    }
    if (found.due_count > 0 && is_crowded_by(child, &found)) {
        for (lowered = 0; lowered < found.due_count; lowered++) {
            lower(child, found.due[lowered]);
        }
    }
    replace(child, lowered, now_us);
    begin_put_off(child, now_us);
    pause_us = attained_pause_us(&child->lowering.pace, found.computing > 0,
                                 child->steer.steward.watching
                                 || atomic_load(&child->ext->lowered) > 0);
    return pause_us > 0 ? now_us + pause_us : CLOCK_NEVER;
}

int64_t lowering_round(child_t *child, int64_t now_us)
{
    lowering_t *l = &child->lowering;
    int64_t look_us = atomic_load(&l->look_us);

    ON_STEWARD();
    if (!l->works) {
        return CLOCK_NEVER;
    }
    /* whoever woke the steward meanwhile may have left, or be the one that is too many */
    if (look_us == CLOCK_NEVER || now_us >= look_us || atomic_load(&l->left) > 0) {
        look_us = look(child, now_us);
        atomic_store(&l->look_us, look_us);
    }
    return look_us;
}

/* --- workers ----------------------------------------------------------------------- */

static bool is_known_to_compute(const conn_t *conn)
{
    char bytes[PEEKED_BYTES];
    ssize_t n = recv(conn->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    uint32_t target = n > 0 ? target_of_bytes(bytes, (size_t)n) : TARGET_UNKNOWN;

    return target != TARGET_UNKNOWN ? targets_compute(&conn->child->lowering.targets, target)
                                    : conn->computes;
}

void lowering_note_target(conn_t *conn, const request_rec *r)
{
    conn->target = r->unparsed_uri
                   ? target_of_request(r->unparsed_uri, apr_table_get(r->headers_in, "Host"))
                   : TARGET_UNKNOWN;
}

void lowering_request_ends(conn_t *conn, const worker_t *worker)
{
    conn->computes = worker_is_lowered(worker);
    conn->was_put_off = false;
    targets_learn(&conn->child->lowering.targets, conn->target, conn->computes);
    conn->target = TARGET_UNKNOWN;
}

bool lowering_puts_off(conn_t *conn)
{
    child_t *child = conn->child;
    lowering_t *l = &child->lowering;
    bool full;

    ON_WORKER();
    if (atomic_load_explicit(&child->ext->lowered, memory_order_relaxed)
        < atomic_load_explicit(&l->most_computing, memory_order_relaxed)
        || conn->was_put_off || !is_known_to_compute(conn)) {
        return false;
    }
    lock_take(&l->lock);
    /* with the lock held nobody ceases to be lowered: somebody will look into the queue */
    full = atomic_load(&child->ext->lowered) > 0
           && atomic_load(&child->ext->lowered) >= atomic_load(&l->most_computing);
    if (full) {
        conn->put_off_next = NULL;
        *(l->last ? &l->last->put_off_next : &l->first) = conn;
        l->last = conn;
        atomic_fetch_add(&l->put_off, 1);
    }
    lock_give(&l->lock);
    return full;
}

/* Called with the lock held. */
static conn_t *take_first(lowering_t *l)
{
    conn_t *conn = l->first;

    HELD(&l->lock);
    if (conn) {
        l->first = conn->put_off_next;
        l->last = l->first ? l->last : NULL;
        atomic_fetch_sub(&l->put_off, 1);
        conn->was_put_off = true;
    }
    return conn;
}

/* job_fn, on a worker: begin what was put off first, although as many are under way as should
 * be. */
static void run_begin_put_off(job_t *job, void *taker)
{
    worker_t *worker = taker;
    child_t *child = worker->child;
    lowering_t *l = &child->lowering;
    conn_t *conn;

    (void)job;
    atomic_store(&l->begin_queued, false);
    if (worker->slot < 0) {
        return;                 /* the janitor serves no requests */
    }
    lock_take(&l->lock);
    conn = take_first(l);
    lock_give(&l->lock);
    if (conn) {
        conn_serve_put_off(conn, worker);
    }
}

/* The connection that was put off first; NULL: there is none, and the worker is not lowered any
 * more as far as the count goes. */
static conn_t *take_put_off(worker_t *worker)
{
    child_t *child = worker->child;
    lowering_t *l = &child->lowering;
    conn_t *conn;

    lock_take(&l->lock);
    conn = take_first(l);
    if (!conn) {
        atomic_store(&worker->lowered, false);
        headcount_raise(child->ext);
    }
    lock_give(&l->lock);
    return conn;
}

static void leave_for_another(child_t *child)
{
    atomic_fetch_add(&child->lowering.left, 1);
    if (atomic_load(&child->lowering.look_us) > clock_now_us() + SOON_US) {
        bell_steward(child);
    }
}

bool lowering_event_ends(worker_t *worker)
{
    child_t *child = worker->child;
    conn_t *conn;

    ON_WORKER();
    if (!worker_is_lowered(worker)) {
        return true;
    }
    while ((conn = take_put_off(worker)) != NULL) {
        worker_turn(worker);
        conn_serve_put_off(conn, worker);
        worker_turn(worker);
    }
    if (accept_gate_state(&child->listeners.gate) == ACCEPT_FULL) {
        listeners_hasten(child);
    }
    if (!setpriority(PRIO_PROCESS, 0, child->lowering.nice)) {
        return true;
    }
    leave_for_another(child);
    return false;
}
