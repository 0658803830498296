/* Are the goals met? */
#ifndef SIM_GOALS_H
#define SIM_GOALS_H

#include "batch.h"

#include <stdio.h>

/* Judge the runs of one trace; notes what is not met, for goals_print(). The jobs have to
 * contain the adaptive policy and event's. */
typedef struct goals_t {
    char *text[4];              /* what is not met, by goal */
    int missed[4], judged[4];
} goals_t;

void goals_judge(goals_t *goals, const trace_t *trace, const job_t *jobs, int count);

/* How many are not met. */
int goals_print(FILE *out, bool markdown, const goals_t *goals);

void goals_free(goals_t *goals);

#endif
