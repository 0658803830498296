/* How long a child that was told to finish may hang on, and when that is worth a line. */

#include "child/drain_schedule.h"

#include "tap.h"

#define S INT64_C(1000000)
#define MINUTES (60 * S)
#define HOURS (60 * MINUTES)
#define BEGAN (5 * S)

static void test_without_limit(void)
{
    drain_schedule_t s = { 0 };
    int64_t t;
    int warnings = 0;

    is(drain_schedule_next(&s, 0), INT64_MAX, "a child that does not drain has nothing to say");
    is(drain_schedule_act(&s, 0, 100 * HOURS), DRAIN_GO_ON, "... ever");
    is(drain_schedule_act(&s, 60 * S, 100 * HOURS), DRAIN_GO_ON, "... nor does a limit end it");
    drain_schedule_begin(&s, BEGAN);
    drain_schedule_begin(&s, BEGAN + 5 * MINUTES);
    is(drain_schedule_next(&s, 0), BEGAN + 10 * MINUTES,
       "the first warning comes after ten minutes");
    is(drain_schedule_act(&s, 0, BEGAN), DRAIN_GO_ON, "not at once");
    is(drain_schedule_act(&s, 0, BEGAN + 10 * MINUTES - 1), DRAIN_GO_ON, "not a moment before");
    is(drain_schedule_act(&s, 0, BEGAN + 10 * MINUTES), DRAIN_WARN, "then it does");
    is(drain_schedule_act(&s, 0, BEGAN + 10 * MINUTES), DRAIN_GO_ON, "once");
    is(drain_schedule_next(&s, 0), BEGAN + 10 * MINUTES + HOURS, "the next an hour later");
    for (t = BEGAN; t <= BEGAN + 24 * HOURS; t += S / 5) {
        drain_act_e act = drain_schedule_act(&s, 0, t);

        warnings += act == DRAIN_WARN;
        if (act != DRAIN_WARN && act != DRAIN_GO_ON) {
            break;
        }
    }
    is(t, BEGAN + 24 * HOURS + S / 5, "it drains for a day if it has to");
    is(warnings, 23, "and says so each hour");
}

static void test_limit(void)
{
    drain_schedule_t s = { 0 };

    drain_schedule_begin(&s, BEGAN);
    is(drain_schedule_next(&s, 60 * S), BEGAN + 60 * S,
       "the limit is looked at when it has passed");
    is(drain_schedule_act(&s, 60 * S, BEGAN + 60 * S - 1), DRAIN_GO_ON, "not a moment before");
    is(drain_schedule_act(&s, 60 * S, BEGAN + 60 * S), DRAIN_TIME_IS_UP, "then the time is up");
    is(drain_schedule_act(&s, 60 * S, BEGAN + 60 * S), DRAIN_CLOSE, "what waits is closed");
    is(drain_schedule_next(&s, 60 * S), BEGAN + 60 * S + S / 2, "for half a second");
    is(drain_schedule_act(&s, 60 * S, BEGAN + 60 * S + S / 2 - 1), DRAIN_CLOSE, "again and again");
    is(drain_schedule_act(&s, 60 * S, BEGAN + 60 * S + S / 2), DRAIN_CUT,
       "then the rest is cut off");
    is(drain_schedule_act(&s, 60 * S, BEGAN + 70 * S), DRAIN_CUT, "whenever it is asked");
}

static void test_no_warning_with_limit(void)
{
    drain_schedule_t s = { 0 };
    int64_t t;

    drain_schedule_begin(&s, BEGAN);
    for (t = BEGAN; drain_schedule_act(&s, 2 * HOURS, t) == DRAIN_GO_ON; t += S) {
        continue;
    }
    is(t, BEGAN + 2 * HOURS, "who sets a limit hears of it when it is reached, not before");
}

static void test_change_of_limit(void)
{
    drain_schedule_t s = { 0 };

    drain_schedule_begin(&s, BEGAN);
    is(drain_schedule_act(&s, 0, BEGAN + HOURS), DRAIN_WARN, "an hour without a limit");
    is(drain_schedule_act(&s, 60 * S, BEGAN + HOURS), DRAIN_TIME_IS_UP,
       "a new limit counts from when the child began to drain");
    is(s.limit_us, 60 * S, "... and is remembered");

    s = (drain_schedule_t) { 0 };
    drain_schedule_begin(&s, BEGAN);
    is(drain_schedule_act(&s, 60 * S, BEGAN + 59 * S), DRAIN_GO_ON, "a second before the limit");
    is(drain_schedule_act(&s, 120 * S, BEGAN + 60 * S), DRAIN_GO_ON, "a longer one");
    is(drain_schedule_act(&s, 0, BEGAN + 600 * S - 1), DRAIN_GO_ON, "none at all");
    is(drain_schedule_act(&s, 0, BEGAN + 600 * S), DRAIN_WARN, "then it warns");
    is(drain_schedule_act(&s, 700 * S, BEGAN + 699 * S), DRAIN_GO_ON, "a limit again");
    is(drain_schedule_act(&s, 700 * S, BEGAN + 700 * S), DRAIN_TIME_IS_UP, "which passes");
    is(drain_schedule_act(&s, 0, BEGAN + 701 * S), DRAIN_CUT,
       "once the time is up, taking the limit away does not help");
}

static void test_far_limits(void)
{
    drain_schedule_t s = { 0 };

    drain_schedule_begin(&s, BEGAN);
    is(drain_schedule_next(&s, INT64_MAX), INT64_MAX, "a limit beyond the end of time");
    is(drain_schedule_act(&s, INT64_MAX, BEGAN + 1000000 * HOURS), DRAIN_GO_ON, "... is none");
    is(drain_schedule_act(&s, 1, BEGAN), DRAIN_GO_ON, "the least limit");
    is(drain_schedule_act(&s, 1, BEGAN + 1), DRAIN_TIME_IS_UP, "... is kept");
}

int main(void)
{
    tap_begin(60);
    test_without_limit();
    test_limit();
    test_no_warning_with_limit();
    test_change_of_limit();
    test_far_limits();
    return tap_done();
}
