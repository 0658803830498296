/* What the results are judged by. */
#ifndef SIM_METRICS_H
#define SIM_METRICS_H

#include "result.h"

#include <stdbool.h>

/* Of requests that arrived in a burst; of all where the trace has none. */
double metrics_waiting_us(const result_t *r, double part);

/* Likewise; of the clients or the herd where the trace has them, of the others if not. */
double metrics_answer_us(const result_t *r, double part);
double metrics_answer_mean_us(const result_t *r);

/* Both kinds of requests have answers that count. */
bool metrics_two_classes(const result_t *r);

/* The longest of all bursts. */
double metrics_absorb_s(const result_t *r);

/* Part of the requests that were refused. */
double metrics_lost(const result_t *r);

/* Thread-seconds / optimum, where the optimum is the time that these requests would take on
 * processors of their own with a thread at once. Never below 1 if nothing was refused. */
double metrics_price(const result_t *r);

/* Children started and stopped, those of the beginning not counted. With what is owed: those
 * that were started and still run count as stops to come, or who never stops any would be calm. */
int metrics_churn(const result_t *r);
int metrics_churn_owed(const result_t *r);
double metrics_churn_per_hour(const result_t *r);

/* Requests of bursts (or all) that ended within the trace. */
double metrics_throughput(const result_t *r);

#endif
