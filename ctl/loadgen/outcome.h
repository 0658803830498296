/* What became of requests: counted, written to the log, and reported at the end. */
#ifndef LOADGEN_OUTCOME_H
#define LOADGEN_OUTCOME_H

#include "schedule.h"

#include <stdint.h>

enum failure {
    FAIL_CONNECT,
    FAIL_RESET,
    FAIL_CLOSED,
    FAIL_SHORT,
    FAIL_STATUS,
    FAIL_TIMEOUT,
    FAIL_MALFORMED,
    FAIL_KINDS
};

/* Of an answer, as far as there is one. */
typedef struct {
    int status;                 /* 0: none */
    int64_t received_us;        /* by the backend, 0: it does not say */
    int64_t body_bytes;
} answer;

/* What the report says that is not about one request. */
struct counters {
    long issued, sent, crossed, reopened, closed_idle, evicted, held, unfinished, resumed,
        behind_max;
};

extern struct counters counters;

/* For that many requests, from now on. */
void outcomes_begin(long requests);
/* The schedule's start: the moment from which all times count. */
void outcomes_start(int64_t start_us);
void outcome_issued(int64_t late_us);
void outcome_ok(request r, answer a);
/* With a line of its own in the output unless fail_pid is -1. */
void outcome_failed(request r, answer a, enum failure kind, long fail_pid, int is_fresh);
void outcomes_report(void);

#endif
