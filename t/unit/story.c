/* Decisions as a person would tell them. */
#include "report/story.h"

#include "tap.h"
#include "view_made.h"

static story_t stories[STORIES_MOST + 1];

/* Made as far as the decisions, which each test adds, newest first. */
static view_t *begun(void)
{
    view_t *view = view_made_none();

    view->threads = 40;
    return view;
}

static bool text_is(const char *got, const char *expected, int line)
{
    bool passed = tap_result(!strcmp(got, expected), __FILE__, line, expected);

    if (!passed) {
        diag("       got: %s", got);
    }
    return passed;
}

/* The only story, or the newest. */
#define first_is(view, expected) \
    text_is(story_tell(stories, STORIES_MOST, view) > 0 ? stories[0].text : "(none)", expected, \
            __LINE__)

/* Threads in all, of each of the last seconds; the newest last. */
static void had_threads(view_t *view, const int *threads, int seconds)
{
    int i;

    made_history(view, seconds);
    for (i = 0; i < seconds; i++) {
        view->seconds[i].threads = threads[i];
    }
}

static void test_none(void)
{
    view_t *view = begun();

    is(story_tell(stories, STORIES_MOST, view), 0, "nothing was decided: nothing to tell");
    made_decision(view, EXT_CHILDREN, MADE_S, CTL_DEMAND, 1, 2);
    is(story_tell(stories, 0, view), 0, "no room: nothing is told");
    made_free(view);
}

static void test_load_fell(void)
{
    static const int threads[] = { 321, 321, 310, 290, 250, 240, 230, 220, 210, 200, 190, 185, 180,
                                   180, 180 };
    view_t *view = begun();
    int i;

    for (i = 0; i < 6; i++) {
        made_decision(view, EXT_CHILDREN, 3 * MADE_S + i * 9 * MADE_S / 5, CTL_SURPLUS, 18 + i,
                      17 + i);
    }
    had_threads(view, threads, 15);
    is(story_tell(stories, STORIES_MOST, view), 1, "what belongs together is one story");
    text_is(stories[0].text, "load fell: 23 -> 17 children, 321 -> 180 threads over 9 s", __LINE__);
    is(stories[0].direction, -1, "it went down");
    is(stories[0].first, 0, "it begins with the newest");
    is(stories[0].count, 6, "and has them all");
    is(stories[0].lasted_us, 9 * MADE_S, "from the first to the last");
    is(stories[0].began_wall_us, view->wall_us - 12 * MADE_S, "it began with the oldest");
    is(stories[0].reason, CTL_SURPLUS, "why");
    ok(!stories[0].observed, "it was done");
    made_free(view);
}

static void test_grew(void)
{
    static const int threads[] = { 16, 16, 16, 120, 300, 300 };
    view_t *view = begun();

    made_decision(view, EXT_CHILDREN, 2200 * MADE_MS, CTL_DEMAND, 5, 9);
    made_decision(view, EXT_THREADS, 2800 * MADE_MS, CTL_WAITING, 8, 9)->waited_us = 8 * MADE_MS;
    made_decision(view, EXT_CHILDREN, 3000 * MADE_MS, CTL_WAITING, 2, 5)->waited_us = 3 * MADE_MS;
    made_decision(view, EXT_THREADS, 3400 * MADE_MS, CTL_LEAD_TIME, 8, 9);
    had_threads(view, threads, 6);
    first_is(view, "grew: 2 -> 9 children, 16 -> 300 threads over 1.2 s because requests waited up "
             "to 8 ms");
    is(stories[0].direction, 1, "it went up");
    is(stories[0].count, 4, "children and threads are one story");
    is(stories[0].reason, CTL_WAITING, "of several reasons the one that says most");
    made_free(view);
}

static void test_reasons(void)
{
    static const struct { ctl_reason_e reason; int before, after; const char *text; } cases[] = {
        { CTL_FLOOR, 0, 2, "grew: 0 -> 2 children because fewer must not be there" },
        { CTL_DEMAND, 2, 3,
          "grew: 2 -> 3 children because about 27 threads were needed, and 9 to spare" },
        { CTL_LEAD_TIME, 2, 3,
          "grew: 2 -> 3 children because 9 more might be needed before another child could start" },
        { CTL_WAITING, 2, 3, "grew: 2 -> 3 children because a request waited 4 ms" },
        { CTL_MIN_SPARE, 2, 3, "grew: 2 -> 3 children because MinSpareThreads asks for it" },
        { CTL_MAX_SPARE, 3, 2, "shrank: 3 -> 2 children because MaxSpareThreads asks for it" },
        { CTL_HOLD, 3, 2, "load fell: 3 -> 2 children" },
        { CTL_SURPLUS, 3, 1, "load fell: 3 -> 1 children" },
        { CTL_STEADY, 3, 1, "shrank: 3 -> 1 children" },
        { CTL_CPU_BOUND, 3, 1, "shrank: 3 -> 1 children because requests computed and more threads "
          "would only share the processors" },
        { CTL_CEILING, 2, 4, "grew: 2 -> 4 children, and MaxRequestWorkers allows no more" },
        { CTL_CEILING, 4, 2, "shrank: 4 -> 2 children because MaxRequestWorkers allows no more" },
        { CTL_CEILING, 4, 4, "stayed: 4 children, and MaxRequestWorkers allows no more" },
        { CTL_CEILING, 1, 1, "stayed: 1 child, and MaxRequestWorkers allows no more" },
        { CTL_SURPLUS, 4, 4, "stayed: 4 children because it was not needed for a while" },
        { CTL_NO_DESCRIPTORS, 2, 3, "grew: 2 -> 3 children because the others had as many files "
          "open as ulimit -n allows" }
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        view_t *view = begun();
        ext_decision_t *d = made_decision(view, EXT_CHILDREN, 5 * MADE_S, cases[i].reason,
                                          cases[i].before, cases[i].after);

        d->waited_us = 4 * MADE_MS;
        d->ceiling = CTL_MAX_REQUEST_WORKERS;
        first_is(view, cases[i].text);
        is(stories[0].ceiling, CTL_MAX_REQUEST_WORKERS, "the ceiling is that of the decision");
        made_free(view);
    }
}

/* A child notes only where a change of its threads begins: without a history no end is known. */
static void test_threads_only(void)
{
    static const int threads[] = { 20, 20, 40, 50 };
    view_t *view = begun();

    made_decision(view, EXT_THREADS, 2 * MADE_S, CTL_WAITING, 8, 9)->waited_us = 2 * MADE_MS;
    first_is(view, "grew: child 1 beyond 8 threads because a request waited 2 ms");
    had_threads(view, threads, 4);
    first_is(view, "grew: 20 -> 40 threads because a request waited 2 ms");
    view->second_count = 0;
    made_decision(view, EXT_THREADS, 2100 * MADE_MS, CTL_DEMAND, 1, 2)->slot = 3;
    made_decision(view, EXT_THREADS, 2200 * MADE_MS, CTL_DEMAND, 4, 5);
    first_is(view, "grew: more threads in 2 children over 200 ms because requests waited up to "
             "2 ms");
    is(stories[0].count, 3, "of whichever child");
    view->decision_count = 0;
    made_decision(view, EXT_THREADS, 2 * MADE_S, CTL_SURPLUS, 24, 23);
    first_is(view, "load fell: child 1 below 24 threads");
    made_decision(view, EXT_THREADS, 3 * MADE_S, CTL_SURPLUS, 12, 11)->slot = 2;
    first_is(view, "load fell: fewer threads in 2 children over 1 s");
    view->decision_count = 0;
    made_decision(view, EXT_THREADS, 2 * MADE_S, CTL_WAITING, 1, 2)->waited_us = 400;
    first_is(view, "grew: child 1 beyond 1 thread because a request waited 400 us");
    made_free(view);
}

/* The numbers of the history are told only if they say the same as the decisions. */
static void test_history(void)
{
    static const int falling[] = { 40, 30, 20, 20 };
    static const int level[] = { 40, 40, 40, 40 };
    view_t *view = begun();

    made_decision(view, EXT_CHILDREN, 2 * MADE_S, CTL_DEMAND, 1, 2);
    view->threads = 20;
    had_threads(view, falling, 4);
    first_is(view, "grew: 1 -> 2 children because about 27 threads were needed, and 9 to spare");
    view->threads = 40;
    had_threads(view, level, 4);
    first_is(view, "grew: 1 -> 2 children because about 27 threads were needed, and 9 to spare");
    view->decision_count = 0;
    made_decision(view, EXT_CHILDREN, 700 * MADE_S, CTL_SURPLUS, 2, 1);
    made_history(view, EXT_SECONDS);
    first_is(view, "load fell: 2 -> 1 children");
    view->decision_count = 0;
    view->threads = 90;
    made_decision(view, EXT_CHILDREN, 100 * MADE_MS, CTL_SURPLUS, 1, 2);
    had_threads(view, level, 4);
    first_is(view, "grew: 1 -> 2 children, 40 -> 90 threads because it was not needed for a while");
    made_free(view);
}

static void test_what_belongs_together(void)
{
    view_t *view = begun();
    int count;

    made_decision(view, EXT_THREADS, 1 * MADE_S, CTL_WAITING, 8, 9);
    made_decision(view, EXT_THREADS, 2 * MADE_S, CTL_SURPLUS, 9, 8);
    made_decision(view, EXT_CHILDREN, 3 * MADE_S, CTL_SURPLUS, 3, 2);
    made_decision(view, EXT_CHILDREN, 13 * MADE_S, CTL_SURPLUS, 4, 3);
    made_decision(view, EXT_CHILDREN, 13 * MADE_S + STORY_PAUSE_US, CTL_SURPLUS, 5, 4);
    made_decision(view, EXT_CHILDREN, 14 * MADE_S + 2 * STORY_PAUSE_US, CTL_SURPLUS, 6, 5);
    made_decision(view, EXT_CHILDREN, 15 * MADE_S + 2 * STORY_PAUSE_US, CTL_SURPLUS, 7, 6)->mode =
        EXT_MODE_OBSERVE;
    count = story_tell(stories, STORIES_MOST, view);
    is(count, 4, "another direction, a pause, and what was only observed begin another story");
    text_is(stories[1].text, "load fell: 5 -> 2 children over 21 s", __LINE__);
    text_is(stories[2].text, "load fell: 6 -> 5 children", __LINE__);
    text_is(stories[3].text, "load fell, and there would be fewer: 7 -> 6 children", __LINE__);
    ok(stories[3].observed && !stories[2].observed, "and say so");
    is(stories[0].count + stories[1].count + stories[2].count + stories[3].count,
       view->decision_count, "each decision is in a story");
    is(story_tell(stories, 2, view), 2, "no more are told than asked for");
    text_is(stories[0].text, "grew: child 1 beyond 8 threads because a request waited 0 us",
            __LINE__);
    made_free(view);
}

static void test_observed(void)
{
    static const int threads[] = { 20, 20, 30, 40 };
    view_t *view = begun();

    made_decision(view, EXT_CHILDREN, 2 * MADE_S, CTL_DEMAND, 1, 2)->mode = EXT_MODE_OBSERVE;
    had_threads(view, threads, 4);
    first_is(view, "would have grown: 1 -> 2 children because about 27 threads were needed, and 9 "
             "to spare");
    ok(stories[0].observed, "what changed meanwhile was somebody else's doing");
    view->decisions[0].children_after = 0;
    first_is(view, "would have shrunk: 1 -> 0 children because about 27 threads were needed, and 9 "
             "to spare");
    view->decisions[0].children_after = 1;
    first_is(view, "would have stayed: 1 child because about 27 threads were needed, and 9 to "
             "spare");
    made_free(view);
}

/* All that fit into the ring, each the other way than the one before; then all the same way. */
static void test_full(void)
{
    view_t *view = begun();
    story_t *list;
    int i;

    for (i = 0; i < EXT_MOST_DECISIONS; i++) {
        made_decision(view, EXT_THREADS, i * MADE_S, i % 2 ? CTL_WAITING : CTL_SURPLUS,
                      i % 2 ? 8 : 9, i % 2 ? 9 : 8)->slot = i;
    }
    is(story_tell(stories, STORIES_MOST, view), EXT_MOST_DECISIONS, "as many stories as decisions");
    list = story_list(view);
    is(list[EXT_MOST_DECISIONS - 1].count, 1, "in a list, too");
    is(list[EXT_MOST_DECISIONS].count, 0, "which has an end");
    story_list_free(list);
    for (i = 0; i < EXT_MOST_DECISIONS; i++) {
        view->decisions[i].threads_before = 8;
        view->decisions[i].threads_after = 9;
    }
    is(story_tell(stories, STORIES_MOST, view), 1, "or all in one");
    text_is(stories[0].text, "grew: more threads in 128 children over 2 min 7 s because requests "
            "waited up to 0 us", __LINE__);
    made_free(view);
}

/* Whatever another process has written: a story has its place in time, and its text an end. */
static void test_nonsense(void)
{
    view_t *view = view_made_worst();
    int i, told = 0, count = story_tell(stories, STORIES_MOST, view);
    bool in_time = true, in_words = true;

    for (i = 0; i < count; i++) {
        in_time = in_time && stories[i].began_wall_us >= 0 && stories[i].lasted_us >= 0
                  && stories[i].began_wall_us <= view->wall_us
                  && stories[i].lasted_us <= view->now_us;
        in_words = in_words && strlen(stories[i].text) > 10 && strlen(stories[i].text) < 300;
        in_words = in_words && stories[i].first == told && stories[i].count > 0;
        told += stories[i].count;
    }
    is(told, EXT_MOST_DECISIONS, "each decision is told");
    ok(in_time, "no story begins or lasts beyond now");
    ok(in_words, "and each has a text");
    view->decisions[0].reason = CTL_REASONS + 5;
    view->decisions[0].ceiling = -3;
    ok(story_tell(stories, STORIES_MOST, view) > 0, "nor does an unknown reason matter");
    made_free(view);
}

/* A few threads now and then are one line, a real change another. */
static void test_following(void)
{
    view_t *view = begun();
    int threads[60], i;

    for (i = 0; i < 60; i++) {
        threads[i] = i < 20 ? 20 : 50 + i % 3;
    }
    had_threads(view, threads, 60);
    view->threads = 51;
    for (i = 2; i < 34; i += 4) {
        made_decision(view, EXT_THREADS, i * MADE_S, i % 8 == 2 ? CTL_LEAD_TIME : CTL_SURPLUS,
                      i % 8 == 2 ? 25 : 26, i % 8 == 2 ? 26 : 25);
    }
    made_decision(view, EXT_THREADS, 40 * MADE_S, CTL_WAITING, 10, 20);
    is(story_tell(stories, STORIES_MOST, view), 2, "what comes and goes is one story");
    ok(!strncmp(stories[0].text, "threads followed the load: 50 to 52 over 28 s", 45),
       "... with how many there were");
    is(stories[0].direction, 0, "... in no direction");
    is(stories[0].count, 8, "... of all these decisions");
    ok(!strncmp(stories[1].text, "grew: 20 -> ", 12), "and the growth before it another");
    made_free(view);
}

int main(void)
{
    tap_begin(20);
    test_none();
    test_load_fell();
    test_grew();
    test_reasons();
    test_threads_only();
    test_history();
    test_what_belongs_together();
    test_observed();
    test_full();
    test_nonsense();
    test_following();
    return tap_done();
}
