/* Charts. */
#include "svg.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WIDTH    900
#define LEFT      64
#define RIGHT     16
#define PLOT     (WIDTH - LEFT - RIGHT)
#define POINTS   200            /* of a line: two buckets each */
#define LEAST_US 100.0          /* the lower end of the axis for waiting */

/* What is drawn of one policy. */
typedef struct line_t {
    policy_e policy;
    const char *class;
    const char *label;
    bool threads, children, waiting;
} line_t;

static const line_t lines[] = {
    { POLICY_EVENT_DEFAULT, "d", "event, Debian's default", false, false, true },
    { POLICY_EVENT_LARGE, "l", "event, tuned large", true, true, true },
    { POLICY_EVENT_EXPERT, "e", "event, tuned for this peak", true, true, true },
    { POLICY_ADAPTIVE, "a", "adaptive, not tuned", true, true, true },
};

#define LINES (int)(sizeof(lines) / sizeof(*lines))

typedef struct panel_t {
    FILE *out;
    int top, height;
    double most;                /* at the upper end */
    bool logarithmic;           /* microseconds from LEAST_US */
} panel_t;

static const char style[] =
    "<style>"
    "svg{background:#fff;font:12px "
    "system-ui,sans-serif}text{fill:#333}.t{font-size:15px;font-weight:600}.s{fill:#666}"
    ".g{stroke:#ddd;stroke-width:1}.x{stroke:#888;stroke-width:1}.b{fill:#f4f0e0}.o{fill:#c9d3dc;"
    "stroke:none}"
    "path{fill:none;stroke-width:1.5;stroke-linejoin:round}.a{stroke:#0063b1;stroke-width:2.2}.e{"
    "stroke:#c24a00}"
    ".l{stroke:#8a5aa8;stroke-dasharray:6 3}.d{stroke:#2c8a57;stroke-dasharray:2 2}"
    "@media(prefers-color-scheme:dark){svg{background:#16191d}text{fill:#ddd}.s{fill:#9aa4ad}.g{"
    "stroke:#2c3238}"
    ".x{stroke:#66707a}.b{fill:#26241b}.o{fill:#3a4650}.a{stroke:#5cb3ff}.e{stroke:#ff9a57}.l{"
    "stroke:#c79be6}"
    ".d{stroke:#5fce92}}"
    "</style>\n";

static const result_t *result_of(policy_e policy, const job_t *jobs, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (jobs[i].policy.id == policy) {
            return jobs[i].result;
        }
    }
    return NULL;
}

/* --- values ----------------------------------------------------------------------- */

enum quantity { THREADS, CHILDREN, WAITING, BUSY };

static double bucket(const result_t *r, enum quantity q, int i)
{
    switch (q) {
    case THREADS: return r->series[i].threads;
    case CHILDREN: return r->series[i].children;
    case BUSY: return r->series[i].busy;
    default: return r->series[i].waited_us;
    }
}

/* The longest waiting, or the mean of everything else, of a point's buckets. */
static double point(const result_t *r, enum quantity q, int i)
{
    int each = RESULT_BUCKETS / POINTS, k;
    double sum = 0, most = 0;

    for (k = i * each; k < (i + 1) * each; k++) {
        sum += bucket(r, q, k);
        most = fmax(most, bucket(r, q, k));
    }
    return q == WAITING ? most : sum / each;
}

static double largest(const result_t *r, enum quantity q)
{
    double most = 0;
    int i;

    for (i = 0; r && i < POINTS; i++) {
        most = fmax(most, point(r, q, i));
    }
    return most;
}

/* --- drawing ---------------------------------------------------------------------- */

static int x_of(int i)
{
    return LEFT + (int)lround((i + 0.5) * PLOT / POINTS);
}

static double part_of(const panel_t *p, double value)
{
    if (p->logarithmic) {
        return value <= LEAST_US ? 0 : log(value / LEAST_US) / log(p->most / LEAST_US);
    }
    return value / p->most;
}

static int y_of(const panel_t *p, double value)
{
    return p->top + p->height - (int)lround(fmin(part_of(p, value), 1) * p->height);
}

/* Points on a straight level line are left out. */
static void draw_path(const panel_t *p, const result_t *r, enum quantity q)
{
    int i, y, before = -1;

    for (i = 0; i < POINTS; i++) {
        y = y_of(p, point(r, q, i));
        if (y != before || i == POINTS - 1) {
            if (i && before >= 0 && i < POINTS - 1) {
                fprintf(p->out, "H%d", x_of(i - 1));
            }
            fprintf(p->out, i ? "L%d %d" : "M%d %d", x_of(i), y);
        }
        before = y;
    }
}

static void draw_lines(const panel_t *p, enum quantity q, const job_t *jobs, int count)
{
    int i;

    for (i = 0; i < LINES; i++) {
        const result_t *r = result_of(lines[i].policy, jobs, count);

        if (r
            && (q == THREADS    ? lines[i].threads
                : q == CHILDREN ? lines[i].children
                                : lines[i].waiting)) {
            fprintf(p->out, "<path class=\"%s\" d=\"", lines[i].class);
            draw_path(p, r, q);
            fputs("\"/>\n", p->out);
        }
    }
}

/* What would be needed if nobody waited, as an area. */
static void draw_offered(const panel_t *p, const result_t *r)
{
    int bottom = p->top + p->height;

    if (r) {
        fprintf(p->out, "<path class=\"o\" d=\"");
        draw_path(p, r, BUSY);
        fprintf(p->out, "L%d %dL%d %dZ\"/>\n", x_of(POINTS - 1), bottom, x_of(0), bottom);
    }
}

static void draw_bursts(const panel_t *p, const trace_t *t)
{
    int i;

    for (i = 0; i < t->burst_count; i++) {
        double from = t->bursts[i].from_s / t->seconds, to = t->bursts[i].to_s / t->seconds;

        fprintf(p->out, "<rect class=\"b\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n",
                LEFT + from * PLOT, p->top, fmax((to - from) * PLOT, 1), p->height);
    }
}

/* A round number near the value. */
static double round_step(double value)
{
    double power = pow(10, floor(log10(value))), part = value / power;

    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static void draw_mark(const panel_t *p, double value, const char *text)
{
    int y = y_of(p, value);

    fprintf(p->out,
            "<path class=\"g\" d=\"M%d %dH%d\"/><text x=\"%d\" y=\"%d\" "
            "text-anchor=\"end\">%s</text>\n",
            LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, text);
}

static void draw_marks(const panel_t *p)
{
    static const struct { double us; const char *text; } times[] = {
        { 100, "0.1 ms" }, { 1e3, "1 ms" }, { 10e3, "10 ms" }, { 100e3, "0.1 s" }, { 1e6, "1 s" },
        { 10e6, "10 s" }, { 100e6, "100 s" }
    };
    double step = round_step(p->most / (p->height > 120 ? 5 : 2)), value;
    char text[32];
    size_t i;

    if (p->logarithmic) {
        for (i = 0; i < sizeof(times) / sizeof(*times) && times[i].us <= p->most; i++) {
            draw_mark(p, times[i].us, times[i].text);
        }
        return;
    }
    for (value = 0; value <= p->most; value += step) {
        snprintf(text, sizeof(text), "%.10g", value);
        draw_mark(p, value, text);
    }
}

static void draw_times(const panel_t *p, const trace_t *t)
{
    double step = round_step(t->seconds / 8), at;
    int bottom = p->top + p->height;

    for (at = 0; at <= t->seconds; at += step) {
        double x = LEFT + at / t->seconds * PLOT;

        fprintf(p->out,
                "<path class=\"x\" d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\" "
                "text-anchor=\"middle\">%.10g</text>\n",
                x, bottom, x, bottom + 17, at);
    }
    fprintf(p->out,
            "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"end\">time in seconds</text>\n",
            WIDTH - RIGHT, bottom + 33);
}

static void draw_frame(const panel_t *p, const trace_t *t, const char *title)
{
    draw_bursts(p, t);
    draw_marks(p);
    fprintf(p->out, "<text class=\"s\" x=\"%d\" y=\"%d\">%s</text>\n", LEFT, p->top - 7, title);
}

static void draw_axis(const panel_t *p)
{
    fprintf(p->out, "<path class=\"x\" d=\"M%d %dV%dH%d\"/>\n", LEFT, p->top, p->top + p->height,
            WIDTH - RIGHT);
}

static void draw_legend(FILE *out, int y)
{
    int i, x = LEFT;

    fprintf(out, "<rect class=\"o\" x=\"%d\" y=\"%d\" width=\"20\" height=\"10\"/>"
            "<text x=\"%d\" y=\"%d\">offered load</text>\n",
            x, y - 9, x + 26, y);
    x += 116;
    for (i = LINES - 1; i >= 0; i--) {
        fprintf(out, "<path class=\"%s\" d=\"M%d %dh20\"/><text x=\"%d\" y=\"%d\">%s</text>\n",
                lines[i].class, x, y - 4, x + 26, y, lines[i].label);
        x += 46 + (int)(6.4 * (double)strlen(lines[i].label));
    }
}

static double most_of(enum quantity q, const job_t *jobs, int count)
{
    double most = 0;
    int i;

    for (i = 0; i < LINES; i++) {
        if (q == WAITING || (q == THREADS ? lines[i].threads : lines[i].children)) {
            most = fmax(most, largest(result_of(lines[i].policy, jobs, count), q));
        }
    }
    return most;
}

static void draw(FILE *out, const trace_t *t, const job_t *jobs, int count)
{
    const result_t *optimum = result_of(POLICY_OPTIMUM, jobs, count);
    panel_t threads = { out, 76, 230, 1.05 * fmax(most_of(THREADS, jobs, count), 4), false };
    panel_t children = { out, 336, 80, 1.1 * fmax(most_of(CHILDREN, jobs, count), 2), false };
    panel_t waiting = { out, 446, 150, fmax(1.2 * most_of(WAITING, jobs, count), 20e3), true };

    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d 640\" width=\"%d\" "
            "height=\"640\" role=\"img\">\n"
            "<title>%s</title>\n%s<text class=\"t\" x=\"%d\" y=\"22\">%s</text>\n",
            WIDTH, WIDTH, t->title, style, LEFT, t->title);
    draw_legend(out, 44);
    draw_frame(&threads, t, "threads");
    draw_offered(&threads, optimum);
    draw_lines(&threads, THREADS, jobs, count);
    draw_axis(&threads);
    draw_frame(&children, t, "children (processes)");
    draw_lines(&children, CHILDREN, jobs, count);
    draw_axis(&children);
    draw_frame(&waiting, t,
               "longest wait for a thread of the requests that arrived then (what was refused is "
               "not in it)");
    draw_lines(&waiting, WAITING, jobs, count);
    draw_axis(&waiting);
    draw_times(&waiting, t);
    fputs("</svg>\n", out);
}

bool svg_write(const char *directory, const trace_t *trace, const job_t *jobs, int count)
{
    char path[4096];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s.svg", directory, trace->name);
    out = fopen(path, "w");
    if (!out) {
        return false;
    }
    draw(out, trace, jobs, count);
    return fclose(out) == 0;
}
