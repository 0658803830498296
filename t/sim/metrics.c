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

double metrics_response_us(const result_t *r, double part)
{
    if (in_bursts(r)) {
        return histogram_percentile(&r->response_in_burst, part);
    }
    return histogram_percentile(&r->response[CLASS_OPEN], part);
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

double metrics_churn(const result_t *r)
{
    return (r->starts + r->stops) * 3600 / r->seconds;
}

double metrics_throughput(const result_t *r, const trace_t *trace)
{
    double seconds = 0;
    int i;

    for (i = 0; i < trace->burst_count; i++) {
        seconds += trace->bursts[i].to_s - trace->bursts[i].from_s;
    }
    return seconds > 0 ? (double)r->ended_in_bursts / seconds
                       : (double)(r->ended[CLASS_OPEN] + r->ended[CLASS_CLIENTS]) / r->seconds;
}
