#include "table.h"

#include "metrics.h"

#include <math.h>
#include <string.h>

#define CELL 32
#define COLUMNS 15

static const char *const heads[COLUMNS] = {
    "policy", "wait p50", "p99", "p99.9", "in bursts p99", "p99.9", "absorbed", "lost", "answer p99",
    "p99.9", "threads/opt.", "starts+stops/h", "peak threads", "children", "MiB"
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
    table_time(cells[i++], CELL, metrics_response_us(r, 0.99));
    table_time(cells[i++], CELL, metrics_response_us(r, 0.999));
    snprintf(cells[i++], CELL, "%.2f", metrics_price(r));
    snprintf(cells[i++], CELL, "%.0f", metrics_churn(r));
    snprintf(cells[i++], CELL, "%d", r->peak_threads);
    snprintf(cells[i++], CELL, "%d", r->peak_children);
    snprintf(cells[i++], CELL, "%.0f", r->peak_bytes / (1024 * 1024));
}

static void line(FILE *out, bool markdown, char cells[COLUMNS][CELL])
{
    static const int width[COLUMNS] = { 14, 9, 9, 9, 13, 9, 9, 8, 10, 9, 12, 14, 12, 8, 6 };
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

    fprintf(out, markdown ? "\n### %s: %s\n\n" : "\n%s: %s\n", trace->name, trace->title);
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
