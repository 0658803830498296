/* Pure: plans in, words out, and when they are worth a line. */
#include "report_text.h"

#include "base/text.h"

#include <stdio.h>

/* Growth after a minute without any is a new story, even if nothing shrank meanwhile. */
#define QUIET_US    INT64_C(60000000)

#define US_PER_MS   INT64_C(1000)
#define US_PER_S    INT64_C(1000000)

/* --- when --------------------------------------------------------------------------- */

report_turn_e report_note_change(report_t *report, int before, int after, bool needed,
                                 int64_t now_us)
{
    int direction = (after > before) - (after < before);
    bool turn;

    if (needed) {
        report->needed_us = now_us;
    }
    if (direction == 0) {
        return REPORT_NOTHING;
    }
    turn = direction != report->direction || now_us - report->changed_us >= QUIET_US;
    report->direction = direction;
    report->changed_us = now_us;
    return turn ? REPORT_TURN : REPORT_STEP;
}

static bool may_log_ceiling(const report_t *report, ctl_ceiling_e ceiling, int64_t now_us)
{
    int64_t logged_us = report->ceiling_logged_us[ceiling];

    return logged_us == 0 || now_us - logged_us >= REPORT_CEILING_REPEAT_US;
}

/* The one of before is over; true if somebody was told that it began. */
static bool end_ceiling(report_t *report, ctl_ceiling_e *which, int64_t *lasted_us)
{
    bool told = report->ceiling_logged;

    *which = (ctl_ceiling_e)report->ceiling;
    *lasted_us = report->ceiling_last_us - report->ceiling_since_us;
    report->ceiling = CTL_NO_CEILING;
    report->ceiling_logged = false;
    return told;
}

report_ceiling_e report_note_ceiling(report_t *report, ctl_ceiling_e reached, int64_t now_us,
                                     ctl_ceiling_e *which, int64_t *lasted_us)
{
    ctl_ceiling_e before = (ctl_ceiling_e)report->ceiling;
    bool over = before != CTL_NO_CEILING
                && (reached != CTL_NO_CEILING
                    ? reached != before
                    : now_us - report->ceiling_last_us >= REPORT_CEILING_CALM_US);
    bool told = over && end_ceiling(report, which, lasted_us);

    if (reached != CTL_NO_CEILING) {
        if (report->ceiling == CTL_NO_CEILING) {
            report->ceiling = reached;
            report->ceiling_since_us = now_us;
        }
        report->ceiling_last_us = now_us;
        /* if there is an end to tell of as well, this has to wait for the next call */
        if (!told && may_log_ceiling(report, reached, now_us)) {
            *which = reached;
            *lasted_us = now_us - report->ceiling_since_us;
            report->ceiling_logged = true;
            report->ceiling_logged_us[reached] = now_us;
            return REPORT_CEILING_REACHED;
        }
    }
    return told ? REPORT_CEILING_OVER : REPORT_CEILING_QUIET;
}

int64_t report_ceiling_due_us(const report_t *report, int64_t now_us)
{
    int64_t calm_us = report->ceiling_last_us + REPORT_CEILING_CALM_US;
    int64_t logged_us = report->ceiling_logged_us[report->ceiling];
    int64_t repeat_us = logged_us ? logged_us + REPORT_CEILING_REPEAT_US
                                  : report->ceiling_last_us;

    if (report->ceiling == CTL_NO_CEILING) {
        return REPORT_NEVER;
    }
    /* a repetition that is due already waits for the ceiling to be reached again */
    return calm_us < repeat_us || repeat_us <= now_us ? calm_us : repeat_us;
}

bool report_all_busy(const ext_plan_t *plan)
{
    return plan->sample.busy >= plan->limits.max_threads - plan->limits.max_threads / 10;
}

ctl_ceiling_e report_ceiling_of(const ext_plan_t *plan)
{
    const ctl_child_sample_t *sample = &plan->sample;
    /* work that waits while others start, or where it is, has not reached a ceiling yet */
    bool suffers = sample->exhausted > 0 || sample->waited_us > plan->limits.wait_target_us
                   || sample->busy >= plan->limits.max_threads;

    return plan->plan.reason == CTL_CEILING && !plan->more_follow && report_all_busy(plan)
           && suffers ? plan->plan.ceiling : CTL_NO_CEILING;
}

/* --- numbers, in words ---------------------------------------------------------------- */

static void add_duration(text_t *out, int64_t us)
{
    char text[32];

    text_add(out, "%s", report_duration(text, sizeof(text), us));
}

/* 1180, 12, 1.5 */
static void add_rate(text_t *out, double per_s)
{
    if (per_s < 10) {
        text_add(out, "%.1f/s", per_s);
    }
    else {
        text_add(out, "%.0f/s", per_s);
    }
}

static void add_count(text_t *out, int count, const char *one, const char *many)
{
    text_add(out, "%d %s", count, count == 1 ? one : many);
}

static int rounded_up(double number)
{
    int whole = number > 0 && number < 1e9 ? (int)number : 0;

    return whole + (number > whole && number < 1e9);
}

const char *report_duration(char *text, size_t size, int64_t us)
{
    int64_t s = us / US_PER_S;

    if (us < 0) {
        us = s = 0;
    }
    if (us < US_PER_MS) {
        snprintf(text, size, "%d us", (int)us);
    }
    else if (us < 10 * US_PER_MS && us % US_PER_MS >= 100) {
        snprintf(text, size, "%d.%d ms", (int)(us / US_PER_MS), (int)(us % US_PER_MS / 100));
    }
    else if (us < US_PER_S) {
        snprintf(text, size, "%d ms", (int)(us / US_PER_MS));
    }
    else if (s < 10 && us % US_PER_S >= US_PER_S / 10) {
        snprintf(text, size, "%d.%d s", (int)s, (int)(us % US_PER_S / (US_PER_S / 10)));
    }
    else if (s < 60) {
        snprintf(text, size, "%d s", (int)s);
    }
    else if (s < 3600) {
        snprintf(text, size, "%d min %d s", (int)(s / 60), (int)(s % 60));
    }
    else if (s < 86400) {
        snprintf(text, size, "%d h %d min", (int)(s / 3600), (int)(s % 3600 / 60));
    }
    else {
        snprintf(text, size, "%lld d %d h", (long long)(s / 86400), (int)(s % 86400 / 3600));
    }
    return text;
}

/* --- why ---------------------------------------------------------------------------- */

/* What plans of both kinds, and decisions in the ring, are told by. */
typedef struct facts_t {
    ctl_reason_e reason;
    ctl_ceiling_e ceiling;
    const char *unit;           /* "child", "thread" */
    int limit;                  /* threads that the ceiling allows; CTL_UNKNOWN */
    int possible;               /* threads now; 0: unknown */
    int busy;
    int waiting;
    int64_t waited_us;
    int64_t wait_target_us;     /* 0: unknown */
    int64_t lead_us;            /* to start another; 0: unknown */
    int64_t unneeded_us;        /* how long something was surplus; 0: unknown */
    double arrivals_per_s;
    double service_us;
    double demand;
    double spare;
    double cpus;                /* 0: unknown */
    int min_spare;
    int max_spare;
    int out_of_descriptors;     /* children */
} facts_t;

/* "212 requests under way, 1180/s arriving, 402 ms each" */
static void add_load(text_t *out, const facts_t *f)
{
    add_count(out, f->busy, "request", "requests");
    text_add(out, " under way");
    if (f->waiting > 0) {
        text_add(out, ", %d waiting", f->waiting);
    }
    if (f->arrivals_per_s > 0) {
        text_add(out, ", ");
        add_rate(out, f->arrivals_per_s);
        text_add(out, " arriving");
    }
    if (f->service_us > 0) {
        text_add(out, ", ");
        add_duration(out, (int64_t)f->service_us);
        text_add(out, " each");
    }
}

static void add_demand(text_t *out, const facts_t *f)
{
    text_add(out, "about ");
    add_count(out, rounded_up(f->demand), "thread", "threads");
    text_add(out, " needed");
}

static void add_busy(text_t *out, const facts_t *f)
{
    if (f->possible > 0) {
        text_add(out, "%d of %d threads busy", f->busy, f->possible);
    }
    else {
        add_count(out, f->busy, "thread", "threads");
        text_add(out, " busy");
    }
}

static void add_lead_time(text_t *out, const facts_t *f)
{
    add_load(out, f);
    text_add(out, ": ");
    add_demand(out, f);
    text_add(out, ", and %d more for what may arrive before another %s has started",
            rounded_up(f->spare), f->unit);
    if (f->lead_us > 0) {
        text_add(out, " (");
        add_duration(out, f->lead_us);
        text_add(out, ")");
    }
}

static void add_waiting(text_t *out, const facts_t *f)
{
    text_add(out, "a request has waited ");
    add_duration(out, f->waited_us);
    text_add(out, " for a thread");
    if (f->wait_target_us > 0) {
        text_add(out, " (AdaptiveWaitTarget is ");
        add_duration(out, f->wait_target_us);
        text_add(out, ")");
    }
    text_add(out, "; ");
    add_load(out, f);
}

static void add_setting(text_t *out, int value)
{
    if (value >= 0) {
        text_add(out, "%d", value);
    }
    else {
        text_add(out, "not set");
    }
}

static void add_min_spare(text_t *out, const facts_t *f)
{
    add_busy(out, f);
    text_add(out, ", and MinSpareThreads is ");
    add_setting(out, f->min_spare);
}

static void add_max_spare(text_t *out, const facts_t *f)
{
    add_busy(out, f);
    text_add(out, ", and MaxSpareThreads is ");
    add_setting(out, f->max_spare);
}

static void add_hold(text_t *out, const facts_t *f)
{
    add_busy(out, f);
    text_add(out, "; the others are kept for a while, because load comes back");
}

static void add_surplus(text_t *out, const facts_t *f)
{
    add_busy(out, f);
    text_add(out, ", and the others were not needed");
    if (f->unneeded_us > 0) {
        text_add(out, " for ");
        add_duration(out, f->unneeded_us);
    }
    else {
        text_add(out, " for long enough");
    }
}

static void add_cpu_bound(text_t *out, const facts_t *f)
{
    add_load(out, f);
    text_add(out, ", and they compute: more threads would only share the ");
    if (f->cpus > 0) {
        text_add(out, "%.4g ", f->cpus);
    }
    text_add(out, "processors");
}

static void add_no_descriptors(text_t *out, const facts_t *f)
{
    add_count(out, f->out_of_descriptors, "child has", "children have");
    text_add(out, " as many files open as ulimit -n allows, and cannot take another connection");
}

/* Directives go without. */
static const char *article(ctl_ceiling_e ceiling)
{
    return ceiling >= CTL_CGROUP_MEMORY ? "the " : "";
}

static void add_at_ceiling(text_t *out, const facts_t *f)
{
    add_load(out, f);
    text_add(out, ": ");
    add_demand(out, f);
    text_add(out, ", but %s%s allows", article(f->ceiling),
            controller_ceiling_text(f->ceiling));
    if (f->limit >= 0) {
        text_add(out, " only %d", f->limit);
    }
    else {
        text_add(out, " no more");
    }
}

static void add_floor(text_t *out, const facts_t *f)
{
    (void)f;
    text_add(out, "fewer must not be there");
}

static void add_steady(text_t *out, const facts_t *f)
{
    add_load(out, f);
    text_add(out, ": what is there is what is needed");
}

static void add_demand_reason(text_t *out, const facts_t *f)
{
    add_load(out, f);
    text_add(out, ": ");
    add_demand(out, f);
    if (rounded_up(f->spare) > 0) {
        text_add(out, ", and %d to spare", rounded_up(f->spare));
    }
}

static void add_reason(text_t *out, const facts_t *f)
{
    static void (*const by_reason[CTL_REASONS])(text_t *, const facts_t *) = {
        [CTL_STEADY] = add_steady,
        [CTL_FLOOR] = add_floor,
        [CTL_DEMAND] = add_demand_reason,
        [CTL_LEAD_TIME] = add_lead_time,
        [CTL_WAITING] = add_waiting,
        [CTL_MIN_SPARE] = add_min_spare,
        [CTL_MAX_SPARE] = add_max_spare,
        [CTL_HOLD] = add_hold,
        [CTL_SURPLUS] = add_surplus,
        [CTL_CPU_BOUND] = add_cpu_bound,
        [CTL_CEILING] = add_at_ceiling,
        [CTL_NO_DESCRIPTORS] = add_no_descriptors
    };

    if ((int)f->reason >= 0 && f->reason < CTL_REASONS && by_reason[f->reason]) {
        by_reason[f->reason](out, f);
    }
}

/* --- what --------------------------------------------------------------------------- */

/* "growing from 2 to 9 ", "would shrink from 9 to 8 ", "9 " */
static void add_change(text_t *out, bool applied, int before, int after)
{
    if (after > before) {
        text_add(out, "%s from %d to %d ", applied ? "growing" : "would grow", before, after);
    }
    else if (after < before) {
        text_add(out, "%s from %d to %d ", applied ? "shrinking" : "would shrink", before, after);
    }
    else {
        text_add(out, "%d ", after);
    }
}

static void add_observed(text_t *out, ext_mode_e mode)
{
    if (mode == EXT_MODE_OBSERVE) {
        text_add(out, "AdaptiveMode observe: ");
    }
}

static int64_t unneeded_us(const report_t *report, int64_t now_us)
{
    return report && report->needed_us > 0 && report->needed_us < now_us
           ? now_us - report->needed_us : 0;
}

int report_children_before(const ext_plan_t *plan)
{
    return plan->sample.serving + plan->sample.starting;
}

int report_children_after(const ext_plan_t *plan)
{
    int before = report_children_before(plan);
    int change = plan->plan.resurrect + plan->plan.start - plan->plan.park;

    /* the target of a plan that cannot do all at once says more than its first step */
    if ((change > 0 && plan->plan.target > before) || (change < 0 && plan->plan.target < before)) {
        return plan->plan.target;
    }
    return before + change;
}

int report_threads_before(const ctl_thread_sample_t *sample)
{
    return sample->threads + sample->starting;
}

int report_threads_after(const ctl_thread_sample_t *sample, const ctl_thread_plan_t *plan)
{
    int before = report_threads_before(sample);
    int change = plan->start - plan->retire;

    if ((change > 0 && plan->target > before) || (change < 0 && plan->target < before)) {
        return plan->target;
    }
    return before + change;
}

const char *report_child_text(char *text, size_t size, const ext_plan_t *plan,
                              const report_t *report)
{
    int before = report_children_before(plan), after = report_children_after(plan);
    facts_t facts = {
        .reason = plan->plan.reason, .ceiling = plan->plan.ceiling, .unit = "child",
        .limit = plan->limits.max_threads, .possible = before * plan->limits.threads_per_child,
        .busy = plan->sample.busy, .waiting = plan->sample.waiting,
        .waited_us = plan->sample.waited_us, .wait_target_us = plan->limits.wait_target_us,
        .lead_us = plan->sample.child_start_us,
        .unneeded_us = unneeded_us(report, plan->sample.now_us),
        .arrivals_per_s = plan->plan.arrivals_per_s, .service_us = plan->plan.service_us,
        .demand = plan->plan.demand, .spare = plan->plan.spare, .cpus = plan->limits.cpus,
        .min_spare = plan->limits.min_spare_threads, .max_spare = plan->limits.max_spare_threads,
        .out_of_descriptors = plan->sample.out_of_descriptors
    };
    text_t out = text_begin(text, size);

    add_observed(&out, (ext_mode_e)plan->mode);
    add_change(&out, plan->mode != EXT_MODE_OBSERVE, before, after);
    text_add(&out, "%s", after == 1 ? "child" : "children");
    if (after > before) {
        text_add(&out, " (%d threads possible)", after * plan->limits.threads_per_child);
    }
    text_add(&out, ": ");
    add_reason(&out, &facts);
    return text;
}

const char *report_thread_text(char *text, size_t size, int slot, ext_mode_e mode,
                               const ctl_thread_sample_t *sample,
                               const ctl_thread_limits_t *limits, const ctl_thread_plan_t *plan,
                               const report_t *report)
{
    int before = report_threads_before(sample), after = report_threads_after(sample, plan);
    facts_t facts = {
        .reason = plan->reason, .ceiling = plan->ceiling, .unit = "thread",
        .limit = limits->max_threads, .possible = before, .busy = sample->busy,
        .waiting = sample->waiting, .waited_us = sample->waited_us,
        .wait_target_us = limits->wait_target_us, .lead_us = sample->thread_start_us,
        .unneeded_us = unneeded_us(report, sample->now_us), .demand = plan->demand,
        .spare = plan->spare, .cpus = limits->cpus, .min_spare = CTL_NOT_SET,
        .max_spare = CTL_NOT_SET
    };
    text_t out = text_begin(text, size);

    add_observed(&out, mode);
    text_add(&out, "child %d%s ", slot, mode == EXT_MODE_OBSERVE ? "" : ":");
    add_change(&out, mode != EXT_MODE_OBSERVE, before, after);
    text_add(&out, "%s: ", after == 1 ? "thread" : "threads");
    add_reason(&out, &facts);
    return text;
}

/* --- ceilings ----------------------------------------------------------------------- */

const char *report_remedy(ctl_ceiling_e ceiling)
{
    static const char *const remedies[CTL_CEILINGS] = {
        [CTL_MAX_REQUEST_WORKERS] =
            "raise MaxRequestWorkers, or leave it out: then memory decides",
        [CTL_SERVER_LIMIT] =
            "raise ServerLimit, and stop and start the server",
        [CTL_THREADS_PER_CHILD] =
            "raise ThreadsPerChild or ServerLimit, or leave them out",
        [CTL_ADAPTIVE_MEMORY] =
            "raise AdaptiveMemory",
        [CTL_CGROUP_MEMORY] =
            "give the service or container more memory (memory.max, MemoryMax=)",
        [CTL_AVAILABLE_MEMORY] =
            "add memory, or have less else run on this machine",
        [CTL_CGROUP_PIDS] =
            "raise pids.max (TasksMax= of the service, --pids-limit of the container)",
        [CTL_PROCESS_LIMIT] =
            "raise the limit of processes (ulimit -u, LimitNPROC=, kernel.threads-max)",
        [CTL_DESCRIPTORS] =
            "raise the limit of open files (ulimit -n; LimitNOFILE= of the "
            "service; on Debian APACHE_ULIMIT_MAX_FILES in envvars, which comes after it)"
    };

    return (int)ceiling >= 0 && ceiling < CTL_CEILINGS && remedies[ceiling] ? remedies[ceiling]
                                                                            : "";
}

/* Not one of the directives that are numbers of threads or children. */
static bool is_found(ctl_ceiling_e ceiling)
{
    return ceiling >= CTL_ADAPTIVE_MEMORY;
}

/* "MaxRequestWorkers 400", "memory limit of the control group" */
static void add_ceiling(text_t *out, ctl_ceiling_e ceiling, const ext_plan_t *plan)
{
    text_add(out, "%s", controller_ceiling_text(ceiling));
    switch (ceiling) {
    case CTL_MAX_REQUEST_WORKERS:
        text_add(out, " %d", plan->limits.max_threads);
        break;
    case CTL_SERVER_LIMIT:
        text_add(out, " %d", plan->limits.max_children);
        break;
    case CTL_THREADS_PER_CHILD:
        text_add(out, " %d", plan->limits.threads_per_child);
        break;
    default:
        break;
    }
}

/* More threads may be of no use then: the bottleneck is elsewhere. */
static bool is_mostly_blocked(const ctl_child_sample_t *sample)
{
    return sample->busy > 1 && 2 * sample->blocked > sample->busy;
}

static void add_ceiling_state(text_t *out, ctl_ceiling_e ceiling, const ext_plan_t *plan)
{
    const ctl_child_sample_t *sample = &plan->sample;

    add_ceiling(out, ceiling, plan);
    text_add(out, " reached");
    if (is_found(ceiling)) {
        text_add(out, " at %d threads", plan->limits.max_threads);
    }
    text_add(out, ": ");
    add_count(out, sample->busy, "thread", "threads");
    text_add(out, " busy in ");
    add_count(out, sample->serving + sample->parked, "child", "children");
    if (is_mostly_blocked(sample)) {
        text_add(out, ", most of which wait for something else (a backend, a lock)");
    }
    if (sample->waited_us > 0) {
        text_add(out, ", requests wait ");
        add_duration(out, sample->waited_us);
    }
    else if (sample->exhausted > 0) {
        text_add(out, ", requests wait");
    }
}

static void add_ceiling_remedy(text_t *out, ctl_ceiling_e ceiling, const ext_plan_t *plan)
{
    text_add(out, "%s%s", is_mostly_blocked(&plan->sample)
                          ? "find out for what, and if more threads would help, " : "",
             report_remedy(ceiling));
}

const char *report_ceiling_text(char *text, size_t size, ctl_ceiling_e ceiling,
                                const ext_plan_t *plan)
{
    text_t out = text_begin(text, size);

    add_ceiling_state(&out, ceiling, plan);
    text_add(&out, "; ");
    add_ceiling_remedy(&out, ceiling, plan);
    return text;
}

const char *report_ceiling_state(char *text, size_t size, ctl_ceiling_e ceiling,
                                 const ext_plan_t *plan)
{
    text_t out = text_begin(text, size);

    add_ceiling_state(&out, ceiling, plan);
    return text;
}

const char *report_ceiling_remedy(char *text, size_t size, ctl_ceiling_e ceiling,
                                  const ext_plan_t *plan)
{
    text_t out = text_begin(text, size);

    add_ceiling_remedy(&out, ceiling, plan);
    return text;
}

const char *report_ceiling_over_text(char *text, size_t size, ctl_ceiling_e ceiling,
                                     int64_t lasted_us, const ext_plan_t *plan)
{
    text_t out = text_begin(text, size);

    text_add(&out, "below %s", article(ceiling));
    add_ceiling(&out, ceiling, plan);
    text_add(&out, " again after ");
    add_duration(&out, lasted_us);
    text_add(&out, ": ");
    add_count(&out, plan->sample.busy, "thread", "threads");
    text_add(&out, " busy");
    return text;
}

/* --- decisions in the ring ---------------------------------------------------------- */

const char *report_because(char *text, size_t size, const ext_decision_t *decision)
{
    text_t out = text_begin(text, size);
    const char *unit = decision->kind == EXT_CHILDREN ? "child" : "thread";
    int demand = rounded_up(decision->demand), spare = rounded_up(decision->spare);

    switch ((ctl_reason_e)decision->reason) {
    case CTL_STEADY:
        text_add(&out, "that is what is needed");
        break;
    case CTL_FLOOR:
        text_add(&out, "fewer must not be there");
        break;
    case CTL_DEMAND:
        text_add(&out, "about ");
        add_count(&out, demand, "thread was", "threads were");
        text_add(&out, " needed");
        if (spare > 0) {
            text_add(&out, ", and %d to spare", spare);
        }
        break;
    case CTL_LEAD_TIME:
        text_add(&out, "%d more might be needed before another %s could start", spare, unit);
        break;
    case CTL_WAITING:
        text_add(&out, "a request waited ");
        add_duration(&out, decision->waited_us);
        break;
    case CTL_MIN_SPARE:
        text_add(&out, "MinSpareThreads asks for it");
        break;
    case CTL_MAX_SPARE:
        text_add(&out, "MaxSpareThreads asks for it");
        break;
    case CTL_HOLD:
        text_add(&out, "load may come back");
        break;
    case CTL_SURPLUS:
        text_add(&out, "it was not needed for a while");
        break;
    case CTL_CPU_BOUND:
        text_add(&out, "requests computed and more threads would only share the processors");
        break;
    case CTL_NO_DESCRIPTORS:
        text_add(&out, "the others had as many files open as ulimit -n allows");
        break;
    case CTL_CEILING:
        text_add(&out, "%s%s allows no more", article((ctl_ceiling_e)decision->ceiling),
                controller_ceiling_text((ctl_ceiling_e)decision->ceiling));
        break;
    case CTL_REASONS:
        break;
    }
    return text;
}
