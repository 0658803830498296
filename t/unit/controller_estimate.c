/* The parts of the control law: numbers, rates, peaks. */

#include "law/controller_internal.h"

#include "random.h"
#include "tap.h"

#include <string.h>

static bool near(double got, double expected, double relative)
{
    double off = got > expected ? got - expected : expected - got;

    return off <= relative * (expected < 0 ? -expected : expected);
}

static void test_numbers(void)
{
    /* e^-x, from tables */
    static const double fading[][2] = {
        { 0, 1 }, { 0.001, 0.99900049983337502 }, { 0.1, 0.90483741803595957 },
        { 0.5, 0.60653065971263342 }, { 1, 0.36787944117144233 }, { 2, 0.1353352832366127 },
        { 5, 0.0067379469990854671 }, { 10, 4.5399929762484854e-05 },
        { 30, 9.3576229688401746e-14 }, { 100, 0 }, { 1e300, 0 }
    };
    volatile double nothing = 0;
    double not_a_number = nothing / nothing;
    double x;
    size_t i;
    int wrong = 0;

    for (x = 1e-12; x < 1e290; x *= 3.7) {
        wrong += !near(ctl_sqrt(x) * ctl_sqrt(x), x, 2e-9);
    }
    is(wrong, 0, "square roots");
    ok(ctl_sqrt(0) == 0 && ctl_sqrt(-1) == 0 && ctl_sqrt(not_a_number) == 0,
       "... of what has none: 0");
    for (i = 0; i < sizeof(fading) / sizeof(fading[0]); i++) {
        double off = ctl_exp_neg(fading[i][0]) - fading[i][1];

        wrong += off > 1e-6 || off < -1e-6;
    }
    is(wrong, 0, "e to the minus x");
    ok(ctl_exp_neg(-1) == 1 && ctl_exp_neg(not_a_number) == 1, "... never more than 1");
    for (x = 0; x < 45; x += 0.01) {
        wrong += ctl_exp_neg(x + 0.01) > ctl_exp_neg(x);
    }
    is(wrong, 0, "... and falls");

    is(ctl_ceil(0), 0, "ceil 0");
    is(ctl_ceil(2), 2, "ceil 2");
    is(ctl_ceil(2.001), 3, "ceil 2.001");
    is(ctl_ceil(-3), 0, "ceil of less than nothing: 0");
    is(ctl_ceil(1e30), 1000000000, "ceil of more than there can be");
    is(ctl_ceil(not_a_number), 0, "ceil of what is no number: 0");
    ok(ctl_clamp(not_a_number, 3, 5) == 3, "what is no number becomes the lower bound");

    ok(ctl_gained(5, 3) == 2, "counters are compared");
    ok(ctl_gained(3, UINT64_MAX - 1) == 5, "... that may wrap");
    ok(ctl_gained(3, 1000) == 0, "... and one that went back was reset");
}

static void test_clock(void)
{
    ctl_clock_t c;

    ctl_clock_init(&c, 5000);
    is(ctl_clock_advance(&c, 6000), 1000, "time passes");
    is(ctl_clock_advance(&c, 6000), 0, "or not");
    is(ctl_clock_advance(&c, 100), 0, "never backwards");
    is(c.now_us, 1000, "... the law's clock stays");
    is(ctl_clock_advance(&c, 300), 200, "... and goes on from there");
    is(ctl_clock_after(&c, 50), 350, "times are given in the caller's clock");
    is(ctl_clock_after(&c, CTL_NEVER_US), CTL_NEVER_US, "never is never");
    ctl_clock_init(&c, INT64_MIN);
    ok(ctl_clock_advance(&c, INT64_MAX) > 0, "no overflow");
    is(ctl_clock_after(&c, 1), CTL_NEVER_US, "... here neither");
    ctl_clock_init(&c, -1000);
    is(ctl_clock_after(&c, CTL_NEVER_US), CTL_NEVER_US - 1000, "before time 0 never is far away");
}

/* Constant arrivals, looked at now and then. */
static void test_flow(void)
{
    static const int64_t intervals_us[] = { 1000, 10000, 100000, 1000000, 60000000 };
    size_t i;

    for (i = 0; i < sizeof(intervals_us) / sizeof(intervals_us[0]); i++) {
        ctl_flow_t flow;
        int64_t now_us;
        double rate;

        memset(&flow, 0, sizeof(flow));
        for (now_us = 0; now_us <= 60000000 + intervals_us[i]; now_us += intervals_us[i]) {
            ctl_flow_update(&flow, now_us, (uint64_t)now_us / 1000, (uint64_t)now_us / 1000, 50);
        }
        rate = flow.arrivals_per_s;
        ok(near(rate, 1000, 0.01), "1000 a second");
        ok(intervals_us[i] > 1500000 || near(ctl_flow_service_s(&flow), 0.05, 0.02),
           "50 busy: 50 ms each");
        ok(ctl_flow_growth(&flow) < 1, "no growth");
        if (!near(rate, 1000, 0.01)) {
            diag("every %" PRId64 " us: %f a second, %f s", intervals_us[i], rate,
                 ctl_flow_service_s(&flow));
        }
    }
}

static void test_growth(void)
{
    ctl_flow_t flow;
    int64_t now_us;

    memset(&flow, 0, sizeof(flow));
    for (now_us = 0; now_us <= 2000000; now_us += 10000) {
        ctl_flow_update(&flow, now_us, (uint64_t)now_us / 1000, 0, (int)(now_us / 1000));
    }
    ok(near(ctl_flow_growth(&flow), 1000, 0.01), "nothing completes: growth is what arrives");
    ok(ctl_flow_service_s(&flow) <= 2.1, "no request takes longer than since it began");
}

static void test_surge(void)
{
    ctl_surge_t surge;
    int64_t now_us = 0;
    double rate = 0, surely, most = 0, count = 0;
    random_t dice = random_seed(3);
    int i, detected_ms = -1;

    memset(&surge, 0, sizeof(surge));
    for (i = 0; i < 3000; i++) {
        now_us += 20000;
        count = (double)random_below(&dice, 9);     /* 200 a second, more regular than Poisson */
        rate = ctl_surge_rate(&surge, now_us, count, &surely);
        most = surely > most ? surely : most;
    }
    ok(near(rate, 200, 0.25), "a constant rate");
    ok(most < 230, "... is never believed to be much higher");
    for (i = 1; i <= 10 && detected_ms < 0; i++) {
        now_us += 20000;
        rate = ctl_surge_rate(&surge, now_us, 40, &surely);
        if (surely > 300) {
            detected_ms = i * 20;
        }
    }
    diag("a step to 2000 a second is seen after %d ms, as %.0f", detected_ms, rate);
    ok(detected_ms > 0 && detected_ms <= 40, "a step is seen at once");
    ok(near(rate, 2000, 0.1), "... in its full height");
}

static void test_peak(void)
{
    random_t dice = random_seed(7);
    ctl_peak_t peak;
    int64_t now_us = 0;
    int i, early = 0, late = 0, below = 0;

    memset(&peak, 0, sizeof(peak));
    ctl_peak_put(&peak, 0, 15000000, 7);
    is(ctl_peak(&peak), 7, "a peak");
    ctl_peak_put(&peak, 15000000, 15000000, 3);
    is(ctl_peak(&peak), 7, "... is kept for the whole time");
    is(ctl_peak_falls_us(&peak), 16000000, "... and a little longer");
    ctl_peak_put(&peak, 16000000, 15000000, 2);
    is(ctl_peak(&peak), 3, "then the next one counts");
    ctl_peak_put(&peak, 17000000, 60000000, 2);
    is(ctl_peak(&peak), 3, "another window: nothing is lost");
    ctl_peak_put(&peak, INT64_C(1000000000000), 60000000, -5);
    is(ctl_peak(&peak), -5, "after a long time nothing is left");

    for (i = 0; i < 20000; i++) {
        int value = (int)random_below(&dice, 1000), high;
        int64_t falls_us;

        now_us += random_below(&dice, 3000000);
        ctl_peak_put(&peak, INT64_C(2000000000000) + now_us, 60000000, value);
        high = ctl_peak(&peak);
        falls_us = ctl_peak_falls_us(&peak);
        below += high < value;
        if (i % 97 == 0) {
            ctl_peak_t before = peak, after = peak;

            ctl_peak_put(&before, falls_us - 1, 60000000, -1);
            ctl_peak_put(&after, falls_us, 60000000, -1);
            early += ctl_peak(&before) != high;
            late += ctl_peak(&after) >= high;
        }
    }
    is(below, 0, "a peak is never below the latest value");
    is(early, 0, "it does not fall before it is said to");
    is(late, 0, "and falls then");
}

int main(void)
{
    tap_begin(20);
    test_numbers();
    test_clock();
    test_flow();
    test_growth();
    test_surge();
    test_peak();
    return tap_done();
}
