/* What ends with a configuration: whether children need some of it, and what is done about that. */
#ifndef ADP_OLD_CONFIG_H
#define ADP_OLD_CONFIG_H

#include "generation.h"

/* Is there something that children need, and that the end of the configuration takes away?
 * semaphore: of System V, that it has made; -1: none. */
bool old_config_takes_away(const generation_t *g, int semaphore);

/* The old children come to the end of what they are doing, while what they need is still there.
 * What goes on and on is not waited for: new connections wait meanwhile. Signals are held. */
void old_config_settle(generation_t *g);

/* A program that a log is piped to gets SIGTERM when the configuration goes, with lines unread and
 * the last ones not written yet. Whoever looks after it is told that it has ended: then it stays
 * until its last writer has gone, and reads to the end. */
void old_config_release_log_readers(const generation_t *g);

#endif
