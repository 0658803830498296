/* The steward. Workers raise themselves, or leave (put_off.c). When one is lowered says
 * law/attained.c; how many may serve besides is the controller's matter. */
#include "lowering.h"

#include "bell.h"
#include "bench.h"
#include "child_internal.h"
#include "conn.h"
#include "headcount.h"
#include "put_off.h"
#include "runnable.h"
#include "workers.h"

#include "base/clock.h"
#include "base/probes.h"

#include <errno.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <time.h>

/* The nicest there is. Less is not enough: 300 threads that compute at nice 10 crowd out all
 * others, at 19 they weigh 15 of 1024 each. */
#define NICEST      19
/* With less than this between them lowering would change next to nothing. */
#define LEAST_STEPS 5
/* Workers that are lowered at one look. */
#define MOST_AT_ONCE 32
/* Between two looks while nobody computes but workers that are lowered, and others are idle. */
#define CALM_PAUSE_US (32 * CLOCK_US_PER_MS)
/* While connections are put off: how often idle processors are looked for, and after some were
 * found; and what is begun for each of them. */
#define BEGIN_ROUND_US (4 * CLOCK_US_PER_MS)
#define BEGIN_MORE_US  CLOCK_US_PER_MS
#define BEGIN_FOR_EACH 2

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

void lowering_init(child_t *child)
{
    lowering_t *l = &child->lowering;

    ON_STEWARD();
    l->nice = getpriority(PRIO_PROCESS, 0);
    l->works = child->config->adaptive_mode == EXT_MODE_ON && l->nice <= NICEST - LEAST_STEPS;
    atomic_init(&l->look_us, 0);
}

/* --- the steward ------------------------------------------------------------------- */

/* What a look has found. */
typedef struct finding_t {
    int computing;              /* workers that do, and are not lowered */
    bool lowered;               /* some that is lowered serves, and does not just wait */
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

/* Streams that compute are served by threads of mod_http2's, and would wait for this one. Before
 * the first request it is not known yet whether there will be streams, and what a handshake
 * computes is soon over. */
static bool is_spared(const worker_t *worker)
{
    return atomic_load_explicit(&worker->carries, memory_order_relaxed)
           || atomic_load_explicit(&worker->greets, memory_order_relaxed);
}

/* A tunnel that has once had much to do is lowered for as long as it lasts, and may wait for days.
 * A clock that is not worth reading has told that it rests. */
static bool lowered_rests(worker_t *worker, uint32_t event, int64_t now_us)
{
    attained_t *seen = &worker->attained;

    return !attained_wants_clock(seen, event, now_us)
           || attained_lowered_rests(seen, event, now_us, cpu_us_of(worker));
}

static void look_at_worker(worker_t *worker, int64_t now_us, finding_t *found)
{
    uint32_t event = atomic_load_explicit(&worker->event, memory_order_relaxed);
    attained_e what;

    if ((event & 1) && worker_is_lowered(worker)) {
        found->lowered = !lowered_rests(worker, event, now_us) || found->lowered;
        return;
    }
    if (!(event & 1) || is_spared(worker)
        || !attained_wants_clock(&worker->attained, event, now_us)) {
        return;
    }
    what = attained_look(&worker->attained, event, now_us, cpu_us_of(worker));
    found->computing += what == ATTAINED_COMPUTES || what == ATTAINED_SHARE;
    if (what == ATTAINED_SHARE && found->due_count < MOST_AT_ONCE) {
        found->due[found->due_count++] = worker;
    }
}

/* Not lowered, as far as the count goes. */
static void take_back(child_t *child, worker_t *worker)
{
    if (atomic_exchange(&worker->lowered, false)) {
        headcount_raise(child->ext);
    }
}

/* The worker may be about to end its event: then the next one is served behind the others, and the
 * one after that is not. With the lock held, so that nobody raises it before it is lowered. */
static void push_back(child_t *child, worker_t *worker)
{
    int tid = atomic_load(&worker->tid);

    HELD(&child->put_off.lock);
    if (tid == 0) {
        return;                 /* it has left; 0 would be the steward itself */
    }
    headcount_lower(child->ext);
    atomic_store(&worker->lowered, true);
    if (atomic_load(&worker->event) != worker->attained.event || is_spared(worker)) {
        take_back(child, worker);
        return;
    }
    if (!setpriority(PRIO_PROCESS, (id_t)tid, NICEST)) {
        ADP_PROBE2(lower, worker->slot, worker->attained.event);
        return;
    }
    if (errno != ESRCH) {
        child->lowering.works = false;
    }
    take_back(child, worker);
}

/* Called with the lock held. Nobody may be left who will look into the queue. */
static void end_in_its_event(child_t *child, worker_t *worker, int tid)
{
    HELD(&child->put_off.lock);
    if (setpriority(PRIO_PROCESS, (id_t)tid, child->lowering.nice)) {
        atomic_store(&worker->slow, true);
    }
    take_back(child, worker);
    if (atomic_load(&child->ext->lowered) <= 0
        && atomic_load(&child->put_off.computing.count) > 0) {
        atomic_store(&child->lowering.begin_one, true);
        atomic_store(&child->lowering.look_us, 0);
        bell_steward(child);
    }
}

void lowering_spare(worker_t *worker)
{
    child_t *child = worker->child;
    int tid = atomic_load(&worker->tid);

    lock_take(&child->put_off.lock);
    if (tid > 0 && worker_serves(worker)) {
        if (worker_is_lowered(worker)) {
            end_in_its_event(child, worker, tid);
        }
        headcount_carry(child->ext, &worker->carries, true);
    }
    lock_give(&child->put_off.lock);
}

/* Somebody has to be there for what comes next. */
static void replace(child_t *child, int lowered, int64_t now_us)
{
    int left = atomic_exchange(&child->lowering.left, 0);
    int most = child_most_threads(child);
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
    return ext_idle(child->ext) == 0 || found->computing >= child_cpus(child);
}

/* Those that were begun wait for something else: then others may have the processors. */
static void begin_put_off(child_t *child, int64_t now_us)
{
    lowering_t *l = &child->lowering;
    int left;

    if (atomic_load(&child->put_off.computing.count) == 0
        || (now_us < l->begin_us && !atomic_load(&l->begin_one))) {
        return;
    }
    left = BEGIN_FOR_EACH * idle_processors(child->online_processors);
    if (atomic_exchange(&l->begin_one, false)) {
        left = MAX(left, 1);
    }
    l->begin_us = now_us + (left > 0 ? BEGIN_MORE_US : BEGIN_ROUND_US);
    while (left-- > 0 && rooms_for_another(child)) {
        conn_t *conn = put_off_take(child, &child->put_off.computing);

        if (!conn) {
            break;
        }
        conn_queue_put_off(conn, now_us);
    }
}

static void push_back_all(child_t *child, finding_t *found)
{
    int i;

    lock_take(&child->put_off.lock);
    for (i = 0; i < found->due_count && child->lowering.works; i++) {
        push_back(child, found->due[i]);
    }
    lock_give(&child->put_off.lock);
    if (!child->lowering.works) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, child->server, ADPNO(0064)
                     "the system does not let a thread be niced: requests that compute are served "
                     "like all others");
    }
}

/* Between two looks; 0: until something wakes the steward. */
static int64_t pause_after_look_us(child_t *child, const finding_t *found)
{
    const steward_t *steward = &child->steer.steward;
    attained_pace_t *pace = &child->lowering.pace;
    int64_t pause_us;

    if (steward->still && found->computing == 0 && !found->lowered) {
        return attained_pause_at_rest_us(pace);
    }
    pause_us = attained_pause_us(pace, found->computing > 0,
                                 ext_idle(child->ext) == 0 || found->lowered);
    return found->computing == 0 && !steward->watching && found->lowered ? CALM_PAUSE_US
                                                                         : pause_us;
}

static int64_t look(child_t *child, int64_t now_us)
{
    const workers_t *workers = &child->workers;
    finding_t found = { .computing = 0 };
    int64_t pause_us, next_us;
    int i, lowered = 0;

    for (i = 0; i < workers->used; i++) {
        look_at_worker(&workers->list[i], now_us, &found);
    }
    if (found.due_count > 0 && is_crowded_by(child, &found)) {
        push_back_all(child, &found);
        lowered = found.due_count;
    }
    replace(child, lowered, now_us);
    begin_put_off(child, now_us);
    pause_us = pause_after_look_us(child, &found);
    next_us = pause_us > 0 ? now_us + pause_us : CLOCK_NEVER;
    return atomic_load(&child->put_off.computing.count) > 0
           ? clock_earlier(next_us, child->lowering.begin_us) : next_us;
}

/* Nobody is lowered any more: what was put off before is begun, processors idle or not. */
static int64_t serve_leftovers(child_t *child, int64_t now_us)
{
    if (atomic_load(&child->lowering.left) > 0) {
        replace(child, 0, now_us);
    }
    if (atomic_load(&child->put_off.computing.count) == 0) {
        return CLOCK_NEVER;
    }
    atomic_store(&child->lowering.begin_one, true);
    begin_put_off(child, now_us);
    return now_us + BEGIN_ROUND_US;
}

int64_t lowering_round(child_t *child, int64_t now_us)
{
    lowering_t *l = &child->lowering;
    int64_t look_us = atomic_load(&l->look_us);

    ON_STEWARD();
    if (!l->works) {
        return serve_leftovers(child, now_us);
    }
    /* whoever woke the steward meanwhile may have left, or be the one that is too many */
    if (look_us == CLOCK_NEVER || now_us >= look_us || atomic_load(&l->left) > 0) {
        look_us = look(child, now_us);
        atomic_store(&l->look_us, look_us);
    }
    return look_us;
}
