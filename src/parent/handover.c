/* The parent, after a graceful restart. Owns which generation serves a bucket. */
#include "handover.h"

#include "census.h"
#include "children.h"
#include "replenish.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"
#include "child/child.h"

#include <poll.h>

/* After a graceful restart old children accept until the new ones are ready, but if some
 * of these fail, no longer than this once every bucket is served. */
#define HANDOVER_PATIENCE_US (5 * CLOCK_US_PER_S)
/* How long children of the last generation may take to close their listeners. */
#define RELEASE_PATIENCE_MS 500

void handover_retire_old(generation_t *g, int bucket)
{
    int i;

    for (EACH_SLOT(g->retained, i, SLOTS_UNDRAINED)) {
        slot_t *slot = &g->retained->slots[i];

        if (!census_is_current(g, slot) && (bucket < 0 || slot->bucket == bucket)) {
            children_order(g, i, replenish_farewell(slot));
        }
    }
}

/* Which generation serves a bucket until the current one does: the newest whose children accept
 * or, if none does, the one that was started first. */
static bool serves_meanwhile(const generation_t *g, const slot_t *slot)
{
    const retained_t *r = g->retained;
    const slot_t *best = slot;
    int i;

    for (EACH_SLOT(r, i, SLOTS_TAKEN)) {
        const slot_t *s = &r->slots[i];

        if (s->bucket != slot->bucket || census_is_current(g, s)) {
            continue;
        }
        if (s->state == SLOT_SERVING
            && (best->state != SLOT_SERVING || s->generation > best->generation)) {
            best = s;
        }
        if (s->state == SLOT_STARTING && best->state == SLOT_STARTING
            && s->generation < best->generation) {
            best = s;
        }
    }
    return slot->generation == best->generation;
}

/* A reload came before the last one was through: what is neither serving nor will is in the
 * way of the newest configuration. */
static void retire_superseded(generation_t *g)
{
    int i;

    for (EACH_SLOT(g->retained, i, SLOTS_UNDRAINED)) {
        slot_t *slot = &g->retained->slots[i];

        if (!census_is_current(g, slot) && !serves_meanwhile(g, slot)) {
            children_order(g, i, replenish_farewell(slot));
        }
    }
}

/* How many of the wanted children are for a bucket. */
static int share_of(const generation_t *g, int bucket)
{
    int wanted = g->retained->wanted_children;

    return wanted / g->bucket_count + (bucket < wanted % g->bucket_count);
}

/* Why the new generation does not serve. */
static const char *why_late(const generation_t *g)
{
    int starting = census_accepting(g, -1) - census_serving(g, -1);

    if (g->retained->start_pace.failures > 1) {
        return "its children end at their start (see ADP0084)";
    }
    if (g->retained->full_since_us) {
        return "no scoreboard slot is free";
    }
    return starting > 0 ? "its children have not finished their initialisation"
                        : "no child could be started yet";
}

static void log_late(handover_t *h, const generation_t *g, int64_t now_us)
{
    int64_t waited_us = now_us - h->began_us;

    if (waited_us < h->late_us) {
        return;
    }
    h->late_us = 2 * waited_us;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, g->server, ADPNO(0088)
                 "%d s after the reload the new configuration does not serve on all sockets yet: "
                 "%s; %s meanwhile", (int)(waited_us / CLOCK_US_PER_S), why_late(g),
                 census_old_serving(g) > 0 ? "the last one serves" : "new connections wait");
}

void handover_round(handover_t *h, generation_t *g, int64_t now_us)
{
    bool patient = now_us - h->began_us < HANDOVER_PATIENCE_US;
    bool all = true, none_missing = true;
    int b;

    for (b = 0; b < g->bucket_count; b++) {
        int serving = census_serving(g, b);

        if (serving > 0 && (serving >= share_of(g, b) || !patient)) {
            handover_retire_old(g, b);
        }
        else {
            all = false;
            none_missing = none_missing && serving > 0;
        }
    }
    if (all) {
        /* those of buckets that are no more, too */
        handover_retire_old(g, -1);
        h->under_way = false;
    }
    else if (!none_missing) {
        log_late(h, g, now_us);
    }
}

handover_t handover_begin(generation_t *g, int64_t now_us)
{
    handover_t h = { .began_us = now_us, .late_us = HANDOVER_PATIENCE_US,
                     .under_way = g->retained->mpm->was_graceful };

    if (h.under_way) {
        retire_superseded(g);
    }
    return h;
}

void handover_release_listeners(retained_t *retained)
{
    generation_t g = { .retained = retained };
    int i, waited_ms;

    for (EACH_SLOT(retained, i, SLOTS_UNDRAINED)) {
        children_order(&g, i, CHILD_ORDER_DRAIN);
    }
    for (waited_ms = 0; waited_ms < RELEASE_PATIENCE_MS; waited_ms++) {
        bool open = false;

        for (EACH_SLOT(retained, i, SLOT_IN(SLOT_DRAINING))) {
            open = open || !census_view(&g, i).closed;
        }
        if (!open) {
            break;
        }
        poll(NULL, 0, 1);
    }
}
