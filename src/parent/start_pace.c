/* Pure; the parent asks before it forks, and tells how it went. */
#include "start_pace.h"

#define US_PER_MS INT64_C(1000)

/* A child of this age shows that children can last. */
#define HEALTHY_AFTER_US (1000 * US_PER_MS)
/* Pauses between starts: the first, and the longest by what fails. Where children serve for a
 * moment, somebody may get an answer from each: they are not put off for long. */
#define FIRST_PAUSE_US   (100 * US_PER_MS)
#define LONGEST_US       (10000 * US_PER_MS)
#define LONGEST_SERVING_US (1000 * US_PER_MS)
/* Patience with a start: PATIENCE_TIMES as long as others took, but never less than PATIENCE_US,
 * also if others are not known. Too little costs a child too many, too much makes requests wait. */
#define PATIENCE_TIMES   10
#define PATIENCE_US      (3000 * US_PER_MS)
#define PATIENCE_UNKNOWN_US (10000 * US_PER_MS)

static int64_t pause_after(int waves, start_failure_e how)
{
    int64_t longest_us = how == START_FAILED ? LONGEST_US : LONGEST_SERVING_US;
    int doublings = how == START_DIED_YOUNG ? waves - 2 : waves - 1;
    int64_t pause_us;

    if (doublings < 0) {
        return 0;
    }
    pause_us = FIRST_PAUSE_US << (doublings < 10 ? doublings : 10);
    return pause_us < longest_us ? pause_us : longest_us;
}

void start_pace_failed(start_pace_t *pace, start_failure_e how, int64_t started_us, int64_t now_us)
{
    pace->failures++;
    pace->failed_us = now_us;
    if (started_us >= pace->wave_us) {
        pace->waves++;
        pace->wave_us = now_us;
        pace->pause_us = pause_after(pace->waves, how);
    }
    if (pace->next_us < now_us + pace->pause_us) {
        pace->next_us = now_us + pace->pause_us;
    }
}

void start_pace_started(start_pace_t *pace, int64_t now_us)
{
    if (pace->pause_us > 0) {
        pace->next_us = now_us + pace->pause_us;
    }
}

bool start_pace_is_healthy(const start_pace_t *pace, int64_t started_us, int64_t now_us)
{
    return started_us > pace->failed_us && !start_pace_is_young(now_us - started_us);
}

void start_pace_recovered(start_pace_t *pace)
{
    *pace = (start_pace_t) { .failed_us = pace->failed_us, .wave_us = pace->wave_us };
}

bool start_pace_is_young(int64_t age_us)
{
    return age_us < HEALTHY_AFTER_US;
}

int64_t start_pace_patience_us(int64_t usual_us)
{
    if (usual_us <= 0) {
        return PATIENCE_UNKNOWN_US;
    }
    return usual_us < PATIENCE_US / PATIENCE_TIMES ? PATIENCE_US : usual_us * PATIENCE_TIMES;
}
