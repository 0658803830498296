/* Pure: the chart in words: what its colours mean, what it shows in one sentence, and its figures
 * as a table for those who do not see the picture. */
#include "chart_parts.h"

#include <sys/param.h>

#define MINUTE_S 60

/* --- what the colours mean ------------------------------------------------------------------ */

static void begin_legend(out_t *out, const char *title)
{
    out_format(out, "<li><strong>%s</strong> <ul>\n", title);
}

static void end_legend(out_t *out)
{
    out_text(out, "</ul></li>\n");
}

static void put_swatch(out_t *out, const char *shape, const char *words)
{
    out_format(out, "<li><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">%s</svg> "
               "%s</li>\n", shape, words);
}

/* Children are told apart by what fills them, too. The patterns are here, because whichever of
 * the pictures is not shown has none to lend. */
#define PATTERN(name, line) \
    "<pattern id=\"fill-" name "\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">" \
    "<path class=\"ground " name "\" d=\"M0 0H6V6H0z\"/><path class=\"hatch\" d=\"" line "\"/>" \
    "</pattern>"
#define AREA(name) "<path class=\"area " name "\" d=\"M0 0H24V12H0z\"/>"
#define FILLED(name) \
    "<path class=\"area\" fill=\"url(#fill-" name ")\" d=\"M0 0H24V12H0z\"/>"
#define LINE(name) "<path class=\"line " name "\" d=\"M0 6H24\"/>"

void chart_put_legend(out_t *out)
{
    out_text(out, "<ul class=\"legend\">\n");
    begin_legend(out, "Threads");
    put_swatch(out, AREA("busy") LINE("busy-edge"), "busy");
    put_swatch(out, LINE("threads"), "running");
    put_swatch(out, AREA("wanted"), "needed and to spare");
    put_swatch(out, LINE("ceiling"), "may run");
    end_legend(out);
    begin_legend(out, "Children");
    put_swatch(out, AREA("serving"), "serving");
    put_swatch(out, "<defs>" PATTERN("parked", "M-1 7L7 -1M-1 1L1 -1M5 7L7 5")
            PATTERN("draining", "M2 2h2v2h-2z") "</defs>" FILLED("parked"), "parked");
    put_swatch(out, AREA("starting"), "starting");
    put_swatch(out, FILLED("draining"), "draining");
    end_legend(out);
    begin_legend(out, "What it did");
    put_swatch(out, "<path class=\"mark\" d=\"M12 0l6 11h-12z\"/>", "more");
    put_swatch(out, "<path class=\"mark\" d=\"M12 11l6 -11h-12z\"/>", "fewer");
    put_swatch(out, "<path class=\"mark\" d=\"M8 2h8v8h-8z\"/>", "neither");
    put_swatch(out, "<path class=\"mark\" d=\"M12 0l6 6l-6 6l-6 -6z\"/>", "both");
    end_legend(out);
    out_text(out, "</ul>\n");
}

/* --- in a sentence -------------------------------------------------------------------------- */

static int64_t all_children_in(const ext_second_t *s)
{
    return (int64_t)s->serving + s->parked + s->starting + s->draining;
}

static void put_time_of(out_t *out, const view_t *view, const ext_second_t *s)
{
    page_put_time(out, view, view_wall_us(view, s->second * CHART_US_PER_S));
}

static void put_range(out_t *out, int64_t low, int64_t high)
{
    if (low == high) {
        out_format(out, "%lld", (long long)low);
    }
    else {
        out_format(out, "%lld to %lld", (long long)low, (long long)high);
    }
}

void chart_put_summary(out_t *out, const view_t *view)
{
    const ext_second_t *busiest = &view->seconds[0], *slowest = &view->seconds[0];
    int64_t idlest = busiest->busy, fewest = all_children_in(busiest), most = fewest;
    int i;

    out_text(out, "<p id=\"history-summary\">");
    if (view->second_count == 0) {
        out_text(out, "Nothing is recorded yet.</p>\n");
        return;
    }
    for (i = 1; i < view->second_count; i++) {
        const ext_second_t *s = &view->seconds[i];

        busiest = s->busy > busiest->busy ? s : busiest;
        slowest = s->waited_us > slowest->waited_us ? s : slowest;
        idlest = MIN(idlest, s->busy);
        fewest = MIN(fewest, all_children_in(s));
        most = MAX(most, all_children_in(s));
    }
    put_range(out, idlest, busiest->busy);
    out_text(out, busiest->busy == 1 ? " thread busy" : " threads busy");
    if (busiest->busy > idlest) {
        out_text(out, ", most at ");
        put_time_of(out, view, busiest);
    }
    out_text(out, "; ");
    put_range(out, fewest, most);
    out_text(out, most == 1 ? " child; " : " children; ");
    if (slowest->waited_us > 0) {
        out_text(out, "the longest wait for a thread was ");
        page_put_duration(out, slowest->waited_us);
        out_text(out, ", at ");
        put_time_of(out, view, slowest);
        out_text(out, ".</p>\n");
    }
    else {
        out_text(out, "nothing waited for a thread.</p>\n");
    }
}

/* --- as a table ----------------------------------------------------------------------------- */

/* One minute; its last second is at place `end`. */
static void put_minute(out_t *out, const view_t *view, int begin, int end)
{
    const ext_second_t *last = &view->seconds[end];
    int64_t busy = 0, waited_us = 0, requests = 0;
    int i;

    for (i = begin; i <= end; i++) {
        busy = MAX(busy, view->seconds[i].busy);
        waited_us = MAX(waited_us, view->seconds[i].waited_us);
        requests += view->seconds[i].arrivals;
    }
    out_text(out, "<tr><th scope=\"row\">");
    put_time_of(out, view, last);
    out_format(out, "</th><td class=\"n\">%d</td><td class=\"n\">%d</td><td class=\"n\">%d</td>"
               "<td class=\"n\">%.0f</td><td class=\"n\">", (int)busy, last->threads,
               last->max_threads, (double)requests / (end - begin + 1));
    page_put_duration(out, waited_us);
    out_format(out, "</td><td class=\"n\">%lld</td></tr>\n", (long long)all_children_in(last));
}

void chart_put_minutes(out_t *out, const view_t *view)
{
    int end;

    out_text(out, "<details id=\"minutes\"><summary>As a table</summary>\n<div class=\"scroll\" "
             "tabindex=\"0\" role=\"region\" aria-label=\"The last ten minutes\"><table>\n<thead>"
             "<tr><th scope=\"col\">Until</th><th scope=\"col\" class=\"n\">Busy at most</th>"
             "<th scope=\"col\" class=\"n\">Running</th><th scope=\"col\" class=\"n\">May run</th>"
             "<th scope=\"col\" class=\"n\">Requests a second</th>"
             "<th scope=\"col\" class=\"n\">Longest wait</th>"
             "<th scope=\"col\" class=\"n\">Children</th></tr></thead>\n<tbody>\n");
    for (end = view->second_count - 1; end >= 0; end -= MINUTE_S) {
        put_minute(out, view, MAX(end - MINUTE_S + 1, 0), end);
    }
    out_text(out, "</tbody></table></div></details>\n");
}
