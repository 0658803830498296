/* Pure: times in, an act out. The steward asks on each round. */
#include "drain_schedule.h"

#define US_PER_MS INT64_C(1000)

/* Without a limit: connections that are still open after so long, and again each hour, are
 * worth a warning. */
#ifndef DRAIN_WARN_MS
#define DRAIN_WARN_MS       600000
#endif
#define DRAIN_WARN_AGAIN_MS 3600000
/* How long connections that wait may take to be closed in order, once the time is up. */
#define DRAIN_CLOSE_MS      500

void drain_schedule_begin(drain_schedule_t *s, int64_t now_us)
{
    if (!s->began_us) {
        s->began_us = now_us;
    }
}

/* A sum that ends at the end of time instead of beyond. */
static int64_t after(int64_t time_us, int64_t delay_us)
{
    return delay_us > INT64_MAX - time_us ? INT64_MAX : time_us + delay_us;
}

int64_t drain_schedule_next(const drain_schedule_t *s, int64_t limit_us)
{
    if (!s->began_us) {
        return INT64_MAX;
    }
    if (s->closing_us) {
        return after(s->closing_us, DRAIN_CLOSE_MS * US_PER_MS);
    }
    if (limit_us > 0) {
        return after(s->began_us, limit_us);
    }
    return s->warned_us ? after(s->warned_us, DRAIN_WARN_AGAIN_MS * US_PER_MS)
                        : after(s->began_us, DRAIN_WARN_MS * US_PER_MS);
}

drain_act_e drain_schedule_act(drain_schedule_t *s, int64_t limit_us, int64_t now_us)
{
    if (now_us < drain_schedule_next(s, limit_us)) {
        return s->closing_us ? DRAIN_CLOSE : DRAIN_GO_ON;
    }
    if (s->closing_us) {
        return DRAIN_CUT;
    }
    if (limit_us > 0) {
        s->closing_us = now_us;
        s->limit_us = limit_us;
        return DRAIN_TIME_IS_UP;
    }
    s->warned_us = now_us;
    return DRAIN_WARN;
}
