/* Accepting connections: which worker takes one, what it counts against, and the last ones of
 * a child. Whether the child accepts at all is the matter of listeners.h. */
#ifndef ADP_ACCEPT_H
#define ADP_ACCEPT_H

#include "drain.h"
#include "fwd.h"

#include <stdbool.h>
#include <stdint.h>

/* The poller has an event for listener number index: accept and serve one connection.
 * A worker. */
void accept_event(child_t *child, uint32_t index, worker_t *worker);

/* Accept one connection now, if there is one, and serve it. While requests only compute, a
 * listening socket would have its turn once in as many as there are ready connections. The
 * worker. */
bool accept_turn(child_t *child, worker_t *worker);

/* Look at the backlog, because a sibling was woken for a connection that it could not take:
 * workers accept until nothing is left. Any thread; workers do the work. */
void accept_look(child_t *child);

/* The child is full, and no sibling accepts: take connections from the backlog all the same, to
 * wait here (put_off.h), where it is known for how long they do. The steward. */
void accept_to_wait(child_t *child);

/* Accept no more, for good. What is in the backlog, and what a worker was woken for that
 * will not accept it now, is either taken along or left to siblings, who are told to look
 * for it (DRAIN_LEAVE_BACKLOG). The steward. */
void accept_close(child_t *child, drain_order_e order);

#endif
