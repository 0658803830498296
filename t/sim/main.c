#include "batch.h"
#include "table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
    model_options_t o = { .seed = 1, .child_start_us = 10000, .thread_start_us = 60, .backlog = 511, .deal_first = true };
    int i, k, n = 0;
    job_t jobs[200];
    unsigned off = getenv("OFF") ? strtoul(getenv("OFF"), 0, 0) : 0;
    int onlyp = getenv("P") ? atoi(getenv("P")) : -1;
    if (getenv("RANDOM_DEAL")) o.deal_first = false;
    for (i = 0; i < trace_count; i++) {
        trace_t t = trace_get(i, 1);
        int want = argc < 2;
        for (k = 1; k < argc; k++) want |= !strcmp(argv[k], t.name);
        trace_free(&t);
        if (!want) continue;
        for (k = 0; k < POLICIES; k++) {
            if (onlyp >= 0 && k != onlyp) continue;
            jobs[n] = (job_t){ .trace = i, .policy = policy_get(k) };
            jobs[n++].policy.terms_off = off;
        }
    }
    batch_run(jobs, n, 2, &o, NULL);
    for (i = 0; i < n; i = k) {
        trace_t t = trace_get(jobs[i].trace, 1);
        for (k = i; k < n && jobs[k].trace == jobs[i].trace; k++) 
            if (getenv("T")) printf("%s %s %.2f s %lu dec %d\n", t.name, jobs[k].policy.name, jobs[k].result->ran_s, jobs[k].result->begun, jobs[k].result->decisions);
        table_trace(stdout, false, &t, jobs + i, k - i);
    }
    return 0;
}
