/* The parent's sleep. */
#ifndef ADP_DOZE_H
#define ADP_DOZE_H

#include "generation.h"

/* How soon the parent looks again at what cannot be done now. */
#define DOZE_RETRY_US (100 * CLOCK_US_PER_MS)

/* Sleep until a child wakes us or ends, a signal comes, or until_us. A signal that came since
 * the last look is not slept over: signals are blocked but for the sleep itself, and is_over
 * is asked whether one came that ends the wait. */
void doze_until(const generation_t *g, int64_t until_us, bool (*is_over)(const generation_t *));

#endif
