/* Three kinds of schedule: evenly spaced requests at rates that follow each other, Poisson arrivals
 * at these rates, and a trace. */

#include "schedule.h"

#include "options.h"
#include "trace.h"

#include <math.h>

/* The next request is the k-th of this phase. */
static int phase_index;
static long phase_issued;
static double phase_begin_s;

static double arrival_s;        /* Poisson: of the next request */
static int has_arrival;
static uint64_t random_state;

static long trace_index;

/* ---- Poisson arrivals ---- */

/* splitmix64 */
static uint64_t random_next(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Exponential, of mean 1. */
static double random_gap(void)
{
    /* above 0, at most 1 */
    return -log(((double)(random_next() >> 11) + 1) * 0x1p-53);
}

/* The process has no memory, so a gap that reaches into the next phase begins anew there. */
static int poisson_next(void)
{
    while (!has_arrival && phase_index < options.phase_count) {
        const phase *p = &options.phases[phase_index];

        arrival_s += p->rate > 0 ? random_gap() / p->rate : p->seconds;
        if (arrival_s < phase_begin_s + p->seconds) {
            has_arrival = 1;
        }
        else {
            arrival_s = phase_begin_s += p->seconds;
            phase_index++;
        }
    }
    return has_arrival;
}

/* ---- even spacing ---- */

static int even_next(void)
{
    const phase *p = &options.phases[phase_index];

    while (phase_index < options.phase_count && (double)phase_issued >= p->rate * p->seconds) {
        phase_begin_s += p->seconds;
        phase_issued = 0;
        phase_index++;
        p++;
    }
    if (phase_index == options.phase_count) {
        return 0;
    }
    arrival_s = phase_begin_s + (double)phase_issued / p->rate;
    return 1;
}

/* ---- any of them ---- */

int schedule_next(int64_t *due_us)
{
    if (options.trace_file) {
        if (trace_index == trace_count) {
            return 0;
        }
        *due_us = (int64_t)((double)trace[trace_index].at_us / options.scale);
        return 1;
    }
    if (!(options.is_poisson ? poisson_next() : even_next())) {
        return 0;
    }
    *due_us = (int64_t)(arrival_s * 1e6);
    return 1;
}

void schedule_advance(void)
{
    trace_index++;
    phase_issued++;
    has_arrival = 0;
}

static void rewind_schedule(void)
{
    phase_index = 0;
    phase_issued = trace_index = 0;
    phase_begin_s = arrival_s = 0;
    has_arrival = 0;
    random_state = options.seed;
}

long schedule_begin(void)
{
    int64_t due_us;
    long count = 0;

    if (options.trace_file) {
        return trace_count;
    }
    rewind_schedule();
    while (schedule_next(&due_us)) {
        schedule_advance();
        count++;
    }
    rewind_schedule();
    return count;
}
