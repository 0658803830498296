/* Pure, a part of both laws: rates, service times and their spread, forgotten with time. */
#include "controller_internal.h"

/* Differences over less are not worth a division. */
#define LEAST_INTERVAL_US 500
/* Longer gaps than this count as so long. */
#define LONGEST_GAP_US    (INT64_C(3600) * US_PER_S)

#define FLOW_TIME_US      (30 * US_PER_MS)
#define SERVICE_TIME_US   (10 * US_PER_S)
#define RECENT_TIME_US    (200 * US_PER_MS)
/* Over longer gaps two counts of busy threads say little about what was between, and looks
 * come rather at peaks: the geometric mean. */
#define UNSEEN_US         (200 * US_PER_MS)
/* ... and over still longer ones nothing. */
#define BLIND_US          (1500 * US_PER_MS)
#define SURE_SIGMAS       3
#define LEAST_EVENTS      1
#define ENOUGH_EVENTS     20

#define MARK_INTERVAL_US  (15 * US_PER_MS)
#define SURGE_WINDOW_US   (2 * US_PER_S)

void ctl_clock_init(ctl_clock_t *clock, int64_t now_us)
{
    clock->now_us = 0;
    clock->last_us = now_us;
}

int64_t ctl_clock_advance(ctl_clock_t *clock, int64_t now_us)
{
    int64_t passed_us = 0;

    if (now_us > clock->last_us) {
        /* unsigned: the difference of any two times fits */
        uint64_t ahead_us = (uint64_t)now_us - (uint64_t)clock->last_us;

        passed_us = ahead_us > LONGEST_GAP_US ? LONGEST_GAP_US : (int64_t)ahead_us;
    }
    clock->last_us = now_us;
    clock->now_us += passed_us;
    return passed_us;
}

int64_t ctl_clock_after(const ctl_clock_t *clock, int64_t delay_us)
{
    if (delay_us < 0) {
        delay_us = 0;
    }
    return clock->last_us > 0 && delay_us >= CTL_NEVER_US - clock->last_us
           ? CTL_NEVER_US : clock->last_us + delay_us;
}

void ctl_flow_update(ctl_flow_t *flow, int64_t now_us, uint64_t arrivals, uint64_t completions,
                     int busy)
{
    int64_t elapsed_us = now_us - flow->at_us;
    double arrived = ctl_gained(arrivals, flow->arrivals);
    double completed = ctl_gained(completions, flow->completions);
    double seconds = (double)elapsed_us / US_PER_S;
    double mean, weight, kept;

    if (flow->primed && elapsed_us < LEAST_INTERVAL_US) {
        return;
    }
    if (flow->primed) {
        weight = ctl_weight(elapsed_us, FLOW_TIME_US);
        flow->arrivals_per_s += weight * (arrived / seconds - flow->arrivals_per_s);
        flow->completions_per_s += weight * (completed / seconds - flow->completions_per_s);
        /* While the level rises, fewer have completed than begun, and the mean of both is
         * what keeps busy time / events from being far too long. */
        mean = elapsed_us < UNSEEN_US ? (flow->level + busy) / 2 : ctl_sqrt(flow->level * busy);
        if (elapsed_us > BLIND_US) {
            mean = arrived = completed = 0;
        }
        kept = 1 - ctl_weight(elapsed_us, SERVICE_TIME_US);
        flow->late.busy_s = flow->late.busy_s * kept + mean * seconds;
        flow->late.events = flow->late.events * kept + (arrived + completed) / 2;
        kept = 1 - ctl_weight(elapsed_us, RECENT_TIME_US);
        flow->recent.busy_s = flow->recent.busy_s * kept + mean * seconds;
        flow->recent.events = flow->recent.events * kept
                              + (arrived > completed ? arrived : completed);
    }
    flow->primed = true;
    flow->at_us = now_us;
    flow->arrivals = arrivals;
    flow->completions = completions;
    flow->level = busy;
}

double ctl_flow_growth(const ctl_flow_t *flow)
{
    return ctl_clamp(flow->arrivals_per_s - flow->completions_per_s, 0, 1e9);
}

bool ctl_flow_surely_grows(const ctl_flow_t *flow)
{
    /* of two Poisson counts in an average that fades */
    double variance = (flow->arrivals_per_s + flow->completions_per_s)
                      / (2.0 * FLOW_TIME_US / US_PER_S);

    return ctl_flow_growth(flow) > SURE_SIGMAS * ctl_sqrt(variance);
}

double ctl_flow_service_s(const ctl_flow_t *flow)
{
    double late = flow->late.busy_s
                  / (flow->late.events > LEAST_EVENTS ? flow->late.events : LEAST_EVENTS);
    double recent = flow->recent.events >= ENOUGH_EVENTS
                    ? flow->recent.busy_s / flow->recent.events : 0;

    /* requests that get longer are seen at once */
    return recent > late ? recent : late;
}

bool ctl_flow_service_is_known(const ctl_flow_t *flow)
{
    return flow->late.events >= ENOUGH_EVENTS;
}

double ctl_flow_usual_rate(const ctl_flow_t *flow)
{
    return flow->late.events / ((double)SERVICE_TIME_US / US_PER_S);
}

static void mark(ctl_surge_t *surge, int64_t now_us)
{
    surge->marks[surge->next].at_us = now_us;
    surge->marks[surge->next].total = surge->total;
    surge->next = (surge->next + 1) % CTL_SURGE_MARKS;
    surge->used = ctl_min(surge->used + 1, CTL_SURGE_MARKS);
}

/* Of all windows that end now, take the one whose rate is surely highest: a long one while
 * the rate is constant, and after a step that which begins at the step. */
double ctl_surge_rate(ctl_surge_t *surge, int64_t now_us, double arrived, double *surely)
{
    double rate = 0, best = -1;
    int latest = (surge->next + CTL_SURGE_MARKS - 1) % CTL_SURGE_MARKS;
    int i;

    surge->total += ctl_clamp(arrived, 0, 1e12);
    for (i = 0; i < surge->used; i++) {
        int64_t window_us = now_us - surge->marks[i].at_us;
        double seconds = (double)window_us / US_PER_S;
        double count = surge->total - surge->marks[i].total;
        double sure = (count - CTL_SURGE_SIGMAS * ctl_sqrt(count)) / seconds;

        if (window_us >= MARK_INTERVAL_US && (window_us <= SURGE_WINDOW_US || i == latest)
            && (best < 0 || sure > best)) {
            best = ctl_clamp(sure, 0, 1e12);
            rate = count / seconds;
        }
    }
    *surely = best > 0 ? best : 0;
    if (!surge->used || now_us - surge->marks[latest].at_us >= MARK_INTERVAL_US) {
        mark(surge, now_us);
    }
    return rate;
}

double ctl_fluctuation(double demand, double lead_s, double service_s)
{
    double renewed = service_s > 0 ? 1 - ctl_exp_neg(2 * lead_s / service_s) : 0;

    return ctl_sqrt(demand * renewed);
}
