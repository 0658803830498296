/* Times: the earlier of two, time-outs for ppoll(2), the slowest of late. */
#include "base/clock.h"

#include "tap.h"

int main(void)
{
    int64_t last_us = 0;
    int backwards = 0, ahead = 0, i;

    tap_begin(120);
    for (i = 0; i < 100000; i++) {
        int64_t coarse_us = clock_coarse_us();
        int64_t now_us = clock_now_us();

        backwards += now_us < last_us;
        ahead += coarse_us > now_us;
        last_us = now_us;
    }
    is(backwards, 0, "the clock does not go back");
    is(ahead, 0, "the coarse one is never ahead");
    /* in this order it holds however long the thread is kept from running between the two */
    last_us = clock_now_us();
    ok(clock_coarse_us() > last_us - 100 * CLOCK_US_PER_MS, "nor far behind");
    ok(CLOCK_NEVER > last_us + INT64_C(100) * 365 * 86400 * CLOCK_US_PER_S,
       "never is more than a century away");
    return tap_done();
}
