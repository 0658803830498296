/* What "better" means here. Users feel how long answers take (p50, p99, p99.9; a request that
 * was refused takes for ever) and how many they get; whoever pays sees threads.
 *
 * A hand tuning is more than 5 % better on a trace
 *   - if one figure that users feel is more than 5 % better and none is more than 5 % worse,
 *     whatever that costs in threads;
 *   - or if none of these differs by more than 5 %, and it takes more than 5 % fewer
 *     thread-seconds.
 * Differences of less than a millisecond do not count. Where a trace has two kinds of
 * requests both are compared.
 */
#include "goals.h"

#include "metrics.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_GOAL_US 5000
#define PRICE_GOAL       1.5
#define MARGIN          1.05
#define TOO_SHORT_US    1000
#define TOO_FEW           50    /* requests above a percentile, to tell */
#define SAME_LOSS       5e-4

enum { GOAL_WAITING, GOAL_PRICE, GOAL_CHURN, GOAL_BEST, GOALS };

static const char *const goal_texts[GOALS] = {
    "p99.9 waiting for a thread <= 5 ms in bursts",
    "thread-seconds <= 1.5 x the optimum (diurnal, heavy)",
    "children started + stopped <= event's best tuning",
    "no hand tuning of event is more than 5 % better"
};

__attribute__((format(printf, 3, 4)))
static void miss(goals_t *g, int goal, const char *format, ...)
{
    char text[256];
    va_list args;
    size_t old = g->text[goal] ? strlen(g->text[goal]) : 0;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    g->text[goal] = realloc(g->text[goal], old + strlen(text) + 3);
    if (!g->text[goal]) {
        perror("sim");
        exit(2);
    }
    strcpy(g->text[goal] + old, old ? "; " : "");
    strcat(g->text[goal], text);
    g->missed[goal]++;
}

/* -1: a is better, 1: b is, 0: no difference that counts. Less is better. */
static int compare_us(double a_us, double b_us)
{
    if (a_us == b_us || fabs(a_us - b_us) < TOO_SHORT_US) {
        return 0;
    }
    return a_us * MARGIN < b_us ? -1 : b_us * MARGIN < a_us ? 1 : 0;
}

/* Counts what users feel to be better and to be worse with a than with b, and says what is
 * better. */
static void compare_users(const result_t *a, const result_t *b, int *better, int *worse, char *text,
                          size_t size)
{
    static const double parts[] = { 0.5, 0.99, 0.999 };
    double done_a = metrics_throughput(a), done_b = metrics_throughput(b);
    size_t i;
    int class;

    *better = done_a > MARGIN * done_b;
    *worse = done_b > MARGIN * done_a;
    snprintf(text, size, "%.0f answers, we %.0f", done_a, done_b);
    for (class = 0; class < CLASSES; class++) {
        for (i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
            double us_a = histogram_percentile(&a->answer[class], parts[i]);
            double us_b = histogram_percentile(&b->answer[class], parts[i]);
            int order = (1 - parts[i]) * (double)a->answer[class].count < TOO_FEW
                            ? 0
                            : compare_us(us_a, us_b);

            *better += order < 0;
            *worse += order > 0;
            if (order < 0) {
                snprintf(text, size, "p%g of answers%s %.1f ms, we %.1f", 100 * parts[i],
                         class == CLASS_OPEN && metrics_two_classes(a) ? " to others" : "",
                         us_a / 1e3, us_b / 1e3);
            }
        }
    }
}

static bool is_event(const job_t *job)
{
    return job->policy.id == POLICY_EVENT_DEFAULT || job->policy.id == POLICY_EVENT_EXPERT
           || job->policy.id == POLICY_EVENT_LARGE;
}

static const job_t *adaptive_of(const job_t *jobs, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (jobs[i].policy.id == POLICY_ADAPTIVE) {
            return &jobs[i];
        }
    }
    return NULL;
}

static bool is_better_tuning(const result_t *a, const result_t *b)
{
    double lost = metrics_lost(a) - metrics_lost(b);
    int order = compare_us(metrics_answer_us(a, 0.999), metrics_answer_us(b, 0.999));

    if (fabs(lost) > SAME_LOSS) {
        return lost < 0;
    }
    return order < 0 || (!order && metrics_churn_owed(a) < metrics_churn_owed(b));
}

/* The tuning that loses least; of those the one with the shortest p99.9 answers; of those the
 * calmest. */
static const job_t *best_tuning(const job_t *jobs, int count)
{
    const job_t *best = NULL;
    int i;

    for (i = 0; i < count; i++) {
        if (is_event(&jobs[i]) && (!best || is_better_tuning(jobs[i].result, best->result))) {
            best = &jobs[i];
        }
    }
    return best;
}

static void judge_tunings(goals_t *g, const trace_t *trace, const result_t *ours, const job_t *jobs,
                          int count)
{
    char text[128];
    int i, better, worse;

    for (i = 0; i < count; i++) {
        const result_t *r = jobs[i].result;

        if (!is_event(&jobs[i])) {
            continue;
        }
        compare_users(r, ours, &better, &worse, text, sizeof(text));
        if (better && !worse) {
            miss(g, GOAL_BEST, "%s: %s has %s", trace->name, jobs[i].policy.name, text);
        }
        else if (!better && !worse && r->thread_s * MARGIN < ours->thread_s) {
            miss(g, GOAL_BEST, "%s: %s does the same with %.2f of our thread-seconds", trace->name,
                 jobs[i].policy.name, r->thread_s / ours->thread_s);
        }
    }
}

void goals_judge(goals_t *g, const trace_t *trace, const job_t *jobs, int count)
{
    const job_t *adaptive = adaptive_of(jobs, count), *best = best_tuning(jobs, count);
    const result_t *ours;
    double waiting_us;

    if (!adaptive || !best) {
        return;
    }
    ours = adaptive->result;
    waiting_us = metrics_waiting_us(ours, 0.999);
    if (!trace->may_wait) {
        g->judged[GOAL_WAITING]++;
        if (waiting_us > WAITING_GOAL_US) {
            miss(g, GOAL_WAITING, "%s: %.1f ms", trace->name, waiting_us / 1e3);
        }
    }
    if (!strcmp(trace->name, "diurnal") || !strcmp(trace->name, "heavy")) {
        g->judged[GOAL_PRICE]++;
        if (metrics_price(ours) > PRICE_GOAL) {
            miss(g, GOAL_PRICE, "%s: %.2f", trace->name, metrics_price(ours));
        }
    }
    g->judged[GOAL_CHURN]++;
    if (metrics_churn_owed(ours) > metrics_churn_owed(best->result)) {
        miss(g, GOAL_CHURN, "%s: %d, %s %d", trace->name, metrics_churn_owed(ours),
             best->policy.name, metrics_churn_owed(best->result));
    }
    g->judged[GOAL_BEST]++;
    judge_tunings(g, trace, ours, jobs, count);
}

int goals_print(FILE *out, bool markdown, const goals_t *g)
{
    int i, missed = 0;

    fputs(markdown ? "\n## Goals\n\n| goal | | where not |\n|---|---|---|\n" : "\nGoals\n", out);
    for (i = 0; i < GOALS; i++) {
        if (g->judged[i]) {
            fprintf(out, markdown ? "| %s (%d traces) | %s | %s |\n" : "  %s (%d traces): %s  %s\n",
                    goal_texts[i], g->judged[i], g->missed[i] ? "NOT met" : "met",
                    g->text[i] ? g->text[i] : "");
        }
        missed += g->missed[i] > 0;
    }
    return missed;
}

void goals_free(goals_t *g)
{
    int i;

    for (i = 0; i < GOALS; i++) {
        free(g->text[i]);
    }
}
