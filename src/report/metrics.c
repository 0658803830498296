/* Pure: the view for Prometheus. Two texts of one table: format 0.0.4, and OpenMetrics 1.0,
 * where a counter's family is named without _total, units are told, and the last line says that
 * it is the last. docs/user/metrics.md has the same table for people. No label names a process:
 * series that end with one would pile up. */
#include "render.h"
#include "verdict.h"

#include <math.h>
#include <string.h>

#define PREFIX "apache_adaptive_"
#define US_PER_S 1e6

/* Classes and URLs that have series of their own. */
#define HOLDERS_MOST 10

typedef struct metrics_t {
    out_t *out;
    const view_t *view;
    bool openmetrics;
} metrics_t;

typedef enum { GAUGE, COUNTER, INFO } kind_e;

/* --- families ------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length > end_length && !strcmp(text + length - end_length, end);
}

static void put_unit(const metrics_t *m, const char *name)
{
    static const char *const units[] = { "seconds", "ratio", "bytes" };
    size_t i;

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ends_in(name, units[i])) {
            out_format(m->out, "# UNIT " PREFIX "%s %s\n", name, units[i]);
        }
    }
}

/* name: without _total and _info. The help has nothing that needs an escape. */
static void family(const metrics_t *m, const char *name, kind_e kind, const char *help)
{
    static const char *const kinds[] = { "gauge", "counter", "info" };
    bool is_plain = !m->openmetrics;
    const char *end = is_plain && kind == COUNTER ? "_total" : is_plain && kind == INFO ? "_info"
                      : "";

    out_format(m->out, "# TYPE " PREFIX "%s%s %s\n", name, end,
               is_plain && kind == INFO ? "gauge" : kinds[kind]);
    if (m->openmetrics) {
        put_unit(m, name);
    }
    out_format(m->out, "# HELP " PREFIX "%s%s %s\n", name, end, help);
}

static void value(const metrics_t *m, double number)
{
    if (isfinite(number)) {
        out_format(m->out, " %.15g\n", number);
    }
    else {
        out_text(m->out, " NaN\n");
    }
}

static void gauge(const metrics_t *m, const char *name, double number, const char *help)
{
    family(m, name, GAUGE, help);
    out_format(m->out, PREFIX "%s", name);
    value(m, number);
}

static void counter(const metrics_t *m, const char *name, uint64_t number, const char *help)
{
    family(m, name, COUNTER, help);
    out_format(m->out, PREFIX "%s_total %llu\n", name, (unsigned long long)number);
}

/* One of a family that differ by a label. */
static void labelled(const metrics_t *m, const char *name, const char *label, const char *text,
                     double number)
{
    out_format(m->out, PREFIX "%s{%s=", name, label);
    out_label(m->out, text);
    out_text(m->out, "}");
    value(m, number);
}

/* --- the tables ----------------------------------------------------------------------------- */

static void put_build(const metrics_t *m)
{
    const view_t *view = m->view;

    family(m, "build", INFO, "The module's version, httpd's, and AdaptiveMode.");
    out_text(m->out, PREFIX "build_info{version=");
    out_label(m->out, view->version);
    out_text(m->out, ",httpd=");
    out_label(m->out, view->httpd);
    out_format(m->out, ",mode=\"%s\"} 1\n",
               view->config->adaptive_mode == EXT_MODE_ON ? "on"
               : view->config->adaptive_mode == EXT_MODE_OBSERVE ? "observe" : "off");
    gauge(m, "start_time_seconds", (double)(view->wall_us - view->uptime_us) / US_PER_S,
          "When the server was started, since 1970. Reloads do not change it.");
    gauge(m, "configuration_time_seconds",
          (double)(view->wall_us - view->generation_us) / US_PER_S,
          "When the configuration in force was read, since 1970.");
    gauge(m, "generation", view->generation,
          "Number of the configuration in force: each reload counts one more.");
    if (view->has_limits) {
        gauge(m, "processors", view->limits.cpus, "Processors that the server may use.");
    }
}

static void put_verdict_levels(const metrics_t *m)
{
    verdict_t verdict;
    int level, i;

    verdict_of(&verdict, m->view);
    family(m, "verdict", GAUGE, "1 for the level that the status page shows: green it is well, "
           "amber somebody should look, red requests suffer.");
    for (level = VERDICT_GREEN; level <= VERDICT_RED; level++) {
        labelled(m, "verdict", "level", verdict_level_name((verdict_level_e)level),
                 (int)verdict.level == level);
    }
    if (verdict.count > 0) {
        family(m, "cause", GAUGE, "1 for each thing that needs a person, by the name that it has "
               "in JSON.");
    }
    for (i = 0; i < verdict.count; i++) {
        labelled(m, "cause", "name", verdict.causes[i].name, 1);
    }
}

static void put_plan_metrics(const metrics_t *m)
{
    const ctl_child_plan_t *plan = &m->view->plan.plan;
    int i;

    if (!m->view->has_plan) {
        return;
    }
    gauge(m, "threads_demand", plan->demand, "Threads that the load itself needs.");
    gauge(m, "threads_spare", plan->spare, "Spare threads to have beside them.");
    gauge(m, "plan_age_seconds", (double)view_plan_age_us(m->view) / US_PER_S,
          "How old the last plan is: the parent sleeps while nothing changes.");
    family(m, "plan_reason", GAUGE, "1 for the reason why the last plan is as it is.");
    for (i = 0; i < CTL_REASONS; i++) {
        labelled(m, "plan_reason", "reason", controller_reason_name((ctl_reason_e)i),
                 (int)plan->reason == i);
    }
}

static void put_thread_metrics(const metrics_t *m)
{
    const view_t *view = m->view;

    family(m, "threads", GAUGE, "Worker threads of all children by what they do. Benched ones are "
           "kept from taking work, because requests only compute.");
    labelled(m, "threads", "state", "busy", view->busy);
    labelled(m, "threads", "state", "idle", view->idle);
    labelled(m, "threads", "state", "benched", view->benched);
    labelled(m, "threads", "state", "starting", view->starting_threads);
    gauge(m, "threads_lowered", view->lowered,
          "Busy threads whose request computes: others go first.");
    gauge(m, "threads_busy_peak", view->busy_peak,
          "The most busy threads in the last ten minutes.");
    if (view_most_threads(view) > 0) {
        gauge(m, "threads_max", view_most_threads(view),
              "Threads in all that may run in the long run, by the nearest ceiling.");
        gauge(m, "utilisation_ratio", view_utilisation(view),
              "Threads that the load needs, of those that may run: what an autoscaler acts on.");
    }
}

static void put_request_metrics(const metrics_t *m)
{
    const view_t *view = m->view;

    counter(m, "requests", view->requests, "Requests read, those of HTTP/2 streams too.");
    counter(m, "requests_shed", view->shed,
            "Requests answered with 503 because they had waited for AdaptiveMaxWait.");
    counter(m, "requests_refused", view->refused,
            "Requests answered with 503 because their virtual host or backend held too many "
            "threads (AdaptiveBulkheads).");
    gauge(m, "requests_waiting", view->put_off,
          "Requests that wait without a thread: while others compute, or while all threads are "
          "taken.");
    gauge(m, "requests_coming", view->coming,
          "Requests and TLS handshakes that have begun to come in and whose rest is waited for, "
          "without a thread.");
    gauge(m, "wait_seconds", (double)view->waited_us / US_PER_S,
          "How long work waits for a thread just now, in the child where that is longest.");
    gauge(m, "wait_peak_seconds", (double)view->waited_peak_us / US_PER_S,
          "The longest such wait in the last ten minutes.");
    gauge(m, "wait_target_seconds", (double)view->config->wait_target_us / US_PER_S,
          "No work should wait longer for a thread (AdaptiveWaitTarget).");
    if (view->has_plan && view->plan.plan.service_us > 0) {
        gauge(m, "service_seconds", view->plan.plan.service_us / US_PER_S,
              "How long an event (a new connection, one that became ready) holds a thread, by the "
              "last plan.");
    }
}

static void put_connection_metrics(const metrics_t *m)
{
    const view_t *view = m->view;
    int rest = view->connections - view->keep_alive - view->writing - view->waiting_io
               - view->suspended - view->closing;

    family(m, "connections", GAUGE, "Open connections by what they wait for; active: for none of "
           "these.");
    labelled(m, "connections", "state", "active", rest > 0 ? rest : 0);
    labelled(m, "connections", "state", "keep_alive", view->keep_alive);
    labelled(m, "connections", "state", "writing", view->writing);
    labelled(m, "connections", "state", "waiting_io", view->waiting_io);
    labelled(m, "connections", "state", "suspended", view->suspended);
    labelled(m, "connections", "state", "closing", view->closing);
}

static void put_child_metrics(const metrics_t *m)
{
    const view_t *view = m->view;
    int i, without = 0;

    for (i = 0; i < view->child_count; i++) {
        without += view->child[i].out_of_descriptors;
    }
    family(m, "children", GAUGE, "Child processes by state: parked ones accept nothing for now, "
           "draining ones end when their last connection does.");
    for (i = EXT_SLOT_STARTING; i < EXT_SLOT_STATES; i++) {
        labelled(m, "children", "state", view_state_name((ext_slot_state_e)i), view->children[i]);
    }
    gauge(m, "children_target", view->has_plan ? view->plan.plan.target : view->child_count,
          "Child processes that should be there, by the last plan.");
    gauge(m, "children_max", view->config->max_children, "Child processes that may be there.");
    gauge(m, "children_pinned", view->pinned,
          "Child processes that keep to a processor (AdaptiveAffinity).");
    gauge(m, "children_out_of_descriptors", without,
          "Child processes that take no more connections, because too many files are open.");
    gauge(m, "draining_longest_seconds",
          (double)view->longest_us[EXT_SLOT_DRAINING] / US_PER_S,
          "How long the oldest draining child has been draining.");
    gauge(m, "parked_longest_seconds", (double)view->longest_us[EXT_SLOT_PARKED] / US_PER_S,
          "How long the oldest parked child has been parked.");
    gauge(m, "start_failures_in_a_row", view->failures_in_a_row,
          "Child processes in a row that could not be started, or ended soon after.");
}

static void put_counter_metrics(const metrics_t *m)
{
    static const char *const helps[EXT_COUNTERS] = {
        [EXT_CHILDREN_STARTED] = "Child processes started.",
        [EXT_CHILDREN_ENDED] = "Child processes that have ended, for whatever reason.",
        [EXT_CHILDREN_CRASHED] =
            "Child processes that ended by a signal that the server had not sent.",
        [EXT_CHILDREN_DIED_YOUNG] = "Child processes that ended at their start or soon after it.",
        [EXT_FORKS_REFUSED] = "Child processes that the system did not let the parent start.",
        [EXT_THREADS_STARTED] = "Worker threads started.",
        [EXT_THREADS_REFUSED] = "Worker threads that the system did not let a child start.",
        [EXT_RESTARTS] = "Restarts done, graceful ones and others.",
        [EXT_RESTARTS_REFUSED] = "Restarts not done, because the configuration did not work."
    };
    int i;

    for (i = 0; i < EXT_COUNTERS; i++) {
        const char *name = view_counter_name((ext_counter_e)i);

        if (name && helps[i]) {
            counter(m, name, m->view->counters[i], helps[i]);
        }
    }
    counter(m, "decisions", m->view->decisions_noted,
            "Decisions to have more or fewer children or threads.");
}

static const char *ceiling_name(const ext_ceiling_t *row)
{
    return controller_ceiling_name((ctl_ceiling_e)row->ceiling);
}

static void ceiling_value(const metrics_t *m, const char *name, const ext_ceiling_t *row,
                          double number)
{
    out_format(m->out, PREFIX "%s{ceiling=\"%s\",unit=\"%s\"}", name, ceiling_name(row),
               view_unit_name((ext_unit_e)row->unit));
    value(m, number);
}

static void put_ceiling_rows(const metrics_t *m, const ext_ceiling_t *const *rows, int count)
{
    int i;

    family(m, "ceiling_threads", GAUGE, "Threads that each limit allows in the long run.");
    for (i = 0; i < count; i++) {
        labelled(m, "ceiling_threads", "ceiling", ceiling_name(rows[i]), rows[i]->threads);
    }
    family(m, "ceiling_nearest", GAUGE, "1 for the limit that allows the fewest threads.");
    for (i = 0; i < count; i++) {
        labelled(m, "ceiling_nearest", "ceiling", ceiling_name(rows[i]), i == 0);
    }
    family(m, "ceiling_limit", GAUGE, "How much there may be of what is limited, in its own unit.");
    for (i = 0; i < count; i++) {
        ceiling_value(m, "ceiling_limit", rows[i], (double)rows[i]->most);
    }
    family(m, "ceiling_used", GAUGE, "How much of it is used, by whomever.");
    for (i = 0; i < count; i++) {
        ceiling_value(m, "ceiling_used", rows[i], (double)rows[i]->used);
    }
}

static void put_ceiling_metrics(const metrics_t *m)
{
    const view_t *view = m->view;
    ctl_ceiling_e reached = view->has_plan ? report_ceiling_of(&view->plan) : CTL_NO_CEILING;
    const ext_ceiling_t *rows[CTL_CEILINGS];
    bool seen[CTL_CEILINGS] = { false };
    int i, count = 0;

    gauge(m, "ceiling_reached", reached != CTL_NO_CEILING,
          "1 while a ceiling keeps requests waiting.");
    /* two lines of one name would spoil all of it, so rows that somebody made up are passed over */
    for (i = 0; i < view->ceiling_count; i++) {
        if (!seen[view->ceilings[i].ceiling]) {
            seen[view->ceilings[i].ceiling] = true;
            rows[count++] = &view->ceilings[i];
        }
    }
    if (count > 0) {
        put_ceiling_rows(m, rows, count);
    }
}

/* The labels as they are shown: names that differ only in what is cut off or replaced are one. */
typedef struct holder_series_t {
    out_t labels;
    double threads;
} holder_series_t;

static out_t holder_labels(const view_holder_t *holder)
{
    out_t out = { 0 };

    out_format(&out, "kind=\"%s\",name=", view_holder_kind(holder->kind));
    out_label(&out, holder->name);
    return out;
}

static bool are_same(const out_t *a, const out_t *b)
{
    return a->used == b->used && (a->used == 0 || !memcmp(a->bytes, b->bytes, a->used));
}

/* Who holds most comes first; takes the labels. Returns how many there are then. */
static int add_series(holder_series_t *series, int count, out_t labels, int threads)
{
    int i;

    for (i = 0; i < count && !are_same(&series[i].labels, &labels); i++) {
    }
    if (labels.failed || i == HOLDERS_MOST || i < count) {
        if (i < count) {
            series[i].threads += threads;
        }
        out_free(&labels);
        return count;
    }
    series[i] = (holder_series_t) { labels, threads };
    return count + 1;
}

/* Backends and virtual hosts only: what a client asks for is not to become a series. */
static void put_holder_metrics(const metrics_t *m)
{
    const view_t *view = m->view;
    holder_series_t series[HOLDERS_MOST];
    int i, count = 0;

    for (i = 0; i < view->holder_count; i++) {
        if (view->holders[i].kind != VIEW_URL) {
            count = add_series(series, count, holder_labels(&view->holders[i]),
                               view->holders[i].threads);
        }
    }
    if (count > 0) {
        family(m, "holder_threads", GAUGE, "Threads that a virtual host or a backend of mod_proxy "
               "holds; the ten that hold most.");
    }
    for (i = 0; i < count; i++) {
        out_text(m->out, PREFIX "holder_threads{");
        out_bytes(m->out, series[i].labels.bytes, series[i].labels.used);
        out_text(m->out, "}");
        value(m, series[i].threads);
        out_free(&series[i].labels);
    }
}

void metrics_put(out_t *out, const view_t *view, bool openmetrics)
{
    const metrics_t m = { out, view, openmetrics };

    put_build(&m);
    put_verdict_levels(&m);
    put_thread_metrics(&m);
    put_plan_metrics(&m);
    put_request_metrics(&m);
    put_connection_metrics(&m);
    put_child_metrics(&m);
    put_counter_metrics(&m);
    put_ceiling_metrics(&m);
    put_holder_metrics(&m);
    if (openmetrics) {
        out_text(out, "# EOF\n");
    }
}
