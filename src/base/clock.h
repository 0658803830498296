/* Monotonic time. Every deadline of the module is monotonic, so that setting the
 * wall clock neither expires connections nor keeps them for ever. */
#ifndef ADP_CLOCK_H
#define ADP_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_US_PER_S  INT64_C(1000000)
#define CLOCK_US_PER_MS INT64_C(1000)
#define CLOCK_NEVER     INT64_MAX

/* The monotonic time in µs, exact. Any thread. */
static inline int64_t clock_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

/* The monotonic time in µs as of the kernel's last tick (up to 10 ms old, never
 * ahead of clock_now_us()): cheaper, for deadlines of a second and more. */
static inline int64_t clock_coarse_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (int64_t)ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

/* The slowest start of late: a slower one counts at once, faster ones by an eighth each. */
static inline int64_t clock_slowest_us(int64_t slowest_us, int64_t took_us)
{
    int64_t fading_us = slowest_us - (slowest_us - took_us) / 8;

    return took_us > fading_us ? took_us : fading_us;
}

/* What ppoll(2) takes for it; a time that is over is none. */
static inline struct timespec clock_timeout(int64_t left_us)
{
    struct timespec timeout = { 0, 0 };

    if (left_us > 0) {
        timeout.tv_sec = left_us / CLOCK_US_PER_S;
        timeout.tv_nsec = left_us % CLOCK_US_PER_S * 1000;
    }
    return timeout;
}

/* The earlier of two times. A function: what gives one of them may have an effect. */
static inline int64_t clock_earlier(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

#endif
