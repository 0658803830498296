/* Pure: from a view to what a person should know first. Each check is a row of the table below. */
#include "verdict.h"

#include "story.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

/* Work that waits so long for a thread is felt by whoever waits; and is unbearable. */
#define LONG_WAIT_US       (100 * US_PER_MS)
#define UNBEARABLE_WAIT_US US_PER_S
/* ... and the first only where it is far above what AdaptiveWaitTarget allows. */
#define WAIT_TARGETS       10
/* What the log was told within this time is still so: it says it once a minute. */
#define LATELY_US          (90 * US_PER_S)
/* So much of a ceiling is used that a peak reaches it, in percent. */
#define NEAR_PERCENT       80
/* A server that has just begun may have no child yet. */
#define BEGINNING_US       (5 * US_PER_S)
/* A child that drains longer than this does so because of somebody. The log warns then, too. */
#define LONG_DRAIN_US      (600 * US_PER_S)

const char *verdict_level_name(verdict_level_e level)
{
    return level == VERDICT_RED ? "red" : level == VERDICT_AMBER ? "amber" : "green";
}

const char *verdict_level_word(verdict_level_e level)
{
    return level == VERDICT_RED ? "act" : level == VERDICT_AMBER ? "look" : "well";
}

/* --- what there may be to say ------------------------------------------------------------- */

/* Fills in the cause; false: there is none. */
typedef bool (*check_t)(verdict_cause_t *cause, const view_t *view);

static void print(char *text, const char *format, va_list args)
{
    (void)vsnprintf(text, REPORT_TEXT_SIZE, format, args);
}

__attribute__((format(printf, 2, 3)))
static void say(verdict_cause_t *cause, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(cause->text, format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3)))
static void advise(verdict_cause_t *cause, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print(cause->remedy, format, args);
    va_end(args);
}

static const char *plural(int64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

static bool is_at_ceiling(const view_t *view)
{
    return view->has_plan && report_ceiling_of(&view->plan) != CTL_NO_CEILING;
}

static bool check_children(verdict_cause_t *cause, const view_t *view)
{
    if (view->children[EXT_SLOT_SERVING] + view->children[EXT_SLOT_PARKED] > 0
        || view->uptime_us < BEGINNING_US) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_RED, .name = "no-child", .title = "no child serves"
    };
    say(cause, "no child process serves requests");
    advise(cause, "the error log says why: look for its last lines of level error");
    return true;
}

static bool check_starts(verdict_cause_t *cause, const view_t *view)
{
    if (view->failures_in_a_row < 2) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_RED, .name = "children-do-not-last", .title = "children do not last",
        .message = "ADP0084"
    };
    say(cause, "%d children in a row could not be started, or ended at their start or soon after",
        view->failures_in_a_row);
    advise(cause, "the error log says how they ended (AH00052: a crash); the module that was "
           "changed last is the first to take out");
    return true;
}

static bool check_ceiling(verdict_cause_t *cause, const view_t *view)
{
    ctl_ceiling_e ceiling = view->has_plan ? report_ceiling_of(&view->plan) : CTL_NO_CEILING;

    if (ceiling == CTL_NO_CEILING) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_RED, .name = "ceiling-reached", .message = "ADP0091"
    };
    (void)snprintf(cause->title, sizeof(cause->title), "%s reached",
                   controller_ceiling_text(ceiling));
    report_ceiling_state(cause->text, sizeof(cause->text), ceiling, &view->plan);
    report_ceiling_remedy(cause->remedy, sizeof(cause->remedy), ceiling, &view->plan);
    return true;
}

static bool check_descriptors(verdict_cause_t *cause, const view_t *view)
{
    int i, count = 0;

    for (i = 0; i < view->child_count; i++) {
        count += view->child[i].out_of_descriptors && view->child[i].state == EXT_SLOT_SERVING;
    }
    if (count == 0) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = count >= view->children[EXT_SLOT_SERVING] ? VERDICT_RED : VERDICT_AMBER,
        .name = "out-of-descriptors", .title = "too many files are open", .message = "ADP0031"
    };
    say(cause, "%d %s no more connections, because so many files are open", count,
        plural(count, "child takes", "children take"));
    advise(cause, "%s", report_remedy(CTL_DESCRIPTORS));
    return true;
}

static bool check_shed(verdict_cause_t *cause, const view_t *view)
{
    if (view->told_us[LOG_SHED] > LATELY_US) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_RED, .name = "requests-shed", .title = "requests are answered with 503",
        .message = "ADP0066"
    };
    say(cause, "requests are answered with 503, because they have waited longer than "
        "AdaptiveMaxWait; %llu %s since the server was started", (unsigned long long)view->shed,
        plural((int64_t)view->shed, "was", "were"));
    advise(cause, "more comes than can be served: see who holds the threads, and what the nearest "
           "ceiling is");
    return true;
}

static bool check_waiting(verdict_cause_t *cause, const view_t *view)
{
    char text[32];

    /* a ceiling that is reached says so itself */
    if (is_at_ceiling(view) || view->waited_us < LONG_WAIT_US
        || view->waited_us < WAIT_TARGETS * view->config->wait_target_us) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = view->waited_us >= UNBEARABLE_WAIT_US ? VERDICT_RED : VERDICT_AMBER,
        .name = "requests-wait", .title = "requests wait for a thread"
    };
    say(cause, "requests wait %s for a thread",
        report_duration(text, sizeof(text), view->waited_us));
    advise(cause, "if it lasts, see who holds the threads, and what the nearest ceiling is");
    return true;
}

static bool check_refused(verdict_cause_t *cause, const view_t *view)
{
    if (view->told_us[LOG_REFUSED] > LATELY_US) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_AMBER, .name = "requests-refused",
        .title = "requests for one holder of threads are refused",
        .message = "ADP0130"
    };
    say(cause, "requests for a virtual host or a backend that holds most of the threads are "
        "answered with 503; %llu %s since the server was started",
        (unsigned long long)view->refused, plural((int64_t)view->refused, "was", "were"));
    advise(cause, "see who holds the threads: it answers slowly, or not at all");
    return true;
}

static bool check_threads(verdict_cause_t *cause, const view_t *view)
{
    if (view->told_us[LOG_THREADS] > LATELY_US) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_AMBER, .name = "threads-refused", .title = "threads cannot be started",
        .message = "ADP0041"
    };
    say(cause, "the system does not let children start the threads that they need");
    advise(cause, "raise the limit of processes (ulimit -u, pids.max, TasksMax= of the service)");
    return true;
}

static bool check_restart(verdict_cause_t *cause, const view_t *view)
{
    char text[32];

    if (view->refused_restart_us == VIEW_NEVER) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_AMBER, .name = "restart-refused", .title = "a restart was refused",
        .message = "ADP0105"
    };
    say(cause, "a restart was refused %s ago: the configuration as it is now does not work, and "
        "the server goes on with the one before",
        report_duration(text, sizeof(text), view->refused_restart_us));
    advise(cause, "apachectl configtest says what is wrong; mend it and restart again");
    return true;
}

static bool check_near(verdict_cause_t *cause, const view_t *view)
{
    int most = view->has_plan ? view->plan.limits.max_threads : 0;
    ctl_ceiling_e ceiling = view->has_plan ? view->plan.limits.ceiling : CTL_NO_CEILING;

    /* a found limit is measured again before it is used up: until then it is no ceiling */
    if (view->has_limits && most < view->limits.max_threads) {
        most = view->limits.max_threads;
    }
    if (is_at_ceiling(view) || most < 2 || ceiling == CTL_NO_CEILING
        || 100 * (int64_t)view->busy < NEAR_PERCENT * (int64_t)most) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_AMBER, .name = "near-ceiling", .title = "a ceiling is near"
    };
    say(cause, "%d of the %d threads that %s allows are busy", view->busy, most,
        controller_ceiling_text(ceiling));
    advise(cause, "if more load may come, %s", report_remedy(ceiling));
    return true;
}

static bool check_draining(verdict_cause_t *cause, const view_t *view)
{
    int count = view->children[EXT_SLOT_DRAINING];
    char text[32];

    if (count == 0 || view->longest_us[EXT_SLOT_DRAINING] < LONG_DRAIN_US) {
        return false;
    }
    *cause = (verdict_cause_t) {
        .level = VERDICT_AMBER, .name = "drains-long", .title = "an old child does not end",
        .message = "ADP0102"
    };
    say(cause, "%d old %s for its connections to end, the first for %s", count,
        plural(count, "child waits", "children wait"),
        report_duration(text, sizeof(text), view->longest_us[EXT_SLOT_DRAINING]));
    advise(cause, "the table of children says what holds it; AdaptiveDrainTimeout bounds it");
    return true;
}

/* In the order of what matters most; a red one comes before all that are amber. */
static const check_t checks[] = {
    check_children, check_starts, check_ceiling, check_shed, check_waiting, check_descriptors,
    check_refused, check_threads, check_restart, check_near, check_draining
};

_Static_assert(sizeof(checks) / sizeof(checks[0]) <= VERDICT_MOST, "a place for each");

/* --- in words ----------------------------------------------------------------------------- */

/* "12 of 16 threads busy in 2 children, 240 requests a second." */
static void add_state(text_t *out, const view_t *view)
{
    int children = view->children[EXT_SLOT_SERVING] + view->children[EXT_SLOT_PARKED];

    text_add(out, "%d of %d %s busy in %d %s", view->busy, view->threads,
             plural(view->threads, "thread", "threads"), children,
             plural(children, "child", "children"));
    if (view->requests_per_s >= 0.05) {
        text_add(out, ", %.*f requests a second", view->requests_per_s < 10 ? 1 : 0,
                 view->requests_per_s);
    }
    text_add(out, ".");
}

/* What was done last, not what would have been. */
static void add_last_change(text_t *out, const view_t *view)
{
    story_t stories[4];
    char text[32];
    int i, count = story_tell(stories, 4, view);

    for (i = 0; i < count; i++) {
        if (!stories[i].observed) {
            text_add(out, " %s ago: %s.",
                     report_duration(text, sizeof(text), view->wall_us - stories[i].began_wall_us
                                                         - stories[i].lasted_us),
                     stories[i].text);
            return;
        }
    }
}

static void add_need(text_t *out, const verdict_t *verdict)
{
    const verdict_cause_t *first = &verdict->causes[0];

    if (verdict->count == 0) {
        text_add(out, " Nothing needs you.");
        return;
    }
    text_add(out, " %s: %s", verdict->level == VERDICT_RED ? "Act now" : "Have a look",
             first->title);
    text_add(out, verdict->count > 1 ? ", and %d more." : ".", verdict->count - 1);
}

void verdict_of(verdict_t *verdict, const view_t *view)
{
    int level;
    size_t i;
    text_t out;

    *verdict = (verdict_t) { .level = VERDICT_GREEN };
    for (level = VERDICT_RED; level > VERDICT_GREEN; level--) {
        for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
            verdict_cause_t *cause = &verdict->causes[verdict->count];

            if (checks[i](cause, view) && (int)cause->level == level) {
                verdict->count++;
                verdict->level = verdict->level > cause->level ? verdict->level : cause->level;
            }
        }
    }
    out = text_begin(verdict->sentence, sizeof(verdict->sentence));
    add_state(&out, view);
    add_last_change(&out, view);
    add_need(&out, verdict);
}
