/* The desk: a process that shows the status page when no worker can, and to whoever has no
 * handler configured. It answers on a Unix socket in DefaultRuntimeDir (AdaptiveStatusSocket),
 * and on an address of the loopback device if AdaptiveStatusListen names one.
 *
 * It is a child of the parent, but none of the server's children: it has no slot, no listening
 * socket of the server's, and the rights of User and Group. It reads the shared memory and
 * nothing else, and nobody waits for it. Its sockets are the parent's, and outlive it: over
 * restarts, over upgrades of the module, and if it crashes: who connects meanwhile waits in the
 * backlog.
 *
 *   NONE --round--> RUNS --next generation--> RUNS, and the one before finishes what it has begun
 *     ^              |
 *     +---- ends ----+   another is started, later and later if they do not last
 *
 * The parent's main thread calls all of it. */
#ifndef ADP_DESK_H
#define ADP_DESK_H

#include "generation.h"

#include <stdint.h>
#include <sys/types.h>

/* Open what the configuration asks for and is not open yet, close what it does not. At the start
 * of each generation, while the parent has its rights. What cannot be is logged; the server runs
 * without. */
void desk_open(const generation_t *g);

/* Start the desk of this generation if there is none. Returns when to look again; CLOCK_NEVER. */
int64_t desk_round(generation_t *g, int64_t now_us);

/* A process has ended: true if it was a desk. */
bool desk_ended(generation_t *g, pid_t pid, int64_t now_us);

/* The generation ends; its desk goes on until the next one has its own. */
void desk_end_generation(void);

/* Close this process's copies of its sockets: in a child that was forked from the parent. */
void desk_leave(void);

/* Which processes are desks: at most `most` of them, DESK_MOST at the most. Returns how many. */
#define DESK_MOST 9
int desk_pids(pid_t *pids, int most);

/* The server ends: with it the desk, and what there is of sockets in the file system. */
void desk_close(void);

#endif
