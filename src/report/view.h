/* All that status pages show, at one moment: numbers and words, nothing of how they look.
 *
 * view_take() (view.c) fills it in from the shared memory and from httpd's scoreboard, without a
 * lock and without a look at any file. Whoever shows it (page.c, json.c, metrics.c, the section of
 * mod_status) reads only this. Pure: this header knows neither httpd nor APR, so that what is shown
 * is tested with views that are made up.
 *
 * What children write can be anything (scoreboard_ext.h): numbers are in their range, texts are
 * terminated, but may hold any byte: they are escaped where they are shown (base/out.h).
 */
#ifndef ADP_VIEW_H
#define ADP_VIEW_H

#include "config/effective.h"
#include "config/settings.h"
#include "scoreboard_ext.h"

#include <stdbool.h>
#include <stdint.h>

/* Requests per second are the mean of this many whole seconds. */
#define VIEW_RATE_SECONDS 5

#define VIEW_NEVER INT64_MAX

/* --- children ------------------------------------------------------------------------- */

typedef struct view_child_t {
    int slot;
    int pid;
    int generation;
    ext_slot_state_e state;     /* never EXT_SLOT_FREE */
    int64_t since_us;           /* how long it has been in that state */
    /* threads; busy + idle + starting + benched are all */
    int threads;                /* that run: busy, idle or benched */
    int busy;
    int idle;
    int starting;
    int benched;                /* kept from taking work, because requests only compute */
    int lowered;                /* of the busy ones: serve what computes, behind the others */
    int most_threads;           /* that it may have for now */
    /* connections by what they wait for; those that a thread serves are the rest of all */
    int connections;
    int keep_alive;             /* for the next request */
    int writing;                /* for the client to take the response */
    int waiting_io;             /* for what a module asked to be told of */
    int suspended;              /* for a module */
    int closing;                /* for the client to close */
    int put_off;                /* requests that wait without a thread */
    int coming;                 /* of waiting_io: for the rest of a request or a handshake */
    int64_t waited_us;          /* how long work waits for a thread just now */
    double requests_per_s;
    int processor;              /* it keeps to this one; -1: to none */
    bool exhausted;             /* all threads that it may have are busy, and work waits */
    bool out_of_descriptors;
    /* what it is held by: the class that has most of its threads, and its oldest request */
    int holder_threads;         /* 0: nobody */
    ext_class_name_t holder;
    int64_t oldest_us;          /* 0: none, or unknown (ExtendedStatus Off) */
    char oldest_request[64];    /* the beginning of its request line */
    char oldest_vhost[32];
} view_child_t;

/* --- who holds threads ---------------------------------------------------------------- */

typedef enum {
    VIEW_BACKEND,               /* of mod_proxy */
    VIEW_VHOST,
    VIEW_URL,                   /* "host/first/": requests of a virtual host whose path begins so */
    VIEW_HOLDER_KINDS
} view_holder_kind_e;

typedef struct view_holder_t {
    view_holder_kind_e kind;
    char name[128];
    int threads;
    uint64_t refused;           /* requests, since it was first seen; 0 for URLs */
    int64_t oldest_us;          /* how long the longest of them has held its thread; 0: unknown */
} view_holder_t;

#define VIEW_MOST_HOLDERS (EXT_CLASSES + 32)

/* --- all of it -------------------------------------------------------------------------- */

typedef struct view_t {
    /* when, and of what */
    int64_t now_us;             /* monotonic */
    int64_t wall_us;            /* since 1970 */
    int64_t uptime_us;          /* since the server was started; restarts do not count */
    int64_t generation_us;      /* since the configuration was read */
    int generation;
    int parent_pid;
    char host[64];              /* this machine's name */
    const char *version;        /* of this module */
    const char *httpd;          /* "Apache/2.4.71 (Debian)", as ServerTokens allows */
    const adp_config_t *config; /* in force */

    /* the parent's last plan and what it found; it sleeps while nothing changes */
    bool has_plan;
    ext_plan_t plan;
    bool has_limits;
    ext_limits_t limits;
    /* the ceilings that there are, nearest first; threads they allow, and what of */
    int ceiling_count;
    ext_ceiling_t ceilings[CTL_CEILINGS];

    /* sums over children, as they are now */
    int children[EXT_SLOT_STATES];
    int64_t longest_us[EXT_SLOT_STATES];    /* how long the first of them is in this state */
    int threads, busy, idle, starting_threads, benched, lowered;
    int connections, keep_alive, writing, waiting_io, suspended, closing;
    int put_off;                /* requests */
    int coming;                 /* of waiting_io */
    int pinned;                 /* children that keep to a processor */
    double requests_per_s;
    int64_t waited_us;          /* the longest that work waits for a thread just now */
    int busy_peak;              /* in the last ten minutes */
    int64_t waited_peak_us;

    /* since the server was started; they never go back while it runs */
    uint64_t counters[EXT_COUNTERS];
    uint64_t requests;
    uint64_t shed;              /* answered with 503 (AdaptiveMaxWait) */
    uint64_t refused;           /* answered with 503 (AdaptiveBulkheads) */
    uint64_t decisions_noted;
    int failures_in_a_row;      /* children that ended at their start, or soon after */
    int64_t refused_restart_us; /* how long ago; VIEW_NEVER: the last restart was done */
    int64_t told_us[LOG_KINDS]; /* how long ago the log was last told of it; or VIEW_NEVER */

    int child_count;
    view_child_t *child;        /* by slot */
    int holder_count;
    view_holder_t holders[VIEW_MOST_HOLDERS];   /* who holds most comes first */
    int decision_count;
    ext_decision_t decisions[EXT_MOST_DECISIONS];   /* newest first */
    int second_count;
    ext_second_t seconds[EXT_SECONDS];  /* oldest first; .second is monotonic */

    settings_t settings;        /* and what was corrected, in words */
} view_t;

/* What there is now; NULL if memory is short. The caller frees it by view_free(). Any process, any
 * thread, after view_show(). */
view_t *view_take(void);
void view_free(view_t *view);

/* --- what follows from it (view_words.c); any thread ------------------------------------ */

/* For scripts: one lower-case word, which never changes. */
const char *view_state_name(ext_slot_state_e state);
const char *view_unit_name(ext_unit_e unit);
const char *view_holder_kind(view_holder_kind_e kind);
/* NULL: it is part of another number. */
const char *view_counter_name(ext_counter_e counter);

/* How old the last plan is. */
int64_t view_plan_age_us(const view_t *view);

/* Threads that there may be in the long run; a found limit may allow fewer until it is measured
 * again. 0: unknown. */
int view_most_threads(const view_t *view);

/* Threads that the load needs, of those that there may be: what an autoscaler acts on. NaN:
 * unknown. */
double view_utilisation(const view_t *view);

/* Since 1970, of a moment by the monotonic clock. */
static inline int64_t view_wall_us(const view_t *view, int64_t now_us)
{
    return view->wall_us - (view->now_us - now_us);
}

#endif
