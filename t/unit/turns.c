/* A loop that sleeps is left alone; one that does not is slowed down until it does. */

#include "base/turns.h"

#include "tap.h"

/* Turn for seconds, each turn taking turn_us and the pause that it is told. Returns the turns. */
static int turn_for(turns_t *turns, int64_t *now_us, int seconds, int64_t turn_us, int *said)
{
    int64_t end_us = *now_us + seconds * CLOCK_US_PER_S;
    int count = 0;

    while (*now_us < end_us) {
        bool begins;
        int64_t pause_us = turns_pause_us(turns, *now_us, &begins);

        *said += begins;
        *now_us += turn_us + pause_us;
        count++;
    }
    return count;
}

int main(void)
{
    turns_t turns = { 0 };
    int64_t now_us = 4711;
    int said = 0;
    int count;

    tap_begin(60);
    count = turn_for(&turns, &now_us, 10, 500, &said);
    is(count, 20000, "2,000 turns a second: no pause");
    is(said, 0, "nothing to say");
    count = turn_for(&turns, &now_us, 10, 5, &said);
    ok(count < 2 * TURNS_MOST_PER_S + 10 * 200, "a loop that spins is slowed down");
    is(said, 1, "it is said once");
    turn_for(&turns, &now_us, 10, CLOCK_US_PER_S / 10, &said);
    ok(!turns.too_many, "once it sleeps again it is free");
    turn_for(&turns, &now_us, 3, 5, &said);
    is(said, 2, "the next time it is said again");
    turn_for(&turns, &now_us, 3, 2 * CLOCK_US_PER_MS, &said);
    ok(!turns.too_many, "a steward that looks every 2 ms after a burst is free, too");
    now_us = 0;
    turn_for(&turns, &now_us, 1, CLOCK_US_PER_MS, &said);
    is(said, 2, "a clock that goes back does no harm");
    return tap_done();
}
