/* A request and its answer on a connection. */
#ifndef LOADGEN_EXCHANGE_H
#define LOADGEN_EXCHANGE_H

#include "conn.h"
#include "outcome.h"

/* On an idle connection, or a new one. False: no connection is free. */
int exchange_begin(request r);
/* epoll says that something has happened on the connection. */
void exchange_event(connection *c);
/* TCP's handshake is over: what is next? */
void exchange_connected(connection *c);
/* The request under way is lost, and the connection is closed. */
void exchange_failed(connection *c, enum failure kind);

#endif
