/* Workers sit down here themselves; the steward calls them. Owns the seats, under bench_t.lock,
 * and knows nothing of why. */
#include "bench.h"

#include "child_internal.h"

#include <limits.h>
#include <string.h>

int bench_init(child_t *child)
{
    bench_t *b = &child->bench;

    b->seats = apr_pcalloc(child->pool, sizeof(*b->seats) * child->workers.limit);
    atomic_init(&b->admitted, INT_MAX);
    return lock_init(&b->lock, LOCK_INNER);
}

/* Called with the lock held, as all that follow here. */
static void call(child_t *child, worker_t *worker, bench_verdict_e verdict)
{
    HELD(&child->bench.lock);
    worker->verdict = verdict;
    headcount_call(child->ext, &worker->state);
    pthread_cond_signal(&worker->called);
}

static bool is_due(const child_t *child)
{
    return !child->bench.closed && bench_is_due(&child->bench, child->ext);
}

static void call_admitted(child_t *child)
{
    bench_t *b = &child->bench;

    while (b->taken > 0
           && ext_light_threads(child->ext) < atomic_load(&b->admitted)) {
        call(child, b->seats[--b->taken], BENCH_GO);
    }
}

bool bench_sit(worker_t *worker)
{
    child_t *child = worker->child;
    bench_t *b = &child->bench;
    bool go = true;

    ON_WORKER();
    lock_take(&b->lock);
    if (is_due(child)) {
        headcount_sit(child->ext, &worker->state);
        b->seats[b->taken++] = worker;
        worker->verdict = BENCH_WAIT;
        while (worker->verdict == BENCH_WAIT) {
            lock_wait(&b->lock, &worker->called);
        }
        go = worker->verdict == BENCH_GO;
    }
    lock_give(&b->lock);
    return go;
}

void bench_admit(child_t *child, int count)
{
    bench_t *b = &child->bench;

    ON_STEWARD();
    if (count == atomic_load(&b->admitted) && atomic_load(&child->ext->benched) == 0) {
        return;
    }
    lock_take(&b->lock);
    atomic_store(&b->admitted, count);
    call_admitted(child);
    lock_give(&b->lock);
}

void bench_fill(child_t *child)
{
    ON_STEWARD();
    if (atomic_load(&child->ext->benched) > 0) {
        lock_take(&child->bench.lock);
        call_admitted(child);
        lock_give(&child->bench.lock);
    }
}

int bench_dismiss(child_t *child, int count)
{
    bench_t *b = &child->bench;
    int i, leaving;

    ON_STEWARD();
    lock_take(&b->lock);
    leaving = count < b->taken ? count : b->taken;
    for (i = 0; i < leaving; i++) {
        call(child, b->seats[i], BENCH_LEAVE);
    }
    if (leaving > 0) {
        b->taken -= leaving;
        memmove(b->seats, b->seats + leaving, sizeof(*b->seats) * b->taken);
    }
    lock_give(&b->lock);
    return leaving > 0 ? leaving : 0;
}

void bench_close(child_t *child)
{
    bench_t *b = &child->bench;

    ON_STEWARD();
    lock_take(&b->lock);
    b->closed = true;
    atomic_store(&b->admitted, INT_MAX);
    call_admitted(child);
    lock_give(&b->lock);
}
