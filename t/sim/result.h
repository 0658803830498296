/* What one run of one policy on one trace came to. Plain data: it is handed from process to
 * process in shared memory. */
#ifndef SIM_RESULT_H
#define SIM_RESULT_H

#include "histogram.h"
#include "trace.h"

#define RESULT_BUCKETS 400      /* of the chart's time axis */

/* Requests of the trace's points, and those of its clients or its herd. */
typedef enum { CLASS_OPEN, CLASS_CLIENTS, CLASSES } class_e;

typedef struct result_t {
    /* conservation: arrived == ended + rejected + told when a run is over */
    uint64_t arrived[CLASSES], begun, ended[CLASSES], rejected;
    uint64_t told;              /* answered with 503 */
    uint64_t ended_in_bursts;
    histogram_t waiting;        /* from arrival until a thread takes it */
    histogram_t waiting_in_burst;
    histogram_t
        answer[CLASSES]; /* from arrival until its end; of those in bursts, if there are any */
    double absorb_s[TRACE_MAX_BURSTS]; /* from a burst's begin until new arrivals wait < 5 ms */
    double thread_s;            /* threads x time, busy or not */
    double demand_s;            /* the same, if each request had its thread at once and ran alone */
    int initial_children, last_children, starts, stops, parks, resurrections;
    int peak_threads, peak_children;
    double peak_bytes;
    double cpu_s;
    struct {
        float threads, children, busy, admitted;        /* means over the bucket */
        float waited_us;                                /* the longest */
    } series[RESULT_BUCKETS];
    double seconds;             /* of the trace */
    double ran_s;               /* real time, not printed where the output has to be repeatable */
    int decisions;
} result_t;

#endif
