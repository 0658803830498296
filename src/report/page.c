/* Pure: the page for people. Its first line has to be enough: is it well, and what if not? */
#include "render.h"

#include "page_parts.h"
#include "verdict.h"

#include <stdio.h>

/* Who holds threads comes first from this percentage of busy ones on. */
#define CROWDED_PERCENT 80

static const char *level_title(verdict_level_e level)
{
    return level == VERDICT_RED ? "Act now" : level == VERDICT_AMBER ? "Have a look" : "Well";
}

/* A shape for each, so that the colour is not all there is. */
static const char *level_mark(verdict_level_e level)
{
    return level == VERDICT_RED ? "&#x2715;" : level == VERDICT_AMBER ? "&#x25B2;" : "&#x2713;";
}

/* --- the head ------------------------------------------------------------------------------- */

static void put_head(out_t *out, const view_t *view, const verdict_t *verdict)
{
    out_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
             "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    out_format(out, "%s %s: %d of %d busy", level_mark(verdict->level),
               level_title(verdict->level), view->busy, view->threads);
    out_text(out, " - ");
    out_html(out, view->host);
    out_format(out, "</title>\n<link rel=\"icon\" type=\"image/svg+xml\" href=\"?icon=%s\">\n"
               "<link rel=\"stylesheet\" href=\"?style\">\n"
               "<script src=\"?script\" defer></script>\n"
               "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n"
               "</head>\n<body>\n", verdict_level_name(verdict->level));
    out_text(out, "<header>\n<h1>Adaptive status <span>");
    out_html(out, view->host);
    out_text(out, "</span></h1>\n<p id=\"when\">");
    page_put_time(out, view, view->wall_us);
    out_text(out, "</p>\n</header>\n");
    /* outside of what is replaced: the script says here that nothing comes any more; and, to
     * screen readers, what the verdict has become */
    out_text(out, "<p id=\"stale\" role=\"alert\" hidden></p>\n"
             "<p id=\"said\" role=\"status\"></p>\n<main id=\"status\">\n");
}

/* --- the verdict ---------------------------------------------------------------------------- */

static void put_message_number(out_t *out, const char *message)
{
    if (message) {
        out_format(out, " <span class=\"number\">%s</span>", message);
    }
}

static void put_cause(out_t *out, const verdict_cause_t *cause)
{
    out_format(out, "<li class=\"%s\"><strong><span class=\"mark\" aria-hidden=\"true\">%s</span> "
               "%s:</strong> ", verdict_level_name(cause->level), level_mark(cause->level),
               level_title(cause->level));
    page_put_sentence(out, cause->text);
    if (cause->remedy[0]) {
        out_text(out, ". <span class=\"remedy\">What to do: ");
        page_put_sentence(out, cause->remedy);
        out_text(out, ".</span>");
    }
    put_message_number(out, cause->message);
    out_text(out, "</li>\n");
}

/* Without numbers: those change every second, and nobody wants to hear that. */
static void put_say(out_t *out, const verdict_t *verdict)
{
    int i;

    out_format(out, " data-say=\"%s.", level_title(verdict->level));
    for (i = 0; i < verdict->count; i++) {
        out_text(out, " ");
        out_html(out, verdict->causes[i].title);
        out_text(out, ".");
    }
    out_text(out, "\"");
}

static void put_verdict_section(out_t *out, const verdict_t *verdict)
{
    int i;

    out_format(out, "<section id=\"verdict\" class=\"%s\" aria-label=\"Is it well?\"",
               verdict_level_name(verdict->level));
    put_say(out, verdict);
    out_format(out, ">\n<p class=\"sentence\"><strong>"
               "<span class=\"mark\" aria-hidden=\"true\">%s</span> %s.</strong> ",
               level_mark(verdict->level), level_title(verdict->level));
    page_put_sentence(out, verdict->sentence);
    out_text(out, "</p>\n");
    if (verdict->count > 0) {
        out_text(out, "<ul class=\"causes\">\n");
        for (i = 0; i < verdict->count; i++) {
            put_cause(out, &verdict->causes[i]);
        }
        out_text(out, "</ul>\n");
    }
    out_text(out, "</section>\n");
}

/* --- the few numbers that one looks for ----------------------------------------------------- */

static void begin_tile(out_t *out, const char *label)
{
    out_format(out, "<div><dt>%s</dt><dd>", label);
}

static void end_tile(out_t *out, const char *note)
{
    out_format(out, "<span>%s</span></dd></div>\n", note);
}

static double as_number(double number)
{
    return number >= 0.0 && number < 1e12 ? number : 0.0;
}

static void put_numbers(out_t *out, const view_t *view)
{
    int most = view_most_threads(view);
    double rate = as_number(view->requests_per_s), used = as_number(100 * view_utilisation(view));
    char note[96];

    out_text(out, "<section id=\"numbers\" aria-label=\"Numbers\">\n<dl>\n");
    begin_tile(out, "Threads busy");
    out_format(out, "<b>%d</b> of %d", view->busy, view->threads);
    (void)snprintf(note, sizeof(note), "at most %d in ten minutes", view->busy_peak);
    end_tile(out, note);
    begin_tile(out, "Requests a second");
    out_format(out, "<b>%.*f</b>", rate < 10 ? 1 : 0, rate);
    end_tile(out, "mean of five seconds");
    begin_tile(out, "Wait for a thread");
    out_text(out, "<b>");
    page_put_duration(out, view->waited_us);
    out_text(out, "</b><span>at most ");
    page_put_duration(out, view->waited_peak_us);
    out_text(out, " in ten minutes</span></dd></div>\n");
    begin_tile(out, "May run");
    out_format(out, "<b>%d</b>", most);
    (void)snprintf(note, sizeof(note), "%.*f %% needed now", used < 10 ? 1 : 0, used);
    end_tile(out, most > 0 ? note : "not known yet");
    begin_tile(out, "Children");
    out_format(out, "<b>%d</b>", view->children[EXT_SLOT_SERVING]);
    (void)snprintf(note, sizeof(note), "%d starting, %d parked, %d draining",
                   view->children[EXT_SLOT_STARTING], view->children[EXT_SLOT_PARKED],
                   view->children[EXT_SLOT_DRAINING]);
    end_tile(out, note);
    begin_tile(out, "Connections");
    out_format(out, "<b>%d</b>", view->connections);
    (void)snprintf(note, sizeof(note), "%d kept alive, %d sending a request, %d reading slowly",
                   view->keep_alive, view->coming, view->writing);
    end_tile(out, note);
    out_text(out, "</dl>\n</section>\n");
}

/* --- all of it ------------------------------------------------------------------------------ */

static bool is_crowded(const view_t *view)
{
    int most = view_most_threads(view);

    return (most > 0 && 100 * (int64_t)view->busy >= CROWDED_PERCENT * (int64_t)most)
           || view->put_off > 0;
}

static void put_foot(out_t *out, const view_t *view)
{
    out_text(out, "</main>\n<footer>\n<p>mpm_adaptive ");
    out_html(out, view->version);
    out_text(out, ", ");
    out_html(out, view->httpd);
    out_format(out, ", parent process %d, up ", view->parent_pid);
    page_put_duration(out, view->uptime_us);
    out_format(out, ", configuration read %d %s, the last time ", view->generation + 1,
               view->generation == 0 ? "time" : "times");
    page_put_duration(out, view->generation_us);
    out_text(out, " ago.</p>\n<p>For programs: <a href=\"?json\">JSON</a>, "
             "<a href=\"?metrics\">Prometheus metrics</a>.</p>\n</footer>\n</body>\n</html>\n");
}

void page_put(out_t *out, const view_t *view)
{
    story_t *stories = story_list(view);
    verdict_t verdict;
    bool crowded = is_crowded(view);

    verdict_of(&verdict, view);
    put_head(out, view, &verdict);
    put_verdict_section(out, &verdict);
    put_numbers(out, view);
    if (crowded) {
        page_put_holders(out, view);
    }
    chart_put(out, view, stories);
    page_put_ceilings(out, view);
    if (!crowded) {
        page_put_holders(out, view);
    }
    page_put_stories(out, view, stories);
    page_put_children(out, view);
    page_put_settings(out, view);
    put_foot(out, view);
    story_list_free(stories);
}
