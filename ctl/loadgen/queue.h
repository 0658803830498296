/* Requests that are due and for which no connection was free. */
#ifndef LOADGEN_QUEUE_H
#define LOADGEN_QUEUE_H

#include "schedule.h"

void queue_begin(long most);
void queue_put(request r);
long queue_length(void);
/* The one that has waited for longest; there is one. */
request *queue_first(void);
void queue_drop_first(void);
void queue_clear(void);

#endif
