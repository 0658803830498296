/* Workers of any child, while they serve mod_status's page, and the parent, which says what
 * there is to show. Reads shared memory only. */
#include "status.h"

#include "report_text.h"

#include "base/clock.h"
#include "board/board_view.h"
#include "board/classes.h"
#include "config/config.h"

#include "apr_optional_hooks.h"
#include "apr_strings.h"
#include "apr_time.h"
#include "http_protocol.h"
#include "mod_status.h"
#include "scoreboard.h"

#include <sys/param.h>

/* Decisions of a kind that a page has. */
#define DECISIONS_SHOWN 12
/* Requests per second are the mean of this many whole seconds. */
#define RATE_SECONDS    5
/* Requests of one child that wait: more than this is nonsense that another process has written. */
#define MOST_PUT_OFF    1000000
/* Children that a page names. */
#define CHILDREN_NAMED  8
/* Classes of requests that a page names. */
#define HOLDERS_SHOWN   8

/* What this process shows; set in the parent, inherited by children. */
static struct {
    const scoreboard_ext_t *board;
    const adp_config_t *config;
} shown;

/* --- the parent's part -------------------------------------------------------------- */

static void show_limits(scoreboard_ext_t *board, const adp_config_t *config)
{
    ext_limits_t limits = {
        .max_threads = config_expected_threads(), .max_children = config->max_children,
        .threads_per_child = config->threads_per_child, .ceiling = (int32_t)config->ceiling,
        .cpus = config->cpus
    };

    config_describe(limits.text, sizeof(limits.text));
    scoreboard_ext_write_limits(board, &limits);
}

void status_show(scoreboard_ext_t *board, const adp_config_t *config)
{
    show_limits(board, config);
    shown.board = board;
    shown.config = config;
}

/* --- what there is to show ---------------------------------------------------------- */

/* A virtual host or a backend. */
typedef struct holder_t {
    ext_class_name_t name;
    int held;                               /* threads */
    uint64_t refused;
} holder_t;

typedef struct view_t {
    int64_t now_us;
    ext_plan_t plan;
    bool has_plan;
    ext_limits_t limits;
    bool has_limits;
    ext_slot_t *slots;                      /* by slot */
    int children[EXT_SLOT_STATES];
    int64_t oldest_us[EXT_SLOT_STATES];     /* how long the first of them is in this state */
    int threads;                            /* of all children, those that are draining too */
    int busy;
    int lowered, put_off, pinned;           /* threads, requests, children */
    double requests_per_s;
    int busier;                             /* a child was, since the parent last looked */
    int busy_peak;                          /* in the last ten minutes */
    int64_t waited_peak_us;
    int decision_count;
    int holder_count;
    holder_t holders[EXT_CLASSES];          /* who holds most comes first */
    uint64_t refused;
    ext_decision_t decisions[EXT_MOST_DECISIONS];
} view_t;

/* The mean of the last whole seconds. */
static double requests_per_s_of(const ext_child_t *child, int64_t now_us)
{
    int64_t now = now_us / CLOCK_US_PER_S, second;
    double requests = 0;

    for (second = MAX(now - RATE_SECONDS, 0); second < now; second++) {
        requests += ext_requests_in(child, second);
    }
    return requests / RATE_SECONDS;
}

/* Children and their threads as they are now; the parent sleeps while nothing changes, so its
 * last plan may be old. */
static void view_children(view_t *view, apr_pool_t *p)
{
    int i;

    view->slots = apr_pcalloc(p, sizeof(*view->slots) * shown.config->slot_count);
    for (i = 0; i < shown.config->slot_count; i++) {
        const ext_child_t *child = &shown.board->children[i];
        int limit = shown.config->thread_limit;
        ext_slot_t *slot = &view->slots[i];
        board_peak_t peak;
        int threads, busy;

        if (!scoreboard_ext_read_slot(shown.board, i, slot)) {
            /* without a parent (-X) nobody notes what there is */
            slot->state = ap_get_scoreboard_process(i)->pid ? EXT_SLOT_SERVING : EXT_SLOT_FREE;
            slot->since_us = view->now_us;
        }
        if (slot->state == EXT_SLOT_FREE) {
            continue;
        }
        view->children[slot->state]++;
        view->oldest_us[slot->state] = MAX(view->oldest_us[slot->state],
                                           view->now_us - slot->since_us);
        threads = atomic_load(&child->threads) - atomic_load(&child->arriving)
                  + atomic_load(&child->benched);
        threads = MIN(MAX(threads, 0), limit);
        view->threads += threads;
        busy = MIN(ext_busy(child), threads);
        view->busy += busy;
        view->lowered += MIN(MAX(atomic_load(&child->lowered), 0), busy);
        view->put_off += MIN(MAX(atomic_load(&child->put_off), 0), MOST_PUT_OFF);
        view->pinned += atomic_load(&child->processor) > 0;
        /* what the parent has not looked at yet */
        view->requests_per_s += requests_per_s_of(child, view->now_us);
        peak = board_peak(child, limit);
        view->busier = MAX(view->busier, peak.busy - busy);
        view->waited_peak_us = MAX(view->waited_peak_us, peak.waited_us);
    }
}

static void view_peaks(view_t *view, apr_pool_t *p)
{
    ext_second_t *seconds = apr_palloc(p, sizeof(*seconds) * EXT_SECONDS);
    int i, count = scoreboard_ext_read_seconds(shown.board, view->now_us, seconds);

    view->busy_peak = view->busy + view->busier;
    for (i = 0; i < count; i++) {
        view->busy_peak = MAX(view->busy_peak, seconds[i].busy);
        view->waited_peak_us = MAX(view->waited_peak_us, (int64_t)seconds[i].waited_us);
    }
}

static int threads_held(int place)
{
    int i, held = 0;

    for (i = 0; i < shown.config->slot_count; i++) {
        if (ap_get_scoreboard_process(i)->pid != 0) {
            held += MIN(classes_held(&shown.board->children[i], place),
                        shown.config->thread_limit);
        }
    }
    return held;
}

static bool holds_more(const holder_t *a, const holder_t *b)
{
    return a->held != b->held ? a->held > b->held : a->refused > b->refused;
}

/* Those that hold threads, or were refused some. */
static void view_holders(view_t *view)
{
    int i, j;

    view->refused = atomic_load(&shown.board->refused);
    for (i = 0; i < EXT_CLASSES; i++) {
        const ext_class_t *class = &shown.board->classes[i];
        holder_t holder = { .held = threads_held(i), .refused = atomic_load(&class->refused) };

        if ((holder.held == 0 && holder.refused == 0)
            || !scoreboard_ext_read_class_name(class, &holder.name)) {
            continue;
        }
        for (j = view->holder_count++; j > 0 && holds_more(&holder, &view->holders[j - 1]); j--) {
            view->holders[j] = view->holders[j - 1];
        }
        view->holders[j] = holder;
    }
}

static view_t *view_make(apr_pool_t *p)
{
    view_t *view = apr_pcalloc(p, sizeof(*view));

    view->now_us = clock_now_us();
    view->has_plan = scoreboard_ext_read_plan(shown.board, &view->plan);
    view->has_limits = scoreboard_ext_read_limits(shown.board, &view->limits);
    view->decision_count = scoreboard_ext_read_decisions(shown.board, view->decisions);
    view_children(view, p);
    view_holders(view);
    view_peaks(view, p);
    return view;
}

static ext_mode_e current_mode(void)
{
    return (ext_mode_e)shown.config->adaptive_mode;
}

/* --- ?auto -------------------------------------------------------------------------- */

/* Names of letters only and one number each: every monitor's parser takes these. */
static void put_count(request_rec *r, const char *key, int64_t number)
{
    ap_rprintf(r, "Adaptive%s: %" APR_INT64_T_FMT "\n", key, number);
}

static void put_number(request_rec *r, const char *key, double number)
{
    ap_rprintf(r, "Adaptive%s: %.3f\n", key, number);
}

/* The same for people and for scripts that do not count rows: one lower-case word. */
static void put_word(request_rec *r, const char *key, const char *word)
{
    ap_rprintf(r, "Adaptive%s: %s\n", key, word);
}

static void put_plan(request_rec *r, const view_t *view)
{
    const ctl_child_plan_t *plan = &view->plan.plan;

    put_count(r, "ChildrenTarget", plan->target);
    put_count(r, "Reason", plan->reason);
    put_word(r, "ReasonName", controller_reason_name(plan->reason));
    put_number(r, "ThreadsDemand", plan->demand);
    put_number(r, "ThreadsSpare", plan->spare);
    put_number(r, "ServiceMs", plan->service_us / 1000);
    put_number(r, "WaitedMs", (double)view->plan.sample.waited_us / 1000);
    put_count(r, "ThreadsMax", view->plan.limits.max_threads);
    put_count(r, "ChildrenMax", view->plan.limits.max_children);
    put_count(r, "Ceiling", view->plan.limits.ceiling);
    put_word(r, "CeilingName", controller_ceiling_name(view->plan.limits.ceiling));
    put_count(r, "CeilingReached", report_ceiling_of(&view->plan) != CTL_NO_CEILING);
    put_number(r, "PlanAgeSeconds",
               (double)MAX(view->now_us - view->plan.sample.now_us, 0) / CLOCK_US_PER_S);
}

static void put_limits(request_rec *r, const view_t *view)
{
    put_number(r, "Cpus", view->limits.cpus);
}

/* A number, as everything here: most monitors drop a word, some the page. */
static int mode_number(ext_mode_e mode)
{
    return mode == EXT_MODE_ON ? 2 : mode == EXT_MODE_OBSERVE ? 1 : 0;
}

static void put_auto(request_rec *r, const view_t *view)
{
    put_count(r, "Mode", mode_number(current_mode()));
    put_count(r, "Threads", view->threads);
    put_count(r, "ThreadsBusy", view->busy);
    put_count(r, "ThreadsBusyPeak", view->busy_peak);
    put_number(r, "WaitedPeakMs", (double)view->waited_peak_us / 1000);
    put_number(r, "ArrivalsPerSecond", view->requests_per_s);
    put_count(r, "ThreadsPerChild", shown.config->threads_per_child);
    put_count(r, "ThreadsLowered", view->lowered);
    put_count(r, "RequestsPutOff", view->put_off);
    put_count(r, "ChildrenPinned", view->pinned);
    put_count(r, "ShedTotal", (int64_t)atomic_load(&shown.board->shed));
    put_count(r, "ChildrenStarting", view->children[EXT_SLOT_STARTING]);
    put_count(r, "ChildrenServing", view->children[EXT_SLOT_SERVING]);
    put_count(r, "ChildrenParked", view->children[EXT_SLOT_PARKED]);
    put_count(r, "ChildrenDraining", view->children[EXT_SLOT_DRAINING]);
    put_count(r, "ParkedLongestSeconds", view->oldest_us[EXT_SLOT_PARKED] / CLOCK_US_PER_S);
    put_count(r, "DrainingLongestSeconds", view->oldest_us[EXT_SLOT_DRAINING] / CLOCK_US_PER_S);
    put_count(r, "HolderThreads", view->holder_count > 0 ? view->holders[0].held : 0);
    put_count(r, "RefusedTotal", (int64_t)view->refused);
    put_count(r, "DecisionsTotal", (int64_t)atomic_load(&shown.board->decisions_noted));
    if (view->has_plan) {
        put_plan(r, view);
    }
    if (view->has_limits) {
        put_limits(r, view);
    }
}

/* --- the page for people ------------------------------------------------------------ */

/* Everything that goes into the page passes here, or is a number. */
static const char *html(request_rec *r, const char *text)
{
    return ap_escape_html(r->pool, text);
}

static const char *duration(request_rec *r, int64_t us)
{
    char *text = apr_palloc(r->pool, 32);

    return report_duration(text, 32, MAX(us, 0));
}

static const char *because(request_rec *r, const ext_decision_t *decision)
{
    char *text = apr_palloc(r->pool, REPORT_TEXT_SIZE);

    return html(r, report_because(text, REPORT_TEXT_SIZE, decision));
}

static bool is_observed(const ext_decision_t *decision)
{
    return decision->mode == EXT_MODE_OBSERVE;
}

/* "2 &rarr; 9 children", "child 3: 8 &rarr; 9 &hellip; threads": a child notes where a change
 * begins. */
static const char *change_text(request_rec *r, const ext_decision_t *d)
{
    if (d->kind == EXT_CHILDREN) {
        return apr_psprintf(r->pool, "%d &rarr; %d children", d->children_before,
                            d->children_after);
    }
    return apr_psprintf(r->pool, "child %d: %d &rarr; %d &hellip; threads", d->slot,
                        d->threads_before, d->threads_after);
}

/* "the server grew from 2 to 9 children", "child 3 began to grow from 10 threads" */
static const char *last_change_text(request_rec *r, const ext_decision_t *d)
{
    int before = d->kind == EXT_CHILDREN ? d->children_before : d->threads_before;
    int after = d->kind == EXT_CHILDREN ? d->children_after : d->threads_after;

    if (d->kind == EXT_CHILDREN) {
        return apr_psprintf(r->pool, "the server %s from %d to %d children",
                            after >= before ? "grew" : "shrank", before, after);
    }
    return apr_psprintf(r->pool, "child %d began to %s from %d threads", d->slot,
                        after >= before ? "grow" : "shrink", before);
}

static const ext_decision_t *last_applied(const view_t *view)
{
    int i;

    for (i = 0; i < view->decision_count; i++) {
        if (!is_observed(&view->decisions[i])) {
            return &view->decisions[i];
        }
    }
    return NULL;
}

/* "12 of 64 threads busy in 2 children; child 0 began to grow from 10 threads 3 s ago because a
 * request waited 8 ms" */
static void show_summary(request_rec *r, const view_t *view)
{
    const ext_decision_t *last = last_applied(view);
    int children = view->children[EXT_SLOT_SERVING];

    ap_rprintf(r, "<p>%d of %d threads busy in %d %s", view->busy, view->threads, children,
               children == 1 ? "child" : "children");
    if (last) {
        ap_rprintf(r, "; %s %s ago because %s", last_change_text(r, last),
                   duration(r, view->now_us - last->now_us), because(r, last));
    }
    ap_rputs(".</p>\n", r);
}

static void show_mode(request_rec *r)
{
    static const char *const explanations[EXT_MODES] = {
        [EXT_MODE_ON] = "AdaptiveMode on",
        [EXT_MODE_OBSERVE] = "AdaptiveMode observe: decisions of the controller are shown but "
                             "not followed; MinSpareThreads and MaxSpareThreads decide",
        [EXT_MODE_OFF] = "AdaptiveMode off: MinSpareThreads and MaxSpareThreads decide"
    };

    ap_rprintf(r, "<dt>%s</dt>\n", explanations[current_mode()]);
}

static void show_need(request_rec *r, const view_t *view)
{
    const ctl_child_plan_t *plan = &view->plan.plan;

    ap_rprintf(r, "<dt>Needed %s ago: about %.1f threads for the load and %.1f to spare, in %d "
               "%s", duration(r, view->now_us - view->plan.sample.now_us), plan->demand,
               plan->spare, plan->target, plan->target == 1 ? "child" : "children");
    if (plan->service_us > 0) {
        ap_rprintf(r, "; an event held a thread for %s", duration(r, (int64_t)plan->service_us));
    }
    ap_rputs("</dt>\n", r);
}

static void show_peaks(request_rec *r, const view_t *view)
{
    ap_rprintf(r, "<dt>In the last %d seconds: %.1f requests per second</dt>\n", RATE_SECONDS,
               view->requests_per_s);
    ap_rprintf(r, "<dt>In the last ten minutes: %d %s busy at most, and requests "
               "waited %s for a thread at most</dt>\n", view->busy_peak,
               view->busy_peak == 1 ? "thread" : "threads",
               duration(r, view->waited_peak_us));
}

/* Who stands back, who waits, who was sent away. */
static void show_turns(request_rec *r, const view_t *view)
{
    uint64_t shed = atomic_load(&shown.board->shed);

    if (view->lowered > 0 || view->put_off > 0) {
        ap_rprintf(r, "<dt>%d %s serving requests that compute, behind all others; %d %s without a "
                   "thread</dt>\n", view->lowered, view->lowered == 1 ? "thread is" : "threads are",
                   view->put_off, view->put_off == 1 ? "request waits" : "requests wait");
    }
    if (view->pinned > 0) {
        ap_rprintf(r, "<dt>%d %s to processors of their own (AdaptiveAffinity)</dt>\n",
                   view->pinned, view->pinned == 1 ? "child keeps" : "children keep");
    }
    if (shed > 0) {
        ap_rprintf(r, "<dt>%" APR_UINT64_T_FMT " %s answered with 503 since the server started "
                   "(AdaptiveMaxWait)</dt>\n", shed, shed == 1 ? "request was" : "requests were");
    }
}

static void show_ceiling(request_rec *r, const view_t *view)
{
    const ctl_child_limits_t *limits = &view->plan.limits;
    ctl_ceiling_e reached = report_ceiling_of(&view->plan);
    char text[REPORT_TEXT_SIZE];

    if (limits->ceiling == CTL_NO_CEILING) {
        return;
    }
    ap_rprintf(r, "<dt>Nearest ceiling: %s; %d threads may run",
               html(r, controller_ceiling_text(limits->ceiling)), limits->max_threads);
    /* a found limit is looked at again before it is used up: no more than this until then */
    if (view->has_limits && limits->max_threads < view->limits.max_threads) {
        ap_rprintf(r, " until it is measured again, %d are expected to fit",
                   view->limits.max_threads);
    }
    if (limits->max_threads > 0) {
        ap_rprintf(r, ", %d%% of these are busy", (int)(100.0 * view->busy / limits->max_threads));
    }
    ap_rputs("</dt>\n", r);
    if (reached != CTL_NO_CEILING) {
        report_ceiling_text(text, sizeof(text), reached, &view->plan);
        ap_rprintf(r, "<dt><strong>%s</strong></dt>\n", html(r, text));
    }
}

/* "pid 4711 for 7 s with 3 connections" */
static void name_child(request_rec *r, const view_t *view, int slot)
{
    int connections = (int)ap_get_scoreboard_process(slot)->connections;

    ap_rprintf(r, "pid %d for %s with %d %s", view->slots[slot].pid,
               duration(r, view->now_us - view->slots[slot].since_us), connections,
               connections == 1 ? "connection" : "connections");
}

static void show_children(request_rec *r, const view_t *view, ext_slot_state_e state,
                          const char *what)
{
    int i, left = MIN(view->children[state], CHILDREN_NAMED);

    if (view->children[state] == 0) {
        return;
    }
    ap_rprintf(r, "<dt>%d %s: ", view->children[state], what);
    for (i = 0; i < shown.config->slot_count && left > 0; i++) {
        if (view->slots[i].state == (int32_t)state) {
            name_child(r, view, i);
            ap_rputs(--left > 0 ? ", " : "", r);
        }
    }
    if (view->children[state] > CHILDREN_NAMED) {
        ap_rprintf(r, " and %d more, for %s at most", view->children[state] - CHILDREN_NAMED,
                   duration(r, view->oldest_us[state]));
    }
    ap_rputs("</dt>\n", r);
}

static const char *local_time(request_rec *r, int64_t wall_us)
{
    apr_time_exp_t when;
    char text[32] = "";
    apr_size_t length;

    apr_time_exp_lt(&when, wall_us);
    apr_strftime(text, &length, sizeof(text), "%Y-%m-%d %H:%M:%S", &when);
    return apr_psprintf(r->pool, "%s.%03d", text, (int)(wall_us % 1000000 / 1000));
}

static const char *decision_note(const ext_decision_t *d)
{
    return is_observed(d) ? " (observed only)" : "";
}

/* A cell; empty if nobody knows. */
static void show_known(request_rec *r, double number)
{
    if (number > 0) {
        ap_rprintf(r, "<td>%.1f</td>", number);
    }
    else {
        ap_rputs("<td></td>", r);
    }
}

static void show_decision_row(request_rec *r, const ext_decision_t *d)
{
    ap_rprintf(r, "<tr><td>%s</td><td>%s%s</td><td>%s</td><td>%d</td>",
               local_time(r, d->wall_us), change_text(r, d), decision_note(d), because(r, d),
               d->busy);
    show_known(r, d->demand);
    show_known(r, d->spare);
    ap_rprintf(r, "<td>%s</td>", d->waited_us > 0 ? duration(r, d->waited_us) : "");
    show_known(r, d->arrivals_per_s);
    ap_rprintf(r, "<td>%s</td></tr>\n",
               d->service_us > 0 ? duration(r, (int64_t)d->service_us) : "");
}

static void show_decision_line(request_rec *r, const ext_decision_t *d)
{
    ap_rprintf(r, "<li>%s: %s%s because %s; %d busy</li>\n", local_time(r, d->wall_us),
               change_text(r, d), decision_note(d), because(r, d), d->busy);
}

static void show_decisions(request_rec *r, const view_t *view, bool tables)
{
    int left[EXT_KINDS] = { DECISIONS_SHOWN, DECISIONS_SHOWN };
    int i;

    if (view->decision_count == 0) {
        return;
    }
    ap_rputs("<p>The last decisions, newest first:</p>\n", r);
    ap_rputs(tables ? "<table border=\"1\" class=\"adaptive-decisions\">\n<tr><th>Time</th>"
                      "<th>Change</th><th>Because</th><th>Busy threads</th><th>Needed</th>"
                      "<th>Spare</th><th>Waited</th><th>Arrivals/s</th><th>Each took</th></tr>\n"
                    : "<ul>\n", r);
    for (i = 0; i < view->decision_count; i++) {
        const ext_decision_t *decision = &view->decisions[i];

        if (left[decision->kind]-- <= 0) {
            continue;
        }
        if (tables) {
            show_decision_row(r, decision);
        }
        else {
            show_decision_line(r, decision);
        }
    }
    ap_rputs(tables ? "</table>\n" : "</ul>\n", r);
}

static void show_holder(request_rec *r, const holder_t *holder)
{
    ap_rprintf(r, "<dt>%s %s: %d %s, %" APR_UINT64_T_FMT " %s</dt>\n",
               holder->name.is_backend ? "backend" : "virtual host",
               html(r, holder->name.text), holder->held, holder->held == 1 ? "thread" : "threads",
               (apr_uint64_t)holder->refused,
               current_mode() == EXT_MODE_OBSERVE ? "would have been refused" : "refused");
}

/* "backend http://10.0.0.1:8080: 160 threads, 2300 refused" */
static void show_holders(request_rec *r, const view_t *view)
{
    int i;

    if (view->holder_count == 0) {
        return;
    }
    ap_rputs("<p>Threads by backend and virtual host, and requests that were refused because "
             "these held too many:</p>\n<dl>\n", r);
    for (i = 0; i < MIN(view->holder_count, HOLDERS_SHOWN); i++) {
        show_holder(r, &view->holders[i]);
    }
    ap_rputs("</dl>\n", r);
}

static void show_page(request_rec *r, const view_t *view, bool tables)
{
    ap_rputs("<hr>\n<h2>Adaptive control</h2>\n", r);
    show_summary(r, view);
    ap_rputs("<dl>\n", r);
    show_mode(r);
    if (view->has_limits) {
        ap_rprintf(r, "<dt>Limits found: %s</dt>\n", html(r, view->limits.text));
    }
    if (view->has_plan) {
        show_ceiling(r, view);
        if (current_mode() != EXT_MODE_OFF) {
            show_need(r, view);
        }
    }
    show_peaks(r, view);
    show_turns(r, view);
    show_children(r, view, EXT_SLOT_STARTING, "starting");
    show_children(r, view, EXT_SLOT_PARKED,
                  "parked, which keep their connections and accept no new ones");
    show_children(r, view, EXT_SLOT_DRAINING, "draining");
    ap_rputs("</dl>\n", r);
    show_holders(r, view);
    show_decisions(r, view, tables);
}

/* --- the hook ----------------------------------------------------------------------- */

static int hook_status(request_rec *r, int flags)
{
    view_t *view;

    if (!shown.board) {
        return DECLINED;
    }
    view = view_make(r->pool);
    if (flags & AP_STATUS_SHORT) {
        put_auto(r, view);
    }
    else {
        show_page(r, view, !(flags & AP_STATUS_NOTABLE));
    }
    return OK;
}

void status_register_hooks(void)
{
    /* optional: runs if somebody declares the hook, mod_status or not */
    APR_OPTIONAL_HOOK(ap, status_hook, hook_status, NULL, NULL, APR_HOOK_MIDDLE);
}
