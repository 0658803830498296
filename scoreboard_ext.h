/* Our own shared memory beside httpd's scoreboard: what a child tells the parent.
 *
 * One record a scoreboard slot. Created once by the parent and kept over graceful
 * restarts (both generations use it), inherited over fork. Plain C11 atomics: every field
 * is written by the child alone, except where noted, and read by the parent. Children are
 * unprivileged: the parent believes nothing here that could hurt it.
 */
#ifndef SCOREBOARD_EXT_H
#define SCOREBOARD_EXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ext_child_t {
    /* the workers', at every event: idle workers and events taken in one word, so that both
     * cost one atomic operation and any look at them is consistent; see ext_idle() */
    _Alignas(64) _Atomic uint64_t work;
    _Atomic int threads;            /* worker threads that run or start, and may take work */
    _Atomic int arriving;           /* of these, started and not yet at the poller */
    _Atomic int benched;            /* worker threads that are kept from taking work */
    _Atomic bool ready;             /* its workers take connections */
    _Atomic bool closed;            /* its listeners are closed for good */
    _Atomic bool wants_successor;   /* MaxConnectionsPerChild reached */
    _Atomic bool wants_relief;      /* woken for a connection that it cannot accept */
    _Atomic bool wants_siblings;    /* near its end, see ctl_thread_plan_t.wants_child */
    _Atomic bool exhausted;         /* all threads it may have are busy, and work waits */
    /* the steward's sample */
    _Alignas(64) _Atomic int waiting;   /* events that nobody has taken */
    _Atomic int computing;          /* busy workers that need a processor */
    _Atomic int target;             /* threads that it plans to have */
    _Atomic int64_t waited_us;      /* how long the oldest event has waited */
    _Atomic int64_t ready_us;       /* when it began to take connections, monotonic */
    /* what the parent grants */
    _Atomic int most_threads;       /* threads that it may have */
    _Atomic int ceiling;            /* ctl_ceiling_e: why not more */
    _Atomic int serving;            /* children that share the processors with it, itself included */
} ext_child_t;

/* ext_child_t.work: idle workers below, events taken above. */
#define EXT_EVENT    (UINT64_C(1) << EXT_IDLE_BITS)
#define EXT_IDLE_BITS 20            /* ThreadLimit is at most 100,000 */

static inline int ext_idle_of(uint64_t work)
{
    return (int)(work & (EXT_EVENT - 1));
}

/* Workers that wait for work. Any process, any thread. */
static inline int ext_idle(const ext_child_t *child)
{
    return ext_idle_of(atomic_load_explicit(&child->work, memory_order_relaxed));
}

/* Events taken so far; wraps at 2^44. Any process, any thread. */
static inline uint64_t ext_events(const ext_child_t *child)
{
    return atomic_load_explicit(&child->work, memory_order_relaxed) >> EXT_IDLE_BITS;
}

/* Workers that serve. Any process, any thread. */
static inline int ext_busy(const ext_child_t *child)
{
    int busy = atomic_load_explicit(&child->threads, memory_order_relaxed)
               - atomic_load_explicit(&child->arriving, memory_order_relaxed) - ext_idle(child);

    return busy > 0 ? busy : 0;
}

/* Messages that a fault could repeat many times a second in every process. */
typedef enum {
    LOG_ACCEPT,
    LOG_POLLER,
    LOG_THREADS,
    LOG_FORK,
    LOG_KINDS
} log_kind_e;

typedef struct scoreboard_ext_t {
    int slot_count;
    _Atomic int64_t logged_us[LOG_KINDS];   /* when last, monotonic; any process */
    ext_child_t children[];
} scoreboard_ext_t;

/* Map shared memory for slot_count children. Returns 0 or an errno value. The parent; lives
 * until the process ends. */
int scoreboard_ext_create(scoreboard_ext_t **ext, int slot_count);
/* For the unit tests. */
void scoreboard_ext_destroy(scoreboard_ext_t *ext);

/* Forget what an earlier child wrote, before a new one is started in its slot. Parent. */
void scoreboard_ext_reset(ext_child_t *child);

/* True if a message of this kind may be logged at now_us (monotonic µs): at most one a
 * second from all processes together. Any process, any thread. */
bool scoreboard_ext_may_log(scoreboard_ext_t *ext, log_kind_e kind, int64_t now_us);

#endif
