/* What the parent takes from its children's records is in range, whatever lies there. */

#include "base/sum.h"
#include "board/board_view.h"
#include "random.h"
#include "tap.h"

#include <limits.h>
#include <string.h>

#define LIMIT  64
#define ROUNDS 200000

static bool within(int64_t value, int64_t least, int64_t most)
{
    return value >= least && value <= most;
}

static bool is_in_range(const board_view_t *view)
{
    return within(view->threads, 0, LIMIT) && within(view->admitted, 0, LIMIT)
           && within(view->idle, 0, LIMIT) && within(view->busy, 0, LIMIT)
           && within(view->blocked_permille, 0, INT64_C(1000) * view->busy)
           && within(view->waiting, 0, BOARD_MOST_WAITING)
           && within(view->waited_us, 0, BOARD_MOST_WAITED_US)
           && view->events <= UINT64_MAX >> EXT_IDLE_BITS;
}

static void test_honest(void)
{
    ext_child_t child;
    board_view_t view;

    memset(&child, 0, sizeof(child));
    view = board_view(&child, LIMIT);
    ok(!view.threads && !view.busy && !view.ready && !view.exhausted, "a new record says nothing");
    atomic_store(&child.work, 1000 * EXT_EVENT + 3);
    atomic_store(&child.threads, 12);
    atomic_store(&child.arriving, 1);
    atomic_store(&child.benched, 4);
    atomic_store(&child.computing_permille, 250);
    atomic_store(&child.waiting, 7);
    atomic_store(&child.waited_us, 5000);
    atomic_store(&child.ready, true);
    view = board_view(&child, LIMIT);
    is(view.admitted, 12, "threads that may take work");
    is(view.threads, 16, "... and those on the bench");
    is(view.idle, 3, "idle ones");
    is(view.busy, 8, "busy ones");
    is(view.blocked_permille, 6000, "three quarters of these do not compute");
    is(view.waiting, 7, "what waits");
    is(view.waited_us, 5000, "how long");
    is(view.events, 1000, "events");
    ok(view.ready && !view.closed && !view.wants_successor, "flags");
}

static void test_bounds(void)
{
    ext_child_t child;
    board_view_t view;

    memset(&child, 0xff, sizeof(child));
    view = board_view(&child, LIMIT);
    ok(is_in_range(&view), "all bits set");
    is(view.exhausted, 1, "a flag is one, whatever the byte");
    is(view.out_of_descriptors, 1, "... each of them");
    memset(&child, 0, sizeof(child));
    atomic_store(&child.threads, INT_MAX);
    atomic_store(&child.arriving, INT_MIN);
    atomic_store(&child.waited_us, INT64_MIN);
    view = board_view(&child, LIMIT);
    is(view.busy, LIMIT, "a difference that would overflow");
    is(view.waited_us, 0, "a wait before time began");
    is(bounded_sum(SUM_LARGEST, SUM_LARGEST), SUM_LARGEST, "sums end somewhere");
    is(bounded_sum(3, 4), 7, "and are sums before");
}

static void test_times(void)
{
    ext_child_t child;

    memset(&child, 0, sizeof(child));
    atomic_store(&child.ready_us, 1500);
    is(board_ready_us(&child, 1000, 2000), 1500, "a likely time");
    is(board_ready_us(&child, 1600, 2000), 1600, "before it was started");
    atomic_store(&child.ready_us, INT64_MAX);
    is(board_ready_us(&child, 1000, 2000), 2000, "in days to come");
    atomic_store(&child.ready_us, INT64_MIN);
    is(board_ready_us(&child, 1000, 2000), 1000, "at the beginning of time");
}

static void test_counts(void)
{
    uint32_t count = 5;

    is(board_count(&count, 10), 5, "a count");
    count = UINT32_MAX;
    is(board_count(&count, 10), 10, "too many");
    is(board_events_since(100, 130), 30, "events between two looks");
    is(board_events_since((UINT64_MAX >> EXT_IDLE_BITS) - 4, 5), 10, "over the end of the counter");
    is(board_events_since(130, 100), BOARD_MOST_EVENTS, "a counter that went back");
}

static void test_relief(void)
{
    ext_child_t child;

    memset(&child, 0, sizeof(child));
    ok(!board_take_relief(&child), "nobody asks");
    atomic_store(&child.wants_relief, 0xff);
    ok(board_take_relief(&child), "somebody does");
    ok(!board_take_relief(&child), "once");
}

static void test_noise(void)
{
    random_t r = random_seed(20);
    unsigned char bytes[sizeof(ext_child_t)] = { 0 };
    ext_child_t child;
    int round, wrong = 0;
    size_t i;

    for (round = 0; round < ROUNDS; round++) {
        board_view_t view;

        for (i = 0; i < sizeof(bytes); i++) {
            /* half of them 0 or 0xff: edges are where ranges break */
            uint64_t n = random_next(&r);

            bytes[i] = n & 1 ? (unsigned char)(n >> 8) : n & 2 ? 0xff : 0;
        }
        memcpy((void *)&child, bytes, sizeof(child));
        view = board_view(&child, LIMIT);
        wrong += !is_in_range(&view);
        wrong += !within(board_ready_us(&child, 5, 9), 5, 9);
    }
    is(wrong, 0, "noise comes out in range");
}

static void test_peak(void)
{
    ext_child_t ext;
    board_peak_t peak;

    memset(&ext, 0, sizeof(ext));
    atomic_store(&ext.busy_most, 7);
    atomic_store(&ext.waited_most_us, 4711);
    peak = board_take_peak(&ext, 64);
    is(peak.busy, 7, "the most busy threads");
    is(peak.waited_us, 4711, "the longest wait");
    peak = board_take_peak(&ext, 64);
    ok(peak.busy == 0 && peak.waited_us == 0, "are taken once");
    atomic_store(&ext.busy_most, 65);
    atomic_store(&ext.waited_most_us, INT64_MAX);
    peak = board_peak(&ext, 64);
    ok(peak.busy == 64 && peak.waited_us == BOARD_MOST_WAITED_US, "what a page shows is clamped");
    peak = board_take_peak(&ext, 64);
    ok(peak.busy == 64 && peak.waited_us == BOARD_MOST_WAITED_US, "and clamped");
    atomic_store(&ext.busy_most, -1);
    atomic_store(&ext.waited_most_us, INT64_MIN);
    peak = board_take_peak(&ext, 64);
    ok(peak.busy == 0 && peak.waited_us == 0, "at both ends");
    ext_count_request(&ext, 1000);
    ext_count_request(&ext, 1000);
    ext_count_request(&ext, 1001);
    is(board_requests_in(&ext, 1000), 2, "requests of a second");
    is(board_requests_in(&ext, 999), 0, "of one without any");
    ext_count_request(&ext, 1000 + EXT_RATE_SECONDS);
    is(board_requests_in(&ext, 1000), 0, "of one that is too long ago");
    is(board_requests_in(&ext, 1000 + EXT_RATE_SECONDS), 1, "of the one in its place");
    memset(&ext.by_second, 0xff, sizeof(ext.by_second));
    is(board_requests_in(&ext, UINT32_MAX), BOARD_MOST_EVENTS,
       "and what a child makes up is clamped");
}

int main(void)
{
    tap_begin(60);
    test_honest();
    test_bounds();
    test_times();
    test_counts();
    test_relief();
    test_noise();
    test_peak();
    return tap_done();
}
