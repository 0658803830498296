/* Pure: the last ten minutes as SVG. Four plots above one axis of time: threads, waiting,
 * children, requests. Drawn twice, for wide screens and for phones, because text in a picture
 * shrinks with it. */
#include "page_parts.h"

#include "report_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S  INT64_C(1000000)
#define SPAN_S    EXT_SECONDS
#define TICK_S    120           /* between two times on the axis */
#define MINUTE_S  60
#define LEAST_WAIT_US 100.0     /* the bottom of the logarithmic scale */
/* A ceiling is a line if it is not so many times as high as what is below it. */
#define CEILING_TIMES 1.6
/* Stories that the list below the chart has, and marks that a chart has. */
#define STORIES_LINKED 8
#define MARKS_MOST     STORIES_MOST

/* --- where things are ----------------------------------------------------------------------- */

typedef struct layout_t {
    const char *name;           /* class of the picture */
    int width, left, right;
    int threads, small;         /* heights of the plots */
    int gap;                    /* above each, for its title */
    int ticks;                  /* every so many of TICK_S has a time */
} layout_t;

static const layout_t layouts[] = {
    { "wide", 1000, 52, 12, 220, 74, 30, 1 },
    { "narrow", 380, 40, 8, 170, 60, 28, 2 }
};

typedef struct chart_t {
    out_t *out;
    const view_t *view;
    const layout_t *layout;
    int64_t begin_s;            /* monotonic: the left edge */
    double top, height;         /* of the plot that is being drawn */
    double most;                /* value at its top */
    bool is_log;
} chart_t;

/* A number of a second. */
typedef double (*value_f)(const ext_second_t *second);

static double x_of(const chart_t *chart, int64_t second)
{
    double plot = chart->layout->width - chart->layout->left - chart->layout->right;
    double part = (double)(second - chart->begin_s) / SPAN_S;

    part = part < 0.0 ? 0.0 : part > 1.0 ? 1.0 : part;
    return chart->layout->left + part * plot;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* How many times ten that is, with straight lines between the powers of ten: a logarithm that
 * needs no library. 0 up to 1. */
static double decades(double value)
{
    double whole = 0.0;

    while (value >= 10.0) {
        value /= 10.0;
        whole += 1.0;
    }
    return value > 1.0 ? whole + (value - 1.0) / 9.0 : whole;
}

static double y_of(const chart_t *chart, double value)
{
    double part = chart->most > 0.0 ? value / chart->most : 0.0;

    if (chart->is_log) {
        part = decades(value / LEAST_WAIT_US) / decades(chart->most / LEAST_WAIT_US);
    }
    part = part < 0.0 ? 0.0 : part > 1.0 ? 1.0 : part;
    return chart->top + chart->height * (1.0 - part);
}

/* 1, 2 or 5 and zeros: not below the value. */
static double round_above(double value)
{
    static const double steps[] = { 1.0, 2.0, 5.0, 10.0 };
    double unit = 1.0;
    int i = 0;

    if (value <= 4.0) {
        return 4.0;
    }
    while (10.0 * unit < value) {
        unit *= 10.0;
    }
    while (steps[i] * unit < value && i < 3) {
        i++;
    }
    return steps[i] * unit;
}

/* --- values --------------------------------------------------------------------------------- */

static double threads_of(const ext_second_t *s)
{
    return s->threads;
}

static double busy_of(const ext_second_t *s)
{
    return s->busy;
}

static double demand_of(const ext_second_t *s)
{
    return (double)s->demand;
}

static double wanted_of(const ext_second_t *s)
{
    return (double)s->demand + (double)s->spare;
}

static double ceiling_in(const ext_second_t *s)
{
    return s->max_threads;
}

static double waited_of(const ext_second_t *s)
{
    return s->waited_us;
}

static double arrivals_of(const ext_second_t *s)
{
    return s->arrivals;
}

static double serving_of(const ext_second_t *s)
{
    return s->serving;
}

static double parked_of(const ext_second_t *s)
{
    return s->serving + s->parked;
}

static double starting_of(const ext_second_t *s)
{
    return s->serving + s->parked + s->starting;
}

static double children_in(const ext_second_t *s)
{
    return s->serving + s->parked + s->starting + s->draining;
}

static double highest(const view_t *view, value_f value)
{
    double most = 0.0;
    int i;

    for (i = 0; i < view->second_count; i++) {
        double v = value(&view->seconds[i]);

        most = v > most ? v : most;
    }
    return most;
}

/* --- strokes -------------------------------------------------------------------------------- */

/* From left to right in steps, only where the value changes; or back from right to left. */
static void put_steps(const chart_t *chart, value_f value, bool back)
{
    const view_t *view = chart->view;
    int count = view->second_count, i;
    double last_y = -1.0;

    for (i = back ? count - 1 : 0; i >= 0 && i < count; i += back ? -1 : 1) {
        const ext_second_t *s = &view->seconds[i];
        double y = y_of(chart, value(s));

        if (y - last_y >= 0.05 || last_y - y >= 0.05 || i == 0 || i == count - 1) {
            double near = x_of(chart, s->second + (back ? 1 : 0));

            out_format(chart->out, last_y < 0.0 && !back ? "M%.1f %.1f" : "L%.1f %.1f", near,
                       last_y < 0.0 ? y : last_y);
            out_format(chart->out, "V%.1f", y);
            last_y = y;
        }
    }
    if (count > 0) {
        out_format(chart->out, "H%.1f",
                   x_of(chart, view->seconds[back ? 0 : count - 1].second + (back ? 0 : 1)));
    }
}

static void put_line(const chart_t *chart, value_f value, const char *class)
{
    if (chart->view->second_count > 0) {
        out_format(chart->out, "<path class=\"line %s\" d=\"", class);
        put_steps(chart, value, false);
        out_text(chart->out, "\"/>\n");
    }
}

static double nothing(const ext_second_t *s)
{
    (void)s;
    return 0.0;
}

/* What is between two values. */
static void put_band(const chart_t *chart, value_f low, value_f high, const char *class)
{
    if (chart->view->second_count > 0) {
        out_format(chart->out, "<path class=\"area %s\" d=\"", class);
        put_steps(chart, high, false);
        put_steps(chart, low, true);
        out_text(chart->out, "Z\"/>\n");
    }
}

/* --- axes ----------------------------------------------------------------------------------- */

static void put_label(const chart_t *chart, double x, double y, const char *class, const char *text)
{
    out_format(chart->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
    out_html(chart->out, text);
    out_text(chart->out, "</text>\n");
}

static void put_level(const chart_t *chart, double value, const char *class, const char *text)
{
    double y = y_of(chart, value);

    out_format(chart->out, "<path class=\"grid %s\" d=\"M%d %.1fH%d\"/>\n", class,
               chart->layout->left, y, chart->layout->width - chart->layout->right);
    put_label(chart, chart->layout->left - 5, y + 4, "level", text);
}

static void put_number_level(const chart_t *chart, double value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), value >= 10000 ? "%.0fk" : "%.0f",
                   value >= 10000 ? value / 1000 : value);
    put_level(chart, value, "", text);
}

/* A plot begins below the one before. */
static void begin_plot(chart_t *chart, double height, double most, const char *title)
{
    chart->top += chart->height + chart->layout->gap;
    chart->height = height;
    chart->most = most;
    chart->is_log = false;
    put_label(chart, chart->layout->left, chart->top - 8, "title", title);
}

static void put_linear_levels(const chart_t *chart)
{
    put_number_level(chart, 0.0);
    put_number_level(chart, chart->most / 2.0);
    put_number_level(chart, chart->most);
}

static void clock_text(char *text, size_t size, int64_t wall_s)
{
    time_t when = (time_t)wall_s;
    struct tm tm = { 0 };

    localtime_r(&when, &tm);
    strftime(text, size, "%H:%M", &tm);
}

/* Full minutes of the clock on the wall, below the last plot and as lines through all. */
static void put_times(const chart_t *chart, double bottom)
{
    int64_t wall_s = view_wall_us(chart->view, chart->begin_s * US_PER_S) / US_PER_S;
    int64_t step = (int64_t)TICK_S * chart->layout->ticks, t;

    for (t = (wall_s / step + 1) * step; t < wall_s + SPAN_S; t += step) {
        double x = x_of(chart, chart->begin_s + (t - wall_s));
        char text[16];

        clock_text(text, sizeof(text), t);
        out_format(chart->out, "<path class=\"grid\" d=\"M%.1f %dV%.1f\"/>\n", x,
                   chart->layout->gap, bottom);
        put_label(chart, x, bottom + 16, "time", text);
    }
}

/* --- the plots ------------------------------------------------------------------------------ */

/* Far above what is below it, a ceiling is only named. */
static void put_chart_ceiling(const chart_t *chart)
{
    int most = view_most_threads(chart->view);
    char text[64];

    if (highest(chart->view, ceiling_in) <= chart->most) {
        put_line(chart, ceiling_in, "ceiling");
        return;
    }
    if (most > 0) {
        (void)snprintf(text, sizeof(text), "%d may run \xE2\x86\x91", most);
        put_label(chart, chart->layout->width - chart->layout->right, chart->top - 8, "ceiling",
                  text);
    }
}

static void put_threads_plot(chart_t *chart)
{
    const view_t *view = chart->view;
    double most = larger(highest(view, threads_of), highest(view, busy_of));
    double ceiling = highest(view, ceiling_in);

    most = ceiling > 0.0 && ceiling <= CEILING_TIMES * most ? ceiling : most;
    begin_plot(chart, chart->layout->threads, round_above(most), "Threads");
    put_linear_levels(chart);
    put_band(chart, demand_of, wanted_of, "wanted");
    put_band(chart, nothing, busy_of, "busy");
    put_line(chart, busy_of, "busy");
    put_line(chart, threads_of, "threads");
    put_chart_ceiling(chart);
}

static void put_waiting_plot(chart_t *chart)
{
    double target = (double)chart->view->config->wait_target_us;
    double most = larger(highest(chart->view, waited_of), 50.0 * target);
    char text[32];

    begin_plot(chart, chart->layout->small, most, "Longest wait for a thread");
    chart->is_log = true;
    put_level(chart, target, "target",
              report_duration(text, sizeof(text), (int64_t)target));
    put_level(chart, most, "", report_duration(text, sizeof(text), (int64_t)most));
    put_band(chart, nothing, waited_of, "waited");
}

static void put_children_plot(chart_t *chart)
{
    begin_plot(chart, chart->layout->small, round_above(highest(chart->view, children_in)),
               "Children");
    put_linear_levels(chart);
    put_band(chart, nothing, serving_of, "serving");
    put_band(chart, serving_of, parked_of, "parked");
    put_band(chart, parked_of, starting_of, "starting");
    put_band(chart, starting_of, children_in, "draining");
}

static void put_arrivals_plot(chart_t *chart)
{
    begin_plot(chart, chart->layout->small, round_above(highest(chart->view, arrivals_of)),
               "Requests a second");
    put_linear_levels(chart);
    put_band(chart, nothing, arrivals_of, "arrivals");
}

/* --- what was done, on the axis ------------------------------------------------------------- */

static void put_mark(const chart_t *chart, const story_t *story, int index, double y)
{
    const ext_decision_t *newest = &chart->view->decisions[story->first];
    double x = x_of(chart, newest->now_us / US_PER_S);
    out_t *out = chart->out;

    if (index < STORIES_LINKED) {
        out_format(out, "<a href=\"#story-%llu-%d\">", (unsigned long long)newest->number,
                   newest->kind);
    }
    else {
        out_text(out, "<a href=\"#stories\">");
    }
    out_text(out, "<title>");
    page_put_time(out, chart->view, story->began_wall_us);
    out_text(out, " ");
    page_put_sentence(out, story->text);
    out_format(out, "</title><path class=\"mark %s\" d=\"M%.1f %.1f%s\"/></a>\n",
               story->direction >= 0 ? "up" : "down", x, y,
               story->direction > 0 ? "l6 11h-12z" : story->direction < 0 ? "m0 11l6 -11h-12z"
                                    : "m-5 1h10v10h-10z");
}

/* Between the threads and what is below them. */
static void put_marks(const chart_t *chart, const story_t *stories)
{
    double y = chart->top + chart->height + 4;
    int i;

    for (i = 0; stories && stories[i].count > 0 && i < MARKS_MOST; i++) {
        if (chart->view->decisions[stories[i].first].now_us / US_PER_S >= chart->begin_s) {
            put_mark(chart, &stories[i], i, y);
        }
    }
}

/* --- all of it ------------------------------------------------------------------------------ */

static void put_picture(out_t *out, const view_t *view, const story_t *stories,
                        const layout_t *layout)
{
    chart_t chart = {
        .out = out, .view = view, .layout = layout,
        .begin_s = view->now_us / US_PER_S + 1 - SPAN_S
    };
    int height = layout->threads + 3 * layout->small + 4 * layout->gap + 14 + 24;

    out_format(out, "<svg class=\"chart %s\" viewBox=\"0 0 %d %d\" role=\"group\" "
               "aria-label=\"The last ten minutes: threads, waiting, children, requests\">\n",
               layout->name, layout->width, height);
    put_times(&chart, height - 24);
    put_threads_plot(&chart);
    put_marks(&chart, stories);
    chart.top += 14;
    put_waiting_plot(&chart);
    put_children_plot(&chart);
    put_arrivals_plot(&chart);
    out_text(out, "</svg>\n");
}

static void put_key_item(out_t *out, const char *class, bool is_line, const char *words)
{
    out_format(out, is_line ? "<li><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">"
                              "<path class=\"line %s\" d=\"M0 6H24\"/></svg> %s</li>\n"
                            : "<li><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">"
                              "<path class=\"area %s\" d=\"M0 0H24V12H0Z\"/></svg> %s</li>\n",
               class, words);
}

static void put_legend(out_t *out)
{
    out_text(out, "<ul class=\"legend\">\n");
    put_key_item(out, "busy", false, "busy");
    put_key_item(out, "threads", true, "running");
    put_key_item(out, "wanted", false, "needed and to spare");
    put_key_item(out, "ceiling", true, "may run");
    put_key_item(out, "waited", false, "wait (dashed: AdaptiveWaitTarget)");
    put_key_item(out, "serving", false, "children serving");
    put_key_item(out, "parked", false, "parked");
    put_key_item(out, "starting", false, "starting");
    put_key_item(out, "draining", false, "draining");
    out_text(out, "<li><svg class=\"key\" viewBox=\"0 0 24 12\" aria-hidden=\"true\">"
             "<path class=\"mark up\" d=\"M6 0l6 11h-12z\"/><path class=\"mark down\" "
             "d=\"M18 11l6 -11h-12z\"/></svg> more, fewer</li>\n</ul>\n");
}

/* One minute of the table; its last second is at place `end`. */
static void put_minute(out_t *out, const view_t *view, int begin, int end)
{
    double busy = 0.0, waited_us = 0.0, requests = 0.0;
    int i;

    for (i = begin; i <= end; i++) {
        busy = larger(busy, busy_of(&view->seconds[i]));
        waited_us = larger(waited_us, waited_of(&view->seconds[i]));
        requests += arrivals_of(&view->seconds[i]);
    }
    out_text(out, "<tr><th scope=\"row\">");
    page_put_time(out, view, view_wall_us(view, view->seconds[end].second * US_PER_S));
    out_format(out, "</th><td class=\"n\">%.0f</td><td class=\"n\">%d</td><td class=\"n\">%d</td>"
               "<td class=\"n\">%.0f</td><td class=\"n\">", busy, view->seconds[end].threads,
               view->seconds[end].max_threads, requests / (end - begin + 1));
    page_put_duration(out, (int64_t)waited_us);
    out_format(out, "</td><td class=\"n\">%.0f</td></tr>\n", children_in(&view->seconds[end]));
}

/* The same for those who do not see the picture. */
static void put_minutes(out_t *out, const view_t *view)
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
        put_minute(out, view, end - MINUTE_S + 1 < 0 ? 0 : end - MINUTE_S + 1, end);
    }
    out_text(out, "</tbody></table></div></details>\n");
}

void chart_put(out_t *out, const view_t *view, const story_t *stories)
{
    size_t i;

    out_text(out, "<section id=\"history\" aria-labelledby=\"history-title\">\n"
             "<h2 id=\"history-title\">The last ten minutes</h2>\n");
    put_legend(out);
    for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        put_picture(out, view, stories, &layouts[i]);
    }
    put_minutes(out, view);
    out_text(out, "</section>\n");
}
