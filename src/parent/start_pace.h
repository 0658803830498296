/* How fast children are started while they do not last, and how long one may take to become
 * ready.
 *
 *   normal --- one ends young ---> normal: replaced at once, it may have been bad luck
 *          --- its successor, too ---> failing: one start per pause, in all, whatever is missing;
 *                  pauses double with each start that fails
 *   failing --- a child started since lives for a second ---> normal
 *
 * Children that were started together and end together are one failure.
 *
 * Pure C: tested without httpd. All times are monotonic, in µs.
 */
#ifndef ADP_START_PACE_H
#define ADP_START_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed: normal. */
typedef struct start_pace_t {
    int64_t next_us;            /* no child is started before */
    int64_t pause_us;           /* between two starts; 0: none */
    int failures;               /* children in a row that did not last */
    int64_t failed_us;          /* when the last of them ended */
    int waves;                  /* how often the pauses grew: once for what was started */
    int64_t wave_us;            /* ... before they grew the last time, then */
} start_pace_t;

typedef enum {
    START_REFUSED,              /* no process or no descriptors to be had: that passes soon */
    START_FAILED,               /* it ended before it was ready */
    START_DIED_YOUNG            /* ... before it was a second old */
} start_failure_e;

/* A child that was started at started_us did not last; now_us is when it ended. */
void start_pace_failed(start_pace_t *pace, start_failure_e how, int64_t started_us, int64_t now_us);

/* A child is started. */
void start_pace_started(start_pace_t *pace, int64_t now_us);

/* Is a child that was started then, and is ready, old enough to show that others will last? */
bool start_pace_is_healthy(const start_pace_t *pace, int64_t started_us, int64_t now_us);

/* One is: back to normal. */
void start_pace_recovered(start_pace_t *pace);

/* A child that has ended at this age was young. */
bool start_pace_is_young(int64_t age_us);

/* How long a child may take to become ready before another is started in its place. usual_us:
 * how long the slowest of late took, 0: unknown. */
int64_t start_pace_patience_us(int64_t usual_us);

#endif
