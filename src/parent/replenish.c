/* The parent, on each round. Decides which bucket gets a child next, and who makes room for it. */
#include "replenish.h"

#include "census.h"
#include "children.h"
#include "doze.h"
#include "slots.h"

#include "base/clock.h"
#include "child/child.h"
#include "child/quota.h"

#include "http_main.h"
#include "mpm_common.h"

#include <sys/param.h>

char replenish_farewell(const slot_t *slot)
{
    return slot->bucket > 0 && slot->state != SLOT_STARTING ? CHILD_ORDER_FINISH
                                                            : CHILD_ORDER_RETIRE;
}

/* May this child of an earlier generation make room for one of the current? Somebody has to
 * accept from its bucket meanwhile, and its slot should be free soon. */
static bool may_make_room(const generation_t *g, int i)
{
    const slot_t *slot = &g->retained->slots[i];
    int j;

    if (census_is_current(g, slot) || slot->state != SLOT_SERVING) {
        return false;
    }
    if (census_serving(g, slot->bucket) > 0) {
        return true;
    }
    for (EACH_SLOT(g->retained, j, SLOT_IN(SLOT_SERVING))) {
        if (j != i && g->retained->slots[j].bucket == slot->bucket) {
            return census_connections(i) == 0;
        }
    }
    return false;
}

/* The child of an earlier generation that will be missed least if it makes room, -1: none may. */
static int pick_old(const generation_t *g)
{
    int i, best = -1, best_connections = 0;

    for (EACH_SLOT(g->retained, i, SLOT_IN(SLOT_SERVING))) {
        if (may_make_room(g, i)) {
            int connections = census_connections(i);

            if (best < 0 || connections < best_connections) {
                best = i;
                best_connections = connections;
            }
        }
    }
    return best;
}

/* No slot is left for the new generation: the old one hands over, child for child. As many as
 * before serve at any time, unless not even one of the new ones has a place. What cannot be
 * handed over goes on being served by the old one. Returns whether there is somebody to wait
 * for. */
static bool make_room(generation_t *g)
{
    int old = census_old_serving(g), serving = census_serving(g, -1);
    int needed = MIN(g->carried, g->retained->wanted_children);
    int surplus = census_accepting(g, -1) > 0 ? old + serving - needed : 1;
    int i;

    while (surplus-- > 0 && (i = pick_old(g)) >= 0) {
        children_order(g, i, replenish_farewell(&g->retained->slots[i]));
    }
    return old > 0;
}

/* A child is missing, whether it was never there or died, or was not started in time. */
static bool is_one_missing(const generation_t *g)
{
    return census_accepting(g, -1) - census_successors(g) < g->retained->wanted_children
           || census_accepting(g, census_neediest_bucket(g)) == 0;
}

/* Children that were started for an earlier configuration and were not ready when the next one
 * came are still there for a while. Reloads that follow one another must not pile them up: until
 * they have ended, the new generation makes do with fewer. */
static bool is_room_beside_aborted(const generation_t *g, int bucket)
{
    int aborted = census_aborted(g), wanted = g->retained->wanted_children;

    return census_accepting(g, -1) + aborted < wanted
           || (census_accepting(g, bucket) == 0 && aborted <= wanted);
}

/* False: not now. */
static bool start_one(generation_t *g, int bucket, int64_t now_us)
{
    start_pace_t *pace = &g->retained->start_pace;
    int slot;

    if (now_us < pace->next_us
        || (census_aborted(g) > 0 && !is_room_beside_aborted(g, bucket))) {
        return false;
    }
    slot = children_start(g, bucket, now_us);
    /* a child that ends, or that is ready, wakes us */
    if (slot == CHILDREN_NO_SLOT && make_room(g)) {
        return false;
    }
    if (slot < 0) {
        pace->next_us = MAX(pace->next_us, now_us + DOZE_RETRY_US);
    }
    return slot >= 0;
}

/* Each turn starts a child or brings one back, or is the last: what a child does or does not
 * hear keeps nobody here. */
void replenish_start_missing(generation_t *g, int64_t now_us)
{
    int turns;

    for (turns = 0; turns < g->retained->fixed.slot_count; turns++) {
        int bucket = census_neediest_bucket(g);

        if (generation_is_told_to_end(g) || !is_one_missing(g)
            || (!children_resurrect(g, bucket) && !start_one(g, bucket, now_us))) {
            break;
        }
    }
}

/* MaxConnectionsPerChild: without the directive no child asks for a successor, unless somebody else
 * wrote there. */
static bool is_used_up(const generation_t *g, int i)
{
    return ap_max_requests_per_child > 0 && census_is_current(g, &g->retained->slots[i])
           && census_view(g, i).wants_successor;
}

/* The oldest of those that wait for a successor, so that none is passed over again and again; -1:
 * none. lasting: no matter whether it can end soon. */
static int pick_used_up(const generation_t *g, bool lasting)
{
    const retained_t *r = g->retained;
    int i, oldest = -1;

    for (EACH_SLOT(r, i, SLOT_IN(SLOT_SERVING))) {
        const slot_t *slot = &r->slots[i];

        if (slot->successor < 0 && is_used_up(g, i)
            && (oldest < 0 || slot->started_us < r->slots[oldest].started_us)
            && (lasting || census_lasting(i) == 0)) {
            oldest = i;
        }
    }
    return oldest;
}

/* Ten a second, however many want one. */
static void start_successor(generation_t *g, int64_t now_us)
{
    slot_t *slots = g->retained->slots;
    int i = pick_used_up(g, true);
    int successor;

    if (i < 0 || now_us < g->retained->start_pace.next_us || now_us < g->next_successor_us) {
        return;
    }
    g->next_successor_us = now_us + QUOTA_PAUSE_US;
    successor = children_start(g, slots[i].bucket, now_us);
    slots[i].successor = MAX(successor, -1);
    if (successor == CHILDREN_NO_SLOT && (i = pick_used_up(g, false)) >= 0) {
        /* no place beside it: it makes its own, if it can end soon */
        children_order(g, i, CHILD_ORDER_RETIRE);
    }
}

/* The successor first, then the old child goes. */
void replenish_replace_used_up(generation_t *g, int64_t now_us)
{
    retained_t *r = g->retained;
    int i;

    for (EACH_SLOT(r, i, SLOTS_SHARING)) {
        slot_t *slot = &r->slots[i];
        int successor = slot->successor;

        if (slot->state == SLOT_SERVING && successor >= 0 && is_used_up(g, i)
            && r->slots[successor].state == SLOT_SERVING) {
            slot->successor = -1;
            children_order(g, i, CHILD_ORDER_RETIRE);
        }
        else if (slot->state == SLOT_PARKED && is_used_up(g, i)) {
            /* nobody has to take the place of a child that is not needed */
            children_order(g, i, CHILD_ORDER_RETIRE);
        }
    }
    start_successor(g, now_us);
}
