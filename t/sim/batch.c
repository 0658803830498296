/* All policies on all traces, as many at a time as there are processors. */
#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(const job_t *job, const model_options_t *given, const trace_t *constant)
{
    model_options_t options = *given;
    double began_s = seconds_now();
    trace_t trace = job->trace < 0 ? *constant : trace_get(job->trace, options.seed);

    if (options.turn_s > 0 && trace.clients.turn_s > 0) {
        trace.clients.turn_s = options.turn_s;
    }
    /* event polls its listening sockets without EPOLLEXCLUSIVE: whoever comes first */
    options.deal_first = options.deal_first && job->policy.id == POLICY_ADAPTIVE;
    model_run(&trace, &job->policy, &options, job->result);
    job->result->ran_s = seconds_now() - began_s;
}

static void wait_for_one(int *running)
{
    int status;

    if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
        fprintf(stderr, "sim: a run failed\n");
        exit(2);
    }
    --*running;
}

void batch_run(job_t *jobs, int count, int at_a_time, const model_options_t *options,
               const trace_t *constant)
{
    result_t *results = mmap(NULL, (size_t)count * sizeof(*results), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int i, running = 0;

    if (results == MAP_FAILED) {
        perror("sim");
        exit(2);
    }
    fflush(NULL);
    for (i = 0; i < count; i++) {
        pid_t pid;

        jobs[i].result = &results[i];
        if (running == at_a_time) {
            wait_for_one(&running);
        }
        pid = fork();
        if (pid < 0) {
            perror("sim");
            exit(2);
        }
        if (!pid) {
            run(&jobs[i], options, constant);
            fflush(stdout);
            _exit(0);
        }
        running++;
    }
    while (running) {
        wait_for_one(&running);
    }
}
