/* The control law: how many threads, how many children, and why.
 *
 * Pure policy. C99 library only: no httpd, no APR, no clock (the sample carries the time),
 * no allocation, no lock, no static. The same input gives the same plan, which is what the
 * unit tests, the simulator (t/sim) and whoever reads a decision in the log rely on.
 * docs/dev/controller.md derives the formulas and shows what each term buys.
 *
 * There are two actuators with very different lead times. Threads start in some 60 us and
 * belong to a child, so a child decides about its own (controller_threads()). A child
 * takes milliseconds to fork and initialise, so the parent only makes sure that there are
 * enough of them for the threads to grow in (controller_children()).
 */
#ifndef ADP_CONTROLLER_H
#define ADP_CONTROLLER_H

#include "reasons.h"

#include <stdbool.h>
#include <stdint.h>

#define CTL_NEVER_US INT64_MAX      /* look_again_us: only an event can change the plan */
#define CTL_UNKNOWN  (-1)           /* a count in the sample that nobody has measured */
#define CTL_NOT_SET  (-1)           /* a limit that nobody has given */

/* For messages and status pages; never NULL. The ceilings are named as the administrator
 * knows them ("MaxRequestWorkers", "memory limit of the control group", ...). */
const char *controller_reason_text(ctl_reason_e reason);
const char *controller_ceiling_text(ctl_ceiling_e ceiling);

/* For scripts: one lower-case word, which never changes; "unknown" for what is in no table. */
const char *controller_reason_name(ctl_reason_e reason);
const char *controller_ceiling_name(ctl_ceiling_e ceiling);

/* --- parts of the states: the caller looks at nothing of this --------------------- */

/* Terms of the law, to see what each of them buys: bits of `without`. */
typedef enum {
    CTL_TERM_GROWTH = 1 << 0,      /* threads: demand that rises goes on rising for the lead time */
    CTL_TERM_OFFERED = 1 << 1,     /* where a surge of arrivals will lead: rate * service time */
    CTL_TERM_FLUCTUATION = 1 << 2, /* spare threads by the square root of the demand */
    CTL_TERM_PANIC = 1 << 3,       /* work has waited too long */
    CTL_TERM_HOLD = 1 << 4,        /* surplus is kept for a while */
    CTL_TERM_LEARNING = 1 << 5,    /* ... longer if it was missed */
    CTL_TERM_CPU = 1 << 6,         /* computing requests need processors, not threads */
    CTL_TERM_PROGRESS = 1 << 7,    /* ... unless nothing gets done */
    /* the caller's: */
    CTL_TERM_LOWERING = 1 << 8,    /* those that compute stand back (attained.h) */
    CTL_TERM_TELLING = 1 << 9,     /* who has waited for AdaptiveMaxWait is told */
    CTL_TERM_SHARES = 1 << 10      /* a class may hold a part of the threads (share.h) */
} ctl_term_e;

#define CTL_PEAK_BUCKETS 16
#define CTL_SURGE_MARKS  32

/* Time as the law sees it: never goes back. */
typedef struct ctl_clock_t {
    int64_t now_us;
    int64_t last_us;            /* the caller's clock at the last look */
} ctl_clock_t;

/* Rates, and the time that a request takes, from differences of counters. */
typedef struct ctl_flow_t {
    bool primed;
    uint64_t arrivals, completions;
    int64_t at_us;
    double level;
    double arrivals_per_s, completions_per_s;
    struct {
        double busy_s;          /* thread time ... */
        double events;          /* ... and what it was spent on, fading */
    } late, recent;             /* over the last ten seconds or so, over the last moment */
} ctl_flow_t;

/* Counts of arrivals at past times: the latest rate that is surely above the others. */
typedef struct ctl_surge_t {
    int next, used;
    double total;
    struct {
        int64_t at_us;
        double total;
    } marks[CTL_SURGE_MARKS];
} ctl_surge_t;

/* The largest value within a time that slides along. */
typedef struct ctl_peak_t {
    int64_t width_us;           /* of a bucket; 0: nothing was put in yet */
    int64_t index;              /* of the latest bucket, counted from time 0 */
    int value[CTL_PEAK_BUCKETS];
} ctl_peak_t;

/* The way down. */
typedef struct ctl_hold_t {
    ctl_peak_t peak;
    int64_t step_us;            /* of the last step down */
    int64_t retired_us;         /* when something was retired, < 0: never, or it was missed */
    int64_t left_us;            /* what was retired last had not been needed since then */
    int doublings;              /* of the hold time, learned */
    int64_t learned_us;         /* when that was confirmed last */
} ctl_hold_t;

/* What threads do while they are busy: compute, or wait for something else. */
typedef struct ctl_cpu_t {
    double seen_busy, seen_runnable;    /* of the last looks, fading */
    int free_looks;             /* in a row that found a processor free */
    int64_t free_us;            /* the last of them */
    int counts;                 /* so far, up to some */
    double blocked_part;        /* of the busy threads, smoothed */
    int64_t counted_us;         /* when they were last counted */
    int blocked;                /* threads at the last look if work waited then, < 0: it did not */
    bool idle_processors;       /* ... and processors were free */
    double allowed;             /* threads that the last such looks allowed, fading */
    int lift;                   /* threads more, because nothing got done */
    int64_t progress_us;        /* when something got done */
    int64_t lifted_us;          /* when the lift last changed */
} ctl_cpu_t;

/* --- threads of one child --------------------------------------------------------- */

/* Constant for the life of a child, but for max_threads and cpus. */
typedef struct ctl_thread_limits_t {
    int min_threads;            /* never fewer */
    int max_threads;            /* never more: ThreadsPerChild, or what the parent grants */
    ctl_ceiling_e ceiling;      /* what max_threads comes from */
    double cpus;                /* this child's part of the processors, > 0 */
    int64_t wait_target_us;     /* work that waits longer gets more threads */
    int64_t hold_us;            /* a spare thread is kept at least so long */
} ctl_thread_limits_t;

/* What a child knows. Counters are cumulative, may wrap, and are compared by difference. */
typedef struct ctl_thread_sample_t {
    int64_t now_us;             /* monotonic; one that jumps back is survived */
    int threads;                /* that run, admitted or not; without starting */
    int admitted;               /* of these, those that may take work (busy or idle) */
    int busy;                   /* of these, those that serve */
    int lowered;                /* of those that serve: they compute behind the others, get what
                                 * processors these leave, and keep nobody from one (attained.h) */
    int starting;               /* on their way to their first work */
    int waiting;                /* events ready that nobody has taken, if known */
    int64_t waited_us;          /* how long the oldest of them has waited; 0: none does */
    int runnable;               /* busy threads, lowered ones not counted, that compute or wait
                                 * for a processor, if measured: see
                                 * controller_threads_wants_count() */
    int idle_processors;        /* of the machine, whoever else uses it; measured with runnable */
    uint64_t arrivals;          /* events taken */
    uint64_t completions;       /* events done */
    int64_t thread_start_us;    /* 95th percentile of thread start times, 0: not yet known */
} ctl_thread_sample_t;

typedef struct ctl_thread_plan_t {
    int target;                 /* threads that should be there */
    int start;                  /* threads or children to start now; >= 0 */
    int retire;                 /* idle ones to let go now; >= 0 */
    int admit;                  /* how many may take work; the others stay out of the poll,
                                 * ready to come back. <= max_threads */
    ctl_reason_e reason;
    ctl_ceiling_e ceiling;      /* what kept the target down, if reason is CTL_CEILING */
    bool wants_child;           /* the parent should look: this child is near its end */
    double demand;              /* what the law saw: threads needed for the load itself, */
    double spare;               /* ... and to spare */
    double blocked_part;        /* of the busy time, not computing: 0..1; for the parent */
    int64_t look_again_us;      /* at this time, if no event comes earlier */
} ctl_thread_plan_t;

/* What the law remembers of the threads of a child. The caller keeps it and looks at nothing. */
typedef struct ctl_thread_state_t {
    unsigned without;           /* ctl_term_e: terms switched off, by the simulator only */
    ctl_clock_t clock;
    ctl_flow_t flow;
    ctl_cpu_t cpu;
    ctl_hold_t hold;
    int batch;                  /* threads that the next panic starts */
    int64_t calm_at_us;         /* nothing is retired before */
    int64_t quiet_us;           /* the pause between looks while nothing changes */
} ctl_thread_state_t;

void controller_threads_init(ctl_thread_state_t *state, int64_t now_us);

/* Is it worth the effort to count sample->runnable, of which everything else is known? While work
 * waits, while many are busy, and as long as the cap by processors keeps threads from work: a cap
 * that is not confirmed does not last. The child's steward, before each decision. */
bool controller_threads_wants_count(const ctl_thread_state_t *state,
                                    const ctl_thread_sample_t *sample,
                                    const ctl_thread_limits_t *limits);

/* Decide about the threads of one child. The child's steward: when nobody is idle, when
 * look_again_us has come. */
ctl_thread_plan_t controller_threads(ctl_thread_state_t *state,
                                     const ctl_thread_sample_t *sample,
                                     const ctl_thread_limits_t *limits);

/* --- children --------------------------------------------------------------------- */

typedef struct ctl_child_limits_t {
    int threads_per_child;      /* slots that a child has */
    int min_children;           /* StartServers without load: a processor each, a bucket each */
    int max_children;           /* scoreboard, MaxRequestWorkers ... */
    int max_threads;            /* of all children */
    ctl_ceiling_e ceiling;      /* what max_threads comes from */
    int min_spare_threads;      /* MinSpareThreads, or CTL_NOT_SET */
    int max_spare_threads;      /* MaxSpareThreads, or CTL_NOT_SET */
    double cpus;                /* that the server may use */
    int64_t wait_target_us;
    int64_t hold_us;            /* a spare child is kept at least so long */
} ctl_child_limits_t;

/* What the parent knows: sums over the children of the current generation that accept,
 * start or are parked. */
typedef struct ctl_child_sample_t {
    int64_t now_us;
    int serving;                /* children that accept */
    int starting;               /* forked, not yet accepting */
    int parked;                 /* stopped accepting, may be brought back */
    int lasting;                /* of these, would not end soon if they were told to: a request is
                                 * under way, or a connection is suspended */
    int draining;               /* children of any generation that end when their last connection
                                 * does: each holds a slot */
    int slots;                  /* for children, in all; 0: as many as are needed */
    int threads;                /* of serving and parked children */
    int busy;                   /* of these */
    int blocked;                /* of the busy ones: not computing (a backend, a lock, a sleep) */
    int waiting;                /* work that nobody has taken, if known */
    int64_t waited_us;          /* the longest that work has waited in a child for a thread */
    int exhausted;              /* children that have all threads they may have, all busy,
                                 * and work that waits */
    int out_of_descriptors;     /* serving children that cannot take another connection */
    uint64_t arrivals;
    uint64_t completions;
    int64_t child_start_us;     /* 95th percentile of the time from fork to accepting, 0: unknown */
} ctl_child_sample_t;

typedef struct ctl_child_plan_t {
    int target;                 /* children that should accept, starting ones included */
    int resurrect;              /* parked children that accept again; before any start */
    int start;
    int park;                   /* accepting children that stop accepting */
    int retire;                 /* parked children that end */
    ctl_reason_e reason;
    ctl_ceiling_e ceiling;
    double demand;              /* threads for the load itself, */
    double spare;               /* ... and to spare */
    double arrivals_per_s;      /* as estimated */
    double service_us;          /* by Little's law: busy / throughput; 0: unknown */
    int64_t look_again_us;
} ctl_child_plan_t;

/* Outlives graceful restarts, so that a new generation starts with what the load needs. */
typedef struct ctl_child_state_t {
    unsigned without;           /* ctl_term_e: terms switched off, by the simulator only */
    ctl_clock_t clock;
    ctl_flow_t flow;
    ctl_surge_t surge;
    ctl_hold_t hold;
    ctl_peak_t unparked;        /* minus the number of parked children: its peak are those
                                 * that were parked all the time */
    bool blocked_known;
    double blocked_part;        /* of the busy threads */
    bool cpu_bound;              /* the others */
    ctl_hold_t parking;         /* how long surplus children are kept from being parked then */
    int64_t used_us;            /* when all children there are were last in use, */
    int used;                   /* ... and how many they were */
    int64_t filling_us;         /* since then the demand surely grows */
    double busy_smooth;
    int batch;                  /* children that the next panic starts */
    int64_t calm_at_us;
    int64_t quiet_us;
    int threads, most_threads;  /* that there were, and that there might be, at the last look */
} ctl_child_state_t;

void controller_children_init(ctl_child_state_t *state, int64_t now_us);

/* Decide about the number of children. The parent: on a wake-up by a child, when
 * look_again_us has come. */
ctl_child_plan_t controller_children(ctl_child_state_t *state, const ctl_child_sample_t *sample,
                                     const ctl_child_limits_t *limits);

#endif
