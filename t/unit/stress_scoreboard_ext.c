/* Writers and readers of the shared memory at the same time: whoever reads a record gets one
 * that somebody wrote, or none. Every record says in all its fields which one it is. */

#include "scoreboard_ext.h"
#include "stress.h"
#include "tap.h"

#define SLOTS     3
#define WRITERS   3
#define READERS   2
#define DECISIONS 60000             /* a writer */
#define PLANS     60000

static scoreboard_ext_t *ext;
static _Atomic int writers_left;
static _Atomic long written, decisions_read, plans_read, seconds_read, slots_read, missed;
static _Atomic long mixed_decisions, mixed_plans, mixed_seconds, mixed_slots, disorder;

/* --- writing ------------------------------------------------------------------------ */

static void *write_decisions(void *arg)
{
    int writer = (int)(intptr_t)arg, i;
    random_t r = random_seed(300 + (uint64_t)writer);

    for (i = 0; i < DECISIONS; i++) {
        int n = i * WRITERS + writer;
        ext_decision_t decision = {
            .now_us = n, .slot = n, .kind = n % EXT_KINDS, .threads_before = n, .threads_after = n,
            .busy = n, .waited_us = n, .demand = n, .spare = n, .service_us = n
        };

        scoreboard_ext_note_decision(ext, &decision);
        count(&written);
        stumble(&r, 50);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

/* As the parent: a plan, a second and a slot in each round. */
static void *write_plans(void *arg)
{
    static ext_history_t history;
    random_t r = random_seed(400);
    int n;

    (void)arg;
    for (n = 1; n <= PLANS; n++) {
        ext_plan_t plan = {
            .draining = n,
            .sample = { .now_us = n, .serving = n, .busy = n, .arrivals = (uint64_t)n },
            .limits = { .max_threads = n, .cpus = n },
            .plan = { .target = n, .demand = n, .service_us = n, .look_again_us = n }
        };
        ext_second_t second = { .threads = n, .serving = n, .target = n, .busy = n, .spare = n };

        scoreboard_ext_write_plan(ext, &plan);
        /* each in a second of its own */
        scoreboard_ext_write_second(ext, &history, &second, (uint64_t)n, n * CLOCK_US_PER_S);
        scoreboard_ext_note_slot(ext, SLOTS - 1, EXT_SLOT_SERVING, n, n, n);
        stumble(&r, 50);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

/* --- reading ------------------------------------------------------------------------ */

static void read_decisions(void)
{
    ext_decision_t found[EXT_MOST_DECISIONS];
    int i, n = scoreboard_ext_read_decisions(ext, found);

    for (i = 0; i < n; i++) {
        const ext_decision_t *d = &found[i];

        count(&decisions_read);
        if (d->slot != d->now_us || d->threads_before != d->slot || d->threads_after != d->slot
            || d->busy != d->slot || d->waited_us != d->slot || d->demand != d->slot
            || d->spare != d->slot || d->service_us != d->slot) {
            count(&mixed_decisions);
        }
        if (i > 0 && d->number > found[i - 1].number) {
            count(&disorder);
        }
    }
}

static void read_plan(void)
{
    ext_plan_t p;

    if (!scoreboard_ext_read_plan(ext, &p)) {
        count(&missed);
        return;
    }
    count(&plans_read);
    if (p.draining != p.sample.now_us || p.sample.serving != p.draining
        || p.sample.busy != p.draining || p.sample.arrivals != (uint64_t)p.draining
        || p.limits.max_threads != p.draining || p.limits.cpus != p.draining
        || p.plan.target != p.draining || p.plan.demand != p.draining
        || p.plan.service_us != p.draining || p.plan.look_again_us != p.draining) {
        count(&mixed_plans);
    }
}

static void read_seconds(ext_second_t *seconds, const ext_plan_t *plan)
{
    int i, n = scoreboard_ext_read_seconds(ext, plan->sample.now_us * CLOCK_US_PER_S, seconds);

    for (i = 0; i < n; i++) {
        const ext_second_t *s = &seconds[i];

        count(&seconds_read);
        /* one that could not be read is filled with the one before */
        if (s->serving != s->threads || s->target != s->threads || s->busy != s->threads
            || s->spare != (float)s->threads || s->threads > s->second) {
            count(&mixed_seconds);
        }
    }
}

static void read_slot(void)
{
    ext_slot_t slot;

    if (scoreboard_ext_read_slot(ext, SLOTS - 1, &slot)) {
        count(&slots_read);
        if (slot.pid != slot.since_us || slot.generation != slot.pid) {
            count(&mixed_slots);
        }
    }
}

static void *read_all(void *arg)
{
    ext_second_t seconds[EXT_SECONDS];
    ext_plan_t plan;
    int round = 0;

    (void)arg;
    while (atomic_load(&writers_left) > 0) {
        read_decisions();
        read_plan();
        read_slot();
        if (++round % 16 == 0 && scoreboard_ext_read_plan(ext, &plan)) {
            read_seconds(seconds, &plan);
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t writers[WRITERS], readers[READERS], parent;
    ext_decision_t last[EXT_MOST_DECISIONS];

    tap_begin(120);
    if (!is(scoreboard_ext_create(&ext, SLOTS), 0, "shared memory")) {
        return tap_done();
    }
    atomic_store(&writers_left, WRITERS + 1);
    start_threads(readers, READERS, read_all);
    start_threads(&parent, 1, write_plans);
    start_threads(writers, WRITERS, write_decisions);
    join_threads(writers, WRITERS);
    join_threads(&parent, 1);
    join_threads(readers, READERS);

    is(atomic_load(&mixed_decisions), 0, "every decision that is read is one that was made");
    is(atomic_load(&disorder), 0, "in the order of their numbers");
    is(atomic_load(&mixed_plans), 0, "every plan is one that was made");
    is(atomic_load(&mixed_seconds), 0, "every second is one that was written");
    is(atomic_load(&mixed_slots), 0, "every slot as well");
    is(atomic_load(&ext->decisions_noted), atomic_load(&written), "no number was used twice");
    ok(scoreboard_ext_read_decisions(ext, last) > EXT_MOST_DECISIONS - WRITERS - 1,
       "in the end the rings are full, but for those that two wrote at a time");
    ok(atomic_load(&decisions_read) > 1000 && atomic_load(&plans_read) > 100
       && atomic_load(&seconds_read) > 1000 && atomic_load(&slots_read) > 100, "enough was read");
    diag("%ld decisions written, %ld read; %ld plans read, %ld missed; %ld seconds",
         atomic_load(&written), atomic_load(&decisions_read), atomic_load(&plans_read),
         atomic_load(&missed), atomic_load(&seconds_read));
    scoreboard_ext_destroy(ext);
    return tap_done();
}
