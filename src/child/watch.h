/* The steward's eyes: whether a worker is idle, whether something is ready that nobody takes, and
 * the probe by which it measures how long that waits (law/steward.h has the method). */
#ifndef ADP_WATCH_H
#define ADP_WATCH_H

#include "fwd.h"
#include "scoreboard_ext.h"

#include "law/steward.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What workers see of it, and it of them. */
typedef struct watch_t {
    _Atomic bool on;            /* the steward looks by itself, workers need not wake it */
    _Atomic int many;           /* from this many busy workers on the steward looks */
    _Atomic bool probe_taken;   /* since the last look */
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

/* One look: measures, sends the probe or takes it back. The steward. */
steward_look_t watch_look(child_t *child, int64_t now_us);

/* Show the workers how many busy ones the steward expects. It looks at watch_many_busy() after
 * that: more may have become busy just before. The steward. */
void watch_expect(child_t *child);

/* What the steward has to watch while it sleeps: readable as soon as something is ready and
 * nobody is idle. -1: nothing, or not before *until_us, which is then brought forward. The
 * steward. */
int watch_fd(const child_t *child, int64_t now_us, int64_t *until_us);

/* It was readable. The steward. */
void watch_rang(child_t *child);

#endif
