/* The parent. Reads its books, and what children tell in the shared memory. */
#include "parent_dump.h"

#include "census.h"
#include "children.h"
#include "signals.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"
#include "child/child.h"

static int seconds_since(int64_t at_us, int64_t now_us)
{
    return (int)((now_us - at_us) / CLOCK_US_PER_S);
}

static void dump_plan(const generation_t *g, int64_t now_us)
{
    const retained_t *r = g->retained;
    const ctl_child_plan_t *plan = &r->overseer.plan;

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0055)
                 "generation %d: %d children wanted, %d serve, %d start, %d are parked, %d drain, "
                 "of %d slots; the next begins with %d threads; last planned %d s ago "
                 "(AdaptiveMode %s): %s (demand %.1f, spare %.1f); %d starts failed in a row",
                 (int)r->mpm->my_generation,
                 r->wanted_children, census_serving(g, -1),
                 census_accepting(g, -1) - census_serving(g, -1), census_parked(g),
                 census_draining(g), r->fixed.slot_count, r->start_threads,
                 seconds_since(r->overseer.decided_us, now_us),
                 config_mode_name(g->config->adaptive_mode),
                 controller_reason_text(plan->reason), plan->demand, plan->spare,
                 r->start_pace.failures);
}

static void dump_child(const generation_t *g, int i, int64_t now_us)
{
    const slot_t *slot = &g->retained->slots[i];
    board_view_t view = census_view(g, i);

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, g->server, ADPNO(0056)
                 "child %d: process %d of generation %d, %s%s, started %d s ago; %d threads, "
                 "%d busy, %d idle; %d connections, %d of which last", i, (int)slot->pid,
                 (int)slot->generation, slots_state_name(slot->state), slot->late ? " (late)" : "",
                 seconds_since(slot->started_us, now_us), view.threads, view.busy, view.idle,
                 census_connections(i), census_lasting(i));
}

void parent_dump_if_asked(generation_t *g)
{
    int64_t now_us = clock_now_us();
    int i;

    if (!signals_take_question()) {
        return;
    }
    dump_plan(g, now_us);
    for (EACH_SLOT(g->retained, i, SLOTS_TAKEN)) {
        dump_child(g, i, now_us);
        if (g->retained->slots[i].state != SLOT_DRAINING || !g->retained->slots[i].unsent) {
            children_order(g, i, CHILD_ORDER_DUMP);
        }
    }
}
