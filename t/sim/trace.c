/* The loads: rates and service times over time. */
#include "trace.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000.0
#define S  1000000.0

/* Measured with kept-alive requests of some 60 us on one processor: 16,000 a second with one
 * thread, 12,000 with eight. What computes longer loses less. */
#define WASTE_OF_SHORT 0.11
#define WASTE          0.02

/* --- building --------------------------------------------------------------------- */

static void at(trace_t *t, double at_s, double per_s)
{
    if (t->point_count == t->point_room) {
        t->point_room = t->point_room ? 2 * t->point_room : 64;
        t->points = realloc(t->points, (size_t)t->point_room * sizeof(*t->points));
        if (!t->points) {
            perror("sim");
            exit(2);
        }
    }
    t->points[t->point_count++] = (point_t){ at_s, per_s };
}

static void burst(trace_t *t, double from_s, double to_s)
{
    t->bursts[t->burst_count++] = (burst_t){ from_s, to_s };
}

/* An expert who knows the trace: half of the peak is there from the start, a quarter of it
 * is kept spare, and there may be half as much again. */
static tuning_t expert_for(double peak, int threads)
{
    int children = (int)ceil(peak * 1.5 / threads);
    int spare = (int)fmax(peak / 4, threads);

    return (tuning_t){ .start_servers = (int)fmax(ceil(peak / 2 / threads), 2),
                       .threads_per_child = threads,
                       .max_request_workers = children * threads,
                       .min_spare_threads = spare,
                       .max_spare_threads = 3 * spare + threads,
                       .server_limit = children + children / 2 };
}

/* One who knows that requests compute: two children of so many threads, and no more. */
static tuning_t few_threads(int threads)
{
    return (tuning_t){ .start_servers = 2, .threads_per_child = threads,
                       .max_request_workers = 2 * threads, .min_spare_threads = threads,
                       .max_spare_threads = 2 * threads, .server_limit = 4 };
}

const tuning_t trace_debians_tuning = {
    .start_servers = 2, .threads_per_child = 25, .max_request_workers = 150,
    .min_spare_threads = 25, .max_spare_threads = 75, .server_limit = 16
};

static trace_t common(const char *name, const char *title, double seconds)
{
    return (trace_t){
        .name = name, .title = title, .seconds = seconds, .cpus = 8, .waste = WASTE,
        .work = { .shape = SHAPE_LOGNORMAL, .wait_us = 100 * MS, .cpu_us = 0.1 * MS },
        .threads_per_child = 64, .max_threads = 8192
    };
}

static void with_peak(trace_t *t, double peak)
{
    t->peak = peak;
    t->expert = expert_for(peak, peak >= 400 ? 64 : 32);
}

/* --- the traces ------------------------------------------------------------------- */

static trace_t step(void)
{
    trace_t t = common("step", "10 to 1,000 requests at a time (100 ms each), and back", 120);

    at(&t, 0, 100), at(&t, 30, 100), at(&t, 30, 10000), at(&t, 70, 10000);
    at(&t, 70, 100), at(&t, 120, 100);
    burst(&t, 30, 70);
    with_peak(&t, 1000);
    return t;
}

static trace_t flash(void)
{
    trace_t t = common("flash", "flash crowd: 500 to 10,000 requests/s (50 ms each) in 15 s", 150);
    double s;

    t.work.wait_us = 50 * MS;
    at(&t, 0, 500), at(&t, 30, 500), at(&t, 45, 10000);
    for (s = 1; s < 60; s++) {
        at(&t, 45 + s, 500 + 9500 * exp(-s / 20));
    }
    at(&t, 105, 500), at(&t, 150, 500);
    burst(&t, 30, 60);
    with_peak(&t, 500);
    return t;
}

static trace_t sawtooth(void)
{
    trace_t t = common("sawtooth",
                       "50 to 800 requests at a time (400 ms each) over 60 s, then an instant drop",
                       300);
    double s;

    t.work.wait_us = 400 * MS;
    for (s = 0; s < 300; s += 60) {
        at(&t, s, 125), at(&t, s + 60, 2000);
        burst(&t, s, s + 60);
    }
    with_peak(&t, 800);
    return t;
}

static trace_t on_off(const char *name, const char *title, double period_s, int times)
{
    trace_t t = common(name, title, 2 * period_s * times);
    double s;

    t.work.wait_us = 300 * MS;
    for (s = 0; s < t.seconds; s += 2 * period_s) {
        at(&t, s, 20 / 0.3), at(&t, s + period_s, 20 / 0.3);
        at(&t, s + period_s, 600 / 0.3), at(&t, s + 2 * period_s, 600 / 0.3);
        burst(&t, s + period_s, s + 2 * period_s);
    }
    with_peak(&t, 600);
    return t;
}

static trace_t incident(void)
{
    trace_t t = common("incident", "500 requests/s, the backend slows from 20 ms to 2 s for 60 s",
                       240);

    t.work.wait_us = 20 * MS;
    t.slow_from_s = 60, t.slow_to_s = 120, t.slow_wait_us = 2 * S;
    at(&t, 0, 500), at(&t, 240, 500);
    burst(&t, 60, 120);
    with_peak(&t, 1000);
    return t;
}

static trace_t wake(void)
{
    trace_t t = common(
        "wake", "10,000 idle kept-alive connections, 5,000 of them wake within 200 ms (10 ms each)",
        220);
    int i;

    t.work.wait_us = 10 * MS;
    at(&t, 0, 50), at(&t, 220, 50);
    t.herd = (herd_t){ .connections = 10000, .wake = 5000, .within_us = 200 * MS, .times = 4,
                       .work = { SHAPE_LOGNORMAL, 10 * MS, 0.2 * MS, false, false } };
    for (i = 0; i < t.herd.times; i++) {
        t.herd.at_s[i] = 60 + 40 * i;
        burst(&t, t.herd.at_s[i], t.herd.at_s[i] + 1);
    }
    with_peak(&t, 260);
    return t;
}

static trace_t heavy(void)
{
    trace_t t = common("heavy", "2,000 requests/s, heavy tail: Pareto 1.5, mean 50 ms", 200);

    t.work.shape = SHAPE_PARETO;
    t.work.wait_us = 50 * MS;
    at(&t, 0, 2000), at(&t, 200, 2000);
    with_peak(&t, 100);
    t.starts_at_s = 2;
    return t;
}

static trace_t long_poll(void)
{
    trace_t t = common("longpoll", "long polling: 20 requests/s of 60 s each", 600);

    t.work.wait_us = 60 * S;
    at(&t, 0, 20), at(&t, 600, 20);
    with_peak(&t, 1200);
    return t;
}

/* One day in an hour, with noise that is correlated over some ten seconds. */
static trace_t diurnal(uint64_t seed)
{
    trace_t t = common("diurnal",
                       "a day in an hour: 150 to 750 requests/s (200 ms each), with noise", 3600);
    dice_t dice = dice_seed(seed, 77);
    double noise = 0, s;

    t.work.wait_us = 200 * MS;
    for (s = 0; s <= 3600; s++) {
        noise = 0.9 * noise + 0.15 * sqrt(1 - 0.9 * 0.9) * dice_normal(&dice);
        at(&t, s, (450 - 300 * cos(2 * M_PI * s / 3600)) * exp(noise - 0.15 * 0.15 / 2));
    }
    with_peak(&t, 180);
    t.starts_at_s = 2;
    return t;
}

static trace_t cpu_bound(void)
{
    trace_t t = common(
        "cpu", "requests that only compute (20 ms), 1.5 x capacity for 60 s, beside short ones",
        120);

    t.cpus = 4;
    t.work = (work_t){ SHAPE_CONSTANT, 0, 0.2 * MS, false, false };
    at(&t, 0, 100), at(&t, 120, 100);
    /* 60 / (180 + 20 ms) = 300 a second wanted, 4 processors do 200 */
    t.clients = (clients_t){ .count = 60, .think_us = 180 * MS, .from_s = 30, .to_s = 90,
                             .work = { SHAPE_CONSTANT, 0, 20 * MS, false, false } };
    burst(&t, 30, 90);
    t.peak = 25;
    t.expert = few_threads(8);
    t.may_wait = true;
    return t;
}

/* Two thirds of a processor a request, then as long at a backend: capacity is the CPUs, but
 * it takes twice as many threads to use them. */
static trace_t mixed(void)
{
    trace_t t = common(
        "mixed", "10 ms of computing and 40 ms at a backend, 0.9 x the processors' capacity", 120);

    t.cpus = 4;
    t.work = (work_t){ SHAPE_LOGNORMAL, 40 * MS, 10 * MS, false, false };
    at(&t, 0, 40), at(&t, 30, 40), at(&t, 30, 360), at(&t, 90, 360), at(&t, 90, 40),
        at(&t, 120, 40);
    burst(&t, 30, 90);
    with_peak(&t, 40);
    t.expert = trace_debians_tuning;
    /* at 0.9 of the processors who gets a thread sooner waits for a processor instead */
    t.may_wait = true;
    return t;
}

/* Kept-alive clients that ask for small files as fast as they can. */
static trace_t tiny(void)
{
    trace_t t = common(
        "tiny", "32 kept-alive clients in a closed loop, 0.1 ms of computing each; 2 CPUs", 30);

    t.cpus = 2;
    t.waste = WASTE_OF_SHORT;
    t.work = (work_t){ SHAPE_CONSTANT, 0, 0.1 * MS, false, false };
    at(&t, 0, 10), at(&t, 30, 10);
    t.clients = (clients_t){ .count = 32, .think_us = 10, .from_s = 5, .to_s = 25, .work = t.work };
    burst(&t, 5, 25);
    t.peak = 32;
    t.expert = few_threads(4);
    t.may_wait = true;
    return t;
}

static trace_t backend_bound(void)
{
    trace_t t = common(
        "backend", "twice what a backend can do that serves 40 at a time, beside short requests",
        150);

    t.work = (work_t){ SHAPE_EXPONENTIAL, 2 * MS, 0.2 * MS, false, false };
    at(&t, 0, 100), at(&t, 150, 100);
    /* 880 / (1 + 0.1 s) = 800 a second wanted, the backend does 400 */
    t.clients = (clients_t){ .count = 880, .think_us = 1 * S, .from_s = 30, .to_s = 90,
                             .work = { SHAPE_EXPONENTIAL, 100 * MS, 0.2 * MS, true, false } };
    t.backend_slots = 40;
    burst(&t, 30, 90);
    with_peak(&t, 480);
    return t;
}

/* The threads of a burst are still there when requests come that compute. */
static trace_t after_burst(void)
{
    trace_t t = common(
        "aftermath",
        "a burst of 480 at a time, then requests that compute (10 ms) at 1.5 x capacity; 2 CPUs",
        120);

    t.cpus = 2;
    t.work.wait_us = 400 * MS;
    at(&t, 0, 20), at(&t, 20, 20), at(&t, 20, 1200), at(&t, 30, 1200), at(&t, 30, 20),
        at(&t, 120, 20);
    /* 150 / (0.49 + 0.01 s) = 300 a second wanted, 2 processors do 200 */
    t.clients = (clients_t){ .count = 150, .think_us = 490 * MS, .from_s = 35, .to_s = 75,
                             .work = { SHAPE_CONSTANT, 0, 10 * MS, false, false } };
    burst(&t, 35, 75);
    with_peak(&t, 480);
    t.may_wait = true;
    return t;
}

/* What is known of short requests says nothing about those that follow. */
static trace_t turn(void)
{
    trace_t t = common(
        "turn", "closed-loop requests of 0.1 ms, then at once 1,200 requests/s of 400 ms; 2 CPUs",
        60);

    t.cpus = 2;
    t.waste = WASTE_OF_SHORT;
    t.work.wait_us = 400 * MS;
    at(&t, 0, 10), at(&t, 20, 10), at(&t, 20, 1200), at(&t, 35, 1200), at(&t, 35, 10),
        at(&t, 60, 10);
    t.clients = (clients_t){ .count = 32, .think_us = 10, .from_s = 5, .to_s = 20,
                             .work = { SHAPE_CONSTANT, 0, 0.1 * MS, false, false } };
    burst(&t, 20, 35);
    with_peak(&t, 480);
    return t;
}

/* A computation of seconds must not hold up everybody else. */
static trace_t reports(void)
{
    trace_t t = common("reports",
                       "six clients with requests that compute for 3 s, beside short ones; 2 CPUs",
                       120);

    t.cpus = 2;
    t.work = (work_t){ SHAPE_EXPONENTIAL, 2 * MS, 0.5 * MS, false, false };
    at(&t, 0, 100), at(&t, 120, 100);
    t.clients = (clients_t){ .count = 6, .think_us = 10 * S, .from_s = 20, .to_s = 100,
                             .work = { SHAPE_CONSTANT, 0, 3 * S, false, false } };
    burst(&t, 20, 100);
    with_peak(&t, 8);
    t.expert = trace_debians_tuning;
    t.may_wait = true;
    return t;
}

/* The same clients, the same rate: what was learned of one kind of work is wrong for the other. */
static trace_t shift(void)
{
    trace_t t = common(
        "shift",
        "16 closed-loop clients: 0.2 ms of computing for 4 s, then 1 ms at a backend that "
        "serves 5; 2 CPUs",
        24);

    t.cpus = 2;
    t.waste = WASTE_OF_SHORT;
    t.work = (work_t){ SHAPE_CONSTANT, 0, 0.1 * MS, false, false };
    at(&t, 0, 10), at(&t, 24, 10);
    t.clients = (clients_t){ .count = 16, .think_us = 50, .from_s = 1, .to_s = 21, .turn_s = 4,
                             .work = { SHAPE_CONSTANT, 0, 0.2 * MS, false, false },
                             .other = { SHAPE_CONSTANT, 1 * MS, 0.15 * MS, true, false } };
    t.backend_slots = 5;
    /* a quarter of a second after each turn it is as it has to be */
    burst(&t, 5.25, 9), burst(&t, 13.25, 17);
    t.peak = 16;
    t.expert = trace_debians_tuning;
    t.may_wait = true;
    return t;
}

static trace_t flap(void)
{
    trace_t t = common(
        "flap",
        "880 requests/s that compute for 3 ms or wait for 100 ms, 300 ms each in turn; 2 CPUs",
        120);

    t.cpus = 2;
    t.work = (work_t){ SHAPE_EXPONENTIAL, 2 * MS, 0.2 * MS, false, false };
    at(&t, 0, 20), at(&t, 120, 20);
    t.threads_per_child = 16;
    t.clients = (clients_t){ .count = 880,
                             .think_us = 900 * MS,
                             .from_s = 5,
                             .to_s = 115,
                             .turn_s = 0.3,
                             .work = { SHAPE_LOGNORMAL, 100 * MS, 0.2 * MS, false, false },
                             .other = { SHAPE_CONSTANT, 0, 3 * MS, false, false } };
    burst(&t, 5, 115);
    with_peak(&t, 100);
    t.may_wait = true;
    return t;
}

/* Load that swings, and in each child something stays. */
static trace_t stays(void)
{
    trace_t t = common(
        "stays",
        "20 / 200 requests at a time (300 ms each), 120 s each, beside WebSockets that stay; "
        "at most 4 children",
        2400);
    double s;

    t.cpus = 2;
    t.work.wait_us = 300 * MS;
    t.threads_per_child = 64;
    t.max_threads = 256;
    t.stays = (stays_t){ .per_s = 0.5, .for_s = 1e9 };
    for (s = 0; s < t.seconds; s += 240) {
        at(&t, s, 20 / 0.3), at(&t, s + 120, 20 / 0.3);
        at(&t, s + 120, 200 / 0.3), at(&t, s + 240, 200 / 0.3);
        burst(&t, s + 120, s + 240);
    }
    with_peak(&t, 200);
    t.expert = (tuning_t){ .start_servers = 1, .threads_per_child = 64, .max_request_workers = 256,
                           .min_spare_threads = 25, .max_spare_threads = 90, .server_limit = 4 };
    return t;
}

static trace_t every_twenty(void)
{
    trace_t t = common(
        "burst20", "20 to 1,200 requests/s (400 ms each) for 10 s, every 20 s, five times; 2 CPUs",
        240);
    double s;

    t.cpus = 2;
    t.work.wait_us = 400 * MS;
    at(&t, 0, 20);
    for (s = 20; s < 120; s += 20) {
        at(&t, s, 20), at(&t, s, 1200), at(&t, s + 10, 1200), at(&t, s + 10, 20);
        burst(&t, s, s + 10);
    }
    at(&t, 240, 20);
    with_peak(&t, 480);
    return t;
}

static trace_t large_scale(void)
{
    trace_t t = common(
        "scale", "64 children x 1,024 threads: 20,000 to 200,000 requests/s (200 ms each) in 5 s",
        25);

    t.cpus = 128;
    t.work = (work_t){ SHAPE_LOGNORMAL, 200 * MS, 0.1 * MS, false, false };
    at(&t, 0, 20000), at(&t, 5, 20000), at(&t, 10, 200000), at(&t, 17, 200000);
    at(&t, 17, 20000), at(&t, 25, 20000);
    burst(&t, 5, 17);
    t.peak = 40000;
    t.threads_per_child = 1024;
    t.max_threads = 65536;
    t.expert = expert_for(40000, 1024);
    t.starts_at_s = 2;
    return t;
}

/* Where short requests suffered most: beside others that compute, some of them very long, more than
 * the processors can do. */
static trace_t computing_mix(void)
{
    trace_t t = common("computing-mix",
                       "200 clients that compute (5 ms, heavy tail) at 1.5 x capacity, beside "
                       "short requests; 2 CPUs",
                       120);

    t.cpus = 2;
    t.work = (work_t){ SHAPE_EXPONENTIAL, 2 * MS, 0.2 * MS, false, false };
    at(&t, 0, 100), at(&t, 120, 100);
    /* 200 / (0.33 + 0.005 s) = 600 a second wanted, 2 processors do 400 */
    t.clients = (clients_t){ .count = 200, .think_us = 328 * MS, .from_s = 20, .to_s = 100,
                             .work = { SHAPE_CONSTANT, 0, 5 * MS, false, true } };
    burst(&t, 20, 100);
    with_peak(&t, 150);
    t.may_wait = true;
    return t;
}

/* It times out after 30 s, and there are only so many threads. */
static trace_t dead_backend(void)
{
    trace_t t = common("dead-backend",
                       "500 requests/s to a backend that is dead for 60 s (30 s each), beside "
                       "short ones; 200 threads at most",
                       180);

    t.max_threads = 200;
    t.threads_per_child = 50;
    t.work = (work_t){ SHAPE_EXPONENTIAL, 2 * MS, 0.2 * MS, false, false };
    at(&t, 0, 500), at(&t, 180, 500);
    t.clients = (clients_t){ .count = 500, .think_us = 1 * S, .from_s = 20, .to_s = 140,
                             .turn_s = 60,
                             .work = { SHAPE_EXPONENTIAL, 10 * MS, 0.2 * MS, false, false },
                             .other = { SHAPE_CONSTANT, 30 * S, 0.2 * MS, false, false } };
    burst(&t, 80, 140);
    t.peak = 200;
    t.expert = (tuning_t){ .start_servers = 4, .threads_per_child = 50, .max_request_workers = 200,
                           .min_spare_threads = 50, .max_spare_threads = 200, .server_limit = 4 };
    t.may_wait = true;
    return t;
}

/* Blocked for 50 us is not blocked: threads that come back at once need no others beside them. */
static trace_t instant_backend(void)
{
    trace_t t = common(
        "instant-backend",
        "200 clients in a closed loop, 0.05 ms of computing and 0.05 ms at a backend; 2 CPUs", 30);

    t.cpus = 2;
    t.waste = WASTE_OF_SHORT;
    t.work = (work_t){ SHAPE_EXPONENTIAL, 0.05 * MS, 0.05 * MS, false, false };
    at(&t, 0, 10), at(&t, 30, 10);
    t.clients = (clients_t){ .count = 200, .think_us = 10, .from_s = 5, .to_s = 25,
                             .work = t.work };
    burst(&t, 5, 25);
    t.peak = 200;
    t.expert = few_threads(8);
    t.may_wait = true;
    return t;
}

/* Nobody can serve that: how many are served within a time that they wait for? */
static trace_t overload(void)
{
    trace_t t = common(
        "overload-3x", "requests that compute (5 ms) at 3 x capacity for 60 s; 2 CPUs", 240);

    t.cpus = 2;
    t.work = (work_t){ SHAPE_CONSTANT, 0, 5 * MS, false, false };
    at(&t, 0, 40), at(&t, 20, 40), at(&t, 20, 1200), at(&t, 80, 1200), at(&t, 80, 40),
        at(&t, 240, 40);
    burst(&t, 20, 80);
    t.peak = 100;
    t.expert = trace_debians_tuning;
    t.may_wait = true;
    return t;
}

const int trace_count = 27;

trace_t trace_get(int index, uint64_t seed)
{
    switch (index) {
    case 0: return step();
    case 1: return flash();
    case 2: return sawtooth();
    case 3: return on_off("onoff5", "20 / 600 requests at a time (300 ms each), 5 s each", 5, 12);
    case 4: return on_off("onoff20", "20 / 600 requests at a time (300 ms each), 20 s each", 20, 6);
    case 5: return on_off("onoff90", "20 / 600 requests at a time (300 ms each), 90 s each", 90, 3);
    case 6: return incident();
    case 7: return wake();
    case 8: return heavy();
    case 9: return long_poll();
    case 10: return diurnal(seed);
    case 11: return cpu_bound();
    case 12: return mixed();
    case 13: return backend_bound();
    case 14: return every_twenty();
    case 15: return tiny();
    case 16: return after_burst();
    case 17: return reports();
    case 18: return turn();
    case 19: return shift();
    case 20: return flap();
    case 21: return stays();
    case 22: return computing_mix();
    case 23: return dead_backend();
    case 24: return instant_backend();
    case 25: return overload();
    default: return large_scale();
    }
}

trace_t trace_constant(double per_s, work_t work, double seconds, double cpus)
{
    trace_t t = common("constant", "constant load", seconds);

    t.work = work;
    t.cpus = cpus;
    at(&t, 0, per_s), at(&t, seconds, per_s);
    with_peak(&t, fmax(per_s * (work.wait_us + work.cpu_us) / S, 1));
    t.starts_at_s = seconds / 20;
    return t;
}

int trace_find(const char *name)
{
    int i;

    for (i = 0; i < trace_count; i++) {
        trace_t t = trace_get(i, 1);
        int same = !strcmp(t.name, name);

        trace_free(&t);
        if (same) {
            return i;
        }
    }
    return -1;
}

void trace_free(trace_t *trace)
{
    free(trace->points);
    trace->points = NULL;
}

/* --- following one ---------------------------------------------------------------- */

double trace_wait_us(const trace_t *trace, double at_s)
{
    return at_s >= trace->slow_from_s && at_s < trace->slow_to_s ? trace->slow_wait_us
                                                                 : trace->work.wait_us;
}

const work_t *trace_client_work(const trace_t *trace, double at_s)
{
    const clients_t *c = &trace->clients;

    return c->turn_s > 0 && (int64_t)((at_s - c->from_s) / c->turn_s) % 2 ? &c->other : &c->work;
}

bool trace_in_burst(const trace_t *trace, double at_s)
{
    int i;

    for (i = 0; i < trace->burst_count; i++) {
        if (at_s >= trace->bursts[i].from_s && at_s < trace->bursts[i].to_s) {
            return true;
        }
    }
    return false;
}

/* Thinning: candidates at the segment's highest rate, of which each is kept with the
 * probability (rate at that time) / (highest rate). */
bool trace_next_arrival(const trace_t *trace, arrivals_t *a, dice_t *dice)
{
    while (a->segment < trace->point_count - 1) {
        const point_t *from = &trace->points[a->segment], *to = from + 1;
        double most = fmax(from->per_s, to->per_s), length_s = to->at_s - from->at_s;

        a->at_s += most > 0 ? dice_exponential(dice, 1 / most) : length_s;
        if (length_s <= 0 || a->at_s >= to->at_s) {
            a->at_s = to->at_s;
            a->segment++;
        }
        else if (most * dice_uniform(dice)
                 < from->per_s + (to->per_s - from->per_s) * (a->at_s - from->at_s) / length_s) {
            return true;
        }
    }
    return false;
}
