#include "going.h"

#include "testhook.h"

#include <errno.h>
#include <signal.h>
#include <sys/param.h>
#include <unistd.h>

/* How soon an order is repeated. */
#define REPEAT_US (100 * CLOCK_US_PER_MS)
/* What a child takes at most, once its time is up, to close connections in order, to wait for its
 * threads, and to leave although a destructor hangs (drain.c, child.c); and some more. */
#ifndef DRAIN_GRACE_MS
#define DRAIN_GRACE_MS 9000
#endif

void going_begin(slot_t *slot, char order, bool sent, int64_t now_us)
{
    slot->unsent = sent ? 0 : order;
    if (slot->state != SLOT_GOING) {
        slot->going_us = now_us;
    }
}

/* True: still not. A pipe that was closed takes no order any more. */
static bool repeat_order(generation_t *g, int i)
{
    slot_t *slot = &g->retained->slots[i];

    if (!slot->unsent) {
        return false;
    }
    if (ADP_FAULT(order_lost)
        || (write(g->retained->lifelines[i], &slot->unsent, 1) < 0
            && (errno == EAGAIN || errno == EINTR))) {
        return true;
    }
    slot->unsent = 0;
    return false;
}

static void kill_overdue(generation_t *g, slot_t *slot, int64_t now_us)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0078)
                 "child process %d was told to finish %d s ago and does not act on "
                 "AdaptiveDrainTimeout %d, sending SIGKILL", (int)slot->pid,
                 (int)((now_us - slot->going_us) / CLOCK_US_PER_S),
                 (int)(g->config->drain_timeout_us / CLOCK_US_PER_S));
    kill(slot->pid, SIGKILL);
    slot->killed = true;
}

/* When the child is overdue. */
static int64_t due_us(const generation_t *g, const slot_t *slot)
{
    int64_t limit_us = g->config->drain_timeout_us;

    if (limit_us <= 0 || slot->killed) {
        return CLOCK_NEVER;
    }
    return slot->going_us + MIN(limit_us, CLOCK_NEVER / 2) + DRAIN_GRACE_MS * CLOCK_US_PER_MS;
}

bool going_repeat_orders(generation_t *g)
{
    bool left = false;
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        if (g->retained->slots[i].state == SLOT_GOING && repeat_order(g, i)) {
            left = true;
        }
    }
    return left;
}

int64_t going_round(generation_t *g, int64_t now_us)
{
    int64_t next_us = going_repeat_orders(g) ? now_us + REPEAT_US : CLOCK_NEVER;
    int i;

    for (i = 0; i < g->retained->slots_used; i++) {
        slot_t *slot = &g->retained->slots[i];

        if (slot->state != SLOT_GOING) {
            continue;
        }
        if (now_us >= due_us(g, slot)) {
            kill_overdue(g, slot, now_us);
        }
        next_us = clock_earlier(next_us, due_us(g, slot));
    }
    return next_us;
}
