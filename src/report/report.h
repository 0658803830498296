/* Logs and records what was decided: the plan, the history and the ring of decisions in the
 * shared memory, and at most one line per turn in the error log. The words are report_text.h's. */
#ifndef ADP_REPORT_H
#define ADP_REPORT_H

#include "report_text.h"
#include "scoreboard_ext.h"

#include "httpd.h"

/* A plan of the parent's, followed or not (plan->mode). Writes it to the shared memory as
 * the last plan, adds to the history, notes a decision if it changes something, and logs a
 * line at info if the direction changes (ADP0093 growing, ADP0094 shrinking).
 *
 * With EXT_MODE_OBSERVE call it twice: report_child_act() for what the spare-thread rule did,
 * with a report_t of its own, and this for what the controller would have done. Parent, with
 * each plan, before it is acted upon. */
void report_child_plan(report_t *report, ext_history_t *history, scoreboard_ext_t *board,
                       server_rec *server, const ext_plan_t *plan);

/* As report_child_plan(), but plan and history stay as they are: for the rule of
 * MinSpareThreads and MaxSpareThreads that acts beside a controller that observes. The
 * caller fills in sample, limits, plan.start or plan.park, plan.target and plan.reason
 * (CTL_MIN_SPARE ...), and mode EXT_MODE_OFF. Parent. */
void report_child_act(report_t *report, scoreboard_ext_t *board, server_rec *server,
                      const ext_plan_t *plan);

/* A plan for the threads of the child in `slot`. A change of direction is noted as a decision
 * and logged at info (ADP0120 growing, ADP0121 shrinking); other plans cost a comparison. With
 * EXT_MODE_OFF nothing is done. The child's steward, with each plan, before it is acted upon. */
void report_thread_plan(report_t *report, scoreboard_ext_t *board, server_rec *server, int slot,
                        ext_mode_e mode, const ctl_thread_sample_t *sample,
                        const ctl_thread_limits_t *limits, const ctl_thread_plan_t *plan);

/* Say which ceiling is reached (ADP0091, error, at most once a minute while it lasts) and
 * that it is no more (ADP0092, notice, with how long it lasted). ceiling:
 * report_ceiling_of(plan), or what another rule found; CTL_NO_CEILING: none. Returns when to
 * call it again at the latest (monotonic µs), CLOCK_NEVER: not before something changes.
 * Parent, in each round. */
int64_t report_ceiling(report_t *report, server_rec *server, const ext_plan_t *plan,
                       ctl_ceiling_e ceiling);

#endif
