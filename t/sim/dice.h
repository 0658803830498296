/* Random variates from a seed: the same in every run. Times in whatever unit the mean has. */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stdint.h>

typedef struct dice_t {
    uint64_t state;
} dice_t;

typedef enum {
    SHAPE_CONSTANT,
    SHAPE_EXPONENTIAL,
    SHAPE_LOGNORMAL,            /* coefficient of variation 0.5 */
    SHAPE_PARETO                /* exponent 1.5: no variance; cut off at 2,000 times the mean */
} shape_e;

/* Streams of one seed are independent of each other. */
dice_t dice_seed(uint64_t seed, uint64_t stream);

/* 0 < x < 1 */
double dice_uniform(dice_t *d);

double dice_exponential(dice_t *d, double mean);
double dice_normal(dice_t *d);
double dice_lognormal(dice_t *d, double mean, double variation);
double dice_shaped(dice_t *d, shape_e shape, double mean);

#endif
