/* What one class of requests (a virtual host, or a backend that mod_proxy asks) may hold of the
 * threads, so that one dead backend does not take them all from the others.
 *
 * Dynamic thresholds, as switches use them for memory that several queues share (Choudhury and
 * Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", 1998): a class may
 * hold SHARE_ALPHA threads for each one that is free. Nobody has to say how many classes there are
 * or what they need: one that is alone in wanting more gets four fifths, two get four ninths each,
 * and some threads always stay free for who comes next.
 *
 * Who is over it is refused, so it counts only while threads are nearly used up, if somebody else
 * is there to need them, and for a class whose requests hold theirs for long. One whose requests
 * come and go within a second queues up as it always did: others wait no longer than that for it.
 *
 * Pure, like the controller: C99 library only, time is an argument. Any worker (child/bulkhead.c).
 */
#ifndef ADP_SHARE_H
#define ADP_SHARE_H

#include <stdbool.h>
#include <stdint.h>

/* Threads that a class may hold for each free one. */
#define SHARE_ALPHA 4

/* Another class counts if it has had a request within this time. */
#define SHARE_LATELY_S 60

/* Threads: of all children, or of one. */
typedef struct share_room_t {
    int ceiling;                /* there may be */
    int busy;                   /* of these serve, the request's own included */
    int held;                   /* of these serve the class, likewise */
} share_room_t;

/* How long a class's requests have held their threads of late: intervals that end now, of each
 * child, added up. Zeroed at first. */
#define SHARE_INTERVALS 2       /* a longer one, and the end of it */
typedef struct share_pace_t {
    double held;
    double held_us[SHARE_INTERVALS];    /* held times the length of the interval */
    double per_us[SHARE_INTERVALS];     /* requests that have ended, per microsecond */
    double known;                       /* of held: where it is known how long one usually takes */
    double usual_us;                    /* times known */
} share_pace_t;

/* What one child has seen of the class. */
typedef struct share_seen_t {
    int held;
    int64_t usual_us;           /* a request holds its thread, before all this; 0: unknown */
    int64_t elapsed_us[SHARE_INTERVALS];
    uint32_t done[SHARE_INTERVALS];     /* requests that have ended in the interval */
} share_seen_t;

void share_pace_add(share_pace_t *pace, const share_seen_t *seen);

/* How long a request of the class holds its thread, by Little's law; at least so long if none has
 * ended. 0: nobody knows. */
int64_t share_hold_us(const share_pace_t *pace);

/* For so long that others would miss the thread? */
bool share_is_slow(const share_pace_t *pace);

/* Threads are nearly used up. */
bool share_is_near(const share_room_t *all);

/* The class holds more than its share, of all threads or of the child's own: a request that has
 * come to a child cannot be served by another. To be asked when share_is_near(). */
bool share_is_over(const share_room_t *all, const share_room_t *own);

#endif
