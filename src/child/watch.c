/* The steward looks, workers only wake it. Owns the probe. What follows from a wait is
 * steer_threads.c's. */
#include "watch.h"

#include "bell.h"
#include "child.h"
#include "child_internal.h"

#include "base/clock.h"
#include "base/wakeup.h"

/* Looks with somebody idle after which the steward goes back to sleep. */
#define QUIET_ROUNDS 5
/* The poller wakes the stewards of all children that have no idle worker for a connection that one
 * child takes. Whoever was woken for nothing does not listen for a while, twice as long each time. */
#define FIRST_DEAF_US   (2 * CLOCK_US_PER_MS)
#define LONGEST_DEAF_US (100 * CLOCK_US_PER_MS)
/* A worker has become idle since the last look: the next is due then, whatever that decided. */
#define IDLE_ROUND_US   (20 * CLOCK_US_PER_MS)

void watch_wanted(child_t *child)
{
    if (!atomic_load(&child->watch.on)) {
        bell_steward(child);
    }
}

void watch_probe_taken(child_t *child)
{
    atomic_store(&child->watch.probe_taken, true);
}

static void false_alarm(watch_t *w, int64_t now_us)
{
    w->deaf_us = w->deaf_us == 0 ? FIRST_DEAF_US : clock_earlier(2 * w->deaf_us, LONGEST_DEAF_US);
    w->deaf_until_us = now_us + w->deaf_us;
}

/* Nothing was taken since the last look. If siblings have taken what was ready, the probe is alone
 * in the queue, and nothing waits; otherwise it is queued again, behind the same. */
static bool is_alone(child_t *child)
{
    wakeup_receive(child->probe_fd);
    if (!poller_has_ready(&child->poller)) {
        return true;
    }
    wakeup_send(child->probe_fd);
    return false;
}

static int64_t follow_probe(child_t *child, int64_t now_us)
{
    watch_t *w = &child->watch;
    uint64_t events = ext_events(child->ext);
    bool stands = events == w->events;
    bool rang = w->rang;

    w->events = events;
    w->rang = false;
    if (w->probe_sent_us && atomic_exchange(&w->probe_taken, false)) {
        w->probe_sent_us = 0;
    }
    if (w->probe_sent_us && stands && is_alone(child)) {
        w->probe_sent_us = 0;
        false_alarm(w, now_us);
        return 0;
    }
    if (w->probe_sent_us) {
        w->deaf_us = 0;
        return now_us - w->probe_sent_us;
    }
    if (poller_has_ready(&child->poller)) {
        atomic_store(&w->probe_taken, false);
        w->probe_sent_us = now_us;
        wakeup_send(child->probe_fd);
    }
    else if (rang) {
        false_alarm(w, now_us);
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

    ON_STEWARD();
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

int watch_fd(const child_t *child, int64_t now_us, int64_t *until_us)
{
    const watch_t *w = &child->watch;

    ON_STEWARD();
    /* a probe is ready itself, and so is the event by which workers leave */
    if (!atomic_load(&w->on) || w->probe_sent_us
        || atomic_load(&child->phase) == CHILD_STOPPING) {
        return -1;
    }
    if (somebody_idle(child)) {
        /* when nobody is any more no worker tells: they believe that the watch goes on */
        *until_us = clock_earlier(*until_us, now_us + IDLE_ROUND_US);
        return -1;
    }
    if (now_us < w->deaf_until_us) {
        *until_us = clock_earlier(*until_us, w->deaf_until_us);
        return -1;
    }
    return poller_fd(&child->poller);
}

void watch_rang(child_t *child)
{
    ON_STEWARD();
    child->watch.rang = true;
}
