/* Pure; the parent asks before each sleep. */
#include "pace.h"

int64_t pace_next(pace_t *pace, int64_t cpu_us, int64_t now_us)
{
    int64_t elapsed_us = now_us > pace->since_us ? now_us - pace->since_us : 0;
    int64_t debt_us, pause_us;

    pace->spent_us -= elapsed_us / PACE_SHARE;
    pace->spent_us = (pace->spent_us > 0 ? pace->spent_us : 0) + (cpu_us > 0 ? cpu_us : 0);
    pace->since_us = now_us;
    debt_us = pace->spent_us - PACE_BURST_US;
    if (debt_us <= 0) {
        return now_us;
    }
    pause_us = debt_us < PACE_LONGEST_US / PACE_SHARE ? debt_us * PACE_SHARE : PACE_LONGEST_US;
    /* what the longest pause does not pay back is forgiven, or one round would cost many */
    if (pause_us == PACE_LONGEST_US) {
        pace->spent_us = PACE_BURST_US + PACE_LONGEST_US / PACE_SHARE;
    }
    return now_us + pause_us;
}
