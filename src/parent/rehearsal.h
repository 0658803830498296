/* A restart is rehearsed before it begins. httpd reads the configuration only when the old one is
 * gone, and ends if it cannot use the new one: for a mistake in it, or because it names another MPM
 * ("a2enmod php8.2", and logrotate's reload an hour later). So a process of its own first does
 * what `httpd -t` does, with the server's own program, arguments and environment, while the server
 * goes on. If that refuses, the restart is not done, and the log says why.
 *
 *   IDLE --restart asked--> RUNS --accepted--> the run ends
 *     ^                      |  \--refused---> logged; IDLE
 *     +------ a stop --------+   \-no verdict-> logged; the run ends, as it would without us
 *
 * The parent's main thread calls all of it. */
#ifndef ADP_REHEARSAL_H
#define ADP_REHEARSAL_H

#include "apr_thread_proc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct generation_t;

typedef struct rehearsal_t {
    pid_t pid;                  /* that of the process that reads; 0: none runs */
    int output_fd;              /* what it says */
    int64_t began_us;
    bool ungraceful;            /* which restart was asked for */
    int times;                  /* that it was rehearsed since it was asked for */
    bool accepted;              /* the run ends */
} rehearsal_t;

/* Whether the run has to end now. Begins a rehearsal where a restart is asked for, ends it where a
 * stop is. Each round, before it is looked whether something is to be started. */
bool rehearsal_lets_end(struct generation_t *g);

/* When rehearsal_lets_end() has to look again, even if no process has ended. CLOCK_NEVER: never. */
int64_t rehearsal_look_us(const struct generation_t *g);

/* A process has ended, with this status: true if it was the one that read. */
bool rehearsal_ended(struct generation_t *g, const apr_proc_t *process, apr_exit_why_e why,
                     int status);

#endif
