/* The parent. Who there is: counts of children, and who of them is the one for something. Changes
 * nothing. */
#include "census.h"

#include "slots.h"

#include "base/sum.h"
#include "config/config.h"

#include <sys/param.h>

/* No child has more connections, whatever it may have descriptors. */
#define MOST_CONNECTIONS (1 << 20)

bool census_is_current(const generation_t *g, const slot_t *slot)
{
    return slot->state != SLOT_FREE && slot->generation == g->retained->mpm->my_generation;
}

/* --- a child ---------------------------------------------------------------------- */

static bool is_of_bucket(const slot_t *slot, int bucket)
{
    return bucket < 0 || slot->bucket == bucket;
}

board_view_t census_view(const generation_t *g, int slot)
{
    return board_view(&g->retained->board->children[slot], g->retained->fixed.thread_limit);
}

int census_connections(int slot)
{
    int64_t descriptors = config_limits()->descriptors;

    return board_count(&ap_get_scoreboard_process(slot)->connections,
                       (int)MIN(descriptors, MOST_CONNECTIONS));
}

int census_lasting(int slot)
{
    const process_score *score = ap_get_scoreboard_process(slot);
    int connections = census_connections(slot);

    return connections - MIN(connections, board_count(&score->keep_alive, connections)
                                          + board_count(&score->lingering_close, connections));
}

/* --- how many --------------------------------------------------------------------- */

typedef bool is_one_f(const generation_t *g, int slot);

/* Slots in one of these states, and of this bucket (-1: any), that are one. */
static int count_if(const generation_t *g, unsigned states, int bucket, is_one_f *is_one)
{
    int i, count = 0;

    for (EACH_SLOT(g->retained, i, states)) {
        count += is_of_bucket(&g->retained->slots[i], bucket) && is_one(g, i);
    }
    return count;
}

static bool is_current(const generation_t *g, int i)
{
    return census_is_current(g, &g->retained->slots[i]);
}

static bool is_old(const generation_t *g, int i)
{
    return !is_current(g, i);
}

/* It counts as capacity: no child that takes too long to become ready does. */
static bool is_accepting(const generation_t *g, int i)
{
    const slot_t *slot = &g->retained->slots[i];

    return is_current(g, i) && !(slot->state == SLOT_STARTING && slot->late);
}

static bool has_successor(const generation_t *g, int i)
{
    return is_current(g, i) && g->retained->slots[i].successor >= 0;
}

static bool is_parked_for_long(const generation_t *g, int i)
{
    return is_current(g, i) && census_lasting(i) > 0;
}

static bool is_aborted(const generation_t *g, int i)
{
    return g->retained->slots[i].aborted && !g->retained->slots[i].killed;
}

int census_accepting(const generation_t *g, int bucket)
{
    return count_if(g, SLOTS_ACCEPTING, bucket, is_accepting);
}

int census_serving(const generation_t *g, int bucket)
{
    return count_if(g, SLOT_IN(SLOT_SERVING), bucket, is_current);
}

int census_old_serving(const generation_t *g)
{
    return count_if(g, SLOT_IN(SLOT_SERVING), -1, is_old);
}

int census_successors(const generation_t *g)
{
    return count_if(g, SLOTS_TAKEN, -1, has_successor);
}

int census_parked(const generation_t *g)
{
    return count_if(g, SLOT_IN(SLOT_PARKED), -1, is_current);
}

int census_parked_lasting(const generation_t *g)
{
    return count_if(g, SLOT_IN(SLOT_PARKED), -1, is_parked_for_long);
}

int census_draining(const generation_t *g)
{
    return slots_count(g->retained, SLOT_IN(SLOT_DRAINING));
}

int census_aborted(const generation_t *g)
{
    return count_if(g, SLOT_IN(SLOT_DRAINING), -1, is_aborted);
}

int census_busy_threads(const generation_t *g)
{
    int i, busy = 0;

    for (EACH_SLOT(g->retained, i, SLOTS_ACCEPTING)) {
        if (is_accepting(g, i)) {
            busy = bounded_sum(busy, census_view(g, i).busy);
        }
    }
    return busy;
}

/* --- who is chosen ---------------------------------------------------------------- */

typedef bool before_f(const overseer_child_t *a, const overseer_child_t *b);

/* Of the children in this state, and of this bucket (-1: any), that are candidates, the one that
 * comes first by the law; -1: there is none. */
static int first(const generation_t *g, slot_state_e state, int bucket, is_one_f *is_candidate,
                 before_f *before)
{
    overseer_child_t best_seen = { 0 };
    int i, best = -1;

    for (EACH_SLOT(g->retained, i, SLOT_IN(state))) {
        if (is_of_bucket(&g->retained->slots[i], bucket) && is_candidate(g, i)) {
            overseer_child_t seen = { .connections = census_connections(i),
                                      .lasting = census_lasting(i) };

            if (best < 0 || before(&seen, &best_seen)) {
                best = i;
                best_seen = seen;
            }
        }
    }
    return best;
}

int census_to_resume(const generation_t *g, int bucket)
{
    return first(g, SLOT_PARKED, bucket, is_current, overseer_resumes_before);
}

static bool may_retire(const generation_t *g, int i)
{
    return is_current(g, i) && census_lasting(i) == 0;
}

int census_to_retire(const generation_t *g)
{
    return first(g, SLOT_PARKED, -1, may_retire, overseer_retires_before);
}

/* It is about to take the place of another. */
static bool is_successor(const generation_t *g, int slot)
{
    int i;

    for (EACH_SLOT(g->retained, i, SLOTS_TAKEN)) {
        if (g->retained->slots[i].successor == slot) {
            return true;
        }
    }
    return false;
}

static bool may_park(const generation_t *g, int i)
{
    const slot_t *slot = &g->retained->slots[i];

    return is_current(g, i) && slot->successor < 0 && census_serving(g, slot->bucket) > 1
           && !is_successor(g, i);
}

int census_to_park(const generation_t *g)
{
    return first(g, SLOT_SERVING, -1, may_park, overseer_parks_before);
}

int census_neediest_bucket(const generation_t *g)
{
    int b, best = 0;

    for (b = 1; b < g->bucket_count; b++) {
        if (census_accepting(g, b) < census_accepting(g, best)) {
            best = b;
        }
    }
    return best;
}
