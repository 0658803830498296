/* The timing wheel, with a clock of the test's own. */

#include "base/deadlines.h"

#include "base/clock.h"
#include "random.h"
#include "tap.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define TICK    DEADLINES_TICK_US
#define TURN    (DEADLINES_SLOTS * TICK)
#define START   (INT64_C(1000) * CLOCK_US_PER_S + 12345)
#define RECHECK (2 * CLOCK_US_PER_S)

typedef struct entry_t {
    deadline_t deadline;        /* first */
    bool busy;                  /* the claim function refuses it */
    int64_t move_to_us;         /* not 0: its owner moves the deadline during the claim */
    int claims;                 /* how often the claim function was asked */
    pthread_t owner;
} entry_t;

static entry_t *of(deadline_t *d)
{
    return (entry_t *)(void *)d;
}

static void entry_init(entry_t *e)
{
    memset(e, 0, sizeof(*e));
    deadline_init(&e->deadline);
}

static deadlines_t *moving_in;

/* The owner, who begins the next wait while the steward asks about the last one. */
static void *move_deadline(void *arg)
{
    entry_t *e = arg;

    deadlines_set(moving_in, &e->deadline, e->move_to_us);
    return NULL;
}

/* deadlines_claim_fn */
static bool claim(deadline_t *d, void *ctx)
{
    entry_t *e = of(d);

    (void)ctx;
    if (++e->claims == 1 && e->move_to_us) {
        pthread_create(&e->owner, NULL, move_deadline, e);
        while (atomic_load(&d->due_us) != e->move_to_us) {
            sched_yield();
        }
    }
    return !e->busy;
}

static int list_length(const deadline_t *list)
{
    int n = 0;

    for (; list; list = list->next) {
        n++;
    }
    return n;
}

static bool list_has(const deadline_t *list, const entry_t *e)
{
    for (; list; list = list->next) {
        if (list == &e->deadline) {
            return true;
        }
    }
    return false;
}

/* Let time pass in steps until the entry comes up; when that was, or -1. */
static int64_t fires_at(deadlines_t *d, entry_t *e, int64_t from_us, int64_t until_us,
                        int64_t step_us)
{
    int64_t now_us;

    for (now_us = from_us; now_us <= until_us; now_us += step_us) {
        if (list_has(deadlines_expire(d, now_us, RECHECK, claim, NULL), e)) {
            return now_us;
        }
    }
    return -1;
}

static void test_precision(void)
{
    const int64_t step_us = 5000;
    random_t r = random_seed(1);
    bool never_early = true, never_late = true;
    int i;

    for (i = 0; i < 300; i++) {
        int64_t start_us = START + random_below(&r, 10 * TICK);
        int64_t due_us = start_us + random_below(&r, i % 2 ? 2 * TICK : 100 * TICK);
        deadlines_t d;
        int64_t fired_us;
        entry_t e;

        deadlines_init(&d, start_us);
        entry_init(&e);
        deadlines_set(&d, &e.deadline, due_us);
        fired_us = fires_at(&d, &e, start_us, due_us + 2 * TICK, step_us);
        never_early = never_early && fired_us >= due_us;
        never_late = never_late && fired_us >= 0 && fired_us <= due_us + TICK + step_us;
        deadlines_destroy(&d);
    }
    ok(never_early, "no deadline fires early");
    ok(never_late, "none fires more than a tick late");
}

static void test_passed_already(void)
{
    deadlines_t d;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    deadlines_expire(&d, START + 10 * TICK, RECHECK, claim, NULL);
    deadlines_set(&d, &e.deadline, START - 5 * TICK);
    ok(list_has(deadlines_expire(&d, START + 11 * TICK, RECHECK, claim, NULL), &e),
       "a deadline that had passed when it was set fires within a tick");
    deadlines_destroy(&d);
}

static void test_moved_later(void)
{
    deadlines_t d;
    int64_t due_us = START + 20 * TICK;
    int64_t filed_us, fired_us;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    deadlines_set(&d, &e.deadline, START + 5 * TICK);
    filed_us = atomic_load(&e.deadline.filed_us);
    /* would hang, and be killed, if it took the lock */
    lock_take(&d.lock);
    ok(!deadlines_set(&d, &e.deadline, due_us),
       "moving a deadline later needs no lock and no wake-up");
    lock_give(&d.lock);
    is(atomic_load(&e.deadline.filed_us), filed_us, "it stays filed where it was");
    fired_us = fires_at(&d, &e, START, due_us + 3 * TICK, 1000);
    ok(fired_us >= due_us && fired_us <= due_us + TICK + 1000, "it fires at the later time");
    is(e.claims, 1, "and is not claimed before");
    deadlines_destroy(&d);
}

static void test_moved_earlier(void)
{
    deadlines_t d;
    int64_t due_us = START + 3 * TICK;
    int64_t fired_us;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    deadlines_set(&d, &e.deadline, START + 500 * TICK);
    deadlines_next(&d);
    ok(deadlines_set(&d, &e.deadline, due_us), "a deadline moved earlier wakes the steward");
    is(d.count, 1, "it is filed once");
    fired_us = fires_at(&d, &e, START, START + 600 * TICK, 1000);
    ok(fired_us >= due_us && fired_us <= due_us + TICK + 1000, "it fires at the earlier time");
    is(list_length(deadlines_expire(&d, START + 700 * TICK, RECHECK, claim, NULL)), 0,
       "and not a second time");
    deadlines_destroy(&d);
}

static void test_later_then_earlier(void)
{
    deadlines_t d;
    int64_t fired_us;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    deadlines_set(&d, &e.deadline, START + 5 * TICK);
    deadlines_set(&d, &e.deadline, START + 50 * TICK);
    deadlines_set(&d, &e.deadline, START + 10 * TICK);
    fired_us = fires_at(&d, &e, START, START + 60 * TICK, 1000);
    ok(fired_us >= START + 10 * TICK && fired_us <= START + 11 * TICK + 1000,
       "the last of several deadlines counts");
    deadlines_destroy(&d);
}

static void test_busy(void)
{
    deadlines_t d;
    int64_t due_us = START + 3 * TICK;
    int64_t fired_us;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    e.busy = true;
    deadlines_set(&d, &e.deadline, due_us);
    is(fires_at(&d, &e, START, due_us + 2 * TICK, 1000), -1, "a busy entry is left alone");
    is(e.claims, 1, "it was looked at once");
    fires_at(&d, &e, due_us + 2 * TICK, due_us + RECHECK - 2 * TICK, 1000);
    ok(e.claims <= 2, "and not all the time");
    e.busy = false;
    fired_us = fires_at(&d, &e, due_us + RECHECK - 2 * TICK, due_us + 3 * RECHECK, 1000);
    ok(fired_us > 0 && fired_us <= due_us + 2 * RECHECK + TICK,
       "it is looked at again within the recheck time");
    deadlines_destroy(&d);
}

/* Connections whose deadlines came at various times, and that stay busy. */
static void test_many_busy(void)
{
    deadlines_t d;
    int64_t now_us = START, end_us = START + 10 * RECHECK;
    entry_t e[64];
    int i, looks = 0;

    deadlines_init(&d, START);
    for (i = 0; i < 64; i++) {
        entry_init(&e[i]);
        e[i].busy = true;
        deadlines_set(&d, &e[i].deadline, START + i * RECHECK / 64);
    }
    while (now_us < end_us) {
        now_us = deadlines_next(&d);
        deadlines_expire(&d, now_us, RECHECK, claim, NULL);
        looks += now_us > START + 2 * RECHECK;
    }
    ok(looks <= 9, "many busy entries are looked at together");
    ok(e[0].claims >= 9 && e[63].claims >= 9, "... each of them");
    diag("%d looks", looks);
    deadlines_destroy(&d);
}

static void test_moved_during_claim(int64_t move_us, const char *name)
{
    deadlines_t d;
    int64_t due_us = START + 3 * TICK;
    int64_t fired_us;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    e.busy = true;
    e.move_to_us = due_us + move_us;
    deadlines_set(&d, &e.deadline, due_us);
    moving_in = &d;
    fires_at(&d, &e, START, due_us + TICK, 1000);
    pthread_join(e.owner, NULL);
    e.busy = false;
    fired_us = fires_at(&d, &e, due_us + TICK, due_us + move_us + 10 * TICK, 1000);
    if (!ok(e.claims == 2 && fired_us >= due_us + move_us
            && fired_us <= due_us + move_us + TICK + 1000, name)) {
        diag("claims %d, fired %" PRId64 " us after it was due", e.claims,
             fired_us - due_us - move_us);
    }
    deadlines_destroy(&d);
}

static void test_beyond_a_turn(void)
{
    deadlines_t d;
    int64_t due_us = START + 3 * TURN + 7 * TICK;
    int64_t fired_us;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    deadlines_set(&d, &e.deadline, due_us);
    fired_us = fires_at(&d, &e, START, due_us + 5 * TICK, TICK / 2);
    ok(fired_us >= due_us && fired_us <= due_us + 2 * TICK,
       "a deadline beyond the turn of the wheel fires on time");
    is(e.claims, 1, "and is not claimed on the way");
    deadlines_destroy(&d);
}

static void test_never(void)
{
    deadlines_t d;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    ok(!deadlines_set(&d, &e.deadline, CLOCK_NEVER), "no deadline: nobody is woken");
    is(deadlines_next(&d), CLOCK_NEVER, "and there is nothing to look at");
    deadlines_set(&d, &e.deadline, START + 2 * TICK);
    deadlines_set(&d, &e.deadline, CLOCK_NEVER);
    is(fires_at(&d, &e, START, START + 3 * TURN, TICK), -1,
       "a deadline that was taken back does not fire");
    deadlines_drop(&d, &e.deadline);
    is(deadlines_next(&d), CLOCK_NEVER, "dropped, nothing is left");
    deadlines_destroy(&d);
}

static void test_clock_jump(void)
{
    enum { COUNT = 400 };
    static entry_t entries[COUNT];
    int64_t jump_us = START + 5 * TURN;
    int64_t now_us;
    deadlines_t d;
    random_t r = random_seed(2);
    int i, due = 0, wrong = 0, late = 0;
    deadline_t *list;

    deadlines_init(&d, START);
    for (i = 0; i < COUNT; i++) {
        entry_init(&entries[i]);
        deadlines_set(&d, &entries[i].deadline, START + random_below(&r, 10 * TURN));
    }
    list = deadlines_expire(&d, jump_us, RECHECK, claim, NULL);
    for (i = 0; i < COUNT; i++) {
        int64_t due_us = atomic_load(&entries[i].deadline.due_us);

        due += due_us <= jump_us;
        /* the tick that is not over yet may go either way */
        if (due_us / TICK != jump_us / TICK
            && list_has(list, &entries[i]) != (due_us <= jump_us)) {
            wrong++;
        }
    }
    ok(due > 100 && due < 300, "the jump passes some of the deadlines");
    is(wrong, 0, "when the clock jumps by turns, exactly what is due comes up at once");
    for (now_us = jump_us + TICK; now_us <= START + 11 * TURN; now_us += TICK) {
        for (list = deadlines_expire(&d, now_us, RECHECK, claim, NULL); list; list = list->next) {
            int64_t due_us = atomic_load(&list->due_us);

            late += due_us > now_us || due_us < now_us - 2 * TICK;
        }
    }
    for (i = 0; i < COUNT; i++) {
        late += entries[i].claims != 1;
    }
    is(late, 0, "the others still come up on time, and all of them once");
    ok(!deadlines_expire(&d, START, RECHECK, claim, NULL), "time before the last look: nothing");
    deadlines_destroy(&d);
}

/* A wheel whose steward slept through hours, because nothing was filed. */
static void test_after_long_sleep(void)
{
    int64_t now_us = START + INT64_C(10000) * CLOCK_US_PER_S;
    deadlines_t d;
    int64_t fired_us;
    entry_t e;

    deadlines_init(&d, START);
    entry_init(&e);
    is(deadlines_next(&d), CLOCK_NEVER, "nothing filed: the steward may sleep for ever");
    ok(deadlines_set(&d, &e.deadline, now_us + 50 * TICK), "the first entry wakes it");
    fired_us = fires_at(&d, &e, now_us, now_us + 60 * TICK, 1000);
    ok(fired_us >= now_us + 50 * TICK && fired_us <= now_us + 51 * TICK + 1000,
       "and fires on time");
    deadlines_destroy(&d);
}

static void test_drop(void)
{
    deadlines_t d;
    entry_t e[3];
    deadline_t *list;
    int i;

    deadlines_init(&d, START);
    for (i = 0; i < 3; i++) {
        entry_init(&e[i]);
        deadlines_set(&d, &e[i].deadline, START + 3 * TICK);
    }
    deadlines_drop(&d, &e[1].deadline);
    deadlines_drop(&d, &e[1].deadline);
    is(d.count, 2, "dropping twice is dropping once");
    list = deadlines_expire(&d, START + 5 * TICK, RECHECK, claim, NULL);
    ok(list_length(list) == 2 && !list_has(list, &e[1]), "a dropped entry does not come up");
    deadlines_drop(&d, &e[0].deadline);
    is(d.count, 0, "dropping what came up is harmless");
    deadlines_next(&d);
    ok(deadlines_set(&d, &e[1].deadline, START + 8 * TICK), "a dropped entry can be set again");
    deadlines_destroy(&d);
}

static void test_take(void)
{
    enum { COUNT = 50 };
    static entry_t entries[COUNT];
    deadlines_t d;
    deadline_t *list;
    int i, wrong = 0;

    deadlines_init(&d, START);
    for (i = 0; i < COUNT; i++) {
        entry_init(&entries[i]);
        entries[i].busy = i % 3 == 0;
        deadlines_set(&d, &entries[i].deadline, START + (i % 7) * 100 * TICK);
    }
    list = deadlines_take(&d, UINT_MAX, claim, NULL);
    for (i = 0; i < COUNT; i++) {
        wrong += list_has(list, &entries[i]) == entries[i].busy;
        entries[i].busy = false;
    }
    is(wrong, 0, "take takes what is claimed, due or not");
    is(d.count, (COUNT + 2) / 3, "and leaves the others");
    is(list_length(deadlines_expire(&d, START + 800 * TICK, RECHECK, claim, NULL)),
       (COUNT + 2) / 3, "which come up when they are due");
    ok(!deadlines_take(&d, UINT_MAX, claim, NULL), "nothing is left then");
    deadlines_destroy(&d);
}

static void test_take_some(void)
{
    enum { COUNT = 10 };
    entry_t entries[COUNT];
    deadlines_t d;
    deadline_t *list;
    int i;

    deadlines_init(&d, START);
    for (i = 0; i < COUNT; i++) {
        entry_init(&entries[i]);
        deadlines_set(&d, &entries[i].deadline, START + (COUNT - i) * 40 * TICK);
    }
    entries[COUNT - 1].busy = true;
    ok(!deadlines_take(&d, 0, claim, NULL), "none are taken if none are asked for");
    list = deadlines_take(&d, 2, claim, NULL);
    is(list_length(list), 2, "no more are taken than were asked for");
    ok(list == &entries[COUNT - 2].deadline && list->next == &entries[COUNT - 3].deadline,
       "the earliest that are not busy, the earliest of all first");
    is(d.count, COUNT - 2, "the others stay");
    deadlines_destroy(&d);
}

static void test_next_and_wake(void)
{
    deadlines_t d;
    entry_t e[4];
    int64_t next_us;
    int i;

    deadlines_init(&d, START);
    for (i = 0; i < 4; i++) {
        entry_init(&e[i]);
    }
    deadlines_set(&d, &e[0].deadline, START + 100 * TICK);
    next_us = deadlines_next(&d);
    ok(next_us >= START + 100 * TICK && next_us <= START + 101 * TICK,
       "next is when the first deadline can come up");
    ok(list_has(deadlines_expire(&d, next_us, RECHECK, claim, NULL), &e[0]),
       "and at that very time it does");

    deadlines_set(&d, &e[1].deadline, START + 200 * TICK);
    next_us = deadlines_next(&d);
    ok(!deadlines_set(&d, &e[2].deadline, START + 300 * TICK), "a later one wakes nobody");
    ok(!deadlines_set(&d, &e[3].deadline, START + 200 * TICK),
       "nor does one of the same time");
    ok(deadlines_set(&d, &e[3].deadline, START + 150 * TICK), "an earlier one does");
    ok(!deadlines_set(&d, &e[2].deadline, START + 160 * TICK),
       "once: whoever was woken looks at all of them");
    ok(deadlines_next(&d) <= START + 151 * TICK, "then next is the earlier time");
    deadlines_drop(&d, &e[3].deadline);
    next_us = deadlines_next(&d);
    ok(next_us >= START + 160 * TICK && next_us <= START + 161 * TICK,
       "when that is dropped, the one after it");
    deadlines_destroy(&d);
}

/* Random operations against a model that knows every entry's state and looks at all. */

#define MODEL_ENTRIES    300
#define MODEL_OPERATIONS 100000

typedef struct model_t {
    deadlines_t wheel;
    entry_t entries[MODEL_ENTRIES];
    bool known[MODEL_ENTRIES];
    int64_t look_us[MODEL_ENTRIES];     /* when it has to come up, a tick later at most */
    int64_t now_us;
    int64_t sleeping_until_us;          /* the steward */
    random_t random;
    int early, late, unknown, miscounted, expired;
} model_t;

/* deadlines_claim_fn; ctx is the model */
static bool model_claim(deadline_t *d, void *ctx)
{
    model_t *m = ctx;
    long i = of(d) - m->entries;

    m->unknown += !m->known[i];
    m->early += atomic_load(&d->due_us) > m->now_us;
    if (of(d)->busy) {
        m->look_us[i] = m->now_us + RECHECK;
        return false;
    }
    return true;
}

/* deadlines_claim_fn: every third entry, due or not */
static bool model_claim_third(deadline_t *d, void *ctx)
{
    model_t *m = ctx;

    m->unknown += !m->known[of(d) - m->entries];
    return !of(d)->busy && (of(d) - m->entries) % 3 == 0;
}

static void model_forget(model_t *m, deadline_t *list)
{
    while (list) {
        long i = of(list) - m->entries;

        m->unknown += !m->known[i];
        m->known[i] = false;
        m->expired++;
        list = list->next;
    }
}

static void model_expire(model_t *m)
{
    uint64_t known = 0;
    int i;

    model_forget(m, deadlines_expire(&m->wheel, m->now_us, RECHECK, model_claim, m));
    for (i = 0; i < MODEL_ENTRIES; i++) {
        known += m->known[i];
        m->late += m->known[i] && m->look_us[i] + TICK <= m->now_us;
    }
    m->miscounted += known != m->wheel.count;
    m->sleeping_until_us = deadlines_next(&m->wheel);
}

static void model_set(model_t *m, int i)
{
    static const int64_t spans[] = { 2 * TICK, 100 * TICK, TURN, 5 * TURN };
    int64_t due_us = m->now_us - TICK
                     + random_below(&m->random, spans[random_below(&m->random, 4)]);

    m->known[i] = true;
    m->look_us[i] = due_us > m->now_us ? due_us : m->now_us;
    if (deadlines_set(&m->wheel, &m->entries[i].deadline, due_us)) {
        model_expire(m);
    }
}

/* Let time pass as the steward sees it: it looks whenever it was told to, and then only. */
static void model_pass_time(model_t *m)
{
    static const int64_t spans[] = { 1000, TICK, 30 * TICK, 2 * TURN };
    int64_t until_us =
        m->now_us
        + random_below(&m->random,
                       spans[random_below(&m->random, 100) < 98 ? random_below(&m->random, 3) : 3]);

    if (random_below(&m->random, 1000) == 0) {
        m->now_us = until_us + 3 * TURN; /* the steward overslept: the machine was suspended */
        model_expire(m);
        return;
    }
    while (m->sleeping_until_us <= until_us) {
        m->now_us = m->sleeping_until_us > m->now_us ? m->sleeping_until_us : m->now_us;
        model_expire(m);
    }
    m->now_us = until_us;
}

static void model_step(model_t *m)
{
    int i = (int)random_below(&m->random, MODEL_ENTRIES);
    int64_t kind = random_below(&m->random, 100);

    if (kind < 50) {
        model_set(m, i);
    }
    else if (kind < 60) {
        deadlines_drop(&m->wheel, &m->entries[i].deadline);
        m->known[i] = false;
    }
    else if (kind < 70) {
        m->entries[i].busy = !m->entries[i].busy;
    }
    else if (kind == 70) {
        model_forget(m, deadlines_take(&m->wheel, 20, model_claim_third, m));
    }
    else {
        model_pass_time(m);
    }
}

static void test_model(void)
{
    model_t *m = calloc(1, sizeof(*m));
    int i;

    m->random = random_seed(3);
    m->now_us = START;
    m->sleeping_until_us = CLOCK_NEVER;
    deadlines_init(&m->wheel, m->now_us);
    for (i = 0; i < MODEL_ENTRIES; i++) {
        entry_init(&m->entries[i]);
    }
    for (i = 0; i < MODEL_OPERATIONS; i++) {
        model_step(m);
    }
    is(m->early, 0, "random operations: nothing is claimed early");
    is(m->late, 0, "nothing is overlooked or more than a tick late");
    is(m->unknown, 0, "nothing comes up that is not filed");
    is(m->miscounted, 0, "the count is right");
    ok(m->expired > MODEL_OPERATIONS / 20, "and enough came up for this to mean something");
    diag("%d operations, %d entries came up", MODEL_OPERATIONS, m->expired);
    deadlines_destroy(&m->wheel);
    free(m);
}

int main(void)
{
    tap_begin(120);
    test_precision();
    test_passed_already();
    test_moved_later();
    test_moved_earlier();
    test_later_then_earlier();
    test_busy();
    test_many_busy();
    test_moved_during_claim(10 * TICK,
                            "the next wait began during the look: its deadline counts");
    test_moved_during_claim(RECHECK + 10 * TICK,
                            "also if it is later than the recheck");
    test_beyond_a_turn();
    test_never();
    test_clock_jump();
    test_after_long_sleep();
    test_drop();
    test_take();
    test_take_some();
    test_next_and_wake();
    test_model();
    return tap_done();
}
