/* The rest of a response whose reader is slow: it waits as buckets, and no thread waits with it.
 *
 *   handler, HTTP's filters          on the thread that serves the request
 *        |
 *        v
 *   response filter --what has room--> TLS --> core --> socket
 *        |                                      ^
 *        v what has none                        |
 *      held  ---- response_go_on() ----- when the socket takes more: any worker
 *
 * What lies below never has more than it can set aside without blocking: the core's own bound
 * (FlushMaxThreshold), which files that it sends by itself do not count against. A file that is
 * held stays a file and takes no memory; the rest takes what AdaptiveOutputBuffer allows, beyond
 * which whoever generates it waits, as it would without this filter.
 *
 * The request's last bucket (EOR) waits in its place behind the data: the request is logged, and
 * its memory is returned, when the client has been sent everything.
 *
 * Unless said otherwise a function is called by the thread that owns the connection.
 */
#ifndef ADP_RESPONSE_H
#define ADP_RESPONSE_H

#include "fwd.h"

#include "httpd.h"
#include "util_filter.h"

#include <stdbool.h>

/* A part of conn_t. */
typedef struct response_t {
    ap_filter_t *filter;        /* NULL: none was added, nothing is held */
    apr_bucket_brigade *held;   /* NULL until the first time */
    apr_bucket_brigade *slice;  /* on its way down; likewise */
    apr_pool_t *pool;           /* of what is held; NULL: nothing is */
    apr_size_t memory;          /* bytes held that are neither in a file nor mapped from one */
    apr_size_t passed;          /* bytes that those below may have yet */
    bool full;                  /* the socket has taken less than it was given last */
    int backend;                /* where mod_proxy reads the response from; -1 */
    bool tunnel;                /* may not be HTTP's any more: nothing is held, but of files */
} response_t;

/* Register filter and hooks; with the hooks of this module. */
void response_register(void);

/* A new connection: nothing is held. */
void response_clear(conn_t *conn);

/* Add the filter. From pre_connection. */
void response_begin(conn_t *conn);

/* A request has been read: what it asks for says whether its response may be held. */
void response_note_request(conn_t *conn, const request_rec *r);

/* Write as much as the client takes now. Afterwards c->data_in_output_filters says whether anything
 * is left. A failure means that the connection is of no use any more. */
apr_status_t response_go_on(conn_t *conn);

/* Forget what is held: requests among it are logged as cut off. The connection ends. */
void response_drop(conn_t *conn);

#endif
