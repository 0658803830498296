/* Random numbers that are the same for all policies. */
#include "dice.h"

#include <math.h>

#define PARETO_EXPONENT 1.5
#define PARETO_CUT      2000.0
#define LOGNORMAL_CV    0.5

static uint64_t mixed(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

dice_t dice_seed(uint64_t seed, uint64_t stream)
{
    return (dice_t){ mixed(seed ^ mixed(stream)) };
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(dice_t *d)
{
    d->state += UINT64_C(0x9e3779b97f4a7c15);
    return mixed(d->state);
}

double dice_uniform(dice_t *d)
{
    return ((double)(next(d) >> 11) + 0.5) / 9007199254740992.0;
}

double dice_exponential(dice_t *d, double mean)
{
    return -mean * log(dice_uniform(d));
}

/* Box and Muller; the second of the pair is not kept, so that a call is one pair of draws */
double dice_normal(dice_t *d)
{
    double radius = sqrt(-2 * log(dice_uniform(d)));

    return radius * cos(2 * M_PI * dice_uniform(d));
}

double dice_lognormal(dice_t *d, double mean, double variation)
{
    double variance = log(1 + variation * variation);

    return mean * exp(sqrt(variance) * dice_normal(d) - variance / 2);
}

double dice_shaped(dice_t *d, shape_e shape, double mean)
{
    switch (shape) {
    case SHAPE_EXPONENTIAL:
        return dice_exponential(d, mean);
    case SHAPE_LOGNORMAL:
        return dice_lognormal(d, mean, LOGNORMAL_CV);
    case SHAPE_PARETO:
        /* mean of Pareto: exponent / (exponent - 1) x least value */
        return fmin(mean * (PARETO_EXPONENT - 1) / PARETO_EXPONENT
                    * pow(dice_uniform(d), -1 / PARETO_EXPONENT), PARETO_CUT * mean);
    case SHAPE_CONSTANT:
    default:
        return mean;
    }
}
