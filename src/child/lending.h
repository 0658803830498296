/* The memory that requests need belongs to the workers, not to the connections.
 *
 * Pools take memory in nodes of 8 KB from their allocator, and give it back to its free list. A
 * connection has an allocator of its own, so that its request needs no lock; but then each
 * connection that waits keeps the nodes of its last request. So a worker lends its nodes to the
 * connection that it serves, and takes as many back before that waits: 12 KB instead of 37 stay
 * with one that is kept alive, and a request asks the system for memory no more often than before.
 *
 * Only the thread that owns a connection touches its allocator. Nodes know nothing of whose they
 * are, and apr_allocator_alloc() and apr_allocator_free() are all that it takes.
 */
#ifndef ADP_LENDING_H
#define ADP_LENDING_H

#include "fwd.h"

#include <stdbool.h>

/* The memory of a connection may be used for the first one, or the next. */
void lending_begin(const conn_t *conn);

/* Have as many nodes free in the connection's allocator, so that what is allocated next cannot fail
 * and end the process. False: there is no memory. */
bool lending_reserve(conn_t *conn, int nodes);

/* Nodes for what the connection needs from now on. Nothing if the worker has none just now. */
void lending_lend(conn_t *conn, worker_t *worker);

/* The connection waits, or ends. What its request does not need any more is free again; for what it
 * goes on using, in the middle of a response, the worker asks the system once. */
void lending_take_back(conn_t *conn, worker_t *worker);

/* The same for one that waits between two requests, where it may wait long: its allocator keeps no
 * more than was lent from now on. What it had kept for a larger request goes with the next ones. */
void lending_settle(conn_t *conn, worker_t *worker);

/* The request that has just been read may last for days, and needs little: the system gets back the
 * free nodes of the connection, lent ones included, and but for one what is freed until
 * lending_settle() or the end of the connection. */
void lending_forgo(const conn_t *conn);

/* The worker's thread ends. */
void lending_end(worker_t *worker);

#endif
