/* Our own shared memory beside httpd's scoreboard: what children tell the parent, what the
 * parent decided and why, and the last ten minutes.
 *
 * Created once by the parent, kept over graceful restarts (both generations use it), and
 * inherited over fork. Plain C11 atomics. Children are unprivileged, and one that somebody has
 * taken over can write anything here: the parent decides by what it has in memory of its own,
 * reads nothing back of what it wrote itself but to see whether a status page needs it anew,
 * and reads children's records through src/board/board_view.h only.
 *
 *   children[]   a record a scoreboard slot: samples of the child there, its writer
 *   slots[]      one a scoreboard slot: what the parent has that child do, and since when
 *   limits       what the parent found: text and numbers
 *   plan         what the parent planned last, and from what
 *   decisions    rings of the last EXT_DECISIONS changes, one of children and one of threads, so
 *                that many children do not push out what the parent decided; any process
 *   classes      who holds threads: names, and what was refused; workers of any child
 *   counters     what has happened since the server was started; any process
 *   ceilings     what limits the number of threads, and how much of it is used; the parent
 *   seconds      ring of the last EXT_SECONDS seconds; written by the parent
 *
 * All but children[] consist of records that are copied in and out whole. A record carries a
 * checksum of its words instead of a lock, because a process may be killed at any
 * instruction, and would leave a lock behind: whoever reads a record that is being written,
 * or was never finished, or was written by two at a time, sees that the sum is wrong and
 * passes it over. At worst a killed writer costs the one entry that it wrote.
 */
#ifndef SCOREBOARD_EXT_H
#define SCOREBOARD_EXT_H

#include "law/controller.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Raise it with every change of what lies in the shared memory, records of controller.h
 * included. Where the compiler can see a change (EXT_PINNED) it does not forget. */
#define EXT_VERSION   12

/* The size that a type has in this version, where a pointer has 64 bits. Not equal: raise the
 * version above (or ADP_RETAINED_VERSION), then write the new size here. */
#define EXT_PINNED(type, size)                                                                     \
    _Static_assert(sizeof(void *) != 8 || sizeof(type) == (size),                                  \
                   "another " #type ": another version")

#define EXT_DECISIONS 64        /* of a kind; a power of two */
#define EXT_SECONDS   600
#define EXT_RATE_SECONDS 8
#define EXT_TEXT_SIZE 800

/* --- what children write ---------------------------------------------------------- */

/* A record as it lies there: the words of a type, then their checksum. */
#define EXT_RECORD(type) struct { _Atomic uint64_t words[sizeof(type) / 8 + 1]; }

/* What the parent has a child do: slot_state_e, for status pages. */
typedef enum {
    EXT_SLOT_FREE,
    EXT_SLOT_STARTING,
    EXT_SLOT_SERVING,
    EXT_SLOT_PARKED,                /* accepts no more for now, keeps its connections */
    EXT_SLOT_DRAINING,                 /* finishes what it has */
    EXT_SLOT_STATES
} ext_slot_state_e;

typedef struct ext_slot_t {
    int64_t since_us;               /* in this state, monotonic */
    int32_t state;                  /* ext_slot_state_e */
    int32_t pid;
    int32_t generation;
    int32_t reserved;
} ext_slot_t;

/* --- who holds threads (src/board/classes.h) ---------------------------------------- */

/* Virtual hosts and backends that are told apart at a time: those that are busy. */
#define EXT_CLASSES   64        /* a power of two */
#define EXT_CLASS_NAME 84

typedef struct ext_class_name_t {
    int32_t is_backend;             /* of mod_proxy; else a virtual host */
    char text[EXT_CLASS_NAME];
} ext_class_name_t;

typedef struct ext_class_t {
    _Atomic uint64_t hash;          /* of the name; 0: the place is free */
    _Atomic uint64_t refused;       /* requests, since it has this place */
    _Atomic int64_t seen_s;         /* its last request, monotonic */
    EXT_RECORD(ext_class_name_t) name;
} ext_class_t;

/* What a child has of a class. */
typedef struct ext_holding_t {
    _Atomic uint64_t work;          /* threads held below, requests begun above, as in .work */
    _Atomic uint64_t marks[2];      /* the older, the newer: milliseconds above, requests done */
    _Atomic uint64_t usual_us;      /* a request holds its thread; 0: unknown */
} ext_holding_t;

/* True or false. Not a bool: another process may have written any other byte here. */
typedef _Atomic unsigned char ext_flag_t;

typedef struct ext_child_t {
    /* the workers', at every event: idle workers and events taken in one word, so that both
     * cost one atomic operation and any look at them is consistent; see ext_idle() */
    _Alignas(64) _Atomic uint64_t work;
    _Atomic int threads;            /* worker threads that run or start, and may take work */
    _Atomic int arriving;           /* of these, started and not yet at the poller */
    _Atomic int benched;            /* worker threads that are kept from taking work */
    _Atomic int processor;          /* its threads stay on this one, plus 1; 0: on none */
    _Atomic int put_off;            /* requests that wait without a thread (src/child/put_off.h) */
    _Atomic int coming;             /* requests and handshakes whose rest is waited for, likewise */
    _Atomic int lowered;            /* of threads: they serve what computes, after the others */
    _Atomic int carrying;           /* of threads: they serve connections with HTTP/2 streams */
    _Atomic int nameless;           /* requests that hold a thread for a class without a place */
    ext_flag_t ready;               /* its workers take connections */
    ext_flag_t closed;              /* its listeners are closed for good */
    ext_flag_t wants_successor;     /* MaxConnectionsPerChild is near (src/child/quota.h) */
    ext_flag_t wants_relief;        /* woken for a connection that it cannot accept */
    ext_flag_t exhausted;           /* all threads it may have are busy, and work waits */
    ext_flag_t out_of_descriptors;  /* it cannot take another connection: RLIMIT_NOFILE */
    /* the steward's sample */
    _Alignas(64) _Atomic int waiting;   /* events that nobody has taken */
    _Atomic int computing_permille; /* of the time of busy workers: needs a processor */
    _Atomic int64_t waited_us;      /* how long the oldest event has waited */
    _Atomic int64_t waited_most_us; /* the most of it, and of busy threads, since the parent */
    _Atomic int busy_most;          /* ... last looked, which takes them: then 0 */
    _Atomic int64_t ready_us;       /* when it began to take connections, monotonic */
    /* requests read in each of the last seconds, for people: see ext_count_request(); and ever */
    _Atomic uint64_t by_second[EXT_RATE_SECONDS];
    _Atomic uint64_t requests;
    /* what the parent grants */
    _Atomic int most_threads;       /* threads that it may have */
    _Atomic int ceiling;            /* ctl_ceiling_e: why not more */
    _Atomic int serving; /* children that share the processors with it, itself included */
    /* what the parent notes for status pages. Here, and not in an array of its own behind this
     * one: the place of that would have to be computed from what children can write. */
    EXT_RECORD(ext_slot_t) slot;
    /* the workers', by class */
    _Alignas(64) ext_holding_t holdings[EXT_CLASSES];
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
    /* wider than the parts: the parent looks at what others may have written */
    int64_t busy = (int64_t)atomic_load_explicit(&child->threads, memory_order_relaxed)
                   - atomic_load_explicit(&child->arriving, memory_order_relaxed)
                   - ext_idle(child);

    return busy > 0 ? (int)(busy < INT32_MAX ? busy : INT32_MAX) : 0;
}

/* Workers that may take work and do not serve what needs no place among them: those that are
 * lowered, and those that carry streams. Any process, any thread. */
static inline int ext_light_threads(const ext_child_t *child)
{
    /* unsigned: whatever another process may have written, no sum overflows */
    return (int)((unsigned)atomic_load_explicit(&child->threads, memory_order_relaxed)
                 - (unsigned)atomic_load_explicit(&child->lowered, memory_order_relaxed)
                 - (unsigned)atomic_load_explicit(&child->carrying, memory_order_relaxed));
}

/* A request was read in this second (monotonic). Any thread. */
static inline void ext_count_request(ext_child_t *child, int64_t second)
{
    _Atomic uint64_t *place = &child->by_second[second % EXT_RATE_SECONDS];
    uint64_t seen = atomic_load_explicit(place, memory_order_relaxed);

    /* in the same cache line: hardly any cost */
    atomic_fetch_add_explicit(&child->requests, 1, memory_order_relaxed);

    while (seen >> 32 != (uint32_t)second) {
        if (atomic_compare_exchange_weak(place, &seen, (uint64_t)second << 32 | 1)) {
            return;
        }
    }
    atomic_fetch_add_explicit(place, 1, memory_order_relaxed);
}

/* Requests read in a second that is over, one of the last EXT_RATE_SECONDS - 1. Any process. */
static inline uint32_t ext_requests_in(const ext_child_t *child, int64_t second)
{
    uint64_t seen = atomic_load_explicit(&child->by_second[second % EXT_RATE_SECONDS],
                                         memory_order_relaxed);

    return seen >> 32 == (uint32_t)second ? (uint32_t)seen : 0;
}

/* --- what goes in and out whole ---------------------------------------------------- */

/* AdaptiveMode. */
typedef enum {
    EXT_MODE_ON,
    EXT_MODE_OBSERVE,               /* the rule of before acts, the controller only plans */
    EXT_MODE_OFF,                   /* the rule of MinSpareThreads and MaxSpareThreads alone */
    EXT_MODES
} ext_mode_e;

/* What was found at the start of a generation, or later when it changed. */
typedef struct ext_limits_t {
    char text[EXT_TEXT_SIZE];       /* the line that was logged */
    int32_t max_threads;            /* in all, in the long run; the plan has what may be now */
    int32_t max_children;
    int32_t threads_per_child;
    int32_t ceiling;                /* ctl_ceiling_e: what max_threads comes from */
    double cpus;
} ext_limits_t;

/* The parent's last plan, with all that it was made from. */
typedef struct ext_plan_t {
    int64_t wall_us;                /* since 1970; filled in by scoreboard_ext_write_plan() */
    int32_t mode;                   /* ext_mode_e: with EXT_MODE_OBSERVE it was not followed */
    int32_t draining;               /* children that finish what they have, any generation */
    int64_t waited_most_us;         /* the longest wait for a thread since the plan before */
    int32_t busy_most;              /* the most busy threads since then */
    int32_t more_follow;            /* limits.max_threads is only a part of what there may be */
    ctl_child_sample_t sample;      /* sample.now_us is when */
    ctl_child_limits_t limits;
    ctl_child_plan_t plan;
} ext_plan_t;

typedef enum {
    EXT_CHILDREN,                   /* of the parent: the number of children */
    EXT_THREADS,                    /* of a child: the number of its threads */
    EXT_KINDS
} ext_kind_e;

#define EXT_MOST_DECISIONS (EXT_KINDS * EXT_DECISIONS)

typedef struct ext_decision_t {
    uint64_t number;                /* counts up from 1; filled in when it is noted */
    int64_t wall_us;                /* since 1970; likewise */
    int64_t now_us;                 /* monotonic */
    int32_t kind;                   /* ext_kind_e */
    int32_t slot;                   /* EXT_THREADS: whose */
    int32_t mode;                   /* ext_mode_e */
    int32_t reason;                 /* ctl_reason_e */
    int32_t ceiling;                /* ctl_ceiling_e */
    int32_t children_before;        /* that accept or start; EXT_CHILDREN only */
    int32_t children_after;
    int32_t threads_before;         /* that run; possible ones for EXT_CHILDREN */
    int32_t threads_after;
    int32_t busy;                   /* threads */
    int64_t waited_us;              /* the longest wait for a thread just then, 0: none */
    double demand;                  /* threads needed for the load itself, */
    double spare;                   /* ... and to spare */
    double arrivals_per_s;          /* 0: unknown */
    double service_us;              /* 0: unknown */
} ext_decision_t;

/* One second of history. 56 bytes and the sum: a cache line. */
typedef struct ext_second_t {
    int64_t second;                 /* monotonic, in seconds */
    int32_t threads;                /* the levels are those at the end of the second */
    int32_t serving;                /* children */
    int32_t parked;
    int32_t starting;
    int32_t draining;
    int32_t target;                 /* children that the plan wanted */
    int32_t busy;                   /* threads: most in this second */
    int32_t waited_us;              /* the longest wait for a thread in this second */
    uint32_t arrivals;              /* in this second; spread evenly where the parent slept */
    float demand;                   /* threads needed for the load itself, */
    float spare;                    /* ... and to spare */
    int32_t max_threads;            /* that might run, by the ceiling of then */
} ext_second_t;

/* What limits the number of threads, as the parent last measured it. */
typedef struct ext_ceiling_t {
    int32_t ceiling;                /* ctl_ceiling_e */
    int32_t unit;                   /* ext_unit_e: of most and used */
    int64_t most;                   /* of what is limited */
    int64_t used;                   /* of it, by whomever */
    double threads;                 /* that it allows now, those that run included */
    char source[40];                /* "memory.max", "RLIMIT_NPROC"; "" for a directive */
} ext_ceiling_t;

typedef enum {
    EXT_UNIT_THREADS,
    EXT_UNIT_CHILDREN,
    EXT_UNIT_BYTES,
    EXT_UNIT_TASKS,
    EXT_UNIT_DESCRIPTORS,
    EXT_UNITS
} ext_unit_e;

/* The ceilings that there are, the one that allows the fewest threads first. */
typedef struct ext_ceilings_t {
    int32_t count;
    int32_t reserved;
    ext_ceiling_t row[CTL_CEILINGS];
} ext_ceilings_t;

/* What happens, counted since the server was started. */
typedef enum {
    EXT_CHILDREN_STARTED,
    EXT_CHILDREN_ENDED,
    EXT_CHILDREN_CRASHED,           /* of these, by a signal that was not ours */
    EXT_CHILDREN_DIED_YOUNG,        /* ... at their start or soon after it */
    EXT_FORKS_REFUSED,
    EXT_THREADS_STARTED,
    EXT_THREADS_REFUSED,
    EXT_RESTARTS,                   /* that were done; */
    EXT_RESTARTS_REFUSED,           /* ... and because the configuration was no good */
    EXT_REQUESTS_OF_THE_GONE,       /* requests read by children that have ended */
    EXT_COUNTERS
} ext_counter_e;

/* --- the memory -------------------------------------------------------------------- */

/* Messages that a fault could repeat many times a second in every process; and those of load that
 * lasts, which come once a minute. */
typedef enum {
    LOG_ACCEPT,
    LOG_POLLER,
    LOG_THREADS,
    LOG_SHED,
    LOG_REFUSED,
    LOG_KINDS
} log_kind_e;

typedef struct scoreboard_ext_t {
    int slot_count;
    _Atomic int slots_used;         /* no slot beyond was ever used; the parent, for status pages */
    _Atomic int64_t logged_us[LOG_KINDS];   /* when last, monotonic; any process */
    _Atomic uint64_t shed;          /* requests that were answered with 503; any child */
    _Atomic int64_t drain_timeout_us;       /* of the latest configuration; the parent */
    _Atomic uint64_t refused;               /* requests of any class, ever */
    _Atomic uint64_t refused_told;          /* ... as of the last line in the log */
    _Atomic uint64_t counters[EXT_COUNTERS];    /* any process */
    _Atomic int64_t started_us;             /* the server, monotonic; the parent */
    _Atomic int64_t generation_us;          /* ... and this configuration */
    _Atomic int64_t restart_refused_us;     /* monotonic; 0: the last one was done; the parent */
    _Atomic int failures_in_a_row;          /* of children that were started; the parent */
    ext_class_t classes[EXT_CLASSES];
    EXT_RECORD(ext_limits_t) limits;
    EXT_RECORD(ext_plan_t) plan;
    EXT_RECORD(ext_ceilings_t) ceilings;
    _Atomic uint64_t decisions_noted;       /* how many were ever begun, */
    _Atomic uint64_t noted[EXT_KINDS];      /* ... and of each kind */
    EXT_RECORD(ext_decision_t) decisions[EXT_KINDS][EXT_DECISIONS];
    _Alignas(64) EXT_RECORD(ext_second_t) seconds[EXT_SECONDS];
    _Alignas(64) ext_child_t children[];    /* slot_count */
} scoreboard_ext_t;

EXT_PINNED(ext_slot_t, 24);
EXT_PINNED(ext_class_t, 120);
EXT_PINNED(ext_holding_t, 32);
EXT_PINNED(ext_child_t, 2304);
EXT_PINNED(ext_limits_t, 824);
EXT_PINNED(ctl_child_sample_t, 88);
EXT_PINNED(ctl_child_limits_t, 56);
EXT_PINNED(ctl_child_plan_t, 72);
EXT_PINNED(ext_plan_t, 248);
EXT_PINNED(ext_decision_t, 104);
EXT_PINNED(ext_second_t, 56);
EXT_PINNED(ext_ceilings_t, 728);
EXT_PINNED(scoreboard_ext_t, 62464);

/* Map shared memory for slot_count children. Returns 0 or an errno value. The parent; lives
 * until the process ends. Pages that nobody writes cost nothing. */
int scoreboard_ext_create(scoreboard_ext_t **ext, int slot_count);
/* For the unit tests. */
void scoreboard_ext_destroy(scoreboard_ext_t *ext);

/* Bytes of the shared memory for slot_count children. */
size_t scoreboard_ext_size(int slot_count);

/* Forget what an earlier child wrote, before a new one is started in its slot; its requests go
 * on being counted. Parent. */
void scoreboard_ext_reset(scoreboard_ext_t *ext, int slot);

/* It has happened (once more). Any process, any thread. */
static inline void ext_count(scoreboard_ext_t *ext, ext_counter_e what)
{
    atomic_fetch_add_explicit(&ext->counters[what], 1, memory_order_relaxed);
}

/* True if a message of this kind may be logged at now_us (monotonic µs): at most one a
 * second from all processes together. Any process, any thread; not the parent, which another
 * process could silence that way. */
bool scoreboard_ext_may_log(scoreboard_ext_t *ext, log_kind_e kind, int64_t now_us);

/* --- writing ------------------------------------------------------------------------ */

/* All of these copy what they are given. None waits, none can fail. */

/* Parent, at the start of a generation and when it finds something else. */
void scoreboard_ext_write_limits(scoreboard_ext_t *ext, const ext_limits_t *limits);

/* Parent, with each plan. */
void scoreboard_ext_write_plan(scoreboard_ext_t *ext, const ext_plan_t *plan);

/* Parent, when it has measured. */
void scoreboard_ext_write_ceilings(scoreboard_ext_t *ext, const ext_ceilings_t *ceilings);

/* What a child is doing from now on; cheap and without effect if nothing is new, so the
 * parent may call it for every slot in every round. slot out of range: ignored. */
void scoreboard_ext_note_slot(scoreboard_ext_t *ext, int slot, ext_slot_state_e state, int pid,
                              int generation, int64_t now_us);

/* The name of a class, by its place. Any process, any thread. */
void scoreboard_ext_name_class(ext_class_t *class, const ext_class_name_t *name);

/* Add a decision to the ring of its kind. Any process, any thread. number and wall_us are filled
 * in. */
void scoreboard_ext_note_decision(scoreboard_ext_t *ext, const ext_decision_t *decision);

/* What the writer of the history remembers of its last entry, in memory of its own; zeroed at
 * first. */
typedef struct ext_history_t {
    ext_second_t last;
    uint64_t arrivals;              /* as of then */
} ext_history_t;

/* Add to the history: what is so at now_us (monotonic). The parent, as often as it likes:
 * what falls into one second becomes one entry. Seconds since the last call are filled with
 * the levels of then. arrivals counts from any start, may wrap and may begin anew; now->second,
 * now->arrivals are ignored. */
void scoreboard_ext_write_second(scoreboard_ext_t *ext, ext_history_t *history,
                                 const ext_second_t *now, uint64_t arrivals, int64_t now_us);

/* --- reading ------------------------------------------------------------------------ */

/* Any process, any thread. What comes out may be anything that a child wanted it to be:
 * text is terminated, enums, counts and floating-point numbers are in their range, but
 * nobody may act on it. */

/* False: nothing was written yet (or, most unlikely, it changed at every attempt). */
bool scoreboard_ext_read_limits(const scoreboard_ext_t *ext, ext_limits_t *limits);
bool scoreboard_ext_read_plan(const scoreboard_ext_t *ext, ext_plan_t *plan);
bool scoreboard_ext_read_ceilings(const scoreboard_ext_t *ext, ext_ceilings_t *ceilings);
bool scoreboard_ext_read_slot(const scoreboard_ext_t *ext, int slot, ext_slot_t *state);

bool scoreboard_ext_read_class_name(const ext_class_t *class, ext_class_name_t *name);

/* The last decisions of both kinds, newest first. Returns how many there are;
 * entries that are being written are left out. */
int scoreboard_ext_read_decisions(const scoreboard_ext_t *ext,
                                  ext_decision_t decisions[EXT_MOST_DECISIONS]);

/* The seconds up to now_us, oldest first, without gaps but for those before the first entry:
 * those since the parent wrote last are filled with what was so then (no arrivals: unknown).
 * Returns how many, at most EXT_SECONDS. */
int scoreboard_ext_read_seconds(const scoreboard_ext_t *ext, int64_t now_us,
                                ext_second_t seconds[EXT_SECONDS]);

#endif
