/* Processors (or a backend's) shared equally by the jobs on them: processor sharing.
 *
 * Virtual time is the work that each job has got so far; a job ends when virtual time has
 * advanced by its work. So all jobs advance in O(1), and one enters or ends in O(log n).
 */
#ifndef SIM_STATION_H
#define SIM_STATION_H

#include "heap.h"

typedef struct station_t {
    double servers;
    double waste;               /* what switching between jobs costs, see station_rate() */
    double now_us;
    double virtual_us;          /* work done for each job */
    double share_us;            /* processor time given to each job, waste included */
    heap_t jobs;                /* by the virtual time of their end */
} station_t;

void station_init(station_t *s, double servers, double waste);

/* Work that a job gets done a microsecond. With more jobs than servers they share, and lose
 * `waste` of the rest each time the number of jobs a server doubles (caches, switches). */
double station_rate(const station_t *s);

/* Bring virtual time up to now. Before anything else at that time. */
void station_advance(station_t *s, double now_us);

void station_add(station_t *s, double work_us, uint32_t kind, uint32_t who);

/* When the next job ends if nothing enters before; HUGE_VAL if there is none. */
double station_next_us(const station_t *s);

/* The job that ends now. */
heap_item_t station_take(station_t *s);

#endif
