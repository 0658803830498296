/* What is measured of a run. */
#include "metrics.h"

#include <math.h>

static uint64_t in_bursts(const result_t *r)
{
    return r->waiting_in_burst.count + r->waiting_in_burst.lost;
}

double metrics_waiting_us(const result_t *r, double part)
{
    return histogram_percentile(in_bursts(r) ? &r->waiting_in_burst : &r->waiting, part);
}

static uint64_t judged(const result_t *r, class_e class)
{
    return r->answer[class].count + r->answer[class].lost;
}

static const histogram_t *answers(const result_t *r)
{
    return &r->answer[judged(r, CLASS_CLIENTS) ? CLASS_CLIENTS : CLASS_OPEN];
}

bool metrics_two_classes(const result_t *r)
{
    return judged(r, CLASS_CLIENTS) && judged(r, CLASS_OPEN);
}

double metrics_answer_us(const result_t *r, double part)
{
    return histogram_percentile(answers(r), part);
}

double metrics_answer_mean_us(const result_t *r)
{
    return histogram_mean(answers(r));
}

double metrics_absorb_s(const result_t *r)
{
    double longest_s = 0;
    int i;

    for (i = 0; i < TRACE_MAX_BURSTS; i++) {
        longest_s = fmax(longest_s, r->absorb_s[i]);
    }
    return longest_s;
}

double metrics_lost(const result_t *r)
{
    uint64_t arrived = r->arrived[CLASS_OPEN] + r->arrived[CLASS_CLIENTS];

    return arrived ? (double)r->rejected / (double)arrived : 0;
}

double metrics_price(const result_t *r)
{
    return r->demand_s > 0 ? r->thread_s / r->demand_s : 0;
}

int metrics_churn(const result_t *r)
{
    return r->starts + r->stops;
}

int metrics_churn_owed(const result_t *r)
{
    int left = r->last_children - r->initial_children;

    return metrics_churn(r) + (left > 0 ? left : 0);
}

double metrics_churn_per_hour(const result_t *r)
{
    return metrics_churn(r) * 3600 / r->seconds;
}

double metrics_throughput(const result_t *r)
{
    return (double)r->ended_in_bursts;
}
