/* The wheel: one lock for all of a child's filed deadlines. Workers file and drop, the steward
 * takes what is due; a deadline that moved is filed again when its old place comes up, so that
 * a kept-alive request costs no lock. */
#include "deadlines.h"

#include "clock.h"

#include <stddef.h>
#include <string.h>

/* The tick in whose slot a deadline lies. An entry is due when its whole tick has passed,
 * so that it never fires early; it fires at most one tick late. */
static int64_t tick_of(int64_t us)
{
    return us / DEADLINES_TICK_US;
}

static unsigned wheel_slot(int64_t tick)
{
    return (unsigned)(tick % DEADLINES_SLOTS);
}

static void unlink_entry(deadlines_t *d, deadline_t *e)
{
    unsigned slot = wheel_slot(tick_of(atomic_load_explicit(&e->filed_us, memory_order_relaxed)));

    if (e->prev) {
        e->prev->next = e->next;
    }
    else {
        d->slots[slot] = e->next;
        if (!e->next) {
            d->occupied[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
        }
    }
    if (e->next) {
        e->next->prev = e->prev;
    }
    e->next = e->prev = NULL;
    d->count--;
    atomic_store(&e->filed_us, CLOCK_NEVER);
}

/* File an entry no earlier than the first tick that has not been looked at, and no later
 * than one turn of the wheel (it is looked at then and filed again). */
static void link_entry(deadlines_t *d, deadline_t *e, int64_t at_us)
{
    int64_t tick = tick_of(at_us);
    unsigned slot;

    if (tick < d->tick) {
        tick = d->tick;
    }
    if (tick > d->tick + DEADLINES_SLOTS - 1) {
        tick = d->tick + DEADLINES_SLOTS - 1;
    }
    slot = wheel_slot(tick);
    e->prev = NULL;
    e->next = d->slots[slot];
    if (e->next) {
        e->next->prev = e;
    }
    d->slots[slot] = e;
    d->occupied[slot / 64] |= UINT64_C(1) << (slot % 64);
    d->count++;
    atomic_store(&e->filed_us, tick * DEADLINES_TICK_US);
}

int deadlines_init(deadlines_t *d, int64_t now_us)
{
    memset(d, 0, sizeof(*d));
    d->tick = tick_of(now_us);
    d->began_us = now_us;
    d->sleeping_until_us = CLOCK_NEVER;
    return lock_init(&d->lock, LOCK_INNER);
}

void deadlines_destroy(deadlines_t *d)
{
    lock_destroy(&d->lock);
}

void deadline_init(deadline_t *e)
{
    e->next = e->prev = NULL;
    atomic_init(&e->due_us, CLOCK_NEVER);
    atomic_init(&e->filed_us, CLOCK_NEVER);
}

bool deadlines_set(deadlines_t *d, deadline_t *e, int64_t due_us)
{
    bool wake;

    atomic_store(&e->due_us, due_us);
    if (tick_of(atomic_load(&e->filed_us)) <= tick_of(due_us)) {
        return false;
    }
    lock_take(&d->lock);
    if (atomic_load_explicit(&e->filed_us, memory_order_relaxed) != CLOCK_NEVER) {
        unlink_entry(d, e);
    }
    link_entry(d, e, due_us);
    wake = due_us + DEADLINES_TICK_US < d->sleeping_until_us;
    if (wake) {
        /* one wake-up is enough for all that follow until the steward asks again */
        d->sleeping_until_us = due_us;
    }
    lock_give(&d->lock);
    return wake;
}

void deadlines_drop(deadlines_t *d, deadline_t *e)
{
    lock_take(&d->lock);
    if (atomic_load_explicit(&e->filed_us, memory_order_relaxed) != CLOCK_NEVER) {
        unlink_entry(d, e);
    }
    lock_give(&d->lock);
}

/* The next beat of all rechecks. */
static int64_t recheck_at_us(const deadlines_t *d, int64_t now_us, int64_t busy_recheck_us)
{
    int64_t since_us = now_us > d->began_us ? now_us - d->began_us : 0;

    return now_us + busy_recheck_us - since_us % busy_recheck_us;
}

/* Look at every entry of a slot: those that are due and claimed go to *expired. */
static void look_at_slot(deadlines_t *d, unsigned slot, int64_t now_us, int64_t busy_recheck_us,
                         deadlines_claim_fn *claim, void *ctx, deadline_t **expired)
{
    deadline_t *e = d->slots[slot];

    while (e) {
        deadline_t *next = e->next;
        int64_t due_us;

        /* In this order, both sequentially consistent, against deadlines_set(), which stores
         * due_us and then reads filed_us: an owner that moves the deadline now either finds
         * the entry filed nowhere and comes for the lock, with the connection still its own,
         * or has stored the new deadline before it is read here. */
        unlink_entry(d, e);
        due_us = atomic_load(&e->due_us);
        if (due_us > now_us) {
            link_entry(d, e, due_us);
        }
        else if (claim(e, ctx)) {
            e->next = *expired;
            *expired = e;
        }
        else {
            /* the deadline that has passed belongs to a wait that is over */
            link_entry(d, e, recheck_at_us(d, now_us, busy_recheck_us));
        }
        e = next;
    }
}

deadline_t *deadlines_expire(deadlines_t *d, int64_t now_us, int64_t busy_recheck_us,
                             deadlines_claim_fn *claim, void *ctx)
{
    deadline_t *expired = NULL;
    int64_t first, last;

    lock_take(&d->lock);
    /* the current tick has not passed as a whole: leave it */
    last = tick_of(now_us) - 1;
    first = d->tick;
    if (last >= first) {
        if (last - first >= DEADLINES_SLOTS) {
            first = last - DEADLINES_SLOTS + 1;
        }
        /* what is filed again below must land beyond the range that is looked at */
        d->tick = last + 1;
        for (; d->count && first <= last; first++) {
            unsigned slot = wheel_slot(first);

            if (d->slots[slot]) {
                look_at_slot(d, slot, now_us, busy_recheck_us, claim, ctx, &expired);
            }
        }
    }
    lock_give(&d->lock);
    return expired;
}

deadline_t *deadlines_take(deadlines_t *d, unsigned most, deadlines_claim_fn *claim, void *ctx)
{
    deadline_t *taken = NULL;
    deadline_t **tail = &taken;
    unsigned i;

    lock_take(&d->lock);
    for (i = 0; i < DEADLINES_SLOTS && most > 0; i++) {
        deadline_t *e = d->slots[wheel_slot(d->tick + i)];

        while (e && most > 0) {
            deadline_t *next = e->next;

            if (claim(e, ctx)) {
                unlink_entry(d, e);
                *tail = e;
                tail = &e->next;
                most--;
            }
            e = next;
        }
    }
    lock_give(&d->lock);
    return taken;
}

/* The first occupied tick at or after from, within one turn. */
static int64_t first_occupied(const deadlines_t *d, int64_t from)
{
    int64_t tick = from;

    while (tick < from + DEADLINES_SLOTS) {
        unsigned slot = wheel_slot(tick);
        uint64_t word = d->occupied[slot / 64] >> (slot % 64);

        if (word) {
            return tick + __builtin_ctzll(word);
        }
        tick += 64 - slot % 64;
    }
    return -1;
}

int64_t deadlines_next(deadlines_t *d)
{
    int64_t next_us = CLOCK_NEVER;

    lock_take(&d->lock);
    if (d->count) {
        int64_t tick = first_occupied(d, d->tick);

        if (tick >= 0) {
            next_us = (tick + 1) * DEADLINES_TICK_US;
        }
    }
    d->sleeping_until_us = next_us;
    lock_give(&d->lock);
    return next_us;
}
