/* Pure: the parts of the page that are lists and tables. */
#include "page_parts.h"

#include "report_text.h"

#include <sys/param.h>

#define US_PER_S INT64_C(1000000)

/* Rows that are shown at once; of the others, holders are in ?json, stories a click away. */
#define HOLDERS_SHOWN 8
#define STORIES_SHOWN 8
/* A child that drains for longer is marked. */
#define LONG_DRAIN_US (600 * US_PER_S)

/* --- who holds threads ---------------------------------------------------------------------- */

static const char *kind_words(view_holder_kind_e kind)
{
    return kind == VIEW_BACKEND ? "backend" : kind == VIEW_VHOST ? "virtual host" : "requests for";
}

/* A column that nobody needs takes room from one that they do. */
static bool any_refused(const view_t *view)
{
    int i;

    for (i = 0; i < view->holder_count && i < HOLDERS_SHOWN; i++) {
        if (view->holders[i].refused > 0) {
            return true;
        }
    }
    return false;
}

static void put_holder(out_t *out, const view_t *view, const view_holder_t *holder,
                       bool has_refused)
{
    double part = view->threads > 0 ? (double)holder->threads / view->threads : 0.0;

    out_format(out, "<tr><th scope=\"row\" class=\"name\"><small>%s</small> ",
               kind_words(holder->kind));
    out_html(out, holder->name);
    out_format(out, "</th><td class=\"n\">%d</td><td class=\"wide\">", holder->threads);
    page_put_bar(out, part, "plain");
    out_text(out, "</td><td class=\"n\">");
    if (holder->oldest_us > 0) {
        page_put_duration(out, holder->oldest_us);
    }
    out_text(out, "</td>");
    if (has_refused) {
        out_format(out, "<td class=\"n%s\">%llu</td>", holder->refused > 0 ? "" : " zero",
                   (unsigned long long)holder->refused);
    }
    out_text(out, "</tr>\n");
}

void page_put_holders(out_t *out, const view_t *view)
{
    bool has_refused = any_refused(view);
    int i;

    out_text(out, "<section id=\"holders\" aria-labelledby=\"holders-title\">\n"
             "<h2 id=\"holders-title\">Who holds threads now</h2>\n");
    if (view->holder_count == 0) {
        out_text(out, "<p class=\"none\">Nobody.</p>\n</section>\n");
        return;
    }
    out_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
             "aria-labelledby=\"holders-title\"><table>\n<thead><tr><th scope=\"col\">Who</th>"
             "<th scope=\"col\" class=\"n\">Threads</th><th scope=\"col\" class=\"wide\"></th>"
             "<th scope=\"col\" class=\"n\">Longest for</th>");
    out_text(out, has_refused ? "<th scope=\"col\" class=\"n\">Refused</th></tr></thead>\n<tbody>\n"
                              : "</tr></thead>\n<tbody>\n");
    for (i = 0; i < view->holder_count && i < HOLDERS_SHOWN; i++) {
        put_holder(out, view, &view->holders[i], has_refused);
    }
    out_text(out, "</tbody></table></div>\n");
    if (view->holder_count > HOLDERS_SHOWN) {
        out_format(out, "<p class=\"more\">%d more are in <a href=\"?json\">JSON</a>.</p>\n",
                   view->holder_count - HOLDERS_SHOWN);
    }
    out_text(out, "</section>\n");
}

/* --- ceilings ------------------------------------------------------------------------------- */

static const char *ceiling_level(double part)
{
    return part >= 1.0 ? "red" : part >= 0.8 ? "amber" : "green";
}

/* The same as its colour. */
static const char *ceiling_words(double part)
{
    return part >= 1.0 ? ", <em>reached</em>" : part >= 0.8 ? ", <em>near</em>" : "";
}

static void put_ceiling(out_t *out, const view_t *view, const ext_ceiling_t *row)
{
    ctl_ceiling_e ceiling = (ctl_ceiling_e)row->ceiling;
    double part = row->threads >= 1.0 ? view->threads / row->threads : 0.0;

    out_text(out, "<li><p><strong>");
    out_html(out, controller_ceiling_text(ceiling));
    out_format(out, "</strong>: %d of %.0f threads run%s</p>", view->threads, row->threads,
               ceiling_words(part));
    page_put_bar(out, part, ceiling_level(part));
    out_text(out, "<p class=\"source\">");
    if (row->unit == EXT_UNIT_BYTES) {
        page_put_amount(out, row->used, EXT_UNIT_BYTES);
    }
    else {
        out_format(out, "%lld", (long long)row->used);
    }
    out_text(out, " of ");
    page_put_amount(out, row->most, (ext_unit_e)row->unit);
    if (row->source[0]) {
        out_text(out, " (");
        out_html(out, row->source);
        out_text(out, ")");
    }
    out_text(out, " in use. For more: ");
    out_html(out, report_remedy(ceiling));
    out_text(out, ".</p></li>\n");
}

void page_put_ceilings(out_t *out, const view_t *view)
{
    int i;

    out_text(out, "<section id=\"ceilings\" aria-labelledby=\"ceilings-title\">\n"
             "<h2 id=\"ceilings-title\">What limits it</h2>\n");
    if (view->ceiling_count == 0) {
        out_text(out, "<p class=\"none\">Not measured yet.</p>\n</section>\n");
        return;
    }
    out_text(out, "<ol class=\"ceilings\">\n");
    for (i = 0; i < view->ceiling_count; i++) {
        put_ceiling(out, view, &view->ceilings[i]);
    }
    out_text(out, "</ol>\n</section>\n");
}

/* --- children ------------------------------------------------------------------------------- */

/* What keeps it: who has most of its threads and its oldest request, or the connections that
 * wait. */
static void put_held_by(out_t *out, const view_child_t *child)
{
    if (child->oldest_us > US_PER_S) {
        out_html(out, child->oldest_vhost);
        out_text(out, " ");
        out_html(out, child->oldest_request);
        out_text(out, " for ");
        page_put_duration(out, child->oldest_us);
    }
    else if (child->holder_threads > 0) {
        page_put_count(out, child->holder_threads, "thread", "threads");
        out_text(out, child->holder.is_backend ? " for backend " : " for ");
        out_html(out, child->holder.text);
    }
    else if (child->state == EXT_SLOT_DRAINING && child->connections > 0) {
        page_put_count(out, child->connections, "connection", "connections");
    }
}

static void put_cells(out_t *out, const int *numbers, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        /* what is nothing does not catch the eye */
        out_format(out, numbers[i] > 0 ? "<td class=\"n\">%d</td>" : "<td class=\"n zero\">%d</td>",
                   numbers[i]);
    }
}

static int at_least_none(int64_t number)
{
    return number > 0 ? (int)MIN(number, INT32_MAX) : 0;
}

static void put_child_row(out_t *out, const view_t *view, const view_child_t *child)
{
    bool is_old = child->generation != view->generation;
    bool is_late = child->state == EXT_SLOT_DRAINING && child->since_us >= LONG_DRAIN_US;
    const int numbers[] = {
        child->busy, at_least_none((int64_t)child->idle + child->benched), child->starting,
        child->connections, child->keep_alive, child->writing, child->closing,
        at_least_none((int64_t)child->waiting_io + child->suspended + child->put_off)
    };

    out_format(out, "<tr%s><th scope=\"row\" class=\"n\">%d</th><td class=\"n\">%d</td>"
               "<td class=\"n\">%d%s</td><td class=\"state\">%s%s for ",
               is_late ? " class=\"late\"" : "", child->slot, child->pid, child->generation,
               is_old ? " <small>old</small>" : "", is_late ? "<strong>late:</strong> " : "",
               view_state_name(child->state));
    page_put_duration(out, child->since_us);
    out_text(out, "</td>");
    put_cells(out, numbers, (int)(sizeof(numbers) / sizeof(numbers[0])));
    out_text(out, "<td class=\"by\">");
    put_held_by(out, child);
    if (child->out_of_descriptors) {
        out_text(out, " <strong>out of descriptors</strong>");
    }
    out_text(out, "</td></tr>\n");
}

/* "62 serving, 2 draining (the first for 12 min 34 s)" */
static void put_states(out_t *out, const view_t *view)
{
    bool any = false;
    int state;

    out_text(out, "<p>");
    for (state = EXT_SLOT_FREE + 1; state < EXT_SLOT_STATES; state++) {
        if (view->children[state] <= 0) {
            continue;
        }
        out_format(out, "%s%d %s", any ? ", " : "", view->children[state],
                   view_state_name((ext_slot_state_e)state));
        any = true;
        if (state == EXT_SLOT_DRAINING) {
            out_text(out, " (the first for ");
            page_put_duration(out, view->longest_us[state]);
            out_text(out, ")");
        }
    }
    out_text(out, any ? ".</p>\n" : "None.</p>\n");
}

#define CHILDREN_HEAD \
    "<tr><th scope=\"col\" class=\"n\" rowspan=\"2\">Slot</th>" \
    "<th scope=\"col\" class=\"n\" rowspan=\"2\">Pid</th>" \
    "<th scope=\"col\" class=\"n\" rowspan=\"2\"><abbr title=\"Generation\">Gen.</abbr></th>" \
    "<th scope=\"col\" rowspan=\"2\">State</th>" \
    "<th scope=\"colgroup\" class=\"group\" colspan=\"3\">Threads</th>" \
    "<th scope=\"colgroup\" class=\"group\" colspan=\"5\">Connections</th>" \
    "<th scope=\"col\" rowspan=\"2\">Held by</th></tr>\n" \
    "<tr><th scope=\"col\" class=\"n\">busy</th><th scope=\"col\" class=\"n\">idle</th>" \
    "<th scope=\"col\" class=\"n\">starting</th><th scope=\"col\" class=\"n\">all</th>" \
    "<th scope=\"col\" class=\"n\">kept alive</th><th scope=\"col\" class=\"n\">writing</th>" \
    "<th scope=\"col\" class=\"n\">closing</th><th scope=\"col\" class=\"n\">waiting</th></tr>"

void page_put_children(out_t *out, const view_t *view)
{
    int i;

    out_text(out, "<section id=\"children\" aria-labelledby=\"children-title\">\n"
             "<h2 id=\"children-title\">Children</h2>\n");
    put_states(out, view);
    out_text(out, "<div class=\"scroll tall\" id=\"rows\" tabindex=\"0\" role=\"region\" "
             "aria-labelledby=\"children-title\"><table>\n<thead>" CHILDREN_HEAD
             "</thead>\n<tbody>\n");
    for (i = 0; i < view->child_count; i++) {
        put_child_row(out, view, &view->child[i]);
    }
    out_text(out, "</tbody></table></div>\n</section>\n");
}

/* --- what was done -------------------------------------------------------------------------- */

static void put_decision(out_t *out, const view_t *view, const ext_decision_t *d)
{
    char because[REPORT_TEXT_SIZE];

    out_text(out, "<li><time>");
    page_put_time(out, view, d->wall_us);
    out_text(out, "</time> ");
    if (d->kind == EXT_CHILDREN) {
        out_format(out, "%d &rarr; %d children", d->children_before, d->children_after);
    }
    else {
        out_format(out, "child %d: %d &rarr; %d&hellip; threads", d->slot, d->threads_before,
                   d->threads_after);
    }
    out_text(out, ", because ");
    out_html(out, report_because(because, sizeof(because), d));
    out_format(out, "; %d busy", d->busy);
    if (d->demand >= 0 && d->spare >= 0 && d->demand + d->spare < INT32_MAX) {
        out_format(out, ", %.1f needed and %.1f to spare", d->demand, d->spare);
    }
    if (d->arrivals_per_s > 0) {
        out_format(out, ", %.1f requests a second", d->arrivals_per_s);
    }
    out_text(out, "</li>\n");
}

static void put_story_item(out_t *out, const view_t *view, const story_t *story)
{
    int i;

    out_text(out, "<li id=\"story-");
    page_put_story_name(out, view, story);
    /* its name does not change, so that what was opened stays open */
    out_text(out, "\"><details id=\"d-");
    page_put_story_name(out, view, story);
    out_text(out, "\"><summary><time>");
    page_put_time(out, view, story->began_wall_us);
    out_text(out, "</time> ");
    page_put_sentence(out, story->text);
    out_text(out, story->observed ? " <em>(observed only)</em></summary>\n<ul>\n"
                                  : "</summary>\n<ul>\n");
    for (i = 0; i < story->count; i++) {
        put_decision(out, view, &view->decisions[story->first + i]);
    }
    out_text(out, "</ul></details></li>\n");
}

void page_put_stories(out_t *out, const view_t *view, const story_t *stories)
{
    int i;

    out_text(out, "<section id=\"stories\" aria-labelledby=\"stories-title\">\n"
             "<h2 id=\"stories-title\">What it did last</h2>\n");
    if (!stories || stories[0].count == 0) {
        out_text(out, "<p class=\"none\">Nothing yet: what there was at the start is enough."
                 "</p>\n</section>\n");
        return;
    }
    out_text(out, "<ul class=\"stories\">\n");
    for (i = 0; i < STORIES_SHOWN && stories[i].count > 0; i++) {
        put_story_item(out, view, &stories[i]);
    }
    out_text(out, "</ul>\n");
    if (stories[i].count > 0) {
        out_text(out, "<details id=\"earlier\"><summary>Earlier</summary>\n"
                 "<ul class=\"stories\">\n");
        for (; stories[i].count > 0; i++) {
            put_story_item(out, view, &stories[i]);
        }
        out_text(out, "</ul></details>\n");
    }
    out_text(out, "</section>\n");
}

/* --- settings ------------------------------------------------------------------------------- */

static void put_setting(out_t *out, const setting_t *setting)
{
    static const char *const words[SETTING_ORIGINS] = {
        [SETTING_DEFAULT] = "default", [SETTING_FOUND] = "found on this machine",
        [SETTING_GIVEN] = "given", [SETTING_CORRECTED] = "corrected, given was "
    };

    out_text(out, "<tr><th scope=\"row\">");
    out_html(out, setting->directive);
    out_text(out, "</th><td class=\"n\">");
    out_html(out, setting->value);
    out_format(out, "</td><td>%s", words[setting->origin]);
    out_html(out, setting->given);
    out_text(out, "</td></tr>\n");
}

void page_put_settings(out_t *out, const view_t *view)
{
    int i;

    out_text(out, "<section id=\"settings\" aria-labelledby=\"settings-title\">\n"
             "<h2 id=\"settings-title\">Configuration in force</h2>\n");
    if (view->has_limits) {
        out_text(out, "<p>Found: ");
        out_html(out, view->limits.text);
        out_text(out, ".</p>\n");
    }
    for (i = 0; i < view->settings.note_count; i++) {
        out_text(out, "<p class=\"note\"><strong>Corrected:</strong> ");
        out_html(out, view->settings.notes[i]);
        out_text(out, "</p>\n");
    }
    out_text(out, "<details id=\"directives\"><summary>Directives</summary>\n<div class=\"scroll\" "
             "tabindex=\"0\" role=\"region\" aria-labelledby=\"settings-title\"><table>\n<thead>"
             "<tr><th scope=\"col\">Directive</th><th scope=\"col\" class=\"n\">Value</th>"
             "<th scope=\"col\">From</th></tr></thead>\n<tbody>\n");
    for (i = 0; i < view->settings.count; i++) {
        put_setting(out, &view->settings.row[i]);
    }
    out_text(out, "</tbody></table></div></details>\n</section>\n");
}
