/* MaxConnectionsPerChild in a child: how many connections it may still take, and when to ask for a
 * successor, so that this one is there about when the quota is used up.
 *
 * It takes time for a successor to be there (the lead). As many connections as were taken in the
 * last such time may come until then: the child asks when no more are left. The rate is that of a
 * window as long as the lead, so that a burst of long ago counts for nothing, and in the first
 * window of a load half of what is left is the most that is asked ahead for.
 *
 * Pure C: tested without httpd. */
#ifndef ADP_QUOTA_H
#define ADP_QUOTA_H

#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One child of a server is replaced in this time. A small limit must not make a storm of children;
 * meanwhile the others go on serving. */
#define QUOTA_PAUSE_US (100 * CLOCK_US_PER_MS)

typedef struct quota_t {
    _Atomic int64_t left;       /* connections, < 0: more than the quota were taken */
    _Atomic int64_t since_us;   /* when the window began, */
    _Atomic int64_t left_then;  /* ... and what was left */
    _Atomic int64_t before;     /* taken in a lead, in the window before */
    _Atomic int64_t lead_us;
} quota_t;

/* The child begins to take connections, for this quota; lead_us as above, > 0. Before
 * quota_take(). Times are monotonic. */
static inline void quota_begin(quota_t *quota, int64_t connections, int64_t lead_us, int64_t now_us)
{
    atomic_store(&quota->left, connections);
    atomic_store(&quota->left_then, connections);
    atomic_store(&quota->since_us, now_us);
    atomic_store(&quota->before, 0);
    atomic_store(&quota->lead_us, lead_us);
}

/* A connection was taken. True, from then on: it is time for a successor. Any thread; those that
 * come at the same time may be a few connections off. */
static inline bool quota_take(quota_t *quota, int64_t now_us)
{
    int64_t left = atomic_fetch_sub(&quota->left, 1) - 1;
    int64_t since_us = atomic_load(&quota->since_us), age_us = now_us - since_us;
    int64_t lead_us = atomic_load(&quota->lead_us), taken = atomic_load(&quota->left_then) - left;

    if (age_us >= lead_us && atomic_compare_exchange_strong(&quota->since_us, &since_us, now_us)) {
        atomic_store(&quota->left_then, left);
        atomic_store(&quota->before, (int64_t)((double)taken * (double)lead_us / (double)age_us));
        taken = 0;
    }
    return left <= 0 || left <= taken || left <= atomic_load(&quota->before);
}

#endif
