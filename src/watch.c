#include "watch.h"

#include "child.h"
#include "wakeup.h"

/* Looks with somebody idle after which the steward goes back to sleep. */
#define QUIET_ROUNDS 5

void watch_wanted(child_t *child)
{
    if (!atomic_load(&child->watch.on)) {
        child_wake_steward(child);
    }
}

void watch_probe_taken(child_t *child)
{
    atomic_store(&child->watch.probe_taken, true);
}

static int64_t follow_probe(child_t *child, int64_t now_us)
{
    watch_t *w = &child->watch;

    if (w->probe_sent_us && atomic_exchange(&w->probe_taken, false)) {
        w->probe_sent_us = 0;
    }
    if (w->probe_sent_us) {
        return now_us - w->probe_sent_us;
    }
    if (poller_has_ready(&child->poller)) {
        w->probe_sent_us = now_us;
        wakeup_send(child->probe_fd);
    }
    return 0;
}

static bool somebody_idle(const child_t *child)
{
    /* sequentially consistent: the worker changes this word, then reads watch.on; the steward
     * has changed that, and now reads the word */
    return ext_idle_of(atomic_load(&child->ext->work)) > 0;
}

bool watch_look(child_t *child, int64_t now_us, int64_t *waited_us)
{
    watch_t *w = &child->watch;

    *waited_us = 0;
    if (!atomic_load(&w->on)) {
        if (somebody_idle(child)) {
            return false;
        }
        atomic_store(&w->on, true);
        w->quiet_rounds = 0;
    }
    *waited_us = follow_probe(child, now_us);
    if (somebody_idle(child) && *waited_us == 0) {
        w->quiet_rounds++;
    }
    else {
        w->quiet_rounds = 0;
    }
    if (w->quiet_rounds < QUIET_ROUNDS) {
        return true;
    }
    atomic_store(&w->on, false);
    /* the last idle worker may have become busy, and found the watch still on */
    return !somebody_idle(child);
}
