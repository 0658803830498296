/* How often the parent lets children wake it.
 *
 * A wake-up is answered at once, and so are many, up to a tenth of a second of processor time in
 * all. Whoever goes on (a child gone wild, or one that somebody has taken over) is answered only
 * as often as a fiftieth of one processor allows.
 *
 * Pure C: tested without httpd.
 */
#ifndef ADP_PACE_H
#define ADP_PACE_H

#include <stdint.h>

#define PACE_SHARE      50              /* one part in this many */
#define PACE_BURST_US   INT64_C(100000) /* of processor time */
#define PACE_LONGEST_US INT64_C(100000) /* that a wake-up is kept waiting */

/* Zero it before the first use. */
typedef struct pace_t {
    int64_t spent_us;           /* of the burst; paid back as time passes */
    int64_t since_us;           /* as of then, monotonic */
} pace_t;

/* Another cpu_us of processor time were used, until now_us. Returns when the next wake-up may be
 * answered: now_us, or up to PACE_LONGEST_US later. */
int64_t pace_next(pace_t *pace, int64_t cpu_us, int64_t now_us);

#endif
