/* Is it well? What needs a person, and in which order. */

#include "report/verdict.h"

#include "tap.h"
#include "view_made.h"

static verdict_t verdict;

static bool has_cause(const char *name)
{
    int i;

    for (i = 0; i < verdict.count; i++) {
        if (!strcmp(verdict.causes[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* A server with two children, of which nothing is wrong. */
static view_t *well(void)
{
    view_t *view = view_made_none();

    view->uptime_us = 3600 * MADE_S;
    made_child(view, EXT_SLOT_SERVING, 16, 3);
    made_child(view, EXT_SLOT_SERVING, 16, 2);
    made_plan(view, CTL_STEADY);
    view->plan.limits.ceiling = CTL_MAX_REQUEST_WORKERS;
    view->plan.limits.max_threads = 256;
    view->has_limits = true;
    view->limits.max_threads = 256;
    return view;
}

static void judge(view_t *view)
{
    verdict_of(&verdict, view);
    made_free(view);
}

static void test_well(void)
{
    judge(well());
    is(verdict.level, VERDICT_GREEN, "it is well");
    is(verdict.count, 0, "... and nothing is to be done");
    ok(strstr(verdict.sentence, "5 of 32 threads busy in 2 children") == verdict.sentence,
       "the sentence begins with what there is");
    ok(strstr(verdict.sentence, " Nothing needs you.") != NULL, "... and ends with that");
}

static void is_cause(view_t *view, const char *name, verdict_level_e level)
{
    judge(view);
    ok(has_cause(name), name);
    is(verdict.level, level, "... with its level");
    ok(verdict.causes[0].text[0] && verdict.causes[0].title[0] && verdict.causes[0].remedy[0],
       "... what is so, and what to do");
    ok(strstr(verdict.sentence, verdict.causes[0].title) != NULL, "... and the sentence tells");
}

static void test_causes(void)
{
    view_t *view = well();

    view->children[EXT_SLOT_SERVING] = 0;
    view->child_count = 0;
    is_cause(view, "no-child", VERDICT_RED);
    view = well();
    view->failures_in_a_row = 3;
    is_cause(view, "children-do-not-last", VERDICT_RED);
    view = well();
    view->told_us[LOG_SHED] = 10 * MADE_S;
    is_cause(view, "requests-shed", VERDICT_RED);
    view = well();
    view->waited_us = 150 * MADE_MS;
    is_cause(view, "requests-wait", VERDICT_AMBER);
    view = well();
    view->waited_us = 3 * MADE_S;
    is_cause(view, "requests-wait", VERDICT_RED);
    view = well();
    view->child[0].out_of_descriptors = true;
    is_cause(view, "out-of-descriptors", VERDICT_AMBER);
    view = well();
    view->child[0].out_of_descriptors = view->child[1].out_of_descriptors = true;
    is_cause(view, "out-of-descriptors", VERDICT_RED);
    view = well();
    view->told_us[LOG_REFUSED] = 10 * MADE_S;
    is_cause(view, "requests-refused", VERDICT_AMBER);
    view = well();
    view->told_us[LOG_THREADS] = 10 * MADE_S;
    is_cause(view, "threads-refused", VERDICT_AMBER);
    view = well();
    view->refused_restart_us = 100 * MADE_S;
    is_cause(view, "restart-refused", VERDICT_AMBER);
    view = well();
    view->busy = 210;
    is_cause(view, "near-ceiling", VERDICT_AMBER);
    view = well();
    view->children[EXT_SLOT_DRAINING] = 1;
    view->longest_us[EXT_SLOT_DRAINING] = 700 * MADE_S;
    is_cause(view, "drains-long", VERDICT_AMBER);
}

/* As far as the limit of each: a server of which nothing is wrong is not to be looked at. */
static void test_not_yet(void)
{
    view_t *view = well();

    view->failures_in_a_row = 1;
    view->told_us[LOG_SHED] = view->told_us[LOG_REFUSED] = 200 * MADE_S;
    view->waited_us = 90 * MADE_MS;
    view->busy = 200;
    view->children[EXT_SLOT_DRAINING] = 1;
    view->longest_us[EXT_SLOT_DRAINING] = 500 * MADE_S;
    judge(view);
    is(verdict.count, 0, "what is not worth it is not said");
    view = well();
    view->children[EXT_SLOT_SERVING] = 0;
    view->uptime_us = MADE_S;
    judge(view);
    is(verdict.count, 0, "a server that has just begun has no child yet");
}

static void test_ceiling(void)
{
    view_t *view = well();

    view->busy = 256;
    view->waited_us = 2 * MADE_S;
    view->plan.plan.reason = CTL_CEILING;
    view->plan.plan.ceiling = CTL_MAX_REQUEST_WORKERS;
    view->plan.sample.busy = view->plan.sample.threads = 256;
    view->plan.sample.waiting = 4;
    view->plan.sample.waited_us = 2 * MADE_S;
    view->plan.sample.exhausted = 2;
    judge(view);
    ok(has_cause("ceiling-reached"), "a ceiling that keeps requests waiting");
    is(verdict.level, VERDICT_RED, "... is red");
    ok(!has_cause("requests-wait") && !has_cause("near-ceiling"), "... and says so once");
    ok(strstr(verdict.causes[0].text, "MaxRequestWorkers 256 reached") != NULL, "which one");
    ok(strstr(verdict.causes[0].remedy, "raise MaxRequestWorkers") != NULL, "what to do");
}

static void test_order(void)
{
    view_t *view = well();

    view->refused_restart_us = 100 * MADE_S;
    view->told_us[LOG_SHED] = MADE_S;
    view->child[0].out_of_descriptors = true;
    judge(view);
    is(verdict.count, 3, "three causes");
    is(verdict.causes[0].level, VERDICT_RED, "the red one first");
    ok(strstr(verdict.sentence, ", and 2 more.") != NULL, "the sentence counts the others");
    judge(view_made_worst());
    ok(verdict.count <= VERDICT_MOST, "nonsense in the shared memory does no harm");
}

int main(void)
{
    tap_begin(30);
    test_well();
    test_causes();
    test_not_yet();
    test_ceiling();
    test_order();
    return tap_done();
}
