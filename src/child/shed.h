/* The excess is told so: a request that has waited for AdaptiveMaxWait, because all threads are
 * taken or because others compute, gets 503 and Retry-After. Which one does says put_off.h. */
#ifndef ADP_SHED_H
#define ADP_SHED_H

#include "fwd.h"

#include "httpd.h"

#include <stdbool.h>
#include <stdint.h>

/* Have workers tell those that have waited too long. The steward, on its rounds. */
void shed_late(child_t *child, int64_t now_us);

/* Is this request one of them? True: its response has all headers that it needs. The worker that
 * has read it. */
bool shed_request(conn_t *conn, request_rec *r);

#endif
