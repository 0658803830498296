/* The server that the policies run: children, threads, processors, a backlog.
 *
 * A request waits until a child has a thread for it, computes on a processor that it shares
 * with whoever else computes, waits for somebody else (blocked), and ends. New connections
 * wait in one backlog that all accepting children share; requests on kept-alive connections
 * wait in the child that has the connection. Both are served in the order of arrival.
 *
 * With `lowers`, a request that has had a millisecond of a processor gets what the others leave (in
 * the server: nice 19; here: nothing of a processor that another request could use), and requests
 * that are known to compute wait for each other, as src/law/attained.h says. With `tells`, those
 * that have waited so for AdaptiveMaxWait are told that there is too much; with `shares`, a backend
 * that holds too many of the threads gets no more of them (excess.h).
 *
 * Times are in microseconds since the start, as double; controllers get them as int64_t.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "dice.h"
#include "heap.h"
#include "result.h"
#include "station.h"
#include "trace.h"

#include "law/share.h"

#include <stdbool.h>

#define MODEL_CHILDREN 512
#define MODEL_NONE UINT32_MAX

typedef struct model_options_t {
    uint64_t seed;
    double child_start_us;      /* mean from fork to accepting, on idle processors */
    double thread_start_us;     /* median from creation to the first look for work */
    int backlog;                /* connections; more are refused */
    bool deal_first;            /* who gets a connection if several could: the first, not any */
    double hold_us, child_hold_us;      /* AdaptiveHold, and how long children are kept */
    double turn_s;              /* of clients whose work takes turns; 0: as in the trace */
    bool log; /* the adaptive policy prints each decision that changes something */
} model_options_t;

typedef struct request_t {
    double arrived_us;
    double cpu_us, wait_us;     /* in all */
    double left_us, turn_us;    /* of the processor: yet to do, and of that, now */
    uint32_t child;
    uint32_t client;            /* who sends the next one after this, MODEL_NONE: nobody */
    uint32_t next, previous;    /* in its queue */
    double begun_us;
    uint8_t class;
    bool in_burst, shared;
    bool computes;              /* what it asks for is known to */
    bool lowered;
} request_t;

typedef struct queue_t {
    uint32_t first, last;
    int length;
} queue_t;

typedef enum {
    CHILD_NONE,
    CHILD_STARTING,
    CHILD_SERVING,
    CHILD_PARKED,
    CHILD_DRAINING
} child_state_e;

/* What a child knows of the requests of one class that hold its threads; as board/classes.c. */
typedef struct holding_t {
    int held;
    uint32_t done;
    double usual_us;            /* that one holds its thread; 0: unknown */
    double mark_us[SHARE_INTERVALS];
    uint32_t mark_done[SHARE_INTERVALS];
} holding_t;

/* 95th percentile of the last so many. */
#define RECENT 32
typedef struct recent_t {
    double values[RECENT];
    int count;
    double p95;
} recent_t;

typedef struct child_t {
    child_state_e state;
    uint32_t incarnation;       /* tells events of an earlier child in this slot */
    int threads;                /* that run */
    int starting;               /* that do not yet */
    int admit;                  /* so many of them may take work */
    int busy, runnable;
    int lowered;                /* of the busy ones; not of the runnable */
    int stays;                  /* connections that stay: it does not end before them */
    queue_t queue;              /* of kept-alive connections */
    queue_t put_off;            /* requests that are known to compute, while others do */
    bool stands;                /* some of these had to be told */
    holding_t holdings[CLASSES];
    double forked_us;
    double nobody_idle_us;      /* since then nobody may take more; HUGE_VAL: somebody may */
    /* counters, brought up to date by model_account() */
    double accounted_us, accounted_share_us;
    double busy_us, cpu_us, run_delay_us;
    uint64_t taken, done;
    double look_us;             /* when the policy wants to look at it; HUGE_VAL: not */
    uint64_t look_version;
} child_t;

struct policy_t;

typedef struct model_t {
    const model_options_t *options;
    const trace_t *trace;
    const struct policy_t *policy;
    void *memory;               /* the policy's */
    bool infinite;              /* a thread for everybody at once: the optimum */
    double now_us, end_us;
    heap_t events;
    station_t processors, backend;
    station_t behind;           /* what of the processors lowered threads get */
    bool lowers;                /* those that compute stand back */
    bool tells;                 /* those that have waited too long get 503 */
    bool shares;                /* so do those of a class that holds too many threads */
    double seen_us[CLASSES];    /* when a request of the class last came */
    request_t *requests;
    uint32_t request_count, request_room, free_request;
    uint32_t *homes;            /* herd connection -> child, and its incarnation */
    uint32_t *home_incarnations;
    queue_t backlog;
    child_t children[MODEL_CHILDREN];
    uint64_t may_take[MODEL_CHILDREN / 64];     /* accepting, with a thread for it */
    int alive;                  /* children */
    int slots;                  /* children that have ever been: loops end there */
    int threads, busy, open;    /* in all; open: requests under way or waiting */
    double fork_free_us;        /* the parent forks one after the other */
    double parent_us;
    uint64_t parent_version;
    recent_t child_starts, thread_starts;
    arrivals_t arrivals;
    bool arrivals_over;
    dice_t arrival_dice, work_dice, server_dice, stay_dice;
    double counted_us;          /* integrals stand at this time */
    double bucket_thread_us, bucket_child_us, bucket_busy_us, bucket_admit_us;
    result_t *result;
} model_t;

/* What a policy does; NULL where it does nothing. */
typedef struct policy_ops_t {
    void (*begin)(model_t *m);
    void (*nobody_idle)(model_t *m, child_t *c); /* a child has no thread left to take work */
    void (*busier)(model_t *m, child_t *c);             /* a request began */
    void (*ready)(model_t *m, child_t *c);              /* work waits that this child could take */
    void (*child_ready)(model_t *m, child_t *c);
    void (*look)(model_t *m, child_t *c);               /* asked for with model_look_at() */
    void (*parent)(model_t *m);                         /* asked for with model_parent_at() */
} policy_ops_t;

/* Run the trace to its end and until nothing is left; fills the result. */
void model_run(const trace_t *trace, const struct policy_t *policy, const model_options_t *options,
               result_t *result);

/* --- for policies ------------------------------------------------------------------ */

int model_index(const model_t *m, const child_t *c);

/* A child that is there from the start, with so many threads. */
child_t *model_first_child(model_t *m, int threads);

/* Fork a child, which begins with so many threads when it is ready; NULL: no slot. */
child_t *model_fork(model_t *m, int threads);

void model_start_threads(model_t *m, child_t *c, int count);

/* Idle ones, at once; returns how many there were. */
int model_retire_threads(model_t *m, child_t *c, int count);

void model_admit(model_t *m, child_t *c, int count);

void model_park(model_t *m, child_t *c);
void model_resurrect(model_t *m, child_t *c);

/* Finish what is under way, then end. */
void model_stop_child(model_t *m, child_t *c);

/* Earlier than what was asked for before: otherwise nothing changes. */
void model_look_at(model_t *m, child_t *c, double us);
void model_parent_at(model_t *m, double us);

/* Bring the child's counters up to date. */
void model_account(model_t *m, child_t *c);

/* What a thread that wakes now waits for a processor: while more threads compute than there
 * are processors, it takes its turn. Requests that find an idle thread are spared this. */
double model_stall_us(model_t *m);

/* Have the requests that the child has put off looked at then. */
void model_tell_at(model_t *m, const child_t *c, double us);

/* Threads that would take work now. */
int model_idle(const child_t *c);

/* Age of the oldest work that this child could take if it had a thread. */
double model_waited_us(const model_t *m, const child_t *c);

int model_count(const model_t *m, child_state_e state);

/* It would end as soon as it has served what it has. */
bool model_may_end(const child_t *c);

/* 0: unknown yet */
double model_recent_p95(const recent_t *r);

#endif
