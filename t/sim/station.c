/* Backends and processors that requests wait for. */
#include "station.h"

#include <math.h>

void station_init(station_t *s, double servers, double waste)
{
    *s = (station_t){ .servers = servers, .waste = waste };
}

static double share(const station_t *s)
{
    double jobs = (double)s->jobs.count;

    return jobs <= s->servers ? 1 : s->servers / jobs;
}

double station_rate(const station_t *s)
{
    double part = share(s);

    return part >= 1 || s->waste <= 0 ? part : part / (1 - s->waste * log2(part));
}

void station_advance(station_t *s, double now_us)
{
    double elapsed_us = now_us - s->now_us;

    if (elapsed_us > 0) {
        s->virtual_us += elapsed_us * station_rate(s);
        s->share_us += elapsed_us * share(s);
        s->now_us = now_us;
    }
}

void station_add(station_t *s, double work_us, uint32_t kind, uint32_t who)
{
    heap_add(&s->jobs, (heap_item_t){ .key = s->virtual_us + work_us, .kind = kind, .who = who });
}

double station_next_us(const station_t *s)
{
    const heap_item_t *first = heap_first(&s->jobs);

    return first ? s->now_us + fmax(first->key - s->virtual_us, 0) / station_rate(s) : HUGE_VAL;
}

heap_item_t station_take(station_t *s)
{
    return heap_take(&s->jobs);
}
