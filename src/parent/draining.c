/* The parent, on each round: who was told to drain and does not hear of it, or does not end in
 * time. Owns no state but the slots'. */
#include "draining.h"

#include "children.h"
#include "slots.h"

#include "base/clock.h"
#include "base/log.h"

#include <signal.h>
#include <sys/param.h>

/* How soon an order is repeated. */
#define REPEAT_US (100 * CLOCK_US_PER_MS)
/* What a child takes at most, once its time is up, to close connections in order, to wait for its
 * threads, and to leave although a destructor hangs (drain.c, child.c); and some more. */
#ifndef DRAIN_GRACE_MS
#define DRAIN_GRACE_MS 9000
#endif

/* True: still not. */
static bool repeat_order(generation_t *g, int i)
{
    const slot_t *slot = &g->retained->slots[i];

    return slot->unsent && !children_order(g, i, slot->unsent) && slot->unsent;
}

/* It has closed its lifeline and got SIGTERM instead of an order. */
static bool is_to_end_at_once(const generation_t *g, int i)
{
    return g->retained->lifelines[i] < 0;
}

static void kill_overdue(generation_t *g, int i, int64_t now_us)
{
    slot_t *slot = &g->retained->slots[i];
    int told_s = (int)((now_us - slot->draining_us) / CLOCK_US_PER_S);

    if (is_to_end_at_once(g, i)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0079)
                     "child process %d has not ended %d s after it was told to, sending SIGKILL",
                     (int)slot->pid, told_s);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0078)
                     "child process %d was told to finish %d s ago and does not act on "
                     "AdaptiveDrainTimeout %d, sending SIGKILL", (int)slot->pid, told_s,
                     (int)(g->config->drain_timeout_us / CLOCK_US_PER_S));
    }
    kill(slot->pid, SIGKILL);
    slot->killed = true;
}

/* When the child is overdue. */
static int64_t due_us(const generation_t *g, int i)
{
    const slot_t *slot = &g->retained->slots[i];
    int64_t limit_us = g->config->drain_timeout_us;

    if (is_to_end_at_once(g, i)) {
        limit_us = 0;
    }
    else if (limit_us <= 0) {
        return CLOCK_NEVER;
    }
    return slot->killed ? CLOCK_NEVER
           : slot->draining_us + MIN(limit_us, CLOCK_NEVER / 2) + DRAIN_GRACE_MS * CLOCK_US_PER_MS;
}

bool draining_repeat_orders(generation_t *g)
{
    bool left = false;
    int i;

    for (EACH_SLOT(g->retained, i, SLOT_IN(SLOT_DRAINING))) {
        if (repeat_order(g, i)) {
            left = true;
        }
    }
    return left;
}

int64_t draining_round(generation_t *g, int64_t now_us)
{
    int64_t next_us = draining_repeat_orders(g) ? now_us + REPEAT_US : CLOCK_NEVER;
    int i;

    for (EACH_SLOT(g->retained, i, SLOT_IN(SLOT_DRAINING))) {
        if (now_us >= due_us(g, i)) {
            kill_overdue(g, i, now_us);
        }
        next_us = clock_earlier(next_us, due_us(g, i));
    }
    return next_us;
}
