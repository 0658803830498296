/* Pure: the view as JSON, for programs. docs/user/status.md has the names; they never change
 * their meaning while SCHEMA_VERSION stays. */
#include "render.h"
#include "story.h"
#include "verdict.h"

#include <math.h>

#define SCHEMA_VERSION 1
#define US_PER_S 1e6

/* --- members -------------------------------------------------------------------------------- */

/* After each member but the last of an object. */
#define MORE ","

static void put_key(out_t *out, const char *key)
{
    out_format(out, "\"%s\":", key);
}

static void put_int(out_t *out, const char *key, int64_t value, const char *end)
{
    out_format(out, "\"%s\":%lld%s", key, (long long)value, end);
}

static void put_uint(out_t *out, const char *key, uint64_t value, const char *end)
{
    out_format(out, "\"%s\":%llu%s", key, (unsigned long long)value, end);
}

/* JSON knows no infinity, and nothing that is no number. */
static void put_real(out_t *out, const char *key, double value, const char *end)
{
    if (isfinite(value)) {
        out_format(out, "\"%s\":%.9g%s", key, value, end);
    }
    else {
        out_format(out, "\"%s\":null%s", key, end);
    }
}

static void put_seconds(out_t *out, const char *key, int64_t us, const char *end)
{
    out_format(out, "\"%s\":%.6f%s", key, (double)us / US_PER_S, end);
}

static void put_null(out_t *out, const char *key, const char *end)
{
    out_format(out, "\"%s\":null%s", key, end);
}

/* 0 stands for what nobody knows, or for what is off. */
static void put_seconds_or_null(out_t *out, const char *key, double us, const char *end)
{
    put_real(out, key, us > 0 ? us / US_PER_S : (double)NAN, end);
}

static void put_string(out_t *out, const char *key, const char *text, const char *end)
{
    put_key(out, key);
    out_json(out, text);
    out_text(out, end);
}

static void put_bool(out_t *out, const char *key, bool value, const char *end)
{
    out_format(out, "\"%s\":%s%s", key, value ? "true" : "false", end);
}

/* --- what the server is --------------------------------------------------------------------- */

static const char *mode_name(ext_mode_e mode)
{
    return mode == EXT_MODE_ON ? "on" : mode == EXT_MODE_OBSERVE ? "observe" : "off";
}

static void put_server(out_t *out, const view_t *view)
{
    put_key(out, "server");
    out_text(out, "{");
    put_string(out, "mpm", "adaptive", MORE);
    put_string(out, "version", view->version, MORE);
    put_string(out, "httpd", view->httpd, MORE);
    put_string(out, "mode", mode_name(view->config->adaptive_mode), MORE);
    put_int(out, "generation", view->generation, MORE);
    put_int(out, "parent_pid", view->parent_pid, MORE);
    put_seconds(out, "uptime_seconds", view->uptime_us, MORE);
    put_seconds(out, "generation_seconds", view->generation_us, "}" MORE);
}

static void put_verdict(out_t *out, const view_t *view)
{
    verdict_t verdict;
    int i;

    verdict_of(&verdict, view);
    put_key(out, "verdict");
    out_text(out, "{");
    put_string(out, "level", verdict_level_name(verdict.level), MORE);
    put_string(out, "word", verdict_level_word(verdict.level), MORE);
    put_string(out, "sentence", verdict.sentence, MORE);
    put_key(out, "causes");
    out_text(out, "[");
    for (i = 0; i < verdict.count; i++) {
        const verdict_cause_t *cause = &verdict.causes[i];

        out_text(out, i > 0 ? ",{" : "{");
        put_string(out, "name", cause->name, MORE);
        put_string(out, "level", verdict_level_name(cause->level), MORE);
        if (cause->message) {
            put_string(out, "message", cause->message, MORE);
        }
        else {
            put_null(out, "message", MORE);
        }
        put_string(out, "text", cause->text, MORE);
        put_string(out, "remedy", cause->remedy, "}");
    }
    out_text(out, "]}" MORE);
}

/* --- sums ----------------------------------------------------------------------------------- */

static void put_threads(out_t *out, const view_t *view)
{
    const ctl_child_plan_t *plan = &view->plan.plan;
    int most = view->plan.limits.max_threads;

    put_key(out, "threads");
    out_text(out, "{");
    put_int(out, "running", view->threads, MORE);
    put_int(out, "busy", view->busy, MORE);
    put_int(out, "busy_peak_10min", view->busy_peak, MORE);
    put_int(out, "idle", view->idle, MORE);
    put_int(out, "starting", view->starting_threads, MORE);
    put_int(out, "benched", view->benched, MORE);
    put_int(out, "lowered", view->lowered, MORE);
    if (view->has_plan) {
        put_real(out, "demand", plan->demand, MORE);
        put_real(out, "spare", plan->spare, MORE);
        put_int(out, "max", most, MORE);
    }
    else {
        out_text(out, "\"demand\":null,\"spare\":null,\"max\":null,");
    }
    put_int(out, "expected_max", view->limits.max_threads, MORE);
    put_real(out, "utilisation_ratio", view_utilisation(view), "}" MORE);
}

static void put_requests(out_t *out, const view_t *view)
{
    put_key(out, "requests");
    out_text(out, "{");
    put_uint(out, "total", view->requests, MORE);
    put_real(out, "per_second", view->requests_per_s, MORE);
    put_int(out, "waiting_without_thread", view->put_off, MORE);
    put_int(out, "coming", view->coming, MORE);
    put_uint(out, "shed_total", view->shed, MORE);
    put_uint(out, "refused_total", view->refused, MORE);
    put_seconds(out, "waited_seconds", view->waited_us, MORE);
    put_seconds(out, "waited_peak_10min_seconds", view->waited_peak_us, MORE);
    put_seconds(out, "wait_target_seconds", view->config->wait_target_us, MORE);
    put_seconds_or_null(out, "max_wait_seconds", (double)view->config->max_wait_us, MORE);
    put_seconds_or_null(out, "service_seconds", view->plan.plan.service_us, "}" MORE);
}

static void put_connections(out_t *out, int all, int keep_alive, int writing, int waiting_io,
                            int suspended, int closing)
{
    put_key(out, "connections");
    out_text(out, "{");
    put_int(out, "total", all, MORE);
    put_int(out, "keep_alive", keep_alive, MORE);
    put_int(out, "writing", writing, MORE);
    put_int(out, "waiting_io", waiting_io, MORE);
    put_int(out, "suspended", suspended, MORE);
    put_int(out, "closing", closing, "}" MORE);
}

/* --- children ------------------------------------------------------------------------------- */

static void put_child_threads(out_t *out, const view_child_t *child)
{
    put_key(out, "threads");
    out_text(out, "{");
    put_int(out, "running", child->threads, MORE);
    put_int(out, "busy", child->busy, MORE);
    put_int(out, "idle", child->idle, MORE);
    put_int(out, "starting", child->starting, MORE);
    put_int(out, "benched", child->benched, MORE);
    put_int(out, "lowered", child->lowered, MORE);
    put_int(out, "max", child->most_threads, "}" MORE);
}

static const char *class_kind(bool is_backend)
{
    return is_backend ? "backend" : "virtual-host";
}

static void put_holding(out_t *out, const view_child_t *child)
{
    if (child->holder_threads > 0) {
        put_key(out, "held_by");
        out_text(out, "{");
        put_string(out, "kind", class_kind(child->holder.is_backend), MORE);
        put_string(out, "name", child->holder.text, MORE);
        put_int(out, "threads", child->holder_threads, "}" MORE);
    }
    else {
        put_null(out, "held_by", MORE);
    }
    if (child->oldest_us > 0) {
        put_key(out, "oldest");
        out_text(out, "{");
        put_seconds(out, "seconds", child->oldest_us, MORE);
        put_string(out, "request", child->oldest_request, MORE);
        put_string(out, "virtual_host", child->oldest_vhost, "}");
    }
    else {
        put_null(out, "oldest", "");
    }
}

static void put_child(out_t *out, const view_child_t *child)
{
    out_text(out, "{");
    put_int(out, "slot", child->slot, MORE);
    put_int(out, "pid", child->pid, MORE);
    put_int(out, "generation", child->generation, MORE);
    put_string(out, "state", view_state_name(child->state), MORE);
    put_seconds(out, "since_seconds", child->since_us, MORE);
    put_child_threads(out, child);
    put_connections(out, child->connections, child->keep_alive, child->writing, child->waiting_io,
                    child->suspended, child->closing);
    put_real(out, "requests_per_second", child->requests_per_s, MORE);
    put_int(out, "waiting_without_thread", child->put_off, MORE);
    put_seconds(out, "waited_seconds", child->waited_us, MORE);
    if (child->processor >= 0) {
        put_int(out, "processor", child->processor, MORE);
    }
    else {
        put_null(out, "processor", MORE);
    }
    put_bool(out, "exhausted", child->exhausted, MORE);
    put_bool(out, "out_of_descriptors", child->out_of_descriptors, MORE);
    put_holding(out, child);
    out_text(out, "}");
}

static void put_children(out_t *out, const view_t *view)
{
    int i;

    put_key(out, "children");
    out_text(out, "{");
    for (i = EXT_SLOT_STARTING; i < EXT_SLOT_STATES; i++) {
        put_int(out, view_state_name((ext_slot_state_e)i), view->children[i], MORE);
    }
    put_int(out, "target", view->has_plan ? view->plan.plan.target : view->child_count, MORE);
    put_int(out, "max", view->config->max_children, MORE);
    put_int(out, "pinned", view->pinned, MORE);
    put_seconds(out, "parked_longest_seconds", view->longest_us[EXT_SLOT_PARKED], MORE);
    put_seconds(out, "draining_longest_seconds", view->longest_us[EXT_SLOT_DRAINING], MORE);
    put_key(out, "list");
    out_text(out, "[");
    for (i = 0; i < view->child_count; i++) {
        out_text(out, i > 0 ? ",\n" : "\n");
        put_child(out, &view->child[i]);
    }
    out_text(out, "]}" MORE "\n");
}

/* --- the plan, and what bounds it ----------------------------------------------------------- */

static void put_plan_object(out_t *out, const view_t *view)
{
    const ctl_child_plan_t *plan = &view->plan.plan;

    if (!view->has_plan) {
        put_null(out, "plan", MORE);
        return;
    }
    put_key(out, "plan");
    out_text(out, "{");
    put_seconds(out, "age_seconds", view_plan_age_us(view), MORE);
    put_string(out, "reason", controller_reason_name(plan->reason), MORE);
    put_string(out, "reason_text", controller_reason_text(plan->reason), MORE);
    put_string(out, "ceiling", controller_ceiling_name(view->plan.limits.ceiling), MORE);
    put_string(out, "ceiling_text", controller_ceiling_text(view->plan.limits.ceiling), MORE);
    put_bool(out, "ceiling_reached", report_ceiling_of(&view->plan) != CTL_NO_CEILING, "}" MORE);
}

static void put_ceilings(out_t *out, const view_t *view)
{
    ctl_ceiling_e reached = view->has_plan ? report_ceiling_of(&view->plan) : CTL_NO_CEILING;
    int i;

    put_key(out, "ceilings");
    out_text(out, "[");
    for (i = 0; i < view->ceiling_count; i++) {
        const ext_ceiling_t *row = &view->ceilings[i];
        ctl_ceiling_e ceiling = (ctl_ceiling_e)row->ceiling;

        out_text(out, i > 0 ? ",{" : "{");
        put_string(out, "name", controller_ceiling_name(ceiling), MORE);
        put_string(out, "text", controller_ceiling_text(ceiling), MORE);
        put_real(out, "threads", row->threads, MORE);
        put_string(out, "unit", view_unit_name((ext_unit_e)row->unit), MORE);
        put_int(out, "limit", row->most, MORE);
        put_int(out, "used", row->used, MORE);
        put_string(out, "source", row->source, MORE);
        put_string(out, "remedy", report_remedy(ceiling), MORE);
        put_bool(out, "nearest", i == 0, MORE);
        put_bool(out, "reached", reached != CTL_NO_CEILING && reached == ceiling, "}");
    }
    out_text(out, "]" MORE);
}

static void put_holders(out_t *out, const view_t *view)
{
    int i;

    put_key(out, "holders");
    out_text(out, "[");
    for (i = 0; i < view->holder_count; i++) {
        const view_holder_t *holder = &view->holders[i];

        out_text(out, i > 0 ? ",{" : "{");
        put_string(out, "kind", view_holder_kind(holder->kind), MORE);
        put_string(out, "name", holder->name, MORE);
        put_int(out, "threads", holder->threads, MORE);
        put_seconds_or_null(out, "oldest_seconds", (double)holder->oldest_us, MORE);
        put_uint(out, "refused_total", holder->refused, "}");
    }
    out_text(out, "]" MORE);
}

static void put_counters(out_t *out, const view_t *view)
{
    int i;

    put_key(out, "counters");
    out_text(out, "{");
    for (i = 0; i < EXT_COUNTERS; i++) {
        if (view_counter_name((ext_counter_e)i)) {
            out_format(out, "\"%s_total\":%llu,", view_counter_name((ext_counter_e)i),
                       (unsigned long long)view->counters[i]);
        }
    }
    put_uint(out, "decisions_total", view->decisions_noted, MORE);
    put_int(out, "failures_in_a_row", view->failures_in_a_row, "}" MORE "\n");
}

/* --- what was done -------------------------------------------------------------------------- */

static void put_detail(out_t *out, const ext_decision_t *d)
{
    char because[REPORT_TEXT_SIZE];

    out_text(out, "{");
    put_uint(out, "number", d->number, MORE);
    put_seconds(out, "at_unix_seconds", d->wall_us, MORE);
    put_string(out, "kind", d->kind == EXT_CHILDREN ? "children" : "threads", MORE);
    if (d->kind == EXT_THREADS) {
        put_int(out, "slot", d->slot, MORE);
    }
    else {
        put_null(out, "slot", MORE);
    }
    put_string(out, "reason", controller_reason_name((ctl_reason_e)d->reason), MORE);
    put_string(out, "because", report_because(because, sizeof(because), d), MORE);
    put_int(out, "children_before", d->children_before, MORE);
    put_int(out, "children_after", d->children_after, MORE);
    put_int(out, "threads_before", d->threads_before, MORE);
    put_int(out, "threads_after", d->threads_after, MORE);
    put_int(out, "busy", d->busy, MORE);
    put_seconds(out, "waited_seconds", d->waited_us, MORE);
    put_real(out, "demand", d->demand, MORE);
    put_real(out, "spare", d->spare, MORE);
    put_real(out, "arrivals_per_second", d->arrivals_per_s, MORE);
    put_seconds_or_null(out, "service_seconds", d->service_us, MORE);
    put_bool(out, "observed", d->mode == EXT_MODE_OBSERVE, "}");
}

static void put_story(out_t *out, const story_t *story, const view_t *view)
{
    int i;

    out_text(out, "{");
    put_seconds(out, "at_unix_seconds", story->began_wall_us, MORE);
    put_seconds(out, "lasted_seconds", story->lasted_us, MORE);
    put_int(out, "direction", story->direction, MORE);
    put_string(out, "reason", controller_reason_name(story->reason), MORE);
    put_string(out, "ceiling", controller_ceiling_name(story->ceiling), MORE);
    put_bool(out, "observed", story->observed, MORE);
    put_string(out, "text", story->text, MORE);
    put_key(out, "details");
    out_text(out, "[");
    for (i = 0; i < story->count; i++) {
        out_text(out, i > 0 ? "," : "");
        put_detail(out, &view->decisions[story->first + i]);
    }
    out_text(out, "]}");
}

static void put_decisions(out_t *out, const view_t *view)
{
    story_t *stories = story_list(view);
    int i;

    put_key(out, "decisions");
    out_text(out, "[");
    for (i = 0; stories && stories[i].count > 0; i++) {
        out_text(out, i > 0 ? ",\n" : "\n");
        put_story(out, &stories[i], view);
    }
    out_text(out, "]" MORE "\n");
    story_list_free(stories);
}

static void put_cell(out_t *out, double value)
{
    out_format(out, isfinite(value) ? "%.4g," : "null,", value);
}

/* A row of bare numbers: ten minutes are 600 of them. */
static void put_second(out_t *out, const view_t *view, const ext_second_t *s)
{
    out_format(out, "[%.3f,%d,%d,", (double)view_wall_us(view, s->second * 1000000) / US_PER_S,
               s->threads, s->busy);
    put_cell(out, (double)s->demand);
    put_cell(out, (double)s->spare);
    out_format(out, "%d,%.6f,%u,%d,%d,%d,%d,%d]", s->max_threads, (double)s->waited_us / US_PER_S,
               s->arrivals, s->serving, s->parked, s->starting, s->draining, s->target);
}

static void put_history(out_t *out, const view_t *view)
{
    int i;

    out_text(out, "\"history\":{\"columns\":[\"unix_seconds\",\"threads\",\"busy\",\"demand\","
             "\"spare\",\"max_threads\",\"waited_seconds\",\"arrivals\",\"serving\",\"parked\","
             "\"starting\",\"draining\",\"target\"],\"rows\":[");
    for (i = 0; i < view->second_count; i++) {
        out_text(out, i > 0 ? ",\n" : "\n");
        put_second(out, view, &view->seconds[i]);
    }
    out_text(out, "]}" MORE "\n");
}

static void put_settings(out_t *out, const view_t *view)
{
    int i;

    put_key(out, "settings");
    out_text(out, "[");
    for (i = 0; i < view->settings.count; i++) {
        const setting_t *setting = &view->settings.row[i];

        out_text(out, i > 0 ? ",{" : "{");
        put_string(out, "directive", setting->directive, MORE);
        put_string(out, "value", setting->value, MORE);
        put_string(out, "origin", settings_origin_name(setting->origin), MORE);
        if (setting->origin == SETTING_CORRECTED) {
            put_string(out, "given", setting->given, "}");
        }
        else {
            put_null(out, "given", "}");
        }
    }
    out_text(out, "]" MORE);
    put_key(out, "notes");
    out_text(out, "[");
    for (i = 0; i < view->settings.note_count; i++) {
        out_text(out, i > 0 ? "," : "");
        out_json(out, view->settings.notes[i]);
    }
    out_text(out, "]");
}

void json_put(out_t *out, const view_t *view)
{
    out_text(out, "{");
    put_int(out, "schema_version", SCHEMA_VERSION, MORE);
    put_seconds(out, "now_unix_seconds", view->wall_us, MORE);
    put_server(out, view);
    put_verdict(out, view);
    put_threads(out, view);
    put_requests(out, view);
    put_connections(out, view->connections, view->keep_alive, view->writing, view->waiting_io,
                    view->suspended, view->closing);
    put_children(out, view);
    put_plan_object(out, view);
    put_ceilings(out, view);
    put_holders(out, view);
    put_counters(out, view);
    put_decisions(out, view);
    put_history(out, view);
    put_settings(out, view);
    out_text(out, "}\n");
}
