/* Least attained service: who has had his share, how often that is looked at, what is kept. */

#include "law/attained.h"

#include "tap.h"

static void test_share(void)
{
    attained_t seen = { 0 };

    ok(attained_wants_clock(&seen, 1, 0), "an event that was not seen before: its clock is read");
    is(attained_look(&seen, 1, 0, 5000000), ATTAINED_MOVES, "the first look only notes it");
    is(attained_look(&seen, 1, 500, 5000400), ATTAINED_COMPUTES, "it has used a processor");
    is(attained_look(&seen, 1, 1200, 5001100), ATTAINED_SHARE, "... for as long as it may");
    is(attained_look(&seen, 3, 9000, 5009000), ATTAINED_MOVES,
       "another event begins anew, whatever the thread has used before");
    is(attained_look(&seen, 3, 9100, 5009100), ATTAINED_COMPUTES, "... from then on");
}

static void test_rest(void)
{
    attained_t seen = { 0 };
    int i, clocks = 0, shares = 0;

    attained_look(&seen, 1, 0, 100);
    for (i = 1; i < 1000; i++) {
        if (attained_wants_clock(&seen, 1, i * 500)) {
            clocks++;
            is(attained_look(&seen, 1, i * 500, 100), ATTAINED_RESTS, "it waits for something");
        }
    }
    ok(clocks >= 60 && clocks < 80, "one that waits is looked at ever less often: 1 in 16 at last");
    ok(attained_wants_clock(&seen, 3, 500000), "but at once when it has another event");
    attained_look(&seen, 3, 1000000, 100);
    attained_look(&seen, 3, 1000500, 200);
    ok(attained_wants_clock(&seen, 3, 1000600), "and each time while it computes");
    for (i = 0; i < 1000; i++) {
        /* 40 us of each 10 ms */
        shares += attained_look(&seen, 3, 1001000 + i * 10000, 200 + i * 40) == ATTAINED_SHARE;
    }
    is(shares, 0, "a little now and then is free");
}

/* What others may believe of the last look. */
static void test_rests(void)
{
    attained_t seen = { 0 };

    attained_look(&seen, 1, 1000, 100);
    ok(!attained_rests(&seen, 1, 1000), "one look tells nothing");
    attained_look(&seen, 1, 2000, 100);
    ok(attained_rests(&seen, 1, 2000), "it has waited between two");
    ok(attained_rests(&seen, 1, 20000), "... which is believed for a while");
    ok(!attained_rests(&seen, 1, 200000), "... and not for long");
    ok(!attained_rests(&seen, 3, 2000), "another event: not known");
    attained_look(&seen, 1, 3000, 1100);
    ok(!attained_rests(&seen, 1, 3000), "it computes");
}

/* A tunnel: an event that lasts for hours. */
static void test_long_rest(void)
{
    attained_t seen = { 0 };
    int i;

    attained_look(&seen, 1, 0, 0);
    for (i = 1; i <= 10; i++) {
        attained_look(&seen, 1, i, 0);
    }
    ok(!attained_wants_clock(&seen, 1, 2000), "it waits, and has just been looked at: no clock");
    ok(attained_wants_clock(&seen, 1, 2000000), "looks are rare: at each of them");
    is(attained_look(&seen, 1, 2000000, 1500000), ATTAINED_SHARE, "it computes after all");
    ok(!attained_lowered_rests(&seen, 1, 2010000, 1509000), "lowered, it goes on computing");
    ok(attained_lowered_rests(&seen, 1, 2020000, 1509000),
       "... and waits again, however much it has had");
    ok(!attained_lowered_rests(&seen, 3, 2030000, 1509000), "another event: not known yet");
}

static void test_pace(void)
{
    attained_pace_t pace = { 0 };
    int64_t shortest_us = attained_pause_us(&pace, true, true), pause_us = shortest_us;
    int i;

    is(attained_pause_us(&pace, true, true), shortest_us, "while somebody computes: soon");
    for (i = 0; i < 10; i++) {
        int64_t next_us = attained_pause_us(&pace, false, true);

        ok(next_us >= pause_us, "while nobody does: ever later");
        pause_us = next_us;
    }
    ok(pause_us > shortest_us && pause_us <= 10000, "but some time, as long as nobody is idle");
    is(attained_pause_us(&pace, false, false), 0, "and not at all when somebody is");
    is(attained_pause_us(&pace, false, false), pause_us, "until something wakes the steward: late");
    is(attained_pause_us(&pace, false, false), 0, "... and once");
    is(attained_pause_us(&pace, false, true), shortest_us, "nobody is idle: soon");
    is(attained_pause_us(&pace, false, true), 2 * shortest_us, "... and ever later");
    is(attained_pause_at_rest_us(&pace), 0, "... and nothing goes on at all: not by itself");
    is(attained_pause_us(&pace, false, true), shortest_us, "when something does: from the start");
}

static void test_rooms(void)
{
    attained_rooms_t r = attained_rooms(64, 4, 2);
    int most, bad = 0;

    is(r.computing, 8, "four for a processor");
    is(attained_most_busy(r.most, r.reserved, 100), 56,
       "an eighth of the threads is for those who are connected");
    is(r.lowered, 56, "... and some are kept from what computes");
    is(attained_most_busy(r.most, r.reserved, 0), 64, "nobody is connected: all are for new ones");
    is(attained_most_busy(r.most, r.reserved, 3), 61, "three are: three threads are theirs");
    is(attained_rooms(1024, 4, 2).reserved, 8, "not more than some");
    is(attained_rooms(3, 1, 2).reserved, 0, "of very few none");
    is(attained_most_busy(1, 8, 100), 1, "one serves, whatever there may be");
    is(attained_rooms(64, 4, 0.1).computing, 2, "a small part of the processors: two");
    is(attained_rooms(64, INT32_MAX, 2).lowered, 32, "nobody is capped: half of them");
    is(attained_rooms(64, 4, 1e300).computing, 41, "a number of processors that is none");
    is(attained_rooms(8, 4, 2).computing, 2, "few threads: what is not known to compute has room");
    for (most = -1; most < 300; most++) {
        int admitted;

        for (admitted = 1; admitted < 300; admitted += 7) {
            r = attained_rooms(most, admitted, 2);
            if (r.computing < 1 || r.lowered < r.computing
                || (r.lowered == r.computing && r.lowered > 2) || r.reserved < 0
                || (most > 1 && r.lowered >= most) || (most > 0 && r.reserved >= most)) {
                bad++;
                printf("# most %d, admitted %d: %d %d %d\n", most, admitted, r.computing, r.lowered,
                       r.reserved);
            }
        }
    }
    is(bad, 0, "of each kind there is at least one, and somebody is left for what is short");
}

int main(void)
{
    tap_begin(22);
    test_share();
    test_rest();
    test_rests();
    test_long_rest();
    test_pace();
    test_rooms();
    return tap_done();
}
