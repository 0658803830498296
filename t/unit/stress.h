/* What the stress programs share. They race real threads for a short time and count what
 * must not happen; under ThreadSanitizer they show unordered accesses as well. */
#ifndef STRESS_H
#define STRESS_H

#include "base/clock.h"
#include "random.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* A clock so fast that deadlines pass all the time: a tick of the wheel takes 0.3 ms. */
#define STRESS_SPEED 200

static inline int64_t fast_now_us(void)
{
    return clock_now_us() * STRESS_SPEED;
}

/* Sleep until fd is readable or until_us (fast time); never early. */
static inline bool fast_sleep(int fd, int64_t until_us)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    int64_t left_us = until_us == CLOCK_NEVER ? 0 : (until_us - fast_now_us()) / STRESS_SPEED;
    int timeout_ms = until_us == CLOCK_NEVER ? -1 : left_us <= 0 ? 0 : (int)(left_us / 1000 + 1);

    return poll(&pfd, 1, timeout_ms) == 1;
}

/* A moment in which another thread may come first, as after a preemption. */
static inline void stumble(random_t *r, int one_in)
{
    if (random_below(r, one_in) == 0) {
        sched_yield();
    }
}

static inline void count(_Atomic long *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline void start_threads(pthread_t *threads, int n, void *(*entry)(void *))
{
    int i;

    for (i = 0; i < n; i++) {
        pthread_create(&threads[i], NULL, entry, (void *)(intptr_t)i);
    }
}

static inline void join_threads(pthread_t *threads, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

#endif
