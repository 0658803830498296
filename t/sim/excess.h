/* What is more than the server can do, in the model: requests that have waited for AdaptiveMaxWait,
 * and those of a class that holds more than its share of the threads. The first is what
 * src/child/put_off.c does, the second src/child/bulkhead.c; the rule is src/law/share.h's.
 *
 * A class is one of the trace's: what comes by its points, and what its clients or its herd send.
 */
#ifndef SIM_EXCESS_H
#define SIM_EXCESS_H

#include "model.h"

/* A request takes a thread, and leaves it. */
void excess_begin(model_t *m, child_t *c, const request_t *r);
void excess_end(model_t *m, child_t *c, const request_t *r);

/* Its class would hold too many of the threads. */
bool excess_is_refused(const model_t *m, const child_t *c, const request_t *r);

/* A request has been put off: it is looked at again when it may have waited too long. */
void excess_put_off(model_t *m, const child_t *c);

/* The first of those that the child has put off has waited too long. */
bool excess_is_late(const model_t *m, const child_t *c);

#endif
