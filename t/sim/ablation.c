/* The law without one of its terms at a time: what does each buy? */
#include "ablation.h"

#include "metrics.h"
#include "table.h"

#include "law/controller.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN 1.05
#define LARGE  8192             /* threads */

typedef struct term_t {
    unsigned bit;
    const char *name;
} term_t;

static const term_t terms[] = {
    { CTL_TERM_GROWTH, "growth" },
    { CTL_TERM_OFFERED, "offered load" },
    { CTL_TERM_FLUCTUATION, "fluctuation" },
    { CTL_TERM_PANIC, "panic" },
    { CTL_TERM_HOLD, "hold" },
    { CTL_TERM_LEARNING, "learned hold" },
    { CTL_TERM_CPU, "processors" },
    { CTL_TERM_PROGRESS, "progress" },
    { CTL_TERM_LOWERING, "short before long" },
    { CTL_TERM_TELLING, "503 after AdaptiveMaxWait" },
    { CTL_TERM_SHARES, "bulkheads" },
};

#define TERMS (int)(sizeof(terms) / sizeof(*terms))

/* One figure of a run, and by how much it has to differ to count. */
typedef struct figure_t {
    const char *name;
    double with, without;
    double least_difference;
    enum {
        FIGURE_TIME,
        FIGURE_NUMBER,
        FIGURE_PART,
        FIGURE_MORE
    } kind; /* less is better, but for the last */
} figure_t;

static void print_value(FILE *out, const figure_t *f, double value)
{
    char text[32];

    if (f->kind == FIGURE_TIME) {
        fputs(table_time(text, sizeof(text), value), out);
    }
    else if (f->kind == FIGURE_PART) {
        fprintf(out, "%.2f %%", 100 * value);
    }
    else {
        fprintf(out, "%.4g", value);
    }
}

/* > 0: without the term it is worse, < 0: better. */
static int compare(const figure_t *f)
{
    int order;

    if (f->with == f->without || fabs(f->without - f->with) < f->least_difference) {
        return 0;
    }
    order = f->without > MARGIN * f->with ? 1 : f->with > MARGIN * f->without ? -1 : 0;
    return f->kind == FIGURE_MORE ? -order : order;
}

/* Prints what differs; returns how much of it is worse. */
static int print_differences(FILE *out, bool markdown, const char *trace, const result_t *with,
                             const result_t *without)
{
    figure_t figures[] = {
        { "waiting p99.9", metrics_waiting_us(with, 0.999), metrics_waiting_us(without, 0.999), 500,
          FIGURE_TIME },
        { "answers p99.9", metrics_answer_us(with, 0.999), metrics_answer_us(without, 0.999), 1000,
          FIGURE_TIME },
        { "answers to others p99.9", histogram_percentile(&with->answer[CLASS_OPEN], 0.999),
          histogram_percentile(&without->answer[CLASS_OPEN], 0.999), 1000, FIGURE_TIME },
        { "lost", metrics_lost(with), metrics_lost(without), 1e-5, FIGURE_PART },
        { "threads/optimum", metrics_price(with), metrics_price(without), 0.01, FIGURE_NUMBER },
        { "starts+stops", metrics_churn(with), metrics_churn(without), 2, FIGURE_NUMBER },
        { "answers", metrics_throughput(with), metrics_throughput(without), 100, FIGURE_MORE },
    };
    size_t i;
    int worse = 0;
    bool first = true;

    for (i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
        int order = i == 2 && !metrics_two_classes(with) ? 0 : compare(&figures[i]);

        if (order) {
            worse += order > 0;
            fprintf(out, first ? (markdown ? "<br>%s: " : "\n    %s: ") : ", ", trace);
            fprintf(out, "%s %s ", figures[i].name, order > 0 ? "worse," : "better,");
            print_value(out, &figures[i], figures[i].with);
            fputs(" -> ", out);
            print_value(out, &figures[i], figures[i].without);
            first = false;
        }
    }
    return worse;
}

static int print_term(FILE *out, bool markdown, const job_t *jobs, int traces, int term)
{
    int i, worse = 0;

    fprintf(out, markdown ? "| %s | " : "\n%s", terms[term].name);
    for (i = 0; i < traces; i++) {
        trace_t t = trace_get(jobs[i].trace, 1);

        worse += print_differences(out, markdown, t.name, jobs[i].result,
                                   jobs[(term + 1) * traces + i].result);
        trace_free(&t);
    }
    fprintf(out, markdown ? "%s |\n" : "%s\n",
            worse      ? ""
            : markdown ? "<br>**buys nothing here**"
                       : "\n    BUYS NOTHING HERE");
    return worse;
}

/* What holds at the large scale holds for all terms together. */
static bool is_large(int trace)
{
    trace_t t = trace_get(trace, 1);
    bool large = t.max_threads > LARGE;

    trace_free(&t);
    return large;
}

int ablation_print(FILE *out, FILE *markdown, const options_t *o)
{
    job_t *jobs = calloc((size_t)(trace_count * (TERMS + 1)), sizeof(*jobs));
    int term, i, count = 0, traces = 0, useless = 0;

    if (!jobs) {
        exit(2);
    }
    for (term = -1; term < TERMS; term++) {
        for (i = 0; i < trace_count; i++) {
            if (o->traces[i] && !is_large(i)) {
                jobs[count] = (job_t){ .trace = i, .policy = policy_get(POLICY_ADAPTIVE) };
                jobs[count].policy.knows_waiting = o->knows_waiting;
                jobs[count++].policy.terms_off = term < 0 ? 0 : terms[term].bit;
                traces += term < 0;
            }
        }
    }
    batch_run(jobs, count, o->at_a_time, &o->model, NULL);
    fputs("\nWithout each term of the law: with it -> without it, where it differs by more than 5 "
          "%\n",
          out);
    if (markdown) {
        fputs("\n## What each term of the law buys\n\n"
              "| without | what differs by more than 5 %: with it -> without it |\n|---|---|\n",
              markdown);
    }
    for (term = 0; term < TERMS; term++) {
        useless += !print_term(out, false, jobs, traces, term);
        if (markdown) {
            print_term(markdown, true, jobs, traces, term);
        }
    }
    free(jobs);
    return useless;
}
