/* Pure; a child's steward, at each look. Knows nothing of how a worker is lowered, nor of how many
 * may serve: that is controller_cpu.c's. */
#include "attained.h"

#include "controller_internal.h"

/* Between two looks, while somebody computes, and while nobody does. */
#define SHORTEST_PAUSE_US 500
#define LONGEST_PAUSE_US  8000
/* A part of a processor that is not counted: one in this many. */
#define FREE_PART 32
/* A worker that waits is looked at each time, at each second look, and so on to one in 2^this. */
#define MOST_RESTS 4
/* ... but not less often than that comes to with the longest pauses. */
#define LONGEST_UNSEEN_US (LONGEST_PAUSE_US << MOST_RESTS)
/* For so long a look is believed that has found a worker waiting. */
#define BELIEVED_US (4 * LONGEST_PAUSE_US)
/* An eighth of the threads is kept for those who are connected, one at least and not more than
 * these; but none of very few. */
#define RESERVED_PART 8
#define MOST_RESERVED 8
#define FEW_THREADS   4
/* Requests that are known to compute, begun for each processor, and in any case: */
#define BEGUN_A_PROCESSOR 4
#define LEAST_BEGUN       2

bool attained_wants_clock(attained_t *seen, uint32_t event, int64_t now_us)
{
    if (seen->event == event && ++seen->skipped < 1 << seen->rests
        && now_us - seen->looked_us < LONGEST_UNSEEN_US) {
        return false;
    }
    seen->skipped = 0;
    return true;
}

attained_e attained_look(attained_t *seen, uint32_t event, int64_t now_us, int64_t cpu_us)
{
    int64_t used_us = cpu_us - seen->cpu_us, elapsed_us = now_us - seen->looked_us;

    seen->cpu_us = cpu_us;
    seen->looked_us = now_us;
    if (seen->event != event) {
        seen->event = event;
        seen->used_us = 0;
        seen->rests = 0;
        return ATTAINED_MOVES;
    }
    seen->used_us += used_us - elapsed_us / FREE_PART;
    if (seen->used_us <= 0) {
        seen->used_us = 0;
        seen->rests = (uint8_t)(seen->rests < MOST_RESTS ? seen->rests + 1 : MOST_RESTS);
        return ATTAINED_RESTS;
    }
    seen->rests = 0;
    return seen->used_us >= ATTAINED_US ? ATTAINED_SHARE : ATTAINED_COMPUTES;
}

bool attained_rests(const attained_t *seen, uint32_t event, int64_t now_us)
{
    return seen->event == event && seen->rests > 0 && now_us - seen->looked_us <= BELIEVED_US;
}

bool attained_lowered_rests(attained_t *seen, uint32_t event, int64_t now_us, int64_t cpu_us)
{
    seen->used_us = 0;
    return attained_look(seen, event, now_us, cpu_us) == ATTAINED_RESTS;
}

int64_t attained_pause_us(attained_pace_t *pace, bool computes, bool contended)
{
    if (computes) {
        pace->pause_us = SHORTEST_PAUSE_US;
    }
    else if (contended) {
        pace->pause_us = pace->pause_us > 0
                         ? ctl_sooner_us(2 * pace->pause_us, LONGEST_PAUSE_US)
                         : SHORTEST_PAUSE_US;
    }
    else {
        /* whose event began just before this look is told from others by one more */
        pace->pause_us = pace->pause_us < LONGEST_PAUSE_US ? LONGEST_PAUSE_US : 0;
    }
    return pace->pause_us;
}

int64_t attained_pause_at_rest_us(attained_pace_t *pace)
{
    pace->pause_us = 0;
    return 0;
}

static int reserved_of(int most)
{
    return most < FEW_THREADS ? 0 : ctl_min(ctl_max(most / RESERVED_PART, 1), MOST_RESERVED);
}

attained_rooms_t attained_rooms(int most, int admitted, double cpus)
{
    int reserved = reserved_of(most);
    int light = ctl_min(ctl_max(admitted, reserved), (most + 1) / 2);
    int heavy = ctl_max(most - light, 1);
    int begun = cpus < 1e6 ? ctl_max((int)(BEGUN_A_PROCESSOR * cpus), LEAST_BEGUN) : most;

    /* one, whatever there may be: nobody would be served otherwise */
    return (attained_rooms_t) {
        .computing = ctl_max(ctl_min(begun, heavy - heavy / 4 - 1), 1),
        .lowered = heavy,
        .most = most,
        .reserved = reserved
    };
}
