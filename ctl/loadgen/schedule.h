/* When requests are due, whatever becomes of those before them. */
#ifndef LOADGEN_SCHEDULE_H
#define LOADGEN_SCHEDULE_H

#include <stdint.h>

/* A request, and by how much it was too late when this program looked at the clock. */
typedef struct {
    int64_t due_us, late_us;
    long index;                 /* its line in the trace, or its number; from 0 */
} request;

/* From the options, or the trace that was read. The number of requests. */
long schedule_begin(void);
/* False: there are no more. Else when the next one is due, since the start. */
int schedule_next(int64_t *due_us);
/* Goes on behind it. */
void schedule_advance(void);

#endif
