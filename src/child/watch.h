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

#include "fwd.h"
#include "scoreboard_ext.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The measure of how long work waits. */
typedef struct watch_t {
    _Atomic bool on;            /* the steward looks by itself, workers need not wake it */
    _Atomic int many;           /* from this many busy workers on the steward looks */
    _Atomic bool probe_taken;
    /* the steward's */
    int quiet_rounds;
    int64_t probe_sent_us;      /* 0: none outstanding */
    uint64_t events;            /* taken, as of the last look */
    bool rang;                  /* the poller has woken the steward */
    int64_t deaf_us;            /* it was for nothing: for this long it does not again, */
    int64_t deaf_until_us;      /* ... which is until then */
} watch_t;

/* More workers serve than the steward expects. Any thread. */
static inline bool watch_many_busy(const watch_t *watch, const ext_child_t *ext)
{
    return ext_busy(ext) >= atomic_load(&watch->many);
}

/* No worker is idle any more, or many are busy: have the steward look. The worker. */
void watch_wanted(child_t *child);

/* A worker got the probe. */
void watch_probe_taken(child_t *child);

/* One look. True: it has to be repeated soon, because nobody is idle or was a moment ago;
 * *waited_us is how long the oldest event has waited, 0 if none does. The steward. */
bool watch_look(child_t *child, int64_t now_us, int64_t *waited_us);

/* The last look found that something is ready that nobody takes. The steward. */
static inline bool watch_finds_waiting(const watch_t *watch)
{
    return watch->probe_sent_us != 0;
}

/* What the steward has to watch while it sleeps: readable as soon as something is ready and
 * nobody is idle. -1: nothing, or not before *until_us, which is then brought forward. The
 * steward. */
int watch_fd(const child_t *child, int64_t now_us, int64_t *until_us);

/* It was readable. The steward. */
void watch_rang(child_t *child);

#endif
