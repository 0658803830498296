/* Repeatable random numbers (xorshift64*): the same in every run, so that a failure is too. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

typedef struct random_t {
    uint64_t state;
} random_t;

static inline random_t random_seed(uint64_t seed)
{
    return (random_t){ seed * UINT64_C(0x9e3779b97f4a7c15) + 1 };
}

static inline uint64_t random_next(random_t *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 .. count - 1 */
static inline int64_t random_below(random_t *r, int64_t count)
{
    return (int64_t)((random_next(r) >> 1) % (uint64_t)count);
}

#endif
