/* Pure: the few functions of libm that the law needs, since the module links libc only. */
#include "controller_internal.h"

#include <string.h>

double ctl_sqrt(double x)
{
    uint64_t bits;
    double root;
    int i;

    if (!(x > 0) || x > 1e300) {
        return 0;
    }
    /* half the exponent of an IEEE 754 number is a first guess within 7 % */
    memcpy(&bits, &x, sizeof(bits));
    bits = (bits >> 1) + (UINT64_C(1023) << 51);
    memcpy(&root, &bits, sizeof(root));
    for (i = 0; i < 4; i++) {
        root = (root + x / root) / 2;
    }
    return root;
}

double ctl_exp_neg(double x)
{
    double y = ctl_clamp(x, 0, 40) / 64;
    double fading = (12 - 6 * y + y * y) / (12 + 6 * y + y * y);    /* Padé */
    int i;

    for (i = 0; i < 6; i++) {
        fading *= fading;
    }
    return fading;
}

double ctl_weight(int64_t elapsed_us, int64_t time_us)
{
    return 1 - ctl_exp_neg((double)elapsed_us / (double)time_us);
}

double ctl_clamp(double x, double least, double most)
{
    return !(x > least) ? least : x > most ? most : x;
}

int ctl_ceil(double x)
{
    double bounded = ctl_clamp(x - 1e-6, 0, 1e9);
    int whole = (int)bounded;

    return whole + (bounded > whole);
}

int ctl_min(int a, int b)
{
    return a < b ? a : b;
}

int ctl_max(int a, int b)
{
    return a > b ? a : b;
}

double ctl_gained(uint64_t now, uint64_t before)
{
    uint64_t gained = now - before;

    return gained > UINT64_MAX / 2 ? 0 : (double)gained;
}

int ctl_count(int given)
{
    return ctl_min(ctl_max(given, 0), INT32_MAX / 8);
}

uint64_t ctl_done(uint64_t before, uint64_t arrivals, int busy)
{
    uint64_t serving = (uint64_t)ctl_count(busy);
    uint64_t done = arrivals - (serving < arrivals ? serving : arrivals);

    return done > before ? done : before;
}

int64_t ctl_sooner_us(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
