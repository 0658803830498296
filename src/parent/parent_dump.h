/* The state of the server, into the log, when somebody asks for it: SIGUSR2. */
#ifndef ADP_PARENT_DUMP_H
#define ADP_PARENT_DUMP_H

#include "generation.h"

/* If somebody has asked: what the parent knows, a line per child, at level notice; and each child
 * is told to say what it is doing. Changes nothing. The parent, in each round of a loop. */
void parent_dump_if_asked(generation_t *g);

#endif
