/* The two ways to spend the time: a schedule of requests, and connections that are held. */
#ifndef LOADGEN_RUN_H
#define LOADGEN_RUN_H

#include <signal.h>

#define SWEEP_US 50000

/* SIGTERM: the schedule ends early. */
extern volatile sig_atomic_t interrupted;

void run_schedule(void);
void run_hold(void);
/* Requests that take too long are lost. */
void sweep_timeouts(void);

#endif
