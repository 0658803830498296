/* Many runs at once, each in a process of its own. */
#ifndef SIM_BATCH_H
#define SIM_BATCH_H

#include "model.h"
#include "policy.h"

typedef struct job_t {
    int trace;                  /* index; -1: the constant trace given */
    policy_t policy;
    result_t *result;           /* set by batch_run() */
} job_t;

/* Run them all, so many at a time. The results stay until the program ends. Exits with a
 * message if a run fails. */
void batch_run(job_t *jobs, int count, int at_a_time, const model_options_t *options,
               const trace_t *constant);

#endif
