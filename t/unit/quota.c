/* A child asks for its successor so early that it is there when the quota is used up. */

#include "child/quota.h"

#include "tap.h"

#define MS CLOCK_US_PER_MS

/* Take connections at a rate until the child asks; returns how many it has taken. *now_us goes
 * on. */
static int64_t taken_until_asked(quota_t *quota, int64_t *now_us, int per_s)
{
    int64_t taken = 1;

    for (; !quota_take(quota, *now_us); taken++) {
        *now_us += CLOCK_US_PER_S / per_s;
    }
    return taken;
}

/* What is served in all by a child of so many connections, at a steady rate. */
static int64_t served(int64_t connections, int64_t lead_us, int per_s)
{
    quota_t quota;
    int64_t now_us = 4711;

    quota_begin(&quota, connections, lead_us, now_us);
    return taken_until_asked(&quota, &now_us, per_s) + lead_us * per_s / CLOCK_US_PER_S;
}

static void test_steady_rates(void)
{
    static const int rates[] = { 1, 10, 100, 150, 400, 1000 };
    int64_t most = 0, least = INT64_MAX;
    size_t i;

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        int64_t now = served(1000, 200 * MS, rates[i]);

        diag("%d/s: %ld of 1000", rates[i], (long)now);
        most = now > most ? now : most;
        least = now < least ? now : least;
    }
    ok(most <= 1010, "the successor is there when the quota is used up, at any rate");
    ok(least >= 900, "and not long before");
    ok(served(20, 150 * MS, 100) <= 30, "a small one is exceeded by less than a half");
    ok(served(20, 150 * MS, 1000) <= 10 + 150 + 1,
       "faster than it can be there: it is asked for at half");
    is(served(1, 100 * MS, 1), 1, "a quota of one");
}

static void test_bursts(void)
{
    quota_t quota;
    int64_t now_us = 0;
    int i, asked = 0;

    quota_begin(&quota, 100, 150 * MS, now_us);
    for (i = 0; i < 10; i++) {
        int j;

        for (j = 0; j < 6; j++) {
            asked += quota_take(&quota, now_us);
        }
        now_us += 60 * CLOCK_US_PER_S;
    }
    is(asked, 0, "a browser now and then: 60 of 100 are no reason");
    quota_begin(&quota, 1000, 100 * MS, now_us);
    for (i = 0; i < 400; i++) {
        asked += quota_take(&quota, now_us);
    }
    is(asked, 0, "a burst of 400 of 1000 neither");
    now_us += 3600 * CLOCK_US_PER_S;
    ok(taken_until_asked(&quota, &now_us, 100) > 550, "an hour later it has no say");
}

static void test_end(void)
{
    quota_t quota;
    int i, asked = 0;

    quota_begin(&quota, 5, 1, 0);
    for (i = 0; i < 20; i++) {
        asked += quota_take(&quota, i * CLOCK_US_PER_S);
    }
    is(asked, 16, "once it is used up, it is asked at each connection");
    is(atomic_load(&quota.left), -15, "what is exceeded is known");
    quota_begin(&quota, 100, 10 * MS, 1000 * CLOCK_US_PER_S);
    ok(!quota_take(&quota, 0), "a clock that goes back does no harm");
}

int main(void)
{
    tap_begin(60);
    test_steady_rates();
    test_bursts();
    test_end();
    return tap_done();
}
