/* Slab and claim under threads that hold tokens of waits that are long over: whoever gets
 * an item has it alone, and never by the token of another wait. */

#include "base/claim.h"
#include "base/slab.h"
#include "stress.h"
#include "tap.h"

#define THREADS    4
#define OPERATIONS 100000           /* a thread */
#define TOKENS     64
#define MOST_ITEMS 300

typedef struct thing_t {
    slab_item_t item;               /* first */
    claim_t claim;
    uint32_t waits;                 /* the owner's */
    bool alive;                     /* the owner's */
    uint64_t token;                 /* the owner's: of the wait that it went into */
    _Atomic int owners;
} thing_t;

static slab_t slab;
/* tokens in flight, as workers have them between the poller and the claim */
static _Atomic uint64_t tokens[TOKENS];
static _Atomic long taken, given, by_event, by_deadline, stale;
static _Atomic long shared, dead, wrong_wait;

static void enter(thing_t *t)
{
    if (atomic_fetch_add(&t->owners, 1) != 0) {
        count(&shared);
    }
    if (!t->alive) {
        count(&dead);
    }
}

static void wait_for(thing_t *t, random_t *r)
{
    uint32_t index = t->item.index;
    uint32_t generation = (claim_generation(&t->claim) + 1) & CLAIM_GENERATION_MASK;

    t->waits++;
    t->token = (uint64_t)index << 32 | generation;
    atomic_fetch_sub(&t->owners, 1);
    generation = claim_begin_arming(&t->claim);
    stumble(r, 100);
    /* from here on somebody may have the event */
    atomic_store(&tokens[random_below(r, TOKENS)], (uint64_t)index << 32 | generation);
    stumble(r, 100);
    claim_finish_arming(&t->claim, generation);
}

static void end(thing_t *t)
{
    t->alive = false;
    atomic_fetch_sub(&t->owners, 1);
    claim_release(&t->claim);
    slab_give(&slab, t);
    count(&given);
}

static void begin(random_t *r)
{
    thing_t *t = slab_take(&slab);

    claim_acquire(&t->claim);
    t->alive = true;
    enter(t);
    count(&taken);
    wait_for(t, r);
}

static void go_on(thing_t *t, random_t *r)
{
    if (random_below(r, 3) == 0) {
        end(t);
    }
    else {
        wait_for(t, r);
    }
}

static void try_event(random_t *r)
{
    uint64_t token = atomic_load(&tokens[random_below(r, TOKENS)]);
    thing_t *t = slab_at(&slab, (uint32_t)(token >> 32));

    stumble(r, 100);
    if (!claim_by_event(&t->claim, (uint32_t)token)) {
        count(&stale);
        return;
    }
    enter(t);
    count(&by_event);
    if (t->token != token) {
        count(&wrong_wait);
    }
    go_on(t, r);
}

static void try_deadline(random_t *r)
{
    thing_t *t = slab_at(&slab, (uint32_t)random_below(r, atomic_load(&slab.item_count)));

    if (claim_by_deadline(&t->claim)) {
        enter(t);
        count(&by_deadline);
        go_on(t, r);
    }
}

static void *run(void *arg)
{
    random_t r = random_seed(200 + (uint64_t)(intptr_t)arg);
    int i;

    for (i = 0; i < OPERATIONS; i++) {
        int64_t kind = random_below(&r, 10);

        if (kind == 0 && atomic_load(&taken) - atomic_load(&given) < MOST_ITEMS) {
            begin(&r);
        }
        else if (kind < 9) {
            try_event(&r);
        }
        else {
            try_deadline(&r);
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    random_t r = random_seed(6);
    uint32_t i;
    int left = 0;

    tap_begin(120);
    slab_init(&slab, sizeof(thing_t));
    begin(&r);
    start_threads(threads, THREADS, run);
    join_threads(threads, THREADS);
    for (i = 0; i < atomic_load(&slab.item_count); i++) {
        thing_t *t = slab_at(&slab, i);

        left += claim_by_deadline(&t->claim);
        left += claim_state(&t->claim) == CLAIM_ARMING;
    }
    is(atomic_load(&shared), 0, "nobody ever shared an item");
    is(atomic_load(&dead), 0, "nobody got a free one");
    is(atomic_load(&wrong_wait), 0, "nobody got one by the token of another wait");
    is(left, atomic_load(&taken) - atomic_load(&given), "all the others are parked");
    ok(atomic_load(&by_event) > 1000 && atomic_load(&by_deadline) > 1000
       && atomic_load(&stale) > 1000 && atomic_load(&given) > 1000, "enough happened");
    diag("%ld lives, %ld events, %ld stale ones, %ld deadlines", atomic_load(&taken),
         atomic_load(&by_event), atomic_load(&stale), atomic_load(&by_deadline));
    slab_destroy(&slab);
    return tap_done();
}
