/* Pure, a part of both laws: what is kept for load that may come back, and for how long. */
#include "controller_internal.h"

/* A surplus goes by a third a second. */
#define STEP_US           US_PER_S
#define STEP_PART         0.33
#define FORGET_US         (600 * (int64_t)US_PER_S)
#define LONGEST_HOLD_US   (INT64_C(86400) * US_PER_S)

/* --- the largest of the last time --------------------------------------------------- */

static int64_t bucket_width_us(int64_t window_us)
{
    /* the latest bucket has only begun: the others make up the window */
    int64_t width_us = window_us / (CTL_PEAK_BUCKETS - 1);

    return width_us < US_PER_MS ? US_PER_MS : width_us;
}

int ctl_peak(const ctl_peak_t *peak)
{
    int i, highest = INT32_MIN;

    for (i = 0; i < CTL_PEAK_BUCKETS; i++) {
        highest = ctl_max(highest, peak->value[i]);
    }
    return highest;
}

static void refill(ctl_peak_t *peak, int value)
{
    int i;

    for (i = 0; i < CTL_PEAK_BUCKETS; i++) {
        peak->value[i] = value;
    }
}

void ctl_peak_put(ctl_peak_t *peak, int64_t now_us, int64_t window_us, int value)
{
    int64_t width_us = bucket_width_us(window_us);
    int64_t index = now_us / width_us;

    if (!peak->width_us) {
        refill(peak, INT32_MIN);
    }
    else if (peak->width_us != width_us) {
        /* another window: what was highest is kept for the whole of it */
        int highest = ctl_peak(peak);

        refill(peak, INT32_MIN);
        peak->value[index % CTL_PEAK_BUCKETS] = highest;
    }
    else if (index - peak->index >= CTL_PEAK_BUCKETS) {
        refill(peak, INT32_MIN);
    }
    else {
        while (peak->index < index) {
            peak->value[++peak->index % CTL_PEAK_BUCKETS] = INT32_MIN;
        }
    }
    peak->width_us = width_us;
    peak->index = index;
    index %= CTL_PEAK_BUCKETS;
    peak->value[index] = ctl_max(peak->value[index], value);
}

int64_t ctl_peak_falls_us(const ctl_peak_t *peak)
{
    int highest = ctl_peak(peak);
    int age;

    for (age = 0; age < CTL_PEAK_BUCKETS; age++) {
        int64_t index = peak->index - age;

        if (index < 0) {
            break;
        }
        if (peak->value[index % CTL_PEAK_BUCKETS] == highest) {
            return (index + CTL_PEAK_BUCKETS) * peak->width_us;
        }
    }
    return INT64_MAX;
}

/* --- the way down ------------------------------------------------------------------- */

void ctl_hold_init(ctl_hold_t *hold)
{
    hold->retired_us = -1;
}

int64_t ctl_hold_us(const ctl_hold_t *hold, int64_t hold_us)
{
    if (hold_us < 0) {
        return 0;
    }
    return hold_us > LONGEST_HOLD_US ? LONGEST_HOLD_US : hold_us << hold->doublings;
}

int ctl_hold_target(ctl_hold_t *hold, int64_t now_us, int64_t hold_us, int used, int need,
                    int have, bool may_shrink)
{
    int held, excess;

    if (!hold->peak.width_us) {
        used = ctl_max(used, have);    /* nothing is known of the time before */
    }
    ctl_peak_put(&hold->peak, now_us, ctl_hold_us(hold, hold_us), used);
    held = ctl_max(ctl_peak(&hold->peak), need);
    excess = have - held;
    if (excess <= 0) {
        hold->step_us = now_us;
        return held;
    }
    if (!may_shrink || now_us - hold->step_us < STEP_US) {
        return have;
    }
    hold->step_us = now_us;
    return have - ctl_ceil(excess * STEP_PART);
}

static void lengthen(ctl_hold_t *hold, const ctl_lesson_t *lesson, int64_t away_us)
{
    do {
        hold->doublings++;
    } while (hold->doublings < lesson->most_doublings
             && ctl_hold_us(hold, lesson->hold_us) < away_us);
    hold->doublings = ctl_min(hold->doublings, lesson->most_doublings);
}

void ctl_hold_learn(ctl_hold_t *hold, int64_t now_us, const ctl_lesson_t *lesson, bool missing,
                    bool retired)
{
    int64_t missed_us = ctl_hold_us(hold, lesson->hold_us) * lesson->missed_within;

    if (retired) {
        hold->retired_us = now_us;
        hold->left_us = now_us - lesson->unused_us;
    }
    if (missing && hold->retired_us >= 0 && now_us - hold->retired_us <= missed_us) {
        lengthen(hold, lesson,
                 lesson->unused_us == CTL_UNUSED_UNKNOWN ? 0 : now_us - hold->left_us);
        hold->learned_us = now_us;
        hold->retired_us = -1;
    }
    else if (hold->doublings && now_us - hold->learned_us >= FORGET_US) {
        hold->doublings--;
        hold->learned_us = now_us;
    }
}

void ctl_hold_confirm(ctl_hold_t *hold, int64_t now_us, int64_t hold_us, int64_t unused_us)
{
    if (hold->doublings && unused_us > ctl_hold_us(hold, hold_us) / 2) {
        hold->learned_us = now_us;
    }
}

int64_t ctl_hold_delay_us(const ctl_hold_t *hold, int64_t now_us, int have, int floor,
                          int64_t calm_at_us)
{
    int64_t next_us;

    if (have <= floor) {
        return CTL_NEVER_US;
    }
    next_us = have > ctl_peak(&hold->peak) ? hold->step_us + STEP_US
                                           : ctl_peak_falls_us(&hold->peak) + STEP_US;
    return (next_us < calm_at_us ? calm_at_us : next_us) - now_us;
}
