/* Start here: what a child process of the adaptive MPM consists of.
 *
 * src/README.md tells the same as a tour. Names: the parent is the process that reads the
 * configuration and starts children; a child serves connections with worker threads (w)
 * and one steward, its main thread, which never runs a request.
 */
#ifndef ADAPTIVE_H
#define ADAPTIVE_H

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "ap_listen.h"
#include "ap_mpm.h"
#include "scoreboard.h"

#include "../scoreboard_ext.h"
#include "accept_gate.h"
#include "clock.h"
#include "controller.h"
#include "deadlines.h"
#include "drain_schedule.h"
#include "jobs.h"
#include "poller.h"
#include "quota.h"
#include "report_text.h"
#include "slab.h"
#include "timers.h"
#include "turns.h"

extern module AP_MODULE_DECLARE_DATA mpm_adaptive_module;
APLOG_USE_MODULE(mpm_adaptive);

/* Our message numbers; AHnnnnn belong to httpd. Each is explained in docs/messages.md. */
#define ADPNO(n) "ADP" #n ": "

/* Which numbers the configuration file gives; the others are defaults, which the controller
 * need not obey. */
typedef struct adp_given_t {
    bool start_servers;
    bool server_limit;
    bool threads_per_child;
    bool max_request_workers;
    bool min_spare_threads;     /* or mod_heartbeat needs it */
    bool max_spare_threads;
} adp_given_t;

/* The effective configuration of one generation, after all corrections (config.c). */
typedef struct adp_config_t {
    int start_servers;          /* children at start */
    int server_limit;           /* children of one generation, at most */
    int thread_limit;           /* scoreboard slots a child, constant for the parent's life */
    int threads_per_child;      /* worker threads a child may grow to */
    int max_request_workers;    /* worker threads in all, at most */
    int max_children;           /* of one generation: what max_request_workers amounts to */
    int min_spare_threads;      /* threads that children have or may grow, and that are idle */
    int max_spare_threads;
    double async_factor;        /* AsyncRequestWorkerFactor, 0: connections are not limited */
    int slot_count;             /* scoreboard slots for children: server_limit and a reserve
                                 * for those that are going; constant for the parent's life */
    int start_threads;          /* worker threads of a child at start */
    adp_given_t given;
    ext_mode_e adaptive_mode;   /* AdaptiveMode */
    int64_t wait_target_us;     /* AdaptiveWaitTarget: no work should wait longer for a thread */
    int64_t hold_us;            /* AdaptiveHold: a spare thread is kept at least so long */
    int64_t drain_timeout_us;   /* AdaptiveDrainTimeout, 0: unlimited */
    double memory_share;        /* AdaptiveMemory: of what the server may have ... */
    int64_t memory_bytes;       /* ... or so much, if not 0 */
    double cpus;                /* processors that the server may use, > 0 (adp_limits.h) */
    ctl_ceiling_e ceiling;      /* what max_request_workers comes from */
} adp_config_t;

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

/* What happens to a connection of a listening socket before its first byte (first_byte.h). */
typedef enum {
    OPENING_WAIT,               /* nothing: it waits without a thread */
    OPENING_HOOKS,              /* pre_connection hooks see it at once, then it waits */
    OPENING_SERVE               /* it has a thread at once: the server may speak first */
} opening_e;

typedef struct listeners_t {
    ap_listen_rec **records;
    opening_e *openings;        /* by record */
    int count;
    accept_gate_t gate;         /* whether it accepts; changed under lock, read without */
    _Atomic unsigned accepted;  /* connections, wraps */
    quota_t quota;              /* MaxConnectionsPerChild */
    int64_t short_since_us;     /* guarded by lock: resources are short since then ... */
    int64_t short_last_us;      /* ... and were last found so then */
    /* the steward's, while resources are short */
    int64_t waiting_since_us;   /* the backlog was found filled at each look since then, */
    int64_t helpless_since_us;  /* ... and no sibling accepted */
    int64_t waiting_last_us;    /* the last such look */
    int64_t evicted_us;         /* when connections last had to make room */
    int descriptor_limit;       /* an accepted descriptor this high means they run out */
    _Atomic bool is_narrow;     /* one was near it, and half of the connections are still there: */
    _Atomic unsigned narrow_above;
    pthread_mutex_t narrow_lock;    /* accepting, while it is; lock may be taken with it held */
    pthread_mutex_t lock;       /* registering and deregistering with the poller */
} listeners_t;

/* How a child was told to finish. */
typedef enum {
    DRAIN_NOT,
    DRAIN_LEAVE_BACKLOG,
    DRAIN_TAKE_BACKLOG,         /* the child may be the last to hold the sockets */
    DRAIN_END_SOCKETS           /* nobody accepts from them any more: the same, and no SYN is answered */
} drain_order_e;

typedef struct child_t child_t;

/* What a worker on the bench is told; see bench.h. */
typedef enum {
    BENCH_WAIT,
    BENCH_GO,                   /* back to work */
    BENCH_LEAVE                 /* the thread ends */
} bench_verdict_e;

/* Janitors of a child, at most: each may be held by what a module does in a callback. */
#define MOST_JANITORS 8

/* A worker thread. Janitors (pool.h) and the steward have one too, with slot -1. */
typedef struct worker_t {
    child_t *child;
    int slot;                   /* in the scoreboard row of the child */
    apr_thread_t *thread;       /* the steward's: not NULL has to be joined, see pool.c */
    apr_thread_t *self;         /* the worker's own: what c->current_thread is set to */
    apr_pool_t *pool;           /* for the thread's bookkeeping; the steward's */
    _Atomic int tid;            /* kernel's id, 0 before it runs and after it left */
    _Atomic bool serving;       /* it has an event in hand */
    _Atomic bool left;          /* the thread is about to end and can be joined */
    bool dismissed;             /* by a job of pool_retire(): leave after this event */
    pthread_cond_t called;      /* bench.h: its verdict has changed */
    bench_verdict_e verdict;    /* guarded by bench_t.lock */
    int64_t started_us;         /* when the steward started it */
    _Atomic uint64_t callback;  /* number of the timed callback it runs, 0: none */
    int turns;                  /* events until it looks for a connection to accept */
    struct conn_t *spare;       /* a connection ready for the next accept */
} worker_t;

/* The worker threads of a child. Started and joined by the steward only. */
typedef struct pool_t {
    worker_t *workers;          /* limit of them, then the janitors' and the steward's */
    int limit;
    apr_threadattr_t *attributes;
    job_t dismiss_job;          /* an idle worker that takes it leaves, see pool_retire() */
    _Atomic bool dismiss_queued;
    _Atomic int dismissals;     /* workers that are to leave that way */
    _Atomic int left_count;     /* threads that have left and are not joined */
    _Atomic int64_t slowest_start_us;   /* from pthread_create(3) to work, decaying */
    /* the steward's */
    int64_t retry_us;           /* thread creation was refused: not before */
    int64_t backoff_us;
    int used;                   /* the highest place in workers that was ever taken, plus one */
    int next_counted;           /* where runnable_count() goes on */
    int64_t janitor_us;         /* the last janitor was started then */
} pool_t;

/* Workers that are kept out of the poll; see bench.h. */
typedef struct bench_t {
    pthread_mutex_t lock;
    worker_t **seats;           /* guarded by lock: who sits, the warmest last */
    int taken;                  /* guarded by lock */
    bool closed;                /* guarded by lock: nobody sits any more */
    _Atomic int admitted;       /* workers that may take work; written under lock */
} bench_t;

/* The measure of how long work waits; see watch.c. */
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

/* The steward's decisions about threads; see steer_threads.c. */
typedef struct steer_t {
    ctl_thread_state_t state;
    report_t report;            /* what was said of it */
    int64_t look_us;            /* decide again then */
    int target;                 /* threads that it decided on last */
    bool shrunk;                /* threads have left since memory was last given back */
    bool full;                  /* it could not have started another thread then */
    int64_t told_parent_us;     /* when the parent was last woken for siblings, */
    int told_busy;              /* ... and for how many busy threads; 0: it was not */
    struct {
        uint64_t events;
        int busy, live, granted;
        bool waits;
    } seen;                     /* by the last decision */
    int64_t pause_us;           /* until the next one, while nothing changes */
    uint64_t events;            /* taken, */
    uint64_t completions;       /* ... and done: never fewer than before */
} steer_t;

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
    drain_schedule_t drain;     /* the steward's */
    double cpus;                /* processors that the server may use */
    int start_threads;          /* worker threads to begin with */
    int64_t began_us;           /* when the process did */
    _Atomic bool computes;      /* requests compute: workers are kept few */
    bool one_process;           /* no parent: -X */
    int lifeline_fd;            /* the parent's orders (child.h); -1: no parent */
    pid_t parent_pid;           /* 0: no parent */
    int parent_pidfd;           /* readable when the parent has ended; -1: no such thing */
    int parent_fd;              /* wakes the parent; -1: no parent */
    int steward_fd;             /* wakes the steward */
    bool deaf;                  /* the steward's: nothing can wake it any more, it has to look */
    turns_t turns;              /* the steward's */
    int64_t lingers_cut_us;     /* the steward's: lingering connections last had to make room then */
    int probe_fd;               /* see watch.c */
    int exit_fd;                /* written once: every worker leaves */
    poller_t poller;
    jobs_t jobs;
    timers_t timers;
    deadlines_t deadlines;
    slab_t connections;
    _Atomic int pooled_connections;     /* free ones that keep their pool */
    listeners_t listeners;
    pool_t workers;
    bench_t bench;
    watch_t watch;
    steer_t steer;
    job_t accept_job;           /* a look at the listeners, for a sibling that could not */
    _Atomic bool accept_job_queued;
    pthread_mutex_t suspended_lock;
    struct conn_t *suspended;   /* guarded by suspended_lock */
    _Atomic uint64_t callbacks_started; /* written under suspended_lock */
};

/* What an event of a child's poller is about: kind, generation and index in one token. */
typedef enum {
    TOKEN_CONNECTION,           /* index in child_t.connections */
    TOKEN_LISTENER,             /* index in listeners_t.records */
    TOKEN_JOBS,
    TOKEN_PROBE,
    TOKEN_EXIT
} token_kind_e;

static inline poller_token_t token_make(token_kind_e kind, uint32_t generation, uint32_t index)
{
    /* index has 30 bits at most (slab.h), generation 30 (claim.h), kind 3 */
    return (uint64_t)index << 33 | (uint64_t)generation << 3 | (uint64_t)kind;
}

static inline token_kind_e token_kind(poller_token_t token)
{
    return (token_kind_e)(token & 7);
}

static inline uint32_t token_generation(poller_token_t token)
{
    return (uint32_t)(token >> 3) & UINT32_C(0x3fffffff);
}

static inline uint32_t token_index(poller_token_t token)
{
    return (uint32_t)(token >> 33);
}

#endif
