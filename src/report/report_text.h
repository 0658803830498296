/* Plans and ceilings in plain words, and when they are worth a line. Pure: no httpd, no
 * APR, no clock; t/unit/report.c reads every sentence. report.h logs them. */
#ifndef ADP_REPORT_TEXT_H
#define ADP_REPORT_TEXT_H

#include "scoreboard_ext.h"

#define REPORT_TEXT_SIZE 512
#define REPORT_NEVER     INT64_MAX

/* What a reporter remembers; begins as zeros. The parent keeps one for plans that it follows
 * and one for those that it only observes (and ceilings), a child one for its threads. */
typedef struct report_t {
    int direction;                  /* of the last change: 1 growing, -1 shrinking, 0 none yet */
    int64_t changed_us;             /* when something last changed in that direction */
    int64_t needed_us;              /* when all that is there was last needed; 0: not known */
    int noted_target;               /* of the last decision that was recorded */
    int ceiling;                    /* ctl_ceiling_e that is reached, or was until just now */
    int64_t ceiling_since_us;
    int64_t ceiling_last_us;        /* when it was last found reached */
    bool ceiling_logged;            /* this time */
    int64_t ceiling_logged_us[CTL_CEILINGS];
} report_t;

/* What became of a change. */
typedef enum {
    REPORT_NOTHING,                 /* no change */
    REPORT_STEP,                    /* one more in the same direction */
    REPORT_TURN                     /* a new direction, or the first after a quiet minute */
} report_turn_e;

/* Note a plan that wants `before` to become `after` at now_us, and say what it is. needed:
 * everything that is there is needed (no surplus is being held). */
report_turn_e report_note_change(report_t *report, int before, int after, bool needed,
                                 int64_t now_us);

/* What to say of a ceiling. */
typedef enum {
    REPORT_CEILING_QUIET,
    REPORT_CEILING_REACHED,         /* for the first time, or again after a minute of it */
    REPORT_CEILING_OVER
} report_ceiling_e;

/* Note which ceiling is reached at now_us, CTL_NO_CEILING for none. It is over when it was
 * not reached for REPORT_CEILING_CALM_US, so that load that comes and goes does not make two
 * lines a second. *which is the ceiling to speak of and *lasted_us how long it lasted. */
#define REPORT_CEILING_CALM_US   INT64_C(5000000)
#define REPORT_CEILING_REPEAT_US INT64_C(60000000)
report_ceiling_e report_note_ceiling(report_t *report, ctl_ceiling_e reached, int64_t now_us,
                                     ctl_ceiling_e *which, int64_t *lasted_us);

/* When report_note_ceiling() has something to say at the latest; REPORT_NEVER: nothing. */
int64_t report_ceiling_due_us(const report_t *report, int64_t now_us);

/* Whether nearly all threads that there may be are busy. */
bool report_all_busy(const ext_plan_t *plan);

/* The ceiling that the last plan ran into so that requests suffer from it: it wanted more than may
 * be, no more follow by themselves, nearly all threads are busy, and work waits or no thread is
 * left. CTL_NO_CEILING: none. */
ctl_ceiling_e report_ceiling_of(const ext_plan_t *plan);

/* What a plan changes: children that accept or start, threads that run or start. Before, and
 * after; the same if the plan leaves all as it is. */
int report_children_before(const ext_plan_t *plan);
int report_children_after(const ext_plan_t *plan);
int report_threads_before(const ctl_thread_sample_t *sample);
int report_threads_after(const ctl_thread_sample_t *sample, const ctl_thread_plan_t *plan);

/* --- sentences ---------------------------------------------------------------------- */

/* Each writes at most size bytes, terminated, and returns text. No line ends in a full stop,
 * as httpd's do not. */

/* "growing from 2 to 9 children (576 threads possible): 212 requests under way, 1180/s
 * arriving, 402 ms each: about 480 threads needed". report may be NULL: then nothing is said
 * about how long. */
const char *report_child_text(char *text, size_t size, const ext_plan_t *plan,
                              const report_t *report);

/* Likewise for the threads of the child in `slot`: "child 3: growing from 8 to 24 threads: ..." */
const char *report_thread_text(char *text, size_t size, int slot, ext_mode_e mode,
                               const ctl_thread_sample_t *sample,
                               const ctl_thread_limits_t *limits, const ctl_thread_plan_t *plan,
                               const report_t *report);

/* "MaxRequestWorkers 400 reached: 400 threads busy in 7 children, requests wait 35 ms; raise
 * MaxRequestWorkers ..."; with what the threads wait for if most of them do. */
const char *report_ceiling_text(char *text, size_t size, ctl_ceiling_e ceiling,
                                const ext_plan_t *plan);

/* The two parts of it: what is so, and what can be done. */
const char *report_ceiling_state(char *text, size_t size, ctl_ceiling_e ceiling,
                                 const ext_plan_t *plan);
const char *report_ceiling_remedy(char *text, size_t size, ctl_ceiling_e ceiling,
                                  const ext_plan_t *plan);

/* "below MaxRequestWorkers 400 again after 2 min 5 s: 120 threads busy" */
const char *report_ceiling_over_text(char *text, size_t size, ctl_ceiling_e ceiling,
                                     int64_t lasted_us, const ext_plan_t *plan);

/* What can be done about it; never NULL, "" for CTL_NO_CEILING. */
const char *report_remedy(ctl_ceiling_e ceiling);

/* "400 us", "35 ms", "1.2 s", "2 min 5 s", "3 h 20 min", "4 d 2 h". */
const char *report_duration(char *text, size_t size, int64_t us);

/* The short "because" of a decision in the ring, without what it did: "a request waited 8 ms". */
const char *report_because(char *text, size_t size, const ext_decision_t *decision);

#endif
