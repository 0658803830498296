/* Who there is, of the parent's children. Everything here is counted anew at each call: the parent,
 * which alone calls it, changes states in between.
 */
#ifndef ADP_CENSUS_H
#define ADP_CENSUS_H

#include "generation.h"

/* --- a child ---------------------------------------------------------------------- */

bool census_is_current(const generation_t *g, const slot_t *slot);

/* What the child in a slot tells in the shared memory, in its range. */
board_view_t census_view(const generation_t *g, int slot);

/* Its connections, by httpd's scoreboard: no more than it may have descriptors. */
int census_connections(int slot);

/* Those of them that may last when the child is told to finish: a request is under way, or
 * something else than the next request is waited for. */
int census_lasting(int slot);

/* --- how many --------------------------------------------------------------------- */

/* Current generation, accepting or starting and not late; of one bucket, or of all (-1). */
int census_accepting(const generation_t *g, int bucket);

/* Those of them that serve. */
int census_serving(const generation_t *g, int bucket);

/* Threads of the accepting children that are busy. */
int census_busy_threads(const generation_t *g);

/* Children that were started to take the place of another, which still serves. */
int census_successors(const generation_t *g);

/* Parked children of the current generation. */
int census_parked(const generation_t *g);

/* Those of them that have connections that may last: told to finish they would hold their
 * slots for as long, and nobody could bring them back. */
int census_parked_lasting(const generation_t *g);

/* Children of any generation that finish what they have. */
int census_draining(const generation_t *g);

/* Those of them that were told so before they were ready: they end when they hear of it. */
int census_aborted(const generation_t *g);

/* Children that serve, of earlier generations. */
int census_old_serving(const generation_t *g);

/* --- who -------------------------------------------------------------------------- */

/* The bucket that has fewest children. */
int census_neediest_bucket(const generation_t *g);

/* The child that will be missed least if it is parked: of the current generation, serving, not the
 * last of its bucket. -1: none. */
int census_to_park(const generation_t *g);

/* The parked child of a bucket (of any: -1) that is the best to have back. -1: none. */
int census_to_resume(const generation_t *g, int bucket);

/* The parked child that will be missed least when it ends, of those with nothing that lasts. -1:
 * none. */
int census_to_retire(const generation_t *g);

#endif
