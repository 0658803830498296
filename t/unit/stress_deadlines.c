/* Owners move deadlines, mostly without the lock, while a steward looks at them and files
 * them anew: no deadline may get lost between the two. */

#include "base/claim.h"
#include "base/deadlines.h"
#include "stress.h"
#include "tap.h"
#include "base/wakeup.h"

#define OWNERS  3
#define ENTRIES 200
#define ROUNDS  6
#define MOST_ROUNDS 200             /* on a busy machine, until enough has happened */
#define ROUND_US (200 * CLOCK_US_PER_MS)
#define RECHECK (4 * DEADLINES_TICK_US)

typedef struct entry_t {
    deadline_t deadline;            /* first */
    claim_t claim;
    _Atomic int64_t refused_us;     /* the deadline at which it was busy last */
    long served;                    /* the owner's */
} entry_t;

static deadlines_t wheel;
static entry_t entries[ENTRIES];
static int steward_fd;
static _Atomic bool stop;
static _Atomic long served, expired, early, overlooked;

static entry_t *of(deadline_t *d)
{
    return (entry_t *)(void *)d;
}

/* What conn.c's wait_for() does, without a poller. */
static void park(entry_t *e, int64_t due_us, random_t *r)
{
    uint32_t generation;

    stumble(r, 50);
    if (deadlines_set(&wheel, &e->deadline, due_us)) {
        wakeup_send(steward_fd);
    }
    generation = claim_begin_arming(&e->claim);
    stumble(r, 50);
    claim_finish_arming(&e->claim, generation);
}

static int64_t some_deadline(random_t *r)
{
    static const int64_t spans[] = { DEADLINES_TICK_US, 5 * DEADLINES_TICK_US,
                                     30 * DEADLINES_TICK_US,
                                     2 * DEADLINES_SLOTS * DEADLINES_TICK_US };

    return fast_now_us() + random_below(r, spans[random_below(r, 4)]);
}

static void *owner(void *arg)
{
    random_t r = random_seed(100 + (uint64_t)(intptr_t)arg);

    while (!atomic_load(&stop)) {
        entry_t *e = &entries[random_below(&r, ENTRIES)];

        if (!claim_by_event(&e->claim, claim_generation(&e->claim))) {
            continue;
        }
        e->served++;
        count(&served);
        if (random_below(&r, 20) == 0) {
            deadlines_drop(&wheel, &e->deadline);
        }
        park(e, some_deadline(&r), &r);
    }
    return NULL;
}

/* deadlines_claim_fn; ctx is the steward's random numbers */
static bool claim(deadline_t *d, void *ctx)
{
    entry_t *e = of(d);
    int64_t due_us = atomic_load(&d->due_us);

    stumble(ctx, 20);
    if (claim_by_deadline(&e->claim)) {
        return true;
    }
    atomic_store(&e->refused_us, due_us);
    return false;
}

static void serve_expired(deadline_t *list, random_t *r)
{
    while (list) {
        entry_t *e = of(list);
        int64_t due_us = atomic_load(&list->due_us);

        list = list->next;
        e->served++;
        if (due_us > fast_now_us()) {
            count(&early);
            park(e, due_us, r);
        }
        else {
            count(&expired);
            park(e, some_deadline(r), r);
        }
    }
}

static void *steward(void *arg)
{
    random_t r = random_seed(99);

    (void)arg;
    while (!atomic_load(&stop)) {
        serve_expired(deadlines_expire(&wheel, fast_now_us(), RECHECK, claim, &r), &r);
        if (fast_sleep(steward_fd, deadlines_next(&wheel))) {
            wakeup_receive(steward_fd);
        }
    }
    return NULL;
}

/* With all threads at rest: every entry is filed where it will be looked at in time. What
 * was busy at its deadline may be filed for the recheck. */
static void look_for_overlooked(void)
{
    int i;

    for (i = 0; i < ENTRIES; i++) {
        int64_t due_us = atomic_load(&entries[i].deadline.due_us);
        int64_t filed_tick = atomic_load(&entries[i].deadline.filed_us) / DEADLINES_TICK_US;

        if (filed_tick > due_us / DEADLINES_TICK_US && filed_tick > wheel.tick
            && atomic_load(&entries[i].refused_us) != due_us) {
            count(&overlooked);
        }
    }
}

static bool enough_happened(void)
{
    return atomic_load(&served) > 1000 && atomic_load(&expired) > 100;
}

int main(void)
{
    pthread_t threads[OWNERS + 1];
    random_t r = random_seed(1);
    int i, round, came_up = 0;
    deadline_t *list;

    tap_begin(120);
    wakeup_open(&steward_fd);
    deadlines_init(&wheel, fast_now_us());
    for (i = 0; i < ENTRIES; i++) {
        deadline_init(&entries[i].deadline);
        claim_acquire(&entries[i].claim);
        park(&entries[i], some_deadline(&r), &r);
    }
    for (round = 0; round < ROUNDS || (round < MOST_ROUNDS && !enough_happened()); round++) {
        atomic_store(&stop, false);
        start_threads(threads, OWNERS, owner);
        start_threads(threads + OWNERS, 1, steward);
        usleep(ROUND_US);
        atomic_store(&stop, true);
        wakeup_send(steward_fd);
        join_threads(threads, OWNERS + 1);
        look_for_overlooked();
    }
    is(atomic_load(&overlooked), 0, "no deadline was overlooked");
    is(atomic_load(&early), 0, "none was taken for a deadline that its owner had moved");
    is(wheel.count, ENTRIES, "every entry is filed once");
    for (list = deadlines_expire(&wheel, CLOCK_NEVER / 2, RECHECK, claim, &r); list;
         list = list->next) {
        came_up++;
    }
    is(came_up, ENTRIES, "and comes up in the end");
    ok(enough_happened(), "enough happened");
    diag("%ld served, %ld expired", atomic_load(&served), atomic_load(&expired));
    deadlines_destroy(&wheel);
    return tap_done();
}
