/* Connections: at most so many, each in the ring of its state. */
#ifndef LOADGEN_CONN_H
#define LOADGEN_CONN_H

#include "http.h"
#include "origin.h"
#include "ring.h"
#include "schedule.h"
#include "tls.h"

#include <stdint.h>
#include <sys/types.h>

enum conn_state {
    CONN_UNUSED,
    CONN_CONNECTING,
    CONN_HANDSHAKE,
    CONN_SENDING,               /* the kernel had no room for the whole request */
    CONN_READING,
    CONN_IDLE
};

typedef struct {
    ring_link link;             /* in the ring of its state */
    ring_link origin_link;      /* while idle, in that of its origin */
    int fd;
    enum conn_state state;
    uint32_t watched;           /* events */
    int answered;               /* requests answered on this connection */
    origin *origin;
    tls_connection *tls;        /* NULL: none */
    request request;            /* the one under way */
    int64_t begun_us;
    http_response response;
    char *unsent;               /* what is left to send */
    size_t unsent_length;
} connection;

extern int epoll_fd;

void conns_begin(void);
/* How many are neither unused nor idle, and the one that has been so for longest (or NULL). */
long conns_under_way(void);
connection *conn_first_under_way(void);

/* An idle one of that origin: all of them take turns. NULL: there is none. */
connection *conn_idle(origin *o);
/* NULL: max connections are in use. */
connection *conn_unused(int max);
/* Closes the one that has been idle for longest, whatever its origin. False: none is idle. */
int conn_evict(void);

/* False: it could not even begin. */
int conn_open(connection *c, origin *o);
void conn_close(connection *c);
/* It enters the last place of the ring of its state, and leaves the one where it was. */
void conn_become(connection *c, enum conn_state state);
void conn_watch(connection *c, uint32_t events);

/* Like send() and recv(). */
ssize_t conn_write(connection *c, const char *from, size_t length);
ssize_t conn_read(connection *c, char *to, size_t room);
/* Whether the server has already ended this connection. */
int conn_is_closed(connection *c);

#endif
