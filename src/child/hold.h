/* What has come of a connection's next request and no module has read yet: an input filter above
 * TLS, which keeps it for whoever reads next.
 *
 * While a request is being collected (collect.c) bytes are read into it without waiting. What waits
 * for more lies in a buffer of exactly its size; what a thread takes over lies in buckets. */
#ifndef ADP_HOLD_H
#define ADP_HOLD_H

#include "fwd.h"

#include "util_filter.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct hold_t {
    ap_filter_t *filter;        /* NULL: none, this connection is read from directly */
    apr_bucket_brigade *buckets;    /* for modules to read; only memory */
    apr_bucket_brigade *fresh;  /* for what is being read; else empty */
    char *bytes;                /* before the buckets, while the request waits: malloc()ed; or
                                 * NULL */
    size_t size, room;
    apr_status_t error;         /* what reading has come to, for whoever reads next */
    bool is_drained;            /* there is nothing below it that could be read at once: true for
                                 * the next read that does not block */
} hold_t;

/* What hold_read() has come to. */
typedef enum {
    HOLD_GREW,
    HOLD_NOTHING,               /* no more is there for now */
    HOLD_ENDED                  /* no more will come, or an error */
} hold_read_e;

/* The filter is registered with the hooks. When all modules have registered theirs: find those that
 * have to be known (open_logs). */
void hold_register_filter(void);
void hold_find_filters(void);

/* Forget everything: the memory of a connection is used again. */
void hold_reset(hold_t *hold);

/* Put the filter into a connection, which has its other filters. All of these: the thread that owns
 * the connection. */
void hold_begin(conn_t *conn);

/* TLS: go on with the handshake, without waiting. APR_EAGAIN: the client has to say more. */
apr_status_t hold_shake_hands(conn_t *conn);

/* Nothing changes what comes from the socket: bytes in the kernel are bytes of the request. */
bool hold_is_plain(const conn_t *conn);

/* All filters that lie below can be read from without waiting. Of others nobody knows that. */
bool hold_may_read(const conn_t *conn);

/* Read what is there. */
hold_read_e hold_read(conn_t *conn);

/* What is held, in one piece; valid until the next call. False: no memory, and nothing is lost. */
bool hold_look(conn_t *conn, const char **bytes, size_t *size);

/* Bytes that are held. */
size_t hold_size(const conn_t *conn);

/* It will wait: no more memory than its bytes need. False: there is none, and all is as before. */
bool hold_pack(conn_t *conn);

/* A thread takes over. */
void hold_unpack(conn_t *conn);

/* The connection ends. */
void hold_free(conn_t *conn);

#endif
