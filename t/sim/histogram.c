/* Waiting times in buckets of a few per cent. */
#include "histogram.h"

#include <math.h>

#define LEAST_US 1.0            /* anything shorter is nothing */
#define LOG_WIDTH 0.0198026273  /* log(1.02) */

void histogram_add(histogram_t *h, double us)
{
    int bin = us < LEAST_US ? 0 : 1 + (int)(log(us / LEAST_US) / LOG_WIDTH);

    h->bins[bin < HISTOGRAM_BINS ? bin : HISTOGRAM_BINS - 1]++;
    h->count++;
    h->sum_us += us;
}

void histogram_add_lost(histogram_t *h)
{
    h->lost++;
}

double histogram_percentile(const histogram_t *h, double part)
{
    uint64_t all = h->count + h->lost;
    uint64_t rank = (uint64_t)ceil(part * (double)all), seen = 0;
    int bin;

    if (!all) {
        return 0;
    }
    for (bin = 0; bin < HISTOGRAM_BINS; bin++) {
        seen += h->bins[bin];
        if (seen >= rank) {
            return bin ? LEAST_US * exp((bin - 0.5) * LOG_WIDTH) : 0;
        }
    }
    return HUGE_VAL;
}

double histogram_mean(const histogram_t *h)
{
    return h->count ? h->sum_us / (double)h->count : 0;
}
