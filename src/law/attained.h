/* Short requests before long ones, without knowing which is which: the one that has had least of a
 * processor comes first (foreground-background scheduling, least attained service: Schrage 1967;
 * for service times with a heavy tail the mean wait is the least that a rule can reach which does
 * not know them: Righter and Shanthikumar 1989). What is scheduled are threads, by the kernel, and
 * two levels are enough: a worker whose event has had ATTAINED_US is lowered, so that it gets what
 * the others leave, and does not count against those that may serve (controller.h). One that uses
 * a few hundredths of a processor, because it waits most of the time, takes it from nobody: so
 * much is not counted.
 *
 * Pure, like the controller: C99 library only, time is an argument. A child's steward looks
 * (src/child/lowering.c); the simulator (t/sim) runs the same functions.
 */
#ifndef ADP_ATTAINED_H
#define ADP_ATTAINED_H

#include <stdbool.h>
#include <stdint.h>

/* What an event may use of a processor before its worker is lowered. Shorter ones cannot be told
 * from what an ordinary script needs; with 2 ms and more the 99th percentile of a small file
 * beside requests that compute is several times as high (measured: docs/dev/controller.md). */
#define ATTAINED_US 1000

/* What was seen of a worker; zeroed at first. */
typedef struct attained_t {
    uint32_t event;             /* number of the event that it served */
    int64_t cpu_us;             /* its processor time at the last look, */
    int64_t looked_us;          /* ... which was then */
    int64_t used_us;            /* what counts of what this event has used */
    uint8_t rests;              /* looks at which it used none, as a power of two */
    uint8_t skipped;            /* looks since the last that read its clock */
} attained_t;

typedef enum {
    ATTAINED_MOVES,             /* another event than at the last look */
    ATTAINED_RESTS,             /* the same, and it waits for something */
    ATTAINED_COMPUTES,          /* the same, and it has used a processor meanwhile */
    ATTAINED_SHARE              /* ... all that comes before the others */
} attained_e;

/* Is the worker's clock worth reading? One that waits is looked at less and less often, but where
 * looks are rare at each of them. event: the number of the event that it serves. */
bool attained_wants_clock(attained_t *seen, uint32_t event, int64_t now_us);

/* A look, at now_us, at a worker that serves this event and has used cpu_us of a processor in its
 * life. */
attained_e attained_look(attained_t *seen, uint32_t event, int64_t now_us, int64_t cpu_us);

/* Whether the last look at this event was not long ago, and found that it waits. */
bool attained_rests(const attained_t *seen, uint32_t event, int64_t now_us);

/* The same for a worker that has been lowered: what it has had before does not count any more.
 * True: it waits for something. */
bool attained_lowered_rests(attained_t *seen, uint32_t event, int64_t now_us, int64_t cpu_us);

/* When to look again; zeroed at first. */
typedef struct attained_pace_t {
    int64_t pause_us;
} attained_pace_t;

/* The pause until the next look; 0: none is needed until something wakes the steward. computes:
 * some worker does; contended: nobody is idle, or some worker is lowered. */
int64_t attained_pause_us(attained_pace_t *pace, bool computes, bool contended);

/* The same where nothing is taken and nothing ends, and no worker computes, lowered or not: the
 * steward wakes by itself when that changes, and for its own looks now and then. */
int64_t attained_pause_at_rest_us(attained_pace_t *pace);

/* How a child's threads are shared out. Some are kept from what computes, and some from new
 * connections while there are others: a child whose last thread is held serves none of those that
 * it has, however short their requests are. */
typedef struct attained_rooms_t {
    int computing;              /* workers that are lowered, from which on requests that are known
                                 * to compute wait for one of these: more of them get no more done,
                                 * and one that holds a lock waits for all others' turns */
    int lowered;                /* ... from which on no new connection is begun. More than that if
                                 * there may be two: who is not known to compute may be short */
    int most;                   /* threads that there may be */
    int reserved;               /* of these, for connections that are between two requests */
} attained_rooms_t;

/* most: threads that there may be; admitted: that may serve without being lowered; cpus: this
 * child's part of the processors. */
attained_rooms_t attained_rooms(int most, int admitted, double cpus);

/* Workers that may serve, so that a new connection leaves enough threads to `connected` others
 * that are between two requests. */
static inline int attained_most_busy(int most, int reserved, int connected)
{
    int kept = connected < reserved ? connected : reserved;

    return most > kept + 1 ? most - kept : 1;
}

#endif
