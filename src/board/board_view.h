/* What the parent takes from the memory that it shares with its children.
 *
 * Children are unprivileged, and one that an attacker has taken over can write anything into
 * any child's record, at any moment. So the parent reads a record in one place, here: each word
 * is loaded once, and what comes out is in the range that an honest child keeps to. What is
 * beyond it is brought back to its edge, so that sums and differences never overflow. A child reads
 * its own counts here, too: a sibling may have written over them.
 *
 * What the parent knows itself (process ids, generations, states, times) it does not read here:
 * that is in retained_t, which no child can write.
 *
 * Pure C: tested without httpd.
 */
#ifndef ADP_BOARD_VIEW_H
#define ADP_BOARD_VIEW_H

#include "scoreboard_ext.h"

#include <stdbool.h>
#include <stdint.h>

/* Events that wait for a thread, of one child, at most; and for how long. */
#define BOARD_MOST_WAITING    (1 << 16)
#define BOARD_MOST_WAITED_US  INT64_C(3600000000)
/* Events that a child takes between two looks, at most. */
#define BOARD_MOST_EVENTS     (UINT64_C(1) << 26)

/* A child's record at one moment. */
typedef struct board_view_t {
    int threads;                /* worker threads, those on the bench included; 0 to the limit */
    int admitted;               /* of these, may take work */
    int idle;                   /* of these, wait for work */
    int busy;                   /* ... and serve */
    int64_t blocked_permille;   /* of the busy ones, wait for something else than a processor:
                                 * thousandths of threads, to be rounded in the sum */
    int waiting;                /* 0 to BOARD_MOST_WAITING */
    int64_t waited_us;          /* 0 to BOARD_MOST_WAITED_US */
    uint64_t events;            /* taken so far; wraps at 2^44 */
    bool ready;
    bool closed;
    bool wants_successor;
    bool exhausted;
    bool out_of_descriptors;
} board_view_t;

/* Look at a record, of a child that has at most thread_limit threads (> 0). */
board_view_t board_view(const ext_child_t *ext, int thread_limit);

/* Events taken between two looks at board_view_t.events: 0 to BOARD_MOST_EVENTS. */
uint64_t board_events_since(uint64_t before, uint64_t now);

/* Requests that a child read in a second that is over: 0 to BOARD_MOST_EVENTS. */
int board_requests_in(const ext_child_t *ext, int64_t second);

/* When the child says that it became ready: from earliest_us to latest_us. */
int64_t board_ready_us(const ext_child_t *ext, int64_t earliest_us, int64_t latest_us);

/* What a child has noted since the last call: the most busy threads, 0 to thread_limit, and the
 * longest wait, 0 to BOARD_MOST_WAITED_US. */
typedef struct board_peak_t {
    int busy;
    int64_t waited_us;
} board_peak_t;

board_peak_t board_take_peak(ext_child_t *ext, int thread_limit);

/* The same, to look at only: it stays for the next call of board_take_peak(). */
board_peak_t board_peak(const ext_child_t *ext, int thread_limit);

/* Whether the child wants its siblings to look at the backlog; the wish is then fulfilled. */
bool board_take_relief(ext_child_t *ext);

/* A counter of httpd's scoreboard, which is not atomic: 0 to most. */
int board_count(const uint32_t *count, int most);

#endif
