/* The end of the server. */
#ifndef ADP_STOP_H
#define ADP_STOP_H

#include "generation.h"

/* All children end, by force if need be. remove_pid_file: it was told to stop. */
void stop_at_once(generation_t *g, bool remove_pid_file);

/* Wait for children to finish, up to GracefulShutdownTimeout or a second signal. */
void stop_gracefully(generation_t *g);

#endif
