/* Results as a table: text for a terminal, or Markdown. */
#ifndef SIM_TABLE_H
#define SIM_TABLE_H

#include "batch.h"

#include <stdio.h>

/* One trace: a line for each policy. */
void table_trace(FILE *out, bool markdown, const trace_t *trace, const job_t *jobs, int count);

/* One line name=value for each figure, for programs: trace.policy.figure=value; times in
 * microseconds. */
void table_values(FILE *out, const trace_t *trace, const job_t *jobs, int count);

/* A time that is read by people: "0", "870 us", "2.1 ms", "1.2 s", "lost". Returns buffer. */
const char *table_time(char *buffer, size_t size, double us);

#endif
