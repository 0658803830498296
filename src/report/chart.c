/* Pure: the last ten minutes as SVG. Four plots above one axis of time: threads, waiting,
 * children, requests. Drawn twice, for wide screens and for phones, because text in a picture
 * shrinks with it. */
#include "chart_parts.h"

#include "report_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TICK_S 60
#define TIME_WIDTH 36       /* of a time of the clock, at most, in units of the viewBox */
#define LEAST_WAIT_US 100.0     /* the bottom of the logarithmic scale */
/* Its top is at least this many times the target. */
#define WAIT_ROOM 50.0
/* A ceiling, or what is needed, is drawn if it is at most this many times as high as what runs:
 * nothing is squashed for it. */
#define ROOM_TIMES 1.6
/* Below the threads, for what was done; and below all, for times. */
#define MARKS_HEIGHT 14
#define TIMES_HEIGHT 24

static const layout_t layouts[] = {
    { "wide", 1000, 52, 12, 220, 74, 30, 1,
      "Longest wait for a thread (dashed: AdaptiveWaitTarget)" },
    { "narrow", 380, 46, 8, 170, 60, 28, 2, "Longest wait (dashed: AdaptiveWaitTarget)" }
};

/* A number of a second. */
typedef double (*value_f)(const ext_second_t *second);

/* --- where things are ----------------------------------------------------------------------- */

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

/* Tenths, too. A value that is no number is at the bottom. */
static int y_of(const chart_t *chart, double value)
{
    double part = value / chart->most;

    if (chart->is_log) {
        part = decades(value / LEAST_WAIT_US) / decades(chart->most / LEAST_WAIT_US);
    }
    part = part > 1.0 ? 1.0 : part > 0.0 ? part : 0.0;
    return (int)(10.0 * (chart->top + chart->height * (1.0 - part)) + 0.5);
}

/* Not below the value; its half is a number that one likes to read. */
static double round_above(double value)
{
    static const double steps[] = { 1.0, 1.2, 1.6, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0 };
    double unit = 1.0;
    size_t i = 0;

    if (value <= 10.0) {
        return value <= 4.0 ? 4.0 : value <= 6.0 ? 6.0 : value <= 8.0 ? 8.0 : 10.0;
    }
    while (10.0 * unit < value) {
        unit *= 10.0;
    }
    while (steps[i] * unit < value && i + 1 < sizeof(steps) / sizeof(steps[0])) {
        i++;
    }
    return steps[i] * unit;
}

/* --- values --------------------------------------------------------------------------------- */

static double nothing(const ext_second_t *s)
{
    (void)s;
    return 0.0;
}

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
    return serving_of(s) + s->parked;
}

static double starting_of(const ext_second_t *s)
{
    return parked_of(s) + s->starting;
}

static double draining_of(const ext_second_t *s)
{
    return starting_of(s) + s->draining;
}

static double highest(const view_t *view, value_f value)
{
    double most = 0.0;
    int i;

    for (i = 0; i < view->second_count; i++) {
        most = larger(value(&view->seconds[i]), most);
    }
    return most;
}

/* --- strokes -------------------------------------------------------------------------------- */

/* From left to right in steps, only where the value changes; or on from there, back to the left. */
static void put_steps(const chart_t *chart, value_f value, bool back)
{
    const ext_second_t *seconds = chart->view->seconds;
    int count = chart->view->second_count, last_y = -1, n;

    for (n = 0; n < count; n++) {
        const ext_second_t *s = &seconds[back ? count - 1 - n : n];
        int y = y_of(chart, value(s));

        if (y == last_y) {
            continue;
        }
        if (n > 0) {
            chart_put_command(chart->out, 'H', chart_x(chart, s->second + (back ? 1 : 0)));
        }
        else if (!back) {
            chart_put_command(chart->out, 'M', chart_x(chart, s->second));
        }
        chart_put_command(chart->out, n > 0 || back ? 'V' : ' ', y);
        last_y = y;
    }
    chart_put_command(chart->out, 'H', back ? chart_x(chart, seconds[0].second)
                                 : chart_x(chart, seconds[count - 1].second + 1));
}

static void put_line(const chart_t *chart, value_f value, const char *class)
{
    if (chart->view->second_count > 0) {
        out_format(chart->out, "<path class=\"line %s\" d=\"", class);
        put_steps(chart, value, false);
        out_text(chart->out, "\"/>\n");
    }
}

static void put_area(const chart_t *chart, value_f low, value_f high, const char *attributes)
{
    if (chart->view->second_count > 0) {
        out_format(chart->out, "<path %s d=\"", attributes);
        put_steps(chart, high, false);
        put_steps(chart, low, true);
        out_text(chart->out, "z\"/>\n");
    }
}

/* What is between two values. */
static void put_band(const chart_t *chart, value_f low, value_f high, const char *class)
{
    char attributes[40];

    (void)snprintf(attributes, sizeof(attributes), "class=\"area %s\"", class);
    put_area(chart, low, high, attributes);
}

/* ... filled with one of the legend's patterns. */
static void put_filled_band(const chart_t *chart, value_f low, value_f high, const char *name)
{
    char attributes[64];

    (void)snprintf(attributes, sizeof(attributes), "class=\"area\" fill=\"url(#fill-%s)\"", name);
    /* most of the time there is none */
    if (highest(chart->view, high) > 0.0) {
        put_area(chart, low, high, attributes);
    }
}

/* --- axes ----------------------------------------------------------------------------------- */

static void put_label(const chart_t *chart, int x, int y, const char *class, const char *text)
{
    out_format(chart->out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
    out_html(chart->out, text);
    out_text(chart->out, "</text>\n");
}

static void put_level(const chart_t *chart, double value, const char *class, const char *text)
{
    int y = (y_of(chart, value) + 5) / 10;

    out_format(chart->out, "<path class=\"grid%s\" d=\"M%d %d.5H%d\"/>\n", class,
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
    put_label(chart, chart->layout->left, (int)chart->top - 8, "title", title);
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
static void put_times(const chart_t *chart)
{
    int64_t wall_s = view_wall_us(chart->view, chart->begin_s * CHART_US_PER_S) / CHART_US_PER_S;
    int64_t step = (int64_t)TICK_S * chart->layout->ticks, t;
    int last = chart->layout->width - TIME_WIDTH / 2;

    for (t = (wall_s / step + 1) * step; t < wall_s + CHART_SPAN_S; t += step) {
        int x = (chart_x(chart, chart->begin_s + (t - wall_s)) + 5) / 10;
        int middle = x < last ? x : last;
        char text[16];

        clock_text(text, sizeof(text), t);
        out_format(chart->out, "<path class=\"grid\" d=\"M%d.5 %dV%d\"/>\n", x,
                   chart->layout->gap, chart->bottom);
        put_label(chart, middle, chart->bottom + 16, "time", text);
    }
}

/* --- the plots ------------------------------------------------------------------------------ */

/* Its number is always there; far above what runs that is all. */
static void put_chart_ceiling(const chart_t *chart)
{
    int most = view_most_threads(chart->view);
    bool fits = highest(chart->view, ceiling_in) <= chart->most;
    char text[64];

    if (fits) {
        put_line(chart, ceiling_in, "ceiling");
    }
    if (most > 0) {
        (void)snprintf(text, sizeof(text), "%d may run%s", most, fits ? "" : " \xE2\x86\x91");
        put_label(chart, chart->layout->width - chart->layout->right, (int)chart->top - 8,
                  "ceiling", text);
    }
}

static void put_threads_plot(chart_t *chart)
{
    const view_t *view = chart->view;
    double runs = larger(highest(view, threads_of), highest(view, busy_of));
    double ceiling = highest(view, ceiling_in), wanted = highest(view, wanted_of), most = runs;

    most = ceiling <= ROOM_TIMES * runs ? larger(most, ceiling) : most;
    most = wanted <= ROOM_TIMES * runs ? larger(most, wanted) : most;
    begin_plot(chart, chart->layout->threads, round_above(most), "Threads");
    put_linear_levels(chart);
    put_band(chart, demand_of, wanted_of, "wanted");
    put_band(chart, nothing, busy_of, "busy");
    put_line(chart, busy_of, "busy-edge");
    put_line(chart, threads_of, "threads");
    put_chart_ceiling(chart);
}

static void put_waiting_plot(chart_t *chart)
{
    double target = (double)chart->view->config->wait_target_us;
    double most = larger(highest(chart->view, waited_of), WAIT_ROOM * target);
    char text[32];

    most = larger(most, 10.0 * LEAST_WAIT_US);
    begin_plot(chart, chart->layout->small, most, chart->layout->waiting);
    chart->is_log = true;
    put_level(chart, 0.0, "", "0");
    put_level(chart, most, "", report_duration(text, sizeof(text), (int64_t)most));
    put_band(chart, nothing, waited_of, "waited");
    put_level(chart, target, " target", report_duration(text, sizeof(text), (int64_t)target));
}

static void put_children_plot(chart_t *chart)
{
    begin_plot(chart, chart->layout->small, round_above(highest(chart->view, draining_of)),
               "Children");
    put_linear_levels(chart);
    put_band(chart, nothing, serving_of, "serving");
    put_filled_band(chart, serving_of, parked_of, "parked");
    put_band(chart, parked_of, starting_of, "starting");
    put_filled_band(chart, starting_of, draining_of, "draining");
}

static void put_arrivals_plot(chart_t *chart)
{
    begin_plot(chart, chart->layout->small, round_above(highest(chart->view, arrivals_of)),
               "Requests a second");
    put_linear_levels(chart);
    put_band(chart, nothing, arrivals_of, "arrivals");
}

/* --- all of it ------------------------------------------------------------------------------ */

/* A group, not an image: links in an image would not be there for a screen reader. */
static void put_picture(out_t *out, const view_t *view, const story_t *stories,
                        const layout_t *layout)
{
    chart_t chart = {
        .out = out, .view = view, .layout = layout,
        .begin_s = view->now_us / CHART_US_PER_S + 1 - CHART_SPAN_S,
        .bottom = layout->threads + 3 * layout->small + 4 * layout->gap + MARKS_HEIGHT
    };
    int marks;

    out_format(out, "<svg class=\"chart %s\" viewBox=\"0 0 %d %d\" role=\"group\" "
               "aria-label=\"The last ten minutes: threads, waiting, children, requests\" "
               "aria-describedby=\"history-summary\">\n",
               layout->name, layout->width, chart.bottom + TIMES_HEIGHT);
    put_times(&chart);
    put_threads_plot(&chart);
    marks = (int)(chart.top + chart.height) + 4;
    chart.top += MARKS_HEIGHT;
    put_waiting_plot(&chart);
    put_children_plot(&chart);
    put_arrivals_plot(&chart);
    /* last: what is pointed at lies above all */
    chart_put_marks(&chart, stories, marks);
    out_text(out, "</svg>\n");
}

void chart_put(out_t *out, const view_t *view, const story_t *stories)
{
    size_t i;

    out_text(out, "<section id=\"history\" aria-labelledby=\"history-title\">\n"
             "<h2 id=\"history-title\">The last ten minutes</h2>\n");
    chart_put_summary(out, view);
    chart_put_legend(out);
    for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
        put_picture(out, view, stories, &layouts[i]);
    }
    chart_put_minutes(out, view);
    out_text(out, "</section>\n");
}
