/* A request is collected while it comes in, and gets a thread when a thread has something to do:
 * when its head is complete and, of small ones, its body (AdaptiveBodyWait); of a new TLS
 * connection, when the client has shaken hands.
 *
 *   HANDSHAKE --> HEAD --> BODY --> a thread
 *       |           |        |
 *       +-----------+--------+----> a thread: an error, a limit, another protocol, or too late
 *
 * Between two pieces it waits like any other connection. The times that mod_reqtimeout sets for a
 * stage, and Timeout, hold as if a thread had read; when one is over a thread finds out (408).
 *
 * All of these: the thread that owns the connection.
 */
#ifndef ADP_COLLECT_H
#define ADP_COLLECT_H

#include "first_byte.h"
#include "fwd.h"
#include "request_head.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct collect_t {
    bool may;                   /* the connection speaks HTTP/1, as far as is known */
    bool is_due;                /* a request begins that nobody has read from */
    read_stage_e stage;
    int64_t since_us;           /* the stage began; 0: not yet, nothing has come */
    uint64_t before;            /* bytes that had come then */
    size_t body_bytes;          /* that are waited for */
    bool is_counted_out;        /* the kernel wakes nobody before all of them are there */
    head_t head;
} collect_t;

/* What has come of it. */
typedef enum {
    COLLECT_READY,              /* a thread goes on, and finds what was collected */
    COLLECT_WAIT,               /* more has to come: conn_wait() until *due_us */
    COLLECT_GONE                /* the client has closed and has not asked for anything */
} collect_e;

/* A new connection, whose pre_connection hooks have run; it was accepted at that time. */
void collect_begin(conn_t *conn, int64_t accepted_us);

/* The next request of a connection is expected. */
void collect_next(conn_t *conn);

/* The connection is not HTTP/1 (any more), or a module is to see for itself what is wrong. */
void collect_never(conn_t *conn);

/* Read what is there. */
collect_e collect_request(conn_t *conn, int64_t *due_us);

#endif
