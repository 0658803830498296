/* What a child process consists of: child_t, and where in its life it is. For the files of this
 * room; the parent knows child.h. */
#ifndef ADP_CHILD_INTERNAL_H
#define ADP_CHILD_INTERNAL_H

#include "bench.h"
#include "bulkhead.h"
#include "drain.h"
#include "fwd.h"
#include "listeners.h"
#include "lowering.h"
#include "pinning.h"
#include "put_off.h"
#include "rooms.h"
#include "steer_threads.h"
#include "watch.h"
#include "worker.h"
#include "workers.h"

#include "base/clock.h"
#include "base/deadlines.h"
#include "base/jobs.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/poller.h"
#include "base/slab.h"
#include "base/timers.h"
#include "base/turns.h"
#include "config/config.h"
#include "scoreboard_ext.h"

#include "apr_atomic.h"
#include "scoreboard.h"

#include <sys/param.h>

/* The life of a child.
 *
 *   STARTING ---> SERVING ---> DRAINING ---> STOPPING
 *       |            |                          ^
 *       +------------+--------------------------+
 *
 * STARTING  initialises modules, no worker yet
 * SERVING   accepts connections
 * DRAINING  accepts no more, finishes what it has (graceful restart or stop, surplus child,
 *           MaxConnectionsPerChild)
 * STOPPING  workers leave, at once if asked ungracefully
 */
typedef enum {
    CHILD_STARTING,
    CHILD_SERVING,
    CHILD_DRAINING,
    CHILD_STOPPING
} child_phase_e;

/* For the log. */
static inline const char *child_phase_name(child_phase_e phase)
{
    static const char *const names[] = { "starting", "serving", "draining", "stopping" };

    return names[phase];
}

/* What hangs together in a child process. Unless a comment says otherwise a field is set
 * before the first worker starts and constant from then on. */
struct child_t {
    server_rec *server;
    const adp_config_t *config;
    apr_pool_t *pool;
    int slot;                   /* in the scoreboard */
    ap_generation_t generation;
    process_score *score;       /* counters of connections: atomics, always current */
    scoreboard_ext_t *board;    /* our own shared memory */
    ext_child_t *ext;           /* this child's record there */
    _Atomic int phase;          /* child_phase_e; only the steward changes it */
    _Atomic bool told_to_stop;  /* SIGTERM came, or the time to drain is over */
    _Atomic int told_to_drain;  /* drain_order_e */
    _Atomic bool told_to_dump;  /* SIGUSR2 came */
    drain_schedule_t drain;     /* the steward's */
    double cpus;                /* processors that the server may use */
    int online_processors;      /* of the machine, as the child began */
    int start_threads;          /* worker threads to begin with */
    int64_t began_us;           /* when the process did */
    _Atomic bool cpu_bound;      /* requests compute: workers are kept few */
    bool one_process;           /* no parent: -X */
    int lifeline_fd;            /* the parent's orders (child.h); -1: no parent */
    pid_t parent_pid;           /* 0: no parent */
    int parent_pidfd;           /* readable when the parent has ended; -1: no such thing */
    int parent_fd;              /* wakes the parent; -1: no parent */
    int steward_fd;             /* wakes the steward */
    bool heard;                 /* the steward's: something has woken it since its last round */
    bool deaf;                  /* the steward's: nothing can wake it any more, it has to look */
    turns_t turns;              /* the steward's */
    int64_t lingers_cut_us; /* the steward's: lingering connections last had to make room then */
    int probe_fd;               /* see watch.c */
    int exit_fd;                /* written once: every worker leaves */
    poller_t poller;
    jobs_t jobs;
    timers_t timers;
    deadlines_t deadlines;
    slab_t connections;
    _Atomic int pooled_connections;     /* free ones that keep their pool */
    _Atomic int64_t held_bytes; /* of requests that are being collected, while they wait */
    _Atomic int64_t output_held;        /* bytes in memory that wait for readers (response.h) */
    int64_t memory_bytes;       /* that the server may use, as it was found when the child began */
    listeners_t listeners;
    workers_t workers;
    bench_t bench;
    rooms_t rooms;
    lowering_t lowering;
    put_off_t put_off;
    pinning_t pinning;
    _Atomic unsigned streams;   /* HTTP/2, that have begun */
    bulkheads_t bulkheads;
    watch_t watch;
    steer_t steer;
    job_t accept_job;           /* a look at the listeners, for a sibling that could not */
    _Atomic bool accept_job_queued;
    _Atomic bool look_due;      /* whoever ends an event is to look at the listeners */
    lock_t suspended_lock;
    conn_t *suspended;   /* guarded by suspended_lock */
    _Atomic uint64_t callbacks_started; /* written under suspended_lock */
};

/* Connections that the child has, those that it is about to accept included. Any thread. */
static inline apr_uint32_t child_connections(const child_t *child)
{
    return apr_atomic_read32(&child->score->connections);
}

/* Children that share the processors, the backlog and MinSpareThreads, itself included: the
 * parent's word, within what there can be. Any thread. */
static inline int child_sharing(const child_t *child)
{
    int serving = atomic_load_explicit(&child->ext->serving, memory_order_relaxed);

    return MIN(MAX(serving, 1), child->config->slot_count);
}

/* Threads that it may have: what the parent grants, within its own places for them. Any thread. */
static inline int child_most_threads(const child_t *child)
{
    int granted = atomic_load_explicit(&child->ext->most_threads, memory_order_relaxed);

    return granted > 0 ? MIN(granted, child->workers.limit) : child->workers.limit;
}

/* Its share of that part of the memory (the part-th) which all children may hold for something. Any
 * thread. */
static inline int64_t child_memory_share(const child_t *child, int part)
{
    return child->memory_bytes / part / child_sharing(child);
}

/* Its part of the processors. Any thread. */
static inline double child_cpus(const child_t *child)
{
    return child->cpus / child_sharing(child);
}

/* A child of its generation runs in this slot, or it itself. Any thread. */
static inline bool child_has_kin(const child_t *child, int slot)
{
    const process_score *score = ap_get_scoreboard_process(slot);

    return slot == child->slot || (score->pid != 0 && score->generation == child->generation);
}

/* Log at most one message of this kind a second, from all children together. */
#define child_log_limited(child, kind, level, rv, ...) \
    do { \
        if (scoreboard_ext_may_log((child)->board, kind, clock_now_us())) { \
            ap_log_error(APLOG_MARK, level, rv, (child)->server, __VA_ARGS__); \
        } \
    } while (0)

#endif
