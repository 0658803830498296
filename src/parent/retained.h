/* What the parent keeps over restarts, which load the module anew.
 *
 * Log rotation reloads the server daily, so after a package upgrade a new module meets the
 * memory of an old one. The first members never change their meaning; if the version or a
 * size differs, nothing else is touched: the old children are told to finish, and a new block
 * is begun, which takes over their slots.
 *
 * No child can write here. Whatever the parent decides by (who its children are, of which
 * generation, in which state) it has here, and reads it nowhere else.
 */
#ifndef ADP_RETAINED_H
#define ADP_RETAINED_H

#include "pace.h"
#include "start_pace.h"

#include "board/board_view.h"
#include "config/config.h"
#include "law/overseer.h"
#include "report/report_text.h"
#include "scoreboard_ext.h"

#include "httpd.h"
#include "scoreboard.h"
#include "unixd.h"

/* Raise the first number with every change of retained_t or slot_t; what changes the shared
 * memory raises EXT_VERSION. The compiler asks for it where a size changes (EXT_PINNED below). */
#ifndef ADP_RETAINED_VERSION
#define ADP_RETAINED_VERSION (100 * 7 + EXT_VERSION)
#endif

/* A child as the parent sees it.
 *
 *   FREE ---fork---> STARTING ---ready---> SERVING ---told to finish---> DRAINING
 *    ^                  |                   |  ^ |                        ^  |
 *    |                  |              park |  | | resurrect              |  |
 *    |                  |                   v  | |                        |  |
 *    |                  |                  PARKED ------told to finish----+  |
 *    |                  |                     |                              |
 *    +------------------+---------exit--------+------------------------------+
 *
 * PARKED does not accept, but keeps and serves its connections: it is back at once if load
 * returns, and it churns no process if load comes and goes.
 */
typedef enum {
    SLOT_FREE,
    SLOT_STARTING,
    SLOT_SERVING,
    SLOT_PARKED,
    SLOT_DRAINING
} slot_state_e;

typedef struct slot_t {
    /* frozen for all versions */
    slot_state_e state;
    pid_t pid;
    ap_generation_t generation;
    int bucket;
    /* of this version */
    int64_t started_us;
    int64_t ready_us;           /* when it became ready, 0: it has not */
    bool late;                  /* it takes too long for that, and does not count (latecomers.h) */
    bool aborted;               /* it was told to finish before it was ready, and still is not */
    int successor;              /* slot of the child that takes its place, -1: none yet */
    uint64_t events;            /* how many it has taken, when last looked */
    int serving_told;           /* children that it was told to share the processors with */
    int64_t draining_us;           /* SLOT_DRAINING: since when */
    char unsent;                /* ... the order that its full pipe did not take; 0: none */
    bool killed;                /* it was overdue, and got SIGKILL */
} slot_t;

typedef struct retained_t {
    /* frozen for all versions */
    apr_uint32_t magic;
    apr_uint32_t version;
    apr_size_t size;
    int lifeline_count;
    int *lifelines;             /* by slot: write end of the child's lifeline, or -1 */
    config_fixed_t fixed;       /* the scoreboard that outlives the module */
    slot_t *slots;              /* fixed.slot_count of them, */
    apr_size_t slot_size;       /* ... the size of each in bytes */
    /* of this version */
    struct retained_t *predecessor; /* the block of another version, until its children are taken
                                     * over; NULL: none */
    ap_unixd_mpm_retained_data *mpm;
    pid_t parent_pid;           /* our own */
    scoreboard_ext_t *board;    /* created at the first start */
    apr_size_t board_size;      /* bytes */
    ext_history_t history;      /* what was written last into the history there */
    int64_t descriptors_held;   /* by logs and the like of the last configuration */
    int wakeup_fd;              /* eventfd by which children wake the parent's loop */
    pace_t pace;                /* ... and how often they may */
    unsigned turnover;          /* children that were started or have ended; wraps */
    unsigned paced_turnover;    /* as of the last sleep, */
    int64_t paced_cpu_us;       /* ... and the processor time that the parent had used */
    int64_t times_us;           /* when its times were last shown in httpd's scoreboard */
    int slots_used;             /* highest slot that was ever in use, plus one */
    int wanted_children;        /* of the current generation */
    int start_threads;          /* worker threads of the next child at first */
    overseer_t overseer;        /* the law's memory of children */
    bool controlled;            /* it is initialised */
    board_peak_t peak;          /* of all children, since it was last written down */
    limits_usage_t usage;       /* of the memory and the tasks that there are */
    limits_handout_t handout;   /* how much of them there may be until they are measured again */
    int64_t groups_us;          /* when it was last looked whether their limits have changed */
    report_t report;            /* what was said of plans that are followed, */
    report_t observed;          /* ... and of those that are not, and of ceilings */
    int64_t slowest_start_us;   /* of late, from fork to accepting, fading */
    int64_t child_start_us;     /* 95th percentile, about, from fork to accepting */
    int64_t monitor_us;         /* when the monitor hook is due */
    bool ever_healthy;          /* some child of this server's life served */
    start_pace_t start_pace;    /* of starts, if children do not last */
    int64_t failures_logged_us; /* when that was last said, 0: not of late */
    int64_t full_since_us;      /* no slot is free since then; 0: one is */
    int64_t full_logged_us;
    int64_t refused_logged_us;  /* when it was last said that fork was refused */
} retained_t;

EXT_PINNED(config_fixed_t, 12);
EXT_PINNED(slot_t, 72);
EXT_PINNED(retained_t, 2112);

/* The block, found or begun. pre_config; s may be NULL then. */
retained_t *retained_get(void);

/* Children of another version are going, and keep their slots until they end. After the
 * scoreboard was taken over from another version. */
void retained_adopt_strangers(retained_t *retained);

/* Allocate what depends on the number of slots, once. Returns an error if memory is
 * refused. The process pool p outlives restarts. */
apr_status_t retained_size_slots(retained_t *retained, apr_pool_t *p);

#endif
