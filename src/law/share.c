/* Pure; any worker, with a request in its hand. Decides only: bulkhead.c counts and refuses. */
#include "share.h"

/* Nearly used up: less than a part of this is free. */
#define NEAR_PART 5
/* Every class may have this part of the threads, and two at least, whatever is free. */
#define LEAST_PART    16
#define LEAST_THREADS 2
/* Shorter intervals say nothing. */
#define EVIDENCE_US 200000
/* Who holds a thread this long is slow. */
#define SLOW_US 1000000
/* An interval says nothing either if it is shorter than several times what is usual: of those that
 * came at the same time one may have ended and the others be about to. */
#define UNUSUAL 4

void share_pace_add(share_pace_t *pace, const share_seen_t *seen)
{
    int i;

    pace->held += seen->held;
    for (i = 0; i < SHARE_INTERVALS; i++) {
        int64_t elapsed_us = seen->elapsed_us[i] > 0 ? seen->elapsed_us[i] : 0;

        pace->held_us[i] += (double)seen->held * (double)elapsed_us;
        pace->per_us[i] += elapsed_us > 0 ? (double)seen->done[i] / (double)elapsed_us : 0;
    }
    if (seen->usual_us > 0) {
        pace->known += seen->held;
        pace->usual_us += (double)seen->held * (double)seen->usual_us;
    }
}

/* The mean length of an interval, by what is held; 0: nothing is. */
static double elapsed_us_of(const share_pace_t *pace, int i)
{
    return pace->held > 0 ? pace->held_us[i] / pace->held : 0;
}

static double usual_us_of(const share_pace_t *pace)
{
    return pace->known > 0 ? pace->usual_us / pace->known : 0;
}

int64_t share_hold_us(const share_pace_t *pace)
{
    double us = pace->per_us[0] > 0 ? pace->held / pace->per_us[0] : elapsed_us_of(pace, 0);
    double usual_us = usual_us_of(pace);

    us = pace->per_us[0] <= 0 && usual_us > us ? usual_us : us;
    return us < 3600e6 ? (int64_t)us : INT64_C(3600000000);
}

static double patience_us(double usual_us)
{
    double us = usual_us < SLOW_US ? UNUSUAL * usual_us : 0;

    return us < EVIDENCE_US ? EVIDENCE_US : us > SLOW_US ? SLOW_US : us;
}

static bool was_slow_in(const share_pace_t *pace, int i)
{
    return elapsed_us_of(pace, i) >= patience_us(usual_us_of(pace))
           && (pace->per_us[i] <= 0 || pace->held / pace->per_us[i] >= SLOW_US);
}

bool share_is_slow(const share_pace_t *pace)
{
    int i;

    /* one that was slow before is so until it shows something else */
    if (pace->per_us[0] <= 0 && usual_us_of(pace) >= SLOW_US) {
        return true;
    }
    for (i = 0; i < SHARE_INTERVALS; i++) {
        if (was_slow_in(pace, i)) {
            return true;
        }
    }
    return false;
}

static int free_of(const share_room_t *room)
{
    return room->ceiling > room->busy ? room->ceiling - room->busy : 0;
}

bool share_is_near(const share_room_t *all)
{
    return (int64_t)free_of(all) * NEAR_PART < all->ceiling;
}

static bool is_over_in(const share_room_t *room)
{
    int least = room->ceiling / LEAST_PART;

    least = least > LEAST_THREADS ? least : LEAST_THREADS;
    return room->held > least && room->held > (int64_t)SHARE_ALPHA * free_of(room);
}

bool share_is_over(const share_room_t *all, const share_room_t *own)
{
    return is_over_in(all) || is_over_in(own);
}
