/* The simulator: traces of load, policies that meet it, and what came of it.
 *
 * sim --help says what it can be asked for; docs/dev/sim/README.md explains the model.
 */
#include "ablation.h"
#include "goals.h"
#include "metrics.h"
#include "options.h"
#include "svg.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static job_t job_for(const options_t *o, int trace, policy_e policy)
{
    job_t job = { .trace = trace, .policy = policy_get(policy) };

    job.policy.terms_off = o->without;
    job.policy.knows_waiting = o->knows_waiting;
    job.policy.fixed_threads = o->fixed_threads;
    return job;
}

static FILE *markdown_file(const options_t *o)
{
    FILE *file = o->markdown ? fopen(o->markdown, "w") : NULL;

    if (o->markdown && !file) {
        fprintf(stderr, "sim: %s: %s\n", o->markdown, strerror(errno));
        exit(2);
    }
    if (file) {
        fputs("# What the simulator says\n\n"
              "Written by `make -f Makefile.apxs sim`; [README.md](README.md) explains the model "
              "and the figures.\n",
              file);
    }
    return file;
}

static void show(const options_t *o, FILE *markdown, const trace_t *trace, const job_t *jobs,
                 int count)
{
    if (o->values) {
        table_values(stdout, trace, jobs, count);
        return;
    }
    table_trace(stdout, false, trace, jobs, count);
    if (markdown) {
        table_trace(markdown, true, trace, jobs, count);
    }
    if (o->charts && !svg_write(o->charts, trace, jobs, count)) {
        fprintf(stderr, "sim: %s: %s\n", o->charts, strerror(errno));
        exit(2);
    }
}

/* All policies on all traces; returns how many goals are not met. */
static int compare_policies(const options_t *o, FILE *markdown)
{
    job_t *jobs = calloc((size_t)(trace_count * POLICIES), sizeof(*jobs));
    goals_t goals = { 0 };
    int i, k, count = 0, missed = 0;

    if (!jobs) {
        exit(2);
    }
    for (i = 0; i < trace_count; i++) {
        for (k = 0; k < POLICIES && o->traces[i]; k++) {
            if (o->policies[k]) {
                jobs[count++] = job_for(o, i, (policy_e)k);
            }
        }
    }
    batch_run(jobs, count, o->at_a_time, &o->model, NULL);
    for (i = 0; i < count; i = k) {
        trace_t trace = trace_get(jobs[i].trace, o->model.seed);

        for (k = i; k < count && jobs[k].trace == jobs[i].trace; k++) {
        }
        show(o, markdown, &trace, jobs + i, k - i);
        goals_judge(&goals, &trace, jobs + i, k - i);
        trace_free(&trace);
    }
    if (!o->values) {
        missed = goals_print(stdout, false, &goals);
        if (markdown) {
            goals_print(markdown, true, &goals);
        }
    }
    goals_free(&goals);
    free(jobs);
    return missed;
}

static void constant_load(const options_t *o)
{
    trace_t trace = trace_constant(o->per_s, o->work, o->seconds, o->cpus);
    job_t jobs[POLICIES];
    int k, count = 0;

    trace.waste = o->waste;
    for (k = 0; k < POLICIES; k++) {
        if (o->policies[k]) {
            jobs[count++] = job_for(o, -1, (policy_e)k);
        }
    }
    batch_run(jobs, count, o->at_a_time, &o->model, &trace);
    show(o, NULL, &trace, jobs, count);
    trace_free(&trace);
}

int main(int argc, char **argv)
{
    options_t o = options_parse(argc, argv);
    FILE *markdown = markdown_file(&o);
    int missed = 0;

    if (o.constant) {
        constant_load(&o);
    }
    else {
        missed = compare_policies(&o, markdown);
        if (o.ablation) {
            ablation_print(stdout, markdown, &o);
        }
    }
    if (markdown && fclose(markdown)) {
        fprintf(stderr, "sim: %s: %s\n", o.markdown, strerror(errno));
        return 2;
    }
    return o.check && missed ? 1 : 0;
}
