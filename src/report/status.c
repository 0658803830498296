/* Workers of any child, while they serve mod_status's pages, and the parent, which says what there
 * is to show. */
#include "status.h"

#include "handler.h"
#include "report_text.h"
#include "story.h"
#include "verdict.h"
#include "view.h"
#include "view_show.h"

#include "base/clock.h"

#include "ap_expr.h"
#include "apr_optional_hooks.h"
#include "apr_strings.h"
#include "apr_time.h"
#include "http_core.h"
#include "http_protocol.h"
#include "mod_status.h"

#include <sys/param.h>

/* The section is short: the page of the handler has everything. */
#define STORIES_SHOWN 5
#define HOLDERS_SHOWN 3
#define CHILDREN_NAMED 3

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
    view_show(board, config);
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

/* URLs are no classes: they hold what their virtual hosts and backends do. */
static int most_held(const view_t *view)
{
    int i;

    for (i = 0; i < view->holder_count && view->holders[i].kind == VIEW_URL; i++) {
    }
    return i < view->holder_count ? view->holders[i].threads : 0;
}

static void put_auto(request_rec *r, const view_t *view)
{
    put_count(r, "Mode", mode_number(view->config->adaptive_mode));
    put_count(r, "Threads", view->threads);
    put_count(r, "ThreadsBusy", view->busy);
    put_count(r, "ThreadsBusyPeak", view->busy_peak);
    put_number(r, "WaitedPeakMs", (double)view->waited_peak_us / 1000);
    put_number(r, "ArrivalsPerSecond", view->requests_per_s);
    put_count(r, "ThreadsPerChild", view->config->threads_per_child);
    put_count(r, "ThreadsLowered", view->lowered);
    put_count(r, "RequestsPutOff", view->put_off);
    put_count(r, "RequestsComing", view->coming);
    put_count(r, "ChildrenPinned", view->pinned);
    put_count(r, "ShedTotal", (int64_t)view->shed);
    put_count(r, "ChildrenStarting", view->children[EXT_SLOT_STARTING]);
    put_count(r, "ChildrenServing", view->children[EXT_SLOT_SERVING]);
    put_count(r, "ChildrenParked", view->children[EXT_SLOT_PARKED]);
    put_count(r, "ChildrenDraining", view->children[EXT_SLOT_DRAINING]);
    put_count(r, "ParkedLongestSeconds", view->longest_us[EXT_SLOT_PARKED] / CLOCK_US_PER_S);
    put_count(r, "DrainingLongestSeconds", view->longest_us[EXT_SLOT_DRAINING] / CLOCK_US_PER_S);
    put_count(r, "HolderThreads", most_held(view));
    put_count(r, "RefusedTotal", (int64_t)view->refused);
    put_count(r, "DecisionsTotal", (int64_t)view->decisions_noted);
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

static bool is_plain_location(const core_dir_config *section)
{
    return section->d && section->d[0] == '/' && !section->r && !section->d_is_fnmatch;
}

/* SetHandler takes an expression, of which a plain word is one. */
static bool is_for_us(request_rec *r, const core_dir_config *section)
{
    const char *error = NULL;
    const char *handler = section->expr_handler
                          ? ap_expr_str_exec(r, section->expr_handler, &error) : section->handler;

    return handler && !error && !strcmp(handler, HANDLER_NAME);
}

/* Where the handler's own page is, as this virtual host has it; NULL: nowhere that can be told. */
static const char *page_url(request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    int i;

    for (i = 0; core->sec_url && i < core->sec_url->nelts; i++) {
        const core_dir_config *section
            = ap_get_core_module_config(APR_ARRAY_IDX(core->sec_url, i, ap_conf_vector_t *));

        if (section && is_plain_location(section) && is_for_us(r, section)) {
            return section->d;
        }
    }
    return NULL;
}

static void show_verdict(request_rec *r, const view_t *view)
{
    verdict_t verdict;
    int i;

    verdict_of(&verdict, view);
    ap_rprintf(r, "<p>%s</p>\n", html(r, verdict.sentence));
    for (i = 0; i < verdict.count; i++) {
        ap_rprintf(r, "<p><strong>%s</strong>: %s%s%s</p>\n",
                   verdict.causes[i].level == VERDICT_RED ? "Act now" : "Have a look",
                   html(r, verdict.causes[i].text), verdict.causes[i].remedy[0] ? "; " : "",
                   html(r, verdict.causes[i].remedy));
    }
}

static void show_mode(request_rec *r, const view_t *view)
{
    static const char *const explanations[EXT_MODES] = {
        [EXT_MODE_ON] = "AdaptiveMode on",
        [EXT_MODE_OBSERVE] = "AdaptiveMode observe: decisions of the controller are shown but "
                             "not followed; MinSpareThreads and MaxSpareThreads decide",
        [EXT_MODE_OFF] = "AdaptiveMode off: MinSpareThreads and MaxSpareThreads decide"
    };

    ap_rprintf(r, "<dt>%s</dt>\n", explanations[view->config->adaptive_mode]);
}

static void show_peaks(request_rec *r, const view_t *view)
{
    ap_rprintf(r, "<dt>In the last %d seconds: %.1f requests per second</dt>\n", VIEW_RATE_SECONDS,
               view->requests_per_s);
    ap_rprintf(r, "<dt>In the last ten minutes: %d %s busy at most, and requests "
               "waited %s for a thread at most</dt>\n", view->busy_peak,
               view->busy_peak == 1 ? "thread" : "threads",
               duration(r, view->waited_peak_us));
}

/* Who stands back, who waits, who was sent away. */
static void show_turns(request_rec *r, const view_t *view)
{
    if (view->lowered > 0 || view->put_off > 0) {
        ap_rprintf(r, "<dt>%d %s serving requests that compute, behind all others; %d %s without a "
                   "thread</dt>\n", view->lowered, view->lowered == 1 ? "thread is" : "threads are",
                   view->put_off, view->put_off == 1 ? "request waits" : "requests wait");
    }
    if (view->coming > 0 || view->writing > 0) {
        ap_rprintf(r, "<dt>%d %s still sending a request, %d %s a response slowly, all without a "
                   "thread</dt>\n", view->coming, view->coming == 1 ? "client is" : "clients are",
                   view->writing, view->writing == 1 ? "reads" : "read");
    }
    if (view->pinned > 0) {
        ap_rprintf(r, "<dt>%d %s to processors of their own (AdaptiveAffinity)</dt>\n",
                   view->pinned, view->pinned == 1 ? "child keeps" : "children keep");
    }
    if (view->shed > 0) {
        ap_rprintf(r, "<dt>%" APR_UINT64_T_FMT " %s answered with 503 since the server started "
                   "(AdaptiveMaxWait)</dt>\n", (apr_uint64_t)view->shed,
                   view->shed == 1 ? "request was" : "requests were");
    }
}

static void show_ceiling(request_rec *r, const view_t *view)
{
    const ctl_child_limits_t *limits = &view->plan.limits;

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
}

/* "pid 4711 for 7 s with 3 connections" */
static void name_child(request_rec *r, const view_child_t *child)
{
    ap_rprintf(r, "pid %d for %s with %d %s", child->pid, duration(r, child->since_us),
               child->connections, child->connections == 1 ? "connection" : "connections");
}

static void show_children(request_rec *r, const view_t *view, ext_slot_state_e state,
                          const char *what)
{
    int i, left = MIN(view->children[state], CHILDREN_NAMED);

    if (view->children[state] == 0) {
        return;
    }
    ap_rprintf(r, "<dt>%d %s: ", view->children[state], what);
    for (i = 0; i < view->child_count && left > 0; i++) {
        if (view->child[i].state == state) {
            name_child(r, &view->child[i]);
            ap_rputs(--left > 0 ? ", " : "", r);
        }
    }
    if (view->children[state] > CHILDREN_NAMED) {
        ap_rprintf(r, " and %d more, for %s at most", view->children[state] - CHILDREN_NAMED,
                   duration(r, view->longest_us[state]));
    }
    ap_rputs("</dt>\n", r);
}

static void show_holder(request_rec *r, const view_t *view, const view_holder_t *holder)
{
    ap_rprintf(r, "<dt>%s %s: %d %s, %" APR_UINT64_T_FMT " %s</dt>\n",
               holder->kind == VIEW_BACKEND ? "backend" : "virtual host", html(r, holder->name),
               holder->threads, holder->threads == 1 ? "thread" : "threads",
               (apr_uint64_t)holder->refused,
               view->config->adaptive_mode == EXT_MODE_OBSERVE ? "would have been refused"
                                                               : "refused");
}

/* "backend http://10.0.0.1:8080: 160 threads, 2300 refused" */
static void show_holders(request_rec *r, const view_t *view)
{
    int i, left = HOLDERS_SHOWN;

    for (i = 0; i < view->holder_count && left > 0; i++) {
        if (view->holders[i].kind != VIEW_URL) {
            left--;
            show_holder(r, view, &view->holders[i]);
        }
    }
}

static const char *local_time(request_rec *r, int64_t wall_us)
{
    apr_time_exp_t when;
    char text[32] = "";
    apr_size_t length;

    apr_time_exp_lt(&when, wall_us);
    apr_strftime(text, &length, sizeof(text), "%Y-%m-%d %H:%M:%S", &when);
    return apr_pstrdup(r->pool, text);
}

static void show_stories(request_rec *r, const view_t *view)
{
    story_t stories[STORIES_SHOWN];
    int i, count = story_tell(stories, STORIES_SHOWN, view);

    if (count == 0) {
        return;
    }
    ap_rputs("<p>What was done last:</p>\n<ul>\n", r);
    for (i = 0; i < count; i++) {
        ap_rprintf(r, "<li>%s %s%s</li>\n", local_time(r, stories[i].began_wall_us),
                   html(r, stories[i].text), stories[i].observed ? " (observed only)" : "");
    }
    ap_rputs("</ul>\n", r);
}

static void show_link(request_rec *r)
{
    const char *url = page_url(r);

    if (url) {
        ap_rprintf(r, "<p><a href=\"%s\">Everything about it, with the last ten minutes</a></p>\n",
                   html(r, ap_escape_uri(r->pool, url)));
    }
}

static void show_section(request_rec *r, const view_t *view)
{
    ap_rputs("<hr>\n<h2>Adaptive control</h2>\n", r);
    show_verdict(r, view);
    show_link(r);
    ap_rputs("<dl>\n", r);
    show_mode(r, view);
    if (view->has_limits) {
        ap_rprintf(r, "<dt>Limits found: %s</dt>\n", html(r, view->limits.text));
    }
    if (view->has_plan) {
        show_ceiling(r, view);
    }
    show_peaks(r, view);
    show_turns(r, view);
    show_children(r, view, EXT_SLOT_STARTING, "starting");
    show_children(r, view, EXT_SLOT_PARKED,
                  "parked, which keep their connections and accept no new ones");
    show_children(r, view, EXT_SLOT_DRAINING, "draining");
    show_holders(r, view);
    ap_rputs("</dl>\n", r);
    show_stories(r, view);
}

/* --- the hook ----------------------------------------------------------------------- */

static int hook_status(request_rec *r, int flags)
{
    view_t *view = view_is_shown() ? view_take() : NULL;

    if (!view) {
        return DECLINED;
    }
    if (flags & AP_STATUS_SHORT) {
        put_auto(r, view);
    }
    else {
        show_section(r, view);
    }
    view_free(view);
    return OK;
}

void status_register_hooks(void)
{
    /* optional: runs if somebody declares the hook, mod_status or not */
    APR_OPTIONAL_HOOK(ap, status_hook, hook_status, NULL, NULL, APR_HOOK_MIDDLE);
}
