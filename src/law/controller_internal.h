/* Parts that both halves of the control law are made of. The same rule holds as for
 * controller.h: C99, no clock, no memory of its own. Times are those of ctl_clock_t unless
 * said otherwise. */
#ifndef ADP_CONTROLLER_INTERNAL_H
#define ADP_CONTROLLER_INTERNAL_H

#include "controller.h"

#define US_PER_MS 1000
#define US_PER_S  1000000

/* Work waits if more arrive than usual within the lead time: how many standard deviations
 * are covered. 2.5 is about 0.7 %. */
#define BETA 2.5
/* Nothing is retired so soon after work had to wait. */
#define CALM_US (3 * US_PER_S)

/* --- numbers (controller_math.c) --------------------------------------------------- */

/* The DSO links libc only, so libm's are not there. sqrt: relative error below 1e-9, 0 for
 * what has none. fading(x) = e^-x for x >= 0: absolute error below 1e-6. */
double ctl_sqrt(double x);
double ctl_exp_neg(double x);

/* Weight of the newest value in an average that fades over time_us. */
double ctl_weight(int64_t elapsed_us, int64_t time_us);

double ctl_clamp(double x, double least, double most);    /* NaN: least */
int ctl_ceil(double x);                                     /* within 0 .. 1e9 */
int ctl_min(int a, int b);
int ctl_max(int a, int b);
int ctl_count(int given);                                   /* not less than none, not too many */
int64_t ctl_sooner_us(int64_t a, int64_t b);

/* Events that are done: all that were taken but those that are being served; never fewer than were
 * done before. */
uint64_t ctl_done(uint64_t before, uint64_t arrivals, int busy);

/* What a cumulative counter has gained. One that went back was reset: nothing. */
double ctl_gained(uint64_t now, uint64_t before);

/* --- estimates (controller_estimate.c) --------------------------------------------- */

void ctl_clock_init(ctl_clock_t *clock, int64_t now_us);

/* The caller's time is now_us. Returns what has passed since the last call, >= 0. */
int64_t ctl_clock_advance(ctl_clock_t *clock, int64_t now_us);

/* The caller's time in delay_us; CTL_NEVER_US if that is not in sight. */
int64_t ctl_clock_after(const ctl_clock_t *clock, int64_t delay_us);

/* level: requests in the system, waiting ones included. */
void ctl_flow_update(ctl_flow_t *flow, int64_t now_us, uint64_t arrivals, uint64_t completions,
                     int busy);

/* Change of the level a second, >= 0. */
double ctl_flow_growth(const ctl_flow_t *flow);

/* More than chance makes it grow. */
bool ctl_flow_surely_grows(const ctl_flow_t *flow);

/* Thread time a request takes, by Little's law. While there were few it is rather too short;
 * 0 if nothing was busy. */
double ctl_flow_service_s(const ctl_flow_t *flow);

/* Were there enough to rely on it? */
bool ctl_flow_service_is_known(const ctl_flow_t *flow);

/* Requests a second in the last ten seconds or so. */
double ctl_flow_usual_rate(const ctl_flow_t *flow);

/* A rate is believed if it stands out by this many standard deviations; many are looked at. */
#define CTL_SURGE_SIGMAS 4

/* Count what has arrived, and estimate the rate a second; *surely: it is not less than this. */
double ctl_surge_rate(ctl_surge_t *surge, int64_t now_us, double arrived, double *surely);

/* Standard deviation of the change of a demand within lead_s, for requests that arrive
 * independently and take service_s (0: unknown, then 0): an M/G/inf queue. */
double ctl_fluctuation(double demand, double lead_s, double service_s);

/* --- way down (controller_hold.c) -------------------------------------------------- */

void ctl_peak_put(ctl_peak_t *peak, int64_t now_us, int64_t window_us, int value);
int ctl_peak(const ctl_peak_t *peak);

/* When the peak falls if nothing new is put in; INT64_MAX if it does not. */
int64_t ctl_peak_falls_us(const ctl_peak_t *peak);

void ctl_hold_init(ctl_hold_t *hold);

/* How many should be there, if `need` are needed and `have` are there: `need` or more, and as
 * many as were used at any moment of the hold time. */
int ctl_hold_target(ctl_hold_t *hold, int64_t now_us, int64_t hold_us, int used, int need,
                    int have, bool may_shrink);

/* How a hold time learns: it doubles, at most so often, if what was retired is missed sooner
 * than this number of hold times later; as often as it takes to have kept that. */
typedef struct ctl_lesson_t {
    int64_t hold_us;            /* at first */
    int most_doublings;
    int missed_within;
    int64_t unused_us;          /* how long what is retired now has not been needed;
                                 * CTL_UNUSED_UNKNOWN: it doubles once */
} ctl_lesson_t;

#define CTL_UNUSED_UNKNOWN (-1)

/* The hold time with what was learned. */
int64_t ctl_hold_us(const ctl_hold_t *hold, int64_t hold_us);

/* The target has been carried out: more were started than before (missing), or fewer. */
void ctl_hold_learn(ctl_hold_t *hold, int64_t now_us, const ctl_lesson_t *lesson, bool missing,
                    bool retired);

/* What is held is needed again after unused_us. If it would have been gone with half the hold time,
 * what was learned has proved right, and is remembered from now on. */
void ctl_hold_confirm(ctl_hold_t *hold, int64_t now_us, int64_t hold_us, int64_t unused_us);

/* In how long the target could fall if the need does not change, and nothing does before
 * calm_at_us; CTL_NEVER_US: it will not. */
int64_t ctl_hold_delay_us(const ctl_hold_t *hold, int64_t now_us, int have, int floor,
                          int64_t calm_at_us);

/* --- processors (controller_cpu.c) ------------------------------------------------- */

/* Threads that may serve for each processor: one waits for it while another has it. */
#define PER_PROCESSOR 2

void ctl_cpu_init(ctl_cpu_t *cpu, int64_t now_us);

/* What a look at the threads of a child shows. */
typedef struct ctl_cpu_count_t {
    int busy;                   /* lowered ones not counted */
    int runnable;               /* of these; < 0: not counted */
    int idle_processors;        /* of the machine; < 0: not known */
    bool waits;                 /* work waits too long */
    bool completed;             /* something got done since the last look */
} ctl_cpu_count_t;

/* per_s: what is completed usually, 0: unknown. */
void ctl_cpu_update(ctl_cpu_t *cpu, int64_t now_us, int64_t elapsed_us,
                    const ctl_cpu_count_t *count, const ctl_thread_limits_t *limits,
                    double per_s, unsigned without);

/* Threads that may serve at a time without that they only share processors. */
int ctl_cpu_cap(const ctl_cpu_t *cpu, const ctl_thread_limits_t *limits, unsigned without);

#endif
