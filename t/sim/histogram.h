/* Times in microseconds, in bins 2 % wide: what percentiles need, in constant memory. */
#ifndef SIM_HISTOGRAM_H
#define SIM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BINS 1200

typedef struct histogram_t {
    uint32_t bins[HISTOGRAM_BINS];
    uint64_t count;
    uint64_t lost;              /* never ended: longer than everything */
    double sum_us;
} histogram_t;

void histogram_add(histogram_t *h, double us);
void histogram_add_lost(histogram_t *h);

/* part: 0 .. 1. HUGE_VAL if it falls among what was lost, 0 if there is nothing. */
double histogram_percentile(const histogram_t *h, double part);

double histogram_mean(const histogram_t *h);

#endif
