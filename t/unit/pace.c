/* However often it is woken, the parent uses no more than its share of a processor; and somebody
 * who wakes it now and then does not wait. */

#include "parent/pace.h"
#include "tap.h"

#define S INT64_C(1000000)

/* Woken without end for this long, with rounds of this many µs: processor time used. */
static int64_t harass(pace_t *pace, int64_t round_us, int64_t from_us, int64_t seconds)
{
    int64_t now_us = from_us, used_us = 0;

    while (now_us < from_us + seconds * S) {
        now_us += round_us;
        used_us += round_us;
        now_us = pace_next(pace, round_us, now_us);
    }
    return used_us;
}

int main(void)
{
    static const int64_t rounds_us[] = { 2, 20, 200, 2000 };
    pace_t pace = { 0, 0 };
    int64_t now_us = 5 * S;
    size_t i;
    int n, waits = 0;

    tap_begin(20);
    is(pace_next(&pace, 100, now_us), now_us, "the first wake-up is answered at once");
    for (n = 0; n < 500; n++) {
        now_us += 1000;
        waits += pace_next(&pace, 150, now_us) > now_us;
    }
    is(waits, 0, "so are five hundred within half a second");
    for (i = 0; i < sizeof(rounds_us) / sizeof(rounds_us[0]); i++) {
        pace_t wild = { 0, 0 };
        int64_t used_us = harass(&wild, rounds_us[i], 9 * S, 60);

        ok(used_us <= 60 * S / 40, "a minute without end costs less than 2.5 % of it");
        diag("rounds of %d us: %.2f %%", (int)rounds_us[i], (double)used_us / (double)S / 0.6);
    }
    pace = (pace_t) { 0, 0 };
    harass(&pace, 50, 9 * S, 60);
    ok(pace_next(&pace, 50, 69 * S) <= 69 * S + PACE_LONGEST_US, "no pause is longer than said");
    ok(pace_next(&pace, 2 * S, 70 * S) == 70 * S + PACE_LONGEST_US, "nor after a round that was");
    is(pace_next(&pace, 50, 90 * S), 90 * S, "after some quiet all is forgotten");
    ok(pace_next(&pace, 50, 80 * S) >= 80 * S, "a clock that went back");
    return tap_done();
}
