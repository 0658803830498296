/* A chart of one trace: threads, children and waiting over time, by policy. */
#ifndef SIM_SVG_H
#define SIM_SVG_H

#include "batch.h"

/* Writes directory/<trace>.svg. False: could not, errno says why. */
bool svg_write(const char *directory, const trace_t *trace, const job_t *jobs, int count);

#endif
