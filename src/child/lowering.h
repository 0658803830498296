/* Lowering: workers whose event has used a processor for long go on behind the others
 * (law/attained.h has the rule and its sources).
 *
 *     serves --the steward: its event has had its share--> lowered: nice 19, not counted against
 *       ^                                                  those that may serve (bench.h)
 *       |                                                     |
 *       +--raised again--- the event is over <----------------+
 *                             |    ^
 *                             |    +-- takes the next connection that was put off, if any
 *                             +--> leaves; the steward starts another in its place
 *
 * A thread may always make itself nicer. It may take that back only where RLIMIT_NICE allows it:
 * the parent raises that limit where it may (CAP_SYS_RESOURCE; containers do not have it). Where it
 * may not, the worker leaves after its event and a new one takes its place (some 60 µs).
 *
 * The steward lowers (lowering.c); the worker's part is put_off.c's.
 */
#ifndef ADP_LOWERING_H
#define ADP_LOWERING_H

#include "fwd.h"

#include "law/attained.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lowering_t {
    /* the steward's */
    bool works;                 /* the server is not the nicest itself, and the kernel agrees */
    attained_pace_t pace;
    int64_t begin_us;           /* when it next looks whether what was put off can be begun */
    int nice;                   /* of workers that are not lowered; constant */
    _Atomic int64_t look_us;    /* its next look; workers read it */
    _Atomic bool begin_one;     /* of what was put off, though no processor idles: nobody is left
                                 * who would */
    _Atomic int left;           /* workers that could not be raised again: they write, it takes */
} lowering_t;

/* Keep the way back, if that is allowed. The child, before it drops privileges. */
void lowering_keep_way_back(void);

/* The steward. */
void lowering_init(child_t *child);

/* What the worker does is short, and others wait for it: it is not lowered during this event, and
 * raised if it is and the system allows that. Any thread. */
void lowering_spare(worker_t *worker);

/* One look, if it is due: lowers workers, and replaces those that have left for it. Returns when
 * the next is due. The steward, on every round of a child that serves or drains. */
int64_t lowering_round(child_t *child, int64_t now_us);

#endif
