/* Where httpd's core reads a client's connection from: a bucket of our own in the place of APR's.
 *
 * It copies what has come and owns no buffer while it waits, so that ten bytes of a slow client do
 * not hold eight thousand. And it knows when the kernel has nothing left: httpd asks after each
 * request whether the next one is there already, which is a system call in ten of a request and
 * nearly always in vain. */
#ifndef ADP_NET_BUCKET_H
#define ADP_NET_BUCKET_H

#include "httpd.h"

#include <stdbool.h>

/* What the bucket knows of its socket: the connection's owner's. */
typedef struct net_t {
    bool is_dry;                /* the last read took all that there was: the next one that does
                                 * not block is told so without a system call. Only that one:
                                 * whoever polls by himself then asks again. */
    bool has_ended;             /* the client sends no more, or an error says so */
} net_t;

/* Hook insert_network_bucket; on whichever thread serves the connection. Leaves connections that
 * are not ours, to backends for instance, to others. */
apr_status_t net_bucket_hook(conn_rec *c, apr_bucket_brigade *bb, apr_socket_t *socket);

#endif
