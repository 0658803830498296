/* The parent's loop and stewards, each with a report_t of its own. Writes what was decided;
 * decides nothing. */
#include "report.h"

#include "base/log.h"

/* What the start of a server or child brings is a step, but no direction of the load: the first
 * growth after it is worth its line. */
static report_turn_e turn_of(report_t *report, ctl_reason_e reason, int before, int after,
                             int64_t now_us)
{
    if (reason == CTL_FLOOR) {
        return after != before ? REPORT_STEP : REPORT_NOTHING;
    }
    return report_note_change(report, before, after, after >= before && reason != CTL_HOLD,
                              now_us);
}

/* --- children ----------------------------------------------------------------------- */

static ext_decision_t child_decision(const ext_plan_t *plan)
{
    int before = report_children_before(plan), after = report_children_after(plan);

    return (ext_decision_t) {
        .now_us = plan->sample.now_us, .kind = EXT_CHILDREN, .slot = -1, .mode = plan->mode,
        .reason = (int32_t)plan->plan.reason, .ceiling = (int32_t)plan->plan.ceiling,
        .children_before = before, .children_after = after,
        .threads_before = before * plan->limits.threads_per_child,
        .threads_after = after * plan->limits.threads_per_child,
        .busy = plan->sample.busy, .waited_us = plan->sample.waited_us,
        .demand = plan->plan.demand, .spare = plan->plan.spare,
        .arrivals_per_s = plan->plan.arrivals_per_s, .service_us = plan->plan.service_us
    };
}

static void log_child_turn(const report_t *report, server_rec *server, const ext_plan_t *plan,
                           bool growing)
{
    char text[REPORT_TEXT_SIZE];

    if (!APLOG_IS_LEVEL(server, APLOG_INFO)) {
        return;
    }
    report_child_text(text, sizeof(text), plan, report);
    if (growing) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, server, ADPNO(0093) "%s", text);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, server, ADPNO(0094) "%s", text);
    }
}

/* A plan that is not followed, or cannot be, is made again and again: once is enough. */
static bool is_news(const report_t *report, report_turn_e turn, int after)
{
    return turn == REPORT_TURN || (turn == REPORT_STEP && after != report->noted_target);
}

void report_child_act(report_t *report, scoreboard_ext_t *board, server_rec *server,
                      const ext_plan_t *plan)
{
    int before = report_children_before(plan), after = report_children_after(plan);
    report_turn_e turn = turn_of(report, plan->plan.reason, before, after, plan->sample.now_us);

    if (is_news(report, turn, after)) {
        ext_decision_t decision = child_decision(plan);

        scoreboard_ext_note_decision(board, &decision);
        report->noted_target = after;
    }
    if (turn == REPORT_TURN) {
        log_child_turn(report, server, plan, after > before);
    }
}

static void add_to_history(ext_history_t *history, scoreboard_ext_t *board,
                           const ext_plan_t *plan)
{
    const ctl_child_sample_t *sample = &plan->sample;
    ext_second_t now = {
        .threads = sample->threads, .serving = sample->serving, .parked = sample->parked,
        .starting = sample->starting, .draining = plan->draining, .target = plan->plan.target,
        .busy = plan->busy_most,
        .waited_us = plan->waited_most_us < INT32_MAX ? (int32_t)plan->waited_most_us : INT32_MAX,
        .demand = (float)plan->plan.demand, .spare = (float)plan->plan.spare,
        .max_threads = plan->limits.max_threads
    };

    scoreboard_ext_write_second(board, history, &now, sample->arrivals, sample->now_us);
}

void report_child_plan(report_t *report, ext_history_t *history, scoreboard_ext_t *board,
                       server_rec *server, const ext_plan_t *plan)
{
    scoreboard_ext_write_plan(board, plan);
    add_to_history(history, board, plan);
    report_child_act(report, board, server, plan);
}

/* --- threads of a child ------------------------------------------------------------- */

static void log_thread_turn(server_rec *server, const char *text, bool growing)
{
    if (growing) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, server, ADPNO(0120) "%s", text);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, server, ADPNO(0121) "%s", text);
    }
}

void report_thread_plan(report_t *report, scoreboard_ext_t *board, server_rec *server, int slot,
                        ext_mode_e mode, const ctl_thread_sample_t *sample,
                        const ctl_thread_limits_t *limits, const ctl_thread_plan_t *plan)
{
    int before = report_threads_before(sample), after = report_threads_after(sample, plan);
    ext_decision_t decision = {
        .now_us = sample->now_us, .kind = EXT_THREADS, .slot = slot, .mode = (int32_t)mode,
        .reason = (int32_t)plan->reason, .ceiling = (int32_t)plan->ceiling,
        .threads_before = before, .threads_after = after, .busy = sample->busy,
        .waited_us = sample->waited_us, .demand = plan->demand, .spare = plan->spare
    };

    if (mode == EXT_MODE_OFF) {
        return;
    }
    if (turn_of(report, plan->reason, before, after, sample->now_us) != REPORT_TURN) {
        return;
    }
    scoreboard_ext_note_decision(board, &decision);
    if (APLOG_IS_LEVEL(server, APLOG_INFO)) {
        char text[REPORT_TEXT_SIZE];

        report_thread_text(text, sizeof(text), slot, mode, sample, limits, plan, report);
        log_thread_turn(server, text, after > before);
    }
}

/* --- ceilings ----------------------------------------------------------------------- */

int64_t report_ceiling(report_t *report, server_rec *server, const ext_plan_t *plan,
                       ctl_ceiling_e ceiling)
{
    char text[REPORT_TEXT_SIZE];
    ctl_ceiling_e which;
    int64_t lasted_us;

    switch (report_note_ceiling(report, ceiling, plan->sample.now_us, &which, &lasted_us)) {
    case REPORT_CEILING_REACHED:
        report_ceiling_text(text, sizeof(text), which, plan);
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, ADPNO(0091) "%s", text);
        break;
    case REPORT_CEILING_OVER:
        report_ceiling_over_text(text, sizeof(text), which, lasted_us, plan);
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server, ADPNO(0092) "%s", text);
        break;
    case REPORT_CEILING_QUIET:
        break;
    }
    return report_ceiling_due_us(report, plan->sample.now_us);
}
