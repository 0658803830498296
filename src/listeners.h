/* Accepting connections in a child: the listening sockets of its bucket, and when not to. */
#ifndef ADP_LISTENERS_H
#define ADP_LISTENERS_H

#include "adaptive.h"

/* Take over a bucket's listening sockets. The steward, before it starts workers. */
apr_status_t listeners_init(child_t *child, ap_listen_rec *bucket);

/* Begin to accept, with all that MaxConnectionsPerChild allows. The steward, once. */
void listeners_begin(child_t *child, int64_t now_us);

/* Begin again after a pause. The steward. */
void listeners_open(child_t *child);

/* Accept one connection now, if there is one, and serve it. While requests only compute, a
 * listening socket would have its turn once in as many as there are ready connections. The
 * worker. */
bool listeners_take_turn(child_t *child, worker_t *worker);

/* Stop accepting until listeners_resume(), and keep the connections. The steward. */
void listeners_park(child_t *child);
void listeners_resume(child_t *child);

/* Connections that are complete and that nobody has accepted; those of all siblings that
 * share the sockets. The steward. */
int listeners_backlog(const child_t *child);

/* The poller has an event for listener number index: accept and serve one connection.
 * A worker. */
void listeners_accept(child_t *child, uint32_t index, worker_t *worker);

/* Accept no more, for good. What is in the backlog, and what a worker was woken for that
 * will not accept it now, is either taken along or left to siblings, who are told to look
 * for it (DRAIN_LEAVE_BACKLOG). The steward. */
void listeners_close(child_t *child, drain_order_e order);

/* Look at the backlog, because a sibling was woken for a connection that it could not take:
 * workers accept until nothing is left. Any thread; workers do the work. */
void listeners_look(child_t *child);

/* Descriptors or memory are short, and connections are not accepted because of that. What can do
 * without a connection gives it up. Any thread. */
bool listeners_are_short(const child_t *child);

/* How many connections that wait for a next request should make room now; 0 while there is hope
 * that siblings take what waits, or that what is missing comes back by itself. The steward,
 * whose next round closes no more until these are gone. */
unsigned listeners_evictions(child_t *child, int64_t now_us);

/* There was no memory for a connection: accept no more for a moment. */
void listeners_out_of_memory(child_t *child);

/* A connection was closed: the resource that was missing may be there again. */
void listeners_connection_closed(child_t *child);

/* When the steward has to call listeners_retry(), CLOCK_NEVER if not at all. */
int64_t listeners_retry_at(child_t *child);
void listeners_retry(child_t *child, int64_t now_us);

#endif
