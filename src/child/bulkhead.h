/* Bulkheads: what one virtual host, or one backend that mod_proxy asks, may hold of the threads
 * while they are nearly used up (law/share.h says when and how much). What is over it is refused
 * at once, with 503 and Retry-After, so that one dead backend does not take the threads of all.
 *
 * The class of a request is found when its handler is about to run: whoever was to change where it
 * goes (mod_rewrite, mod_proxy, SetHandler) has done so. It holds a thread from then until the
 * thread leaves the connection; a response that is still being sent, or a request that a module has
 * suspended, holds none. Requests on HTTP/2 streams are not counted: mod_http2 has threads of its
 * own for them, which no ceiling of ours bounds.
 */
#ifndef ADP_BULKHEAD_H
#define ADP_BULKHEAD_H

#include "fwd.h"

#include "apr_hash.h"
#include "httpd.h"

#include <stdatomic.h>
#include <stdbool.h>

/* conn_t.holds. */
#define HOLDS_NAMELESS (-1)

/* What a child knows of its siblings, as of the last look at them. */
typedef struct bulkheads_t {
    bool counts;                /* constant, like the next */
    bool refuses;
    apr_hash_t *vhosts;         /* by server_rec; written before the child serves */
    _Atomic int64_t looked_us;
    _Atomic int others_busy;    /* threads of the siblings that serve */
    _Atomic int slots;          /* siblings are in those before this */
    _Atomic int ceiling;        /* threads that all may have */
    _Atomic bool is_near;       /* few are left of these */
} bulkheads_t;

/* Names the virtual hosts. Before the child serves; the steward. */
void bulkhead_init(child_t *child);

/* httpd's hook, before all handlers. The worker that serves the request. */
int bulkhead_hook_handler(request_rec *r);

/* The thread leaves the connection. The worker that had it. */
void bulkhead_end(conn_t *conn);

#endif
