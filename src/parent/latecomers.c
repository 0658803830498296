/* The parent, on each round: who was started and is not ready. Owns no state but the slots'. */
#include "latecomers.h"

#include "census.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"

#include <signal.h>
#include <sys/param.h>

/* A late child is killed after this many times the patience with it. */
#define KILL_TIMES 2

/* What was found in one round. */
typedef struct latecomers_look_t {
    generation_t *g;
    int64_t now_us;
    int64_t patience_us;
    int64_t fastest_us;         /* a child of this generation became ready in that time */
    int late;                   /* children that are late already */
} latecomers_look_t;

static latecomers_look_t look_at_starts(generation_t *g, int64_t now_us)
{
    const retained_t *r = g->retained;
    latecomers_look_t l = {
        .g = g, .now_us = now_us, .fastest_us = CLOCK_NEVER,
        .patience_us = start_pace_patience_us(r->slowest_start_us)
    };
    int i;

    for (EACH_SLOT(r, i, SLOTS_TAKEN)) {
        const slot_t *slot = &r->slots[i];

        if (census_is_current(g, slot)) {
            l.late += slot->late;
            if (slot->ready_us > 0) {
                l.fastest_us = MIN(l.fastest_us, slot->ready_us - slot->started_us);
            }
        }
    }
    return l;
}

static void kill_child(const latecomers_look_t *l, slot_t *slot, const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, l->g->server, ADPNO(0087)
                 "child process %d has not become ready %d s after its start, although %s: it is "
                 "killed", (int)slot->pid, (int)((l->now_us - slot->started_us) / CLOCK_US_PER_S),
                 why);
    slots_enter(slot, SLOT_DRAINING);
    slot->aborted = slot->killed = true;
    kill(slot->pid, SIGKILL);
}

static void note_late(latecomers_look_t *l, slot_t *slot)
{
    slot->late = true;
    l->late++;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, l->g->server, ADPNO(0086)
                 "child process %d has not become ready %d s after its start (the slowest of late "
                 "took %d ms): another is started in its place; a module may hang in its "
                 "initialisation", (int)slot->pid,
                 (int)((l->now_us - slot->started_us) / CLOCK_US_PER_S),
                 (int)(l->g->retained->slowest_start_us / CLOCK_US_PER_MS));
}

/* Told to finish before it was ready. */
static int64_t look_after_aborted(latecomers_look_t *l, slot_t *slot)
{
    if (slot->killed) {
        return CLOCK_NEVER;
    }
    if (l->now_us - slot->started_us < l->patience_us) {
        return slot->started_us + l->patience_us;
    }
    kill_child(l, slot, "it is not needed any more");
    return CLOCK_NEVER;
}

static int64_t look_after_starting(latecomers_look_t *l, slot_t *slot)
{
    int64_t age_us = l->now_us - slot->started_us;

    if (age_us < l->patience_us) {
        return slot->started_us + l->patience_us;
    }
    /* children of one generation may all be slow: no more than as many again are started */
    if (!slot->late && l->late < l->g->retained->wanted_children) {
        note_late(l, slot);
    }
    if (!slot->late) {
        return CLOCK_NEVER;
    }
    if (age_us < KILL_TIMES * l->patience_us) {
        return slot->started_us + KILL_TIMES * l->patience_us;
    }
    /* when none has become ready, the next that does wakes the parent */
    if (l->fastest_us <= age_us / 2) {
        kill_child(l, slot, "others have");
    }
    return CLOCK_NEVER;
}

int64_t latecomers_round(generation_t *g, int64_t now_us)
{
    latecomers_look_t l = look_at_starts(g, now_us);
    int64_t next_us = CLOCK_NEVER;
    int i;

    for (EACH_SLOT(g->retained, i, SLOTS_TAKEN)) {
        slot_t *slot = &g->retained->slots[i];

        if (slot->state == SLOT_STARTING && census_is_current(g, slot)) {
            next_us = clock_earlier(next_us, look_after_starting(&l, slot));
        }
        else if (slot->state == SLOT_DRAINING && slot->aborted) {
            next_us = clock_earlier(next_us, look_after_aborted(&l, slot));
        }
    }
    return next_us;
}
