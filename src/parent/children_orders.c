/* The parent. The only file that writes to lifelines (but retained.c, for children of another
 * version): what a child is told, and what it counts as from then on. */
#include "children.h"

#include "census.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/probes.h"
#include "base/testhook.h"
#include "child/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static slot_state_e state_after(char order, slot_state_e before)
{
    switch (order) {
    case CHILD_ORDER_PARK:
        return SLOT_PARKED;
    case CHILD_ORDER_RESUME:
        return SLOT_SERVING;
    case CHILD_ORDER_LOOK:
    case CHILD_ORDER_DECIDE:
    case CHILD_ORDER_DUMP:
        return before;
    default:
        return SLOT_DRAINING;
    }
}

static bool send_order(const retained_t *r, int slot, char order)
{
    return !ADP_FAULT(order_lost)
           && (r->lifelines[slot] < 0 || write(r->lifelines[slot], &order, 1) == 1);
}

/* The child is draining from now on; it has yet to be told so, if the order was not sent. */
static void note_draining(slot_t *slot, char order, bool sent)
{
    slot->unsent = (char)(sent ? 0 : order);
    if (slot->state != SLOT_DRAINING) {
        slot->draining_us = clock_now_us();
    }
}

/* The child has closed its end of the lifeline. If it is not about to end anyway (the books hear
 * of that soon) it is broken or hostile: it cannot be counted on, and gets the order that needs
 * no lifeline. */
static void give_up_on(generation_t *g, int i)
{
    slot_t *slot = &g->retained->slots[i];
    siginfo_t ended = { .si_pid = 0 };

    if (waitid(P_PID, (id_t)slot->pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0
        || ended.si_pid != 0) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0085)
                 "child process %d does not listen to its parent any more: it is told to end",
                 (int)slot->pid);
    close(g->retained->lifelines[i]);
    g->retained->lifelines[i] = -1;
    slots_enter(slot, SLOT_DRAINING);
    slot->unsent = 0;
    slot->draining_us = clock_now_us();
    kill(slot->pid, SIGTERM);
}

bool children_order(generation_t *g, int i, char order)
{
    slot_t *slot = &g->retained->slots[i];
    slot_state_e after = state_after(order, slot->state);
    bool sent;

    if (slot->state == SLOT_FREE) {
        return false;
    }
    errno = 0;
    sent = send_order(g->retained, i, order);
    ADP_PROBE2(order, slot->pid, sent ? order : 0);
    if (!sent && errno == EPIPE) {
        /* a question changes nothing */
        if (order != CHILD_ORDER_DUMP) {
            give_up_on(g, i);
        }
        return false;
    }
    /* A full pipe: the child has not read for long, and a look more or less does not matter. But
     * one that could not be told to park still serves, and is told again; and one that is to go
     * counts as draining, and hears of it later. */
    if (state_after(order, SLOT_SERVING) == SLOT_DRAINING) {
        slot->aborted = slot->aborted || slot->state == SLOT_STARTING;
        note_draining(slot, order, sent);
    }
    if (sent || after == SLOT_DRAINING) {
        slots_enter(slot, after);
    }
    return sent;
}

static uint64_t look_bit(int bucket)
{
    /* where buckets share a bit, a look is made that was not needed */
    return UINT64_C(1) << (unsigned)bucket % 64;
}

void children_need_look(generation_t *g, int bucket)
{
    g->looks_due |= look_bit(bucket);
}

void children_look(generation_t *g)
{
    uint64_t due = g->looks_due;
    int i;

    g->looks_due = 0;
    for (i = 0; due && i < g->retained->slots_used; i++) {
        const slot_t *slot = &g->retained->slots[i];

        if (slot->state == SLOT_SERVING && due & look_bit(slot->bucket)) {
            children_order(g, i, CHILD_ORDER_LOOK);
        }
    }
}

bool children_resurrect(generation_t *g, int bucket)
{
    int i = census_to_resume(g, bucket);

    return i >= 0 && children_order(g, i, CHILD_ORDER_RESUME);
}
