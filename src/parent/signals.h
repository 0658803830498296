/* The signals that the parent obeys: SIGTERM and SIGINT (stop), SIGWINCH (stop gracefully),
 * SIGHUP (restart), SIGUSR1 (restart gracefully), SIGUSR2 (log the state: parent_dump.h).
 *
 * httpd's handlers note them in ap_unixd_mpm_retained_data, which a parent looks at while it
 * runs, and forget what is noted when the configuration's pool is cleared. So that none is lost:
 *
 *   pre_config           handlers are there before anything tells others that there is a server
 *   run                  noted, looked at; blocked from the look before a sleep to the sleep
 *   last look of a run   held from here ...
 *   pool is cleared      ... to here, where they are noted for the next run; SIGWINCH waits until
 *                        pre_config
 *
 * A SIGWINCH that the kernel sends because the terminal was resized (docker run -t, a server in the
 * foreground) is not obeyed. And a restart that is noted does not yet say that the server stops, as
 * httpd's handler has it: AP_MPMQ_STOPPING begins where a run ends.
 *
 * All of this is for the parent, which has one thread. */
#ifndef ADP_SIGNALS_H
#define ADP_SIGNALS_H

#include "apr_pools.h"

#include <signal.h>
#include <stdbool.h>

/* Note signals from now on, and let go of held ones when pconf is cleared. Once a load of the
 * configuration, early, but not before the server has detached: what handlers do depends on the
 * process. one_process: -X. */
void signals_listen(apr_pool_t *pconf, int one_process);

/* Signals that come from now on wait. *before is the mask to go back to; NULL: not wanted. */
void signals_hold(sigset_t *before);

/* No longer. */
void signals_release(void);

/* Have those that wait noted, and hold again. */
void signals_let_in(void);

/* Whether the terminal was resized since it was last asked. */
bool signals_take_resize(void);

/* Whether somebody has asked for the state since that was last taken; and take it. */
bool signals_is_question_due(void);
bool signals_take_question(void);

/* A stop has begun, which no restart changes: forget those that wait and any that come. */
void signals_ignore_restarts(void);

#endif
