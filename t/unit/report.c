/* Sentences about plans and ceilings, and when there is one. */

#include "report/report_text.h"

#include "base/clock.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

#define S CLOCK_US_PER_S

static bool is_text(const char *got, const char *expected, int line)
{
    bool passed = tap_result(strcmp(got, expected) == 0, __FILE__, line, expected);

    if (!passed) {
        printf("#        got: %s\n", got);
    }
    return passed;
}

#define text_is(got, expected) is_text(got, expected, __LINE__)

/* --- how long ----------------------------------------------------------------------- */

static void test_durations(void)
{
    static const struct { int64_t us; const char *text; } cases[] = {
        { 0, "0 us" }, { 400, "400 us" }, { 999, "999 us" }, { 1000, "1 ms" }, { 1099, "1 ms" },
        { 1100, "1.1 ms" }, { 9999, "9.9 ms" }, { 10000, "10 ms" }, { 402999, "402 ms" },
        { 999999, "999 ms" }, { 1000000, "1 s" }, { 1250000, "1.2 s" }, { 9999999, "9.9 s" },
        { 10000000, "10 s" }, { 59 * S, "59 s" }, { 60 * S, "1 min 0 s" },
        { 125 * S, "2 min 5 s" }, { 3599 * S, "59 min 59 s" }, { 12000 * S, "3 h 20 min" },
        { 86399 * S, "23 h 59 min" }, { 86400 * S * 4 + 7200 * S, "4 d 2 h" }, { -5, "0 us" },
        { INT64_MIN, "0 us" }, { INT64_MAX, "106751991 d 4 h" }
    };
    char text[32];
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        text_is(report_duration(text, sizeof(text), cases[i].us), cases[i].text);
    }
}

/* --- children ----------------------------------------------------------------------- */

/* 2 children of 64 with 212 requests (some of them waiting), 9 wanted. */
static ext_plan_t a_plan(ctl_reason_e reason)
{
    return (ext_plan_t) {
        .mode = EXT_MODE_ON,
        .sample = {
            .now_us = 1000 * S, .serving = 1, .starting = 1, .threads = 128, .busy = 128,
            .waiting = 84, .waited_us = 8000, .child_start_us = 12000, .out_of_descriptors = 2
        },
        .limits = {
            .threads_per_child = 64, .max_children = 9, .max_threads = 576,
            .ceiling = CTL_CGROUP_MEMORY, .min_spare_threads = 75, .max_spare_threads = 250,
            .cpus = 1.5, .wait_target_us = 2000, .hold_us = 60 * S
        },
        .plan = {
            .target = 9, .start = 7, .reason = reason, .demand = 479.2, .spare = 60.5,
            .arrivals_per_s = 1180, .service_us = 402000
        }
    };
}

/* 9 children, of which one goes. */
static ext_plan_t a_shrinking_plan(ctl_reason_e reason)
{
    ext_plan_t plan = a_plan(reason);

    plan.sample.serving = 9;
    plan.sample.starting = 0;
    plan.sample.busy = 8;
    plan.sample.waiting = 0;
    plan.sample.waited_us = 0;
    plan.plan.start = 0;
    plan.plan.park = 1;
    plan.plan.target = 8;
    plan.plan.demand = 8;
    plan.plan.spare = 0;
    plan.plan.arrivals_per_s = 2.5;
    plan.plan.service_us = 0;
    return plan;
}

#define GROWING "growing from 2 to 9 children (576 threads possible): "
#define LOAD    "128 requests under way, 84 waiting, 1180/s arriving, 402 ms each"

static void test_child_reasons(void)
{
    static const char *const expected[CTL_REASONS] = {
        [CTL_STEADY] = GROWING LOAD ": what is there is what is needed",
        [CTL_FLOOR] = GROWING "fewer must not be there",
        [CTL_DEMAND] = GROWING LOAD ": about 480 threads needed, and 61 to spare",
        [CTL_LEAD_TIME] = GROWING LOAD ": about 480 threads needed, and 61 more for what may "
                                       "arrive before another child has started (12 ms)",
        [CTL_WAITING] = GROWING "a request has waited 8 ms for a thread (AdaptiveWaitTarget is "
                                "2 ms); " LOAD,
        [CTL_MIN_SPARE] = GROWING "128 of 128 threads busy, and MinSpareThreads is 75",
        [CTL_MAX_SPARE] = GROWING "128 of 128 threads busy, and MaxSpareThreads is 250",
        [CTL_HOLD] = GROWING "128 of 128 threads busy; the others are kept for a while, because "
                             "load comes back",
        [CTL_SURPLUS] = GROWING "128 of 128 threads busy, and the others were not needed for "
                                "long enough",
        [CTL_CPU_BOUND] = GROWING LOAD ", and they compute: more threads would only share the "
                                       "1.5 processors",
        [CTL_NO_DESCRIPTORS] = GROWING
        "2 children have as many files open as ulimit -n allows, and "
        "cannot take another connection",
        [CTL_CEILING] = GROWING LOAD ": about 480 threads needed, but the memory limit of the "
                                     "control group allows only 576"
    };
    char text[REPORT_TEXT_SIZE];
    int reason;

    for (reason = 0; reason < CTL_REASONS; reason++) {
        ext_plan_t plan = a_plan((ctl_reason_e)reason);

        plan.plan.ceiling = CTL_CGROUP_MEMORY;
        if (!ok(expected[reason] != NULL, "the reason is known to this test")) {
            continue;
        }
        text_is(report_child_text(text, sizeof(text), &plan, NULL), expected[reason]);
    }
}

static void test_child_text(void)
{
    report_t report = { .needed_us = 940 * S };
    ext_plan_t plan = a_shrinking_plan(CTL_SURPLUS);
    char text[REPORT_TEXT_SIZE];

    text_is(report_child_text(text, sizeof(text), &plan, &report),
            "shrinking from 9 to 8 children: 8 of 576 threads busy, and the others were not "
            "needed for 1 min 0 s");
    plan.plan.reason = CTL_MAX_SPARE;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            "shrinking from 9 to 8 children: 8 of 576 threads busy, and MaxSpareThreads is 250");
    plan.plan.reason = CTL_DEMAND;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            "shrinking from 9 to 8 children: 8 requests under way, 2.5/s arriving: about 8 "
            "threads needed");
    plan.mode = EXT_MODE_OBSERVE;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            "AdaptiveMode observe: would shrink from 9 to 8 children: 8 requests under way, "
            "2.5/s arriving: about 8 threads needed");
    plan = a_plan(CTL_FLOOR);
    plan.mode = EXT_MODE_OBSERVE;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            "AdaptiveMode observe: would grow from 2 to 9 children (576 threads possible): "
            "fewer must not be there");
    plan = a_shrinking_plan(CTL_DEMAND);
    plan.sample.serving = 2;
    plan.sample.busy = 1;
    plan.plan.target = 1;
    plan.plan.demand = 0.2;
    plan.plan.arrivals_per_s = 0;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            "shrinking from 2 to 1 child: 1 request under way: about 1 thread needed");
    plan.plan.park = 0;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            "2 children: 1 request under way: about 1 thread needed");
    plan = a_plan(CTL_MIN_SPARE);
    plan.limits.min_spare_threads = CTL_NOT_SET;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            GROWING "128 of 128 threads busy, and MinSpareThreads is not set");
}

/* What is wrong in a plan must not be worse in its text. */
static void test_odd_plans(void)
{
    char text[REPORT_TEXT_SIZE], tiny[20];
    ext_plan_t plan = a_plan((ctl_reason_e)4711);

    text_is(report_child_text(text, sizeof(text), &plan, NULL), GROWING);
    plan = a_plan(CTL_LEAD_TIME);
    plan.plan.demand = strtod("nan", NULL);
    plan.plan.spare = 1e300;
    plan.plan.arrivals_per_s = -1;
    plan.plan.service_us = -1;
    plan.sample.child_start_us = 0;
    text_is(report_child_text(text, sizeof(text), &plan, NULL),
            GROWING "128 requests under way, 84 waiting: about 0 threads needed, and 0 more for "
            "what may arrive before another child has started");
    text_is(report_child_text(tiny, sizeof(tiny), &plan, NULL), "growing from 2 to 9");
    tiny[0] = 'x';
    report_child_text(tiny, 0, &plan, NULL);
    is(tiny[0], 'x', "no space, no text");
}

/* --- what changes ------------------------------------------------------------------- */

static void test_before_and_after(void)
{
    ext_plan_t plan = a_plan(CTL_DEMAND);
    ctl_thread_sample_t sample = { .threads = 8, .starting = 2 };
    ctl_thread_plan_t threads = { .target = 24, .start = 6 };

    is(report_children_before(&plan), 2, "children that serve or start");
    is(report_children_after(&plan), 9, "what the plan aims at");
    plan.plan.start = 3;
    is(report_children_after(&plan), 9, "even if it begins with a part of it");
    plan.plan.resurrect = 1;
    plan.plan.target = 2;
    is(report_children_after(&plan), 6, "what it does, if that is more");
    plan.plan.start = plan.plan.resurrect = 0;
    plan.plan.target = 1;
    is(report_children_after(&plan), 2, "a target that nobody acts for is no change");
    plan.plan.retire = 2;
    is(report_children_after(&plan), 2, "the end of a parked child neither");
    is(report_threads_before(&sample), 10, "threads that run or start");
    is(report_threads_after(&sample, &threads), 24, "what the plan aims at");
    threads.start = 0;
    is(report_threads_after(&sample, &threads), 10, "unless it does not begin");
    threads.retire = 1;
    threads.target = 6;
    is(report_threads_after(&sample, &threads), 6, "or it shrinks");
}

/* --- threads ------------------------------------------------------------------------ */

#define SAMPLE "8 requests under way, 12 waiting"

static void test_thread_reasons(void)
{
    static const char *const expected[CTL_REASONS] = {
        [CTL_STEADY] = SAMPLE ": what is there is what is needed",
        [CTL_FLOOR] = "fewer must not be there",
        [CTL_DEMAND] = SAMPLE ": about 20 threads needed, and 4 to spare",
        [CTL_LEAD_TIME] = SAMPLE ": about 20 threads needed, and 4 more for what may arrive "
                          "before another thread has started (60 us)",
        [CTL_WAITING] = "a request has waited 3 ms for a thread (AdaptiveWaitTarget is 2 ms); "
                        SAMPLE,
        [CTL_MIN_SPARE] = "8 of 8 threads busy, and MinSpareThreads is not set",
        [CTL_MAX_SPARE] = "8 of 8 threads busy, and MaxSpareThreads is not set",
        [CTL_HOLD] = "8 of 8 threads busy; the others are kept for a while, because load comes "
                     "back",
        [CTL_SURPLUS] = "8 of 8 threads busy, and the others were not needed for 1 min 30 s",
        [CTL_CPU_BOUND] = SAMPLE ", and they compute: more threads would only share the 2 "
                          "processors",
        [CTL_NO_DESCRIPTORS] = "0 children have as many files open as ulimit -n allows, and cannot "
                               "take another connection",
        [CTL_CEILING] = SAMPLE ": about 20 threads needed, but ThreadsPerChild allows only 64"
    };
    ctl_thread_sample_t sample = {
        .now_us = 500 * S, .threads = 8, .busy = 8, .waiting = 12, .waited_us = 3000,
        .thread_start_us = 60
    };
    ctl_thread_limits_t limits = { .max_threads = 64, .cpus = 2, .wait_target_us = 2000 };
    ctl_thread_plan_t plan = {
        .target = 24, .start = 16, .ceiling = CTL_THREADS_PER_CHILD, .demand = 19.5, .spare = 4
    };
    report_t report = { .needed_us = 410 * S };
    char text[REPORT_TEXT_SIZE], whole[REPORT_TEXT_SIZE];
    int reason;

    for (reason = 0; reason < CTL_REASONS; reason++) {
        if (!ok(expected[reason] != NULL, "the reason is known to this test")) {
            continue;
        }
        plan.reason = (ctl_reason_e)reason;
        snprintf(whole, sizeof(whole), "child 3: growing from 8 to 24 threads: %s",
                 expected[reason]);
        text_is(report_thread_text(text, sizeof(text), 3, EXT_MODE_ON, &sample, &limits, &plan,
                                   &report), whole);
    }
    plan = (ctl_thread_plan_t) { .target = 1, .retire = 2, .reason = CTL_SURPLUS };
    sample.busy = 1;
    text_is(report_thread_text(text, sizeof(text), 0, EXT_MODE_OBSERVE, &sample, &limits, &plan,
                               &report),
            "AdaptiveMode observe: child 0 would shrink from 8 to 1 thread: 1 of 8 threads busy, "
            "and the others were not needed for 1 min 30 s");
}

/* --- ceilings ----------------------------------------------------------------------- */

static void test_ceiling_texts(void)
{
    static const char *const reached[CTL_CEILINGS] = {
        [CTL_MAX_REQUEST_WORKERS] = "MaxRequestWorkers 400 reached: ",
        [CTL_SERVER_LIMIT] = "ServerLimit 7 reached: ",
        [CTL_THREADS_PER_CHILD] = "ThreadsPerChild 64 reached: ",
        [CTL_ADAPTIVE_MEMORY] = "AdaptiveMemory reached at 400 threads: ",
        [CTL_CGROUP_MEMORY] = "memory limit of the control group reached at 400 threads: ",
        [CTL_AVAILABLE_MEMORY] = "available memory reached at 400 threads: ",
        [CTL_CGROUP_PIDS] = "pids.max of the control group reached at 400 threads: ",
        [CTL_PROCESS_LIMIT] = "limit of processes (ulimit -u) reached at 400 threads: ",
        [CTL_DESCRIPTORS] = "limit of open files (ulimit -n) reached at 400 threads: "
    };
    /* what the remedy has to name */
    static const char *const remedies[CTL_CEILINGS] = {
        [CTL_MAX_REQUEST_WORKERS] = "MaxRequestWorkers", [CTL_SERVER_LIMIT] = "ServerLimit",
        [CTL_THREADS_PER_CHILD] = "ThreadsPerChild", [CTL_ADAPTIVE_MEMORY] = "AdaptiveMemory",
        [CTL_CGROUP_MEMORY] = "memory.max", [CTL_AVAILABLE_MEMORY] = "add memory",
        [CTL_CGROUP_PIDS] = "TasksMax=", [CTL_PROCESS_LIMIT] = "LimitNPROC=",
        [CTL_DESCRIPTORS] = "LimitNOFILE="
    };
    ext_plan_t plan = {
        .sample = { .serving = 6, .parked = 1, .busy = 400, .waited_us = 35000, .exhausted = 7 },
        .limits = { .max_threads = 400, .max_children = 7, .threads_per_child = 64 }
    };
    char text[REPORT_TEXT_SIZE], whole[REPORT_TEXT_SIZE];
    int i;

    for (i = CTL_NO_CEILING + 1; i < CTL_CEILINGS; i++) {
        ctl_ceiling_e ceiling = (ctl_ceiling_e)i;

        if (!ok(reached[i] && remedies[i], "the ceiling is known to this test")) {
            continue;
        }
        snprintf(whole, sizeof(whole), "%s400 threads busy in 7 children, requests wait 35 ms; %s",
                 reached[i], report_remedy(ceiling));
        text_is(report_ceiling_text(text, sizeof(text), ceiling, &plan), whole);
        ok(strstr(report_remedy(ceiling), remedies[i]), "the remedy says what to do");
    }
    text_is(report_remedy(CTL_NO_CEILING), "");
    text_is(report_remedy((ctl_ceiling_e)-1), "");
    plan.sample.blocked = 201;
    snprintf(whole, sizeof(whole),
             "MaxRequestWorkers 400 reached: 400 threads busy in 7 children, most of "
             "which wait for something else (a backend, a lock), requests wait 35 ms; find out for "
             "what, and "
             "if more threads would help, %s",
             report_remedy(CTL_MAX_REQUEST_WORKERS));
    text_is(report_ceiling_text(text, sizeof(text), CTL_MAX_REQUEST_WORKERS, &plan), whole);
    plan.sample.blocked = 200;
    ok(!strstr(report_ceiling_text(text, sizeof(text), CTL_MAX_REQUEST_WORKERS, &plan),
               "wait for something"),
       "not if half of them compute");
    plan.sample = (ctl_child_sample_t) { .serving = 1, .busy = 1, .exhausted = 1 };
    plan.limits.max_threads = 1;
    snprintf(whole, sizeof(whole), "MaxRequestWorkers 1 reached: 1 thread busy in 1 child, "
             "requests wait; %s", report_remedy(CTL_MAX_REQUEST_WORKERS));
    text_is(report_ceiling_text(text, sizeof(text), CTL_MAX_REQUEST_WORKERS, &plan), whole);
    plan.sample.busy = 120;
    plan.limits.max_threads = 400;
    text_is(report_ceiling_over_text(text, sizeof(text), CTL_MAX_REQUEST_WORKERS, 125 * S, &plan),
            "below MaxRequestWorkers 400 again after 2 min 5 s: 120 threads busy");
    text_is(report_ceiling_over_text(text, sizeof(text), CTL_CGROUP_MEMORY, 1000, &plan),
            "below the memory limit of the control group again after 1 ms: 120 threads busy");
}

static void test_ceiling_of(void)
{
    ext_plan_t plan = a_plan(CTL_CEILING);

    plan.plan.ceiling = CTL_CGROUP_PIDS;
    is(report_ceiling_of(&plan), CTL_NO_CEILING,
       "a request waits, but most threads do not serve yet");
    plan.sample.busy = 560;
    is(report_ceiling_of(&plan), CTL_CGROUP_PIDS, "a request waits: a ceiling is reached");
    plan.sample.waited_us = 2000;
    is(report_ceiling_of(&plan), CTL_NO_CEILING, "none waits longer than it may: not yet");
    plan.sample.exhausted = 1;
    is(report_ceiling_of(&plan), CTL_CGROUP_PIDS, "a child has no thread left");
    plan.sample.exhausted = 0;
    plan.sample.busy = 576;
    is(report_ceiling_of(&plan), CTL_CGROUP_PIDS, "all threads that may be are busy");
    plan.more_follow = true;
    is(report_ceiling_of(&plan), CTL_NO_CEILING, "but more follow");
    plan.more_follow = false;
    plan.plan.reason = CTL_WAITING;
    is(report_ceiling_of(&plan), CTL_NO_CEILING, "the plan is not held down");
}

/* --- when --------------------------------------------------------------------------- */

static void test_turns(void)
{
    report_t report = { 0 };
    int64_t t = 1000 * S;

    is(report_note_change(&report, 2, 2, true, t), REPORT_NOTHING, "nothing changes");
    is(report_note_change(&report, 2, 9, true, t), REPORT_TURN, "growth begins");
    is(report_note_change(&report, 9, 12, true, t + S), REPORT_STEP, "and goes on");
    is(report_note_change(&report, 12, 12, true, t + 2 * S), REPORT_NOTHING, "and pauses");
    is(report_note_change(&report, 12, 13, true, t + 50 * S), REPORT_STEP, "and goes on");
    is(report_note_change(&report, 13, 12, false, t + 51 * S), REPORT_TURN, "it shrinks");
    is(report_note_change(&report, 12, 11, false, t + 90 * S), REPORT_STEP, "and shrinks");
    is(report_note_change(&report, 11, 12, true, t + 91 * S), REPORT_TURN, "and grows again");
    is(report_note_change(&report, 12, 13, true, t + 151 * S), REPORT_TURN,
       "growth after a quiet minute is worth a line");
    is(report_note_change(&report, 12, 13, true, t + 200 * S), REPORT_STEP, "before it is not");
    is(report.needed_us, t + 200 * S, "all was needed then");
    report_note_change(&report, 13, 12, false, t + 201 * S);
    is(report.needed_us, t + 200 * S, "and not later");
}

/* Calls it and checks the answer. */
static void ceiling(report_t *report, ctl_ceiling_e reached, int64_t now_us,
                    report_ceiling_e expected, ctl_ceiling_e expected_which,
                    int64_t expected_lasted_us, const char *name)
{
    ctl_ceiling_e which = CTL_NO_CEILING;
    int64_t lasted_us = -1;
    report_ceiling_e got = report_note_ceiling(report, reached, now_us, &which, &lasted_us);

    if (is(got, expected, name) && expected != REPORT_CEILING_QUIET) {
        is(which, expected_which, "of this ceiling");
        is(lasted_us, expected_lasted_us, "which lasted");
    }
}

#define QUIET   REPORT_CEILING_QUIET, CTL_NO_CEILING, 0
#define REACHED REPORT_CEILING_REACHED, CTL_MAX_REQUEST_WORKERS
#define OVER    REPORT_CEILING_OVER, CTL_MAX_REQUEST_WORKERS

static void test_ceiling_lines(void)
{
    ctl_ceiling_e max = CTL_MAX_REQUEST_WORKERS;
    report_t r = { 0 };
    int64_t t = 1000 * S;
    int i, logged = 0;

    ceiling(&r, CTL_NO_CEILING, t, QUIET, "no ceiling, no line");
    is(report_ceiling_due_us(&r, t), REPORT_NEVER, "and none to come");
    ceiling(&r, max, t, REACHED, 0, "a ceiling is reached");
    is(report_ceiling_due_us(&r, t), t + 5 * S, "it may be over soon");
    for (i = 1; i < 600; i++) {
        ctl_ceiling_e which;
        int64_t lasted_us;

        logged += report_note_ceiling(&r, max, t + i * S / 10, &which, &lasted_us)
                  != REPORT_CEILING_QUIET;
    }
    is(logged, 0, "for a minute nothing more is said");
    is(report_ceiling_due_us(&r, t + 59900 * S / 1000), t + 60 * S, "but then");
    is(report_ceiling_due_us(&r, t + 61 * S), t + 599 * S / 10 + 5 * S,
       "never in the past: when it is over, if it is not reached any more");
    ceiling(&r, max, t + 60 * S, REACHED, 60 * S, "it is said again");
    ceiling(&r, CTL_NO_CEILING, t + 61 * S, QUIET, "a moment without it is not the end");
    ceiling(&r, max, t + 62 * S, QUIET, "it goes on");
    ceiling(&r, CTL_NO_CEILING, t + 66 * S, QUIET, "another moment");
    is(report_ceiling_due_us(&r, t + 66 * S), t + 67 * S, "when the moment is over");
    ceiling(&r, CTL_NO_CEILING, t + 67 * S, OVER, 62 * S, "this is the end");
    ceiling(&r, CTL_NO_CEILING, t + 68 * S, QUIET, "which is said once");
    is(report_ceiling_due_us(&r, t + 68 * S), REPORT_NEVER, "and that is all");

    ceiling(&r, max, t + 70 * S, QUIET, "reached again within the minute: not said yet");
    ceiling(&r, CTL_NO_CEILING, t + 80 * S, QUIET, "nor its end, if nobody heard of it");
    ceiling(&r, max, t + 119 * S, QUIET, "still the same minute");
    ceiling(&r, max, t + 120 * S, REACHED, S, "it lasts until the minute is over: it is said");
    ceiling(&r, CTL_NO_CEILING, t + 125 * S, OVER, S, "then its end is too");
}

static void test_two_ceilings(void)
{
    report_t r = { 0 };
    int64_t t = 1000 * S;

    ceiling(&r, CTL_MAX_REQUEST_WORKERS, t, REACHED, 0, "one ceiling");
    ceiling(&r, CTL_CGROUP_PIDS, t + S, OVER, 0, "ends when another one is reached");
    ceiling(&r, CTL_CGROUP_PIDS, t + 2 * S, REPORT_CEILING_REACHED, CTL_CGROUP_PIDS, S,
            "which is named next");
    ceiling(&r, CTL_MAX_REQUEST_WORKERS, t + 3 * S, REPORT_CEILING_OVER, CTL_CGROUP_PIDS, S,
            "back to the first");
    ceiling(&r, CTL_MAX_REQUEST_WORKERS, t + 4 * S, QUIET, "of which there was a line");
    ceiling(&r, CTL_CGROUP_PIDS, t + 5 * S, QUIET, "and so on");
    ceiling(&r, CTL_MAX_REQUEST_WORKERS, t + 59 * S, QUIET, "for the rest of the minute");
    ceiling(&r, CTL_MAX_REQUEST_WORKERS, t + 60 * S, REACHED, S, "then each once a minute");
}

/* --- the ring ----------------------------------------------------------------------- */

static void test_because(void)
{
    static const char *const expected[CTL_REASONS] = {
        [CTL_STEADY] = "that is what is needed",
        [CTL_FLOOR] = "fewer must not be there",
        [CTL_DEMAND] = "about 20 threads were needed, and 4 to spare",
        [CTL_LEAD_TIME] = "4 more might be needed before another child could start",
        [CTL_WAITING] = "a request waited 8 ms",
        [CTL_MIN_SPARE] = "MinSpareThreads asks for it",
        [CTL_MAX_SPARE] = "MaxSpareThreads asks for it",
        [CTL_HOLD] = "load may come back",
        [CTL_SURPLUS] = "it was not needed for a while",
        [CTL_CPU_BOUND] = "requests computed and more threads would only share the processors",
        [CTL_NO_DESCRIPTORS] = "the others had as many files open as ulimit -n allows",
        [CTL_CEILING] = "the limit of open files (ulimit -n) allows no more"
    };
    ext_decision_t decision = {
        .kind = EXT_CHILDREN, .waited_us = 8000, .demand = 19.1, .spare = 4,
        .ceiling = CTL_DESCRIPTORS
    };
    char text[REPORT_TEXT_SIZE];
    int i;

    for (i = 0; i < CTL_REASONS; i++) {
        decision.reason = i;
        if (ok(expected[i] != NULL, "the reason is known to this test")) {
            text_is(report_because(text, sizeof(text), &decision), expected[i]);
        }
    }
    decision.kind = EXT_THREADS;
    decision.reason = CTL_LEAD_TIME;
    text_is(report_because(text, sizeof(text), &decision),
            "4 more might be needed before another thread could start");
    decision.reason = CTL_DEMAND;
    decision.demand = 1;
    decision.spare = 0;
    text_is(report_because(text, sizeof(text), &decision), "about 1 thread was needed");
}

int main(void)
{
    tap_begin(60);
    test_durations();
    test_child_reasons();
    test_child_text();
    test_odd_plans();
    test_before_and_after();
    test_thread_reasons();
    test_ceiling_texts();
    test_ceiling_of();
    test_turns();
    test_ceiling_lines();
    test_two_ceilings();
    test_because();
    return tap_done();
}
