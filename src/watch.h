/* How long work waits for a thread.
 *
 * While some worker is idle nothing waits and the steward sleeps. The worker that leaves
 * none idle wakes it. From then on it looks every few milliseconds, or, where nothing changes,
 * sleeps until the poller itself wakes it because something is ready (watch_fd()). If something is
 * ready and nobody takes it, it adds a probe (an event of its own) to the end of the ready list,
 * which the kernel serves in order. The time until a worker takes the probe is how long
 * work waits. A connection in the backlog that a sibling has taken does not: a probe that is alone
 * in the list is taken back. What follows from it is steer_threads.c's.
 */
#ifndef ADP_WATCH_H
#define ADP_WATCH_H

#include "adaptive.h"

/* More workers serve than the steward expects. Any thread. */
static inline bool watch_many_busy(const child_t *child)
{
    return ext_busy(child->ext) >= atomic_load(&child->watch.many);
}

/* No worker is idle any more, or many are busy: have the steward look. The worker. */
void watch_wanted(child_t *child);

/* A worker got the probe. */
void watch_probe_taken(child_t *child);

/* One look. True: it has to be repeated soon, because nobody is idle or was a moment ago;
 * *waited_us is how long the oldest event has waited, 0 if none does. The steward. */
bool watch_look(child_t *child, int64_t now_us, int64_t *waited_us);

/* The last look found that something is ready that nobody takes. The steward. */
static inline bool watch_finds_waiting(const child_t *child)
{
    return child->watch.probe_sent_us != 0;
}

/* What the steward has to watch while it sleeps: readable as soon as something is ready and
 * nobody is idle. -1: nothing, or not before *until_us, which is then brought forward. The
 * steward. */
int watch_fd(const child_t *child, int64_t now_us, int64_t *until_us);

/* It was readable. The steward. */
void watch_rang(child_t *child);

#endif
