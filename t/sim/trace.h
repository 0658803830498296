/* What clients do: the traces that the policies are compared on. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "dice.h"

#include <stdbool.h>

#define TRACE_MAX_BURSTS 16

/* Arrivals a second change linearly from one point to the next. */
typedef struct point_t {
    double at_s, per_s;
} point_t;

typedef struct burst_t {
    double from_s, to_s;
} burst_t;

/* What a request needs: a processor first, then it waits for somebody else. */
typedef struct work_t {
    shape_e shape;              /* of the wait */
    double wait_us;             /* mean time that it is blocked */
    double cpu_us;              /* mean processor time, exponential */
    bool shared;                /* the wait is work of a backend that all such requests share */
    bool heavy;                 /* the processor time has a heavy tail instead */
} work_t;

/* Clients that send their next request some time after the last answer. */
typedef struct clients_t {
    int count;
    double think_us;            /* mean, exponential */
    double from_s, to_s;
    work_t work;
    double turn_s; /* so long each in turn: the work above, then the other; 0: no turns */
    work_t other;
} clients_t;

/* Connections that stay, and need no thread: suspended WebSockets. */
typedef struct stays_t {
    double per_s;               /* new ones */
    double for_s;               /* each of them stays */
} stays_t;

/* Kept-alive connections that sleep, and from time to time many wake at once. */
typedef struct herd_t {
    int connections, wake;
    double within_us;
    double at_s[TRACE_MAX_BURSTS];
    int times;
    work_t work;
} herd_t;

/* event's directives */
typedef struct tuning_t {
    int start_servers, threads_per_child, max_request_workers;
    int min_spare_threads, max_spare_threads;
    int server_limit;
} tuning_t;

typedef struct trace_t {
    const char *name, *title;
    double seconds;
    double cpus;
    point_t *points;
    int point_count, point_room;
    work_t work;                /* of what arrives by the points */
    double slow_from_s, slow_to_s, slow_wait_us;    /* meanwhile the wait is that long */
    clients_t clients;
    herd_t herd;
    stays_t stays;
    double waste; /* see station_rate(): what crowding costs, more for short requests */
    double backend_slots;       /* requests that the shared backend serves at full speed */
    burst_t bursts[TRACE_MAX_BURSTS];
    int burst_count;
    double peak;                /* requests under way at the highest load, if none waits */
    tuning_t expert;            /* a good hand tuning for the peak of this trace */
    int threads_per_child, max_threads;             /* of the adaptive policy */
    double starts_at_s;         /* statistics leave out what arrived before */
    bool may_wait; /* processors are short: a request that has no thread loses nothing */
} trace_t;

/* mpm_event.conf */
extern const tuning_t trace_debians_tuning;

extern const int trace_count;

/* Traces 0 .. trace_count - 1; what is random about the load itself comes from the seed. */
trace_t trace_get(int index, uint64_t seed);

/* A trace of constant load, for tests: Poisson arrivals, no clients. */
trace_t trace_constant(double per_s, work_t work, double seconds, double cpus);

/* -1: there is none of this name */
int trace_find(const char *name);

void trace_free(trace_t *trace);

/* Mean of the blocked time of what arrives at this time. */
double trace_wait_us(const trace_t *trace, double at_s);

/* What the clients ask for at this time. */
const work_t *trace_client_work(const trace_t *trace, double at_s);

bool trace_in_burst(const trace_t *trace, double at_s);

/* The times of Poisson arrivals with the rate of the points, one after the other. */
typedef struct arrivals_t {
    double at_s;
    int segment;
} arrivals_t;

/* False: there are no more. */
bool trace_next_arrival(const trace_t *trace, arrivals_t *arrivals, dice_t *dice);

#endif
