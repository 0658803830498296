/* Tables, as text and markdown. */
#include "table.h"

#include "metrics.h"

#include <math.h>
#include <string.h>

#define CELL 32
#define COLUMNS 17

static const char *const heads[COLUMNS] = {
    "policy",       "wait p50",   "p99", "p99.9", "in bursts p99", "p99.9",        "absorbed",
    "lost",         "answer p50", "p99", "p99.9", "others p99.9",  "threads/opt.", "starts+stops/h",
    "peak threads", "children",   "MiB"
};

const char *table_time(char *buffer, size_t size, double us)
{
    if (us == HUGE_VAL) {
        snprintf(buffer, size, "lost");
    }
    else if (us < 1) {
        snprintf(buffer, size, "0");
    }
    else if (us < 1000) {
        snprintf(buffer, size, "%.0f us", us);
    }
    else if (us < 100e3) {
        snprintf(buffer, size, "%.1f ms", us / 1e3);
    }
    else if (us < 1e6) {
        snprintf(buffer, size, "%.0f ms", us / 1e3);
    }
    else {
        snprintf(buffer, size, "%.1f s", us / 1e6);
    }
    return buffer;
}

static void fill(char cells[COLUMNS][CELL], const job_t *job)
{
    const result_t *r = job->result;
    double lost = metrics_lost(r);
    int i = 0;

    snprintf(cells[i++], CELL, "%s", job->policy.name);
    table_time(cells[i++], CELL, histogram_percentile(&r->waiting, 0.5));
    table_time(cells[i++], CELL, histogram_percentile(&r->waiting, 0.99));
    table_time(cells[i++], CELL, histogram_percentile(&r->waiting, 0.999));
    table_time(cells[i++], CELL, metrics_waiting_us(r, 0.99));
    table_time(cells[i++], CELL, metrics_waiting_us(r, 0.999));
    table_time(cells[i++], CELL, metrics_absorb_s(r) * 1e6);
    snprintf(cells[i++], CELL, lost > 0 ? "%.2f %%" : "0", 100 * lost);
    table_time(cells[i++], CELL, metrics_answer_us(r, 0.5));
    table_time(cells[i++], CELL, metrics_answer_us(r, 0.99));
    table_time(cells[i++], CELL, metrics_answer_us(r, 0.999));
    snprintf(cells[i], CELL, "-");
    if (metrics_two_classes(r)) {
        table_time(cells[i], CELL, histogram_percentile(&r->answer[CLASS_OPEN], 0.999));
    }
    i++;
    snprintf(cells[i++], CELL, "%.2f", metrics_price(r));
    snprintf(cells[i++], CELL, "%.0f", metrics_churn_per_hour(r));
    snprintf(cells[i++], CELL, "%d", r->peak_threads);
    snprintf(cells[i++], CELL, "%d", r->peak_children);
    snprintf(cells[i++], CELL, "%.0f", r->peak_bytes / (1024 * 1024));
}

static void line(FILE *out, bool markdown, char cells[COLUMNS][CELL])
{
    static const int width[COLUMNS] = { 14, 8, 7, 7, 13, 7, 8, 7, 10, 7, 7, 12, 12, 14, 12, 8, 4 };
    int i;

    for (i = 0; i < COLUMNS; i++) {
        if (markdown) {
            fprintf(out, "| %s ", cells[i]);
        }
        else {
            fprintf(out, i ? "  %*s" : "%-*s", width[i], cells[i]);
        }
    }
    fputs(markdown ? "|\n" : "\n", out);
}

void table_trace(FILE *out, bool markdown, const trace_t *trace, const job_t *jobs, int count)
{
    char cells[COLUMNS][CELL];
    int i;

    fprintf(out, markdown ? "\n## %s: %s\n\n" : "\n%s: %s\n", trace->name, trace->title);
    if (markdown) {
        fprintf(out, "![%s over time](%s.svg)\n\n", trace->name, trace->name);
    }
    for (i = 0; i < COLUMNS; i++) {
        snprintf(cells[i], CELL, "%s", heads[i]);
    }
    line(out, markdown, cells);
    for (i = 0; markdown && i < COLUMNS; i++) {
        fputs(i ? "|---:" : "|---", out);
    }
    fputs(markdown ? "|\n" : "", out);
    for (i = 0; i < count; i++) {
        fill(cells, &jobs[i]);
        line(out, markdown, cells);
    }
}

static void value(FILE *out, const trace_t *trace, const job_t *job, const char *name, double x)
{
    const char *c;

    fprintf(out, "%s.", trace->name);
    for (c = job->policy.name; *c; c++) {
        fputc(*c == ' ' ? '-' : *c, out);
    }
    fprintf(out, ".%s=%.9g\n", name, x);
}

void table_values(FILE *out, const trace_t *trace, const job_t *jobs, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        const job_t *j = &jobs[i];
        const result_t *r = j->result;

        value(out, trace, j, "arrived",
              (double)(r->arrived[CLASS_OPEN] + r->arrived[CLASS_CLIENTS]));
        value(out, trace, j, "begun", (double)r->begun);
        value(out, trace, j, "ended", (double)(r->ended[CLASS_OPEN] + r->ended[CLASS_CLIENTS]));
        value(out, trace, j, "rejected", (double)r->rejected);
        value(out, trace, j, "told", (double)r->told);
        value(out, trace, j, "waiting_mean_us", histogram_mean(&r->waiting));
        value(out, trace, j, "waiting_p50_us", histogram_percentile(&r->waiting, 0.5));
        value(out, trace, j, "waiting_p99_us", histogram_percentile(&r->waiting, 0.99));
        value(out, trace, j, "waiting_p999_us", histogram_percentile(&r->waiting, 0.999));
        value(out, trace, j, "burst_waiting_p999_us", metrics_waiting_us(r, 0.999));
        value(out, trace, j, "absorb_s", metrics_absorb_s(r));
        value(out, trace, j, "answer_mean_us", metrics_answer_mean_us(r));
        value(out, trace, j, "answer_p99_us", metrics_answer_us(r, 0.99));
        value(out, trace, j, "answer_p999_us", metrics_answer_us(r, 0.999));
        value(out, trace, j, "others_p99_us",
              histogram_percentile(&r->answer[CLASS_OPEN], 0.99));
        value(out, trace, j, "answers", metrics_throughput(r));
        value(out, trace, j, "thread_s", r->thread_s);
        value(out, trace, j, "demand_s", r->demand_s);
        value(out, trace, j, "starts", r->starts);
        value(out, trace, j, "stops", r->stops);
        value(out, trace, j, "parks", r->parks);
        value(out, trace, j, "resurrections", r->resurrections);
        value(out, trace, j, "peak_threads", r->peak_threads);
        value(out, trace, j, "peak_children", r->peak_children);
        value(out, trace, j, "decisions", r->decisions);
    }
}
