/* The steward's loop without its hands: when it watches, what a look means, when it asks the
 * controller, whom it tells, when it looks again.
 *
 * Pure, like the controller: C99 library only, time is an argument. src/child/watch.c and
 * steer_threads.c measure for it and carry out what it says; the simulator (t/sim) runs the same
 * functions. A state belongs to one child, and only that child's steward calls these functions.
 *
 * One round, with what the caller does in between in parentheses:
 *
 *     steward_watches()            (workers see whether it watches)
 *     steward_question()           (ask the poller)
 *     steward_look()               (send the probe, take it back)
 *     steward_is_due()             false: sleep until steward_next_us()
 *     steward_threads_to_count()   (count)
 *     steward_decide()             (start, bench, retire; ring for the parent)
 *     steward_settle()             sleep until what it returns
 *
 * How long work waits. While a worker is idle nothing waits, and the steward sleeps. The worker
 * that leaves none idle wakes it: it watches. When something is ready and nobody takes it, it adds
 * a probe, an event of its own, to the end of the ready list, which the kernel serves in order. The
 * time until a worker takes the probe is how long work waits. A connection in the backlog that a
 * sibling has taken does not wait: a probe that is alone in the list is taken back.
 */
#ifndef ADP_STEWARD_H
#define ADP_STEWARD_H

#include "controller.h"

#include <stdbool.h>
#include <stdint.h>

/* Two rounds that nobody is waiting for are at least this far apart. */
#define STEWARD_ROUND_US 2000

/* Constant for the life of a child. */
typedef struct steward_settings_t {
    int start_threads;          /* never fewer */
    int thread_limit;           /* ThreadsPerChild, or what descriptors allow */
    int min_spare_threads;      /* MinSpareThreads, of all children, or CTL_NOT_SET */
    double cpus;                /* that the server may use */
    int64_t wait_target_us;
    int64_t hold_us;
} steward_settings_t;

/* What the parent has said last. */
typedef struct steward_grant_t {
    int max_threads;            /* 0: nothing yet */
    ctl_ceiling_e ceiling;      /* what max_threads comes from */
    int serving;                /* children that share the processors, the backlog and
                                 * MinSpareThreads; > 0 */
} steward_grant_t;

/* What a child may have now. */
ctl_thread_limits_t steward_limits(const steward_settings_t *settings,
                                   const steward_grant_t *grant, int busy);

/* --- its memory ------------------------------------------------------------------- */

/* The caller reads `watching` and `many`, and shows them to the workers; the rest is private. */
typedef struct steward_t {
    ctl_thread_state_t control;
    bool watching;              /* it looks by itself, workers need not wake it */
    int many;                   /* from this many busy workers on it wants to be woken */
    /* the watch */
    int quiet_rounds;           /* looks with somebody idle while watching */
    int64_t probe_sent_us;      /* 0: no probe is on its way */
    uint64_t looked_events;     /* taken, as of the last look */
    bool rang;                  /* the poller has woken the steward */
    int64_t deaf_us;            /* it was for nothing: for this long it does not again, */
    int64_t deaf_until_us;      /* ... which is until then */
    /* decisions */
    int64_t look_us;            /* decide again then */
    int64_t pause_us;           /* until then, while nothing changes; 0: as the controller says */
    bool still;                 /* all is as the last decision saw it */
    int target;                 /* threads that it decided on last */
    bool shrunk;                /* threads have left since memory was last given back, */
    int most;                   /* ... and the most that there were */
    bool full;                  /* it could not have started another thread then */
    bool exhausted;             /* ... although work waited */
    int64_t told_parent_us;     /* when the parent was last woken for siblings, */
    int told_busy;              /* ... and for how many busy threads; 0: it was not */
    uint64_t arrivals;          /* events taken, */
    uint64_t completions;       /* ... and done: never fewer than before */
    struct {
        uint64_t events;
        int busy, live, granted;
        bool waits;
    } seen;                     /* by the last decision */
} steward_t;

void steward_init(steward_t *steward, int64_t now_us);

/* --- watching --------------------------------------------------------------------- */

/* Whether it watches, now that somebody is idle or nobody is. The caller shows `watching` to the
 * workers before it looks again whether somebody is idle: a worker that ceases to be does it the
 * other way round, so one of the two sees the other. */
bool steward_watches(steward_t *steward, bool idle);

typedef enum {
    STEWARD_ASK_READY,          /* is something ready that nobody has taken? */
    STEWARD_ASK_ALONE,          /* nothing was taken since the probe was sent: take it back, and if
                                 * something is ready without it, send it again behind that */
    STEWARD_ASK_NOTHING         /* it is known: the probe is on its way */
} steward_question_e;

/* What to find out before a look. probe_taken: a worker has got the probe since the last look. */
steward_question_e steward_question(steward_t *steward, uint64_t events, bool probe_taken);

typedef struct steward_look_t {
    bool send_probe;            /* now */
    bool soon; /* to be repeated soon: nobody is idle, or nobody was a moment ago */
    int64_t waited_us;          /* how long the oldest event has waited, 0: none does */
} steward_look_t;

/* One look while it watches; events: taken so far; ready: the answer to the question. */
steward_look_t steward_look(steward_t *steward, int64_t now_us, bool idle, uint64_t events,
                            bool ready);

/* Should the poller wake it as soon as something is ready? If not, *until_us is brought forward to
 * when it should be asked again. */
bool steward_listens(const steward_t *steward, int64_t now_us, bool idle, int64_t *until_us);

/* The poller has woken it. */
void steward_rang(steward_t *steward);

/* --- deciding --------------------------------------------------------------------- */

/* What it sees of its child without effort. */
typedef struct steward_facts_t {
    int64_t now_us;
    uint64_t events;            /* taken so far */
    int idle, busy, live;       /* worker threads; live: all of them */
    int arriving;               /* on their way to their first work */
    int granted;                /* steward_grant_t.max_threads */
    bool serving;               /* the child accepts, and does not drain */
    bool shut;                  /* it leaves new connections to siblings: the threads that it has
                                 * are taken, but for those that it keeps for its connections */
    int64_t retry_us; /* the system has refused a thread: none before then; 0: it has not */
} steward_facts_t;

/* Is a decision due? */
bool steward_is_due(steward_t *steward, const steward_facts_t *facts, const steward_look_t *look);

/* When the next decision is planned; CTL_NEVER_US: only an event can make one necessary. */
int64_t steward_next_us(const steward_t *steward);

/* Decide at the next round: the parent has changed something. */
void steward_decide_soon(steward_t *steward);

/* Brings the counters of the sample up to date: `taken` more events since the last call. */
void steward_count(steward_t *steward, uint64_t taken, ctl_thread_sample_t *sample);

/* Of how many busy threads the state is worth reading for sample->runnable; 0: none. */
int steward_threads_to_count(const steward_t *steward, const ctl_thread_sample_t *sample,
                             const ctl_thread_limits_t *limits);

typedef struct steward_orders_t {
    ctl_thread_plan_t plan;     /* the controller's, to be reported */
    int start, retire, admit;   /* what to do of it now */
    bool exhausted;             /* it has all threads it may have, and work waits */
    bool ring_parent;
} steward_orders_t;

steward_orders_t steward_decide(steward_t *steward, const ctl_thread_sample_t *sample,
                                const ctl_thread_limits_t *limits, const steward_facts_t *facts);

/* After the orders have been carried out. Returns when to begin the next round. */
int64_t steward_settle(steward_t *steward, const steward_facts_t *facts,
                       const steward_look_t *look, const ctl_thread_plan_t *plan);

/* When no decision is due. True once when a third of the threads have left, and once when the
 * child has come to rest with fewer than it had: what many threads have needed can be given back.
 * A child that has a little to do may never come to rest. */
bool steward_gives_memory_back(steward_t *steward, int live);

#endif
