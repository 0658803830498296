/* How fast children are started while they do not last, and how long a start may take. */

#include "parent/start_pace.h"

#include "tap.h"

#define MS INT64_C(1000)
#define S (1000 * MS)
#define LIFE_US (20 * MS)       /* of a child that crashes */

#define MOST 64

/* A server that wants some children, each of which ends after a while; looked at each ms.
 * Returns how many were started in the given time. */
static int starts(int wanted, start_failure_e how, int64_t life_us, int64_t duration_us)
{
    start_pace_t pace = { 0 };
    int64_t started_us[MOST] = { 0 };   /* 0: not there */
    int64_t now_us;
    int i, count = 0;

    for (now_us = S; now_us < S + duration_us; now_us += MS) {
        for (i = 0; i < wanted; i++) {
            if (started_us[i] && now_us - started_us[i] >= life_us + i * MS / 4) {
                start_pace_failed(&pace, how, started_us[i], now_us);
                started_us[i] = 0;
            }
        }
        for (i = 0; i < wanted; i++) {
            if (!started_us[i] && now_us >= pace.next_us) {
                started_us[i] = now_us;
                start_pace_started(&pace, now_us);
                count++;
            }
        }
    }
    return count;
}

static void test_storm(void)
{
    int few = starts(8, START_DIED_YOUNG, LIFE_US, 60 * S);
    int many = starts(32, START_DIED_YOUNG, LIFE_US, 60 * S);

    diag("%d and %d starts a minute of children that die young", few, many);
    ok(few <= 2 * 8 + 60 + 10, "8 children that die young: twice at once, then one a second");
    ok(many <= 2 * 32 + 60 + 10, "32 of them: the cap is for all together");
    ok(few >= 60, "but it goes on trying");
    many = starts(32, START_FAILED, LIFE_US, 60 * S);
    diag("%d starts a minute of children that are never ready", many);
    ok(many <= 32 + 6 + 10, "those that are never ready: one every ten seconds");
    ok(many >= 32 + 6, "for ever");
    many = starts(1, START_REFUSED, MS, 60 * S);
    ok(many >= 60 && many <= 70, "where fork is refused: one a second");
}

static void test_bad_luck(void)
{
    start_pace_t pace = { 0 };

    start_pace_started(&pace, S);
    is(pace.next_us, 0, "as many starts at once as are needed");
    start_pace_failed(&pace, START_DIED_YOUNG, S, S + LIFE_US);
    ok(pace.next_us <= S + LIFE_US, "one that dies young is replaced at once");
    start_pace_started(&pace, S + LIFE_US);
    start_pace_failed(&pace, START_DIED_YOUNG, S + LIFE_US, S + 2 * LIFE_US);
    is(pace.next_us, S + 2 * LIFE_US + 100 * MS, "its successor after a pause");
    ok(!start_pace_is_healthy(&pace, S, 100 * S), "a child that was there before shows nothing");
    ok(!start_pace_is_healthy(&pace, 2 * S, 3 * S - 1), "nor does a young one");
    ok(start_pace_is_healthy(&pace, 2 * S, 3 * S), "one that lives does");
    start_pace_recovered(&pace);
    is(pace.failures, 0, "then all is forgotten");
    is(pace.pause_us, 0, "... the pauses too");
    is(pace.next_us, 0, "... and children are started at once");
    start_pace_failed(&pace, START_DIED_YOUNG, 4 * S, 5 * S);
    ok(pace.next_us <= 5 * S, "also after the next that dies young");
}

static void test_together(void)
{
    start_pace_t pace = { 0 };
    int i;

    for (i = 0; i < 50; i++) {
        start_pace_failed(&pace, START_FAILED, S, S + 10 * MS + i);
    }
    is(pace.failures, 50, "failures are counted one by one");
    is(pace.pause_us, 100 * MS, "those that were started together make one pause longer");
}

static void test_patience(void)
{
    is(start_pace_patience_us(0), 10 * S, "nothing is known: ten seconds");
    is(start_pace_patience_us(5 * MS), 3 * S, "never less than three");
    is(start_pace_patience_us(2 * S), 20 * S, "ten times as long as others took");
}

int main(void)
{
    tap_begin(60);
    test_storm();
    test_bad_luck();
    test_together();
    test_patience();
    return tap_done();
}
