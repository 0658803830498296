/* From limits and usage to a number of threads: each ceiling by name, what is never
 * exceeded, and whole courses of a server that grows in a small control group. */

#include "limits/limits.h"
#include "random.h"
#include "tap.h"

#include <string.h>

#define KB ((int64_t)1024)
#define MB (1024 * KB)
#define GB (1024 * MB)
#define S_US 1000000

/* A machine on which nothing is scarce. */
static limits_t plenty(void)
{
    limits_t l = { .root = "",
                   .cpus = 8.0,
                   .processors = 8,
                   .total_bytes = 64 * GB,
                   .available_bytes = 60 * GB,
                   .system_tasks = 500000,
                   .user_tasks = LIMITS_NONE,
                   .descriptors = 20000,
                   .policy = { .max_request_workers = LIMITS_NOT_SET,
                               .threads_per_child = 64,
                               .max_children = 128,
                               .slots_ceiling = CTL_SERVER_LIMIT,
                               .min_children = 2,
                               .memory_share = 0.8 } };

    return l;
}

static limits_usage_t idle(void)
{
    limits_usage_t u = { .read_us = S_US,
                         .available_bytes = 60 * GB,
                         .system = { .used = 4 * GB },
                         .system_tasks = 500 };

    limits_note_children(&u, 2, 4, 0, 8 * MB);
    return u;
}

static void add_group(limits_t *l, limits_usage_t *u, int64_t most, int64_t used)
{
    u->memory[l->memory.count].used = used;
    l->memory.level[l->memory.count++].most = most;
}

static void add_pids(limits_t *l, limits_usage_t *u, int64_t most, int64_t used)
{
    u->tasks[l->pids.count] = used;
    l->pids.level[l->pids.count++].most = most;
}

static int asked(const limits_t *l, const limits_usage_t *u, ctl_ceiling_e expected,
                 const char *name)
{
    ctl_ceiling_e why = CTL_NO_CEILING;
    int threads = limits_max_threads(l, u, &why);

    is(why, expected, name);
    return threads;
}

static void test_names(void)
{
    limits_t l = plenty();
    limits_usage_t u = idle();
    int n;

    is(asked(&l, &u, CTL_SERVER_LIMIT, "nothing is scarce: the slots"), 8192, "all of them");
    l.policy.slots_ceiling = CTL_CGROUP_PIDS;
    asked(&l, &u, CTL_CGROUP_PIDS, "slots that follow from something else are called by its name");

    l = plenty();
    l.policy.max_request_workers = 150;
    is(asked(&l, &u, CTL_MAX_REQUEST_WORKERS, "MaxRequestWorkers"), 150, "to the thread");

    l = plenty();
    l.descriptors = 64 + 30;
    is(asked(&l, &u, CTL_DESCRIPTORS, "descriptors"), 10 * 128, "ten threads a child");
    l.descriptors_held = 20;
    is(limits_threads_by_descriptors(&l), 10, "a few that are held are part of these");
    l.descriptors = 2300;
    l.descriptors_held = 2012;
    is(limits_free_descriptors(&l), 288, "log files of many hosts are not free");
    is(limits_threads_by_descriptors(&l), (288 - 32) / 3, "... for threads");
    is(limits_children_by_descriptors(&l), 288 - 32, "... and not for children");
    l.descriptors_held = 3000;
    is(limits_free_descriptors(&l), 0, "more are held than a new limit allows");
    is(limits_threads_by_descriptors(&l), 1, "... one thread a child all the same");
    l.descriptors_held = 0;
    l.descriptors = 3;
    is(limits_threads_by_descriptors(&l), 1,
       "hardly any descriptor: one thread a child all the same");
    is(limits_children_by_descriptors(&l), 1, "and one child");
    l.descriptors = LIMITS_NONE;
    asked(&l, &u, CTL_SERVER_LIMIT, "descriptors without a limit");

    l = plenty();
    add_pids(&l, &u, 100000, 10);
    add_pids(&l, &u, 200, 100);
    n = asked(&l, &u, CTL_CGROUP_PIDS, "pids.max, of the group that has the least left");
    ok(n > 60 && n < 100, "as many as are left, but for a reserve");
    l.policy.companions = 1.5;
    ok(asked(&l, &u, CTL_CGROUP_PIDS, "with threads of modules") < 45,
       "less than half of them then");
    u.tasks[1] = 250;
    is(asked(&l, &u, CTL_CGROUP_PIDS, "pids.max exceeded by others"), 4, "what runs may stay");
    u.tasks[1] = CGROUP_NONE;
    asked(&l, &u, CTL_SERVER_LIMIT, "usage that cannot be read does not limit");

    l = plenty();
    u = idle();
    l.user_tasks = 300;
    l.user_tasks_of_others = 100;
    n = asked(&l, &u, CTL_PROCESS_LIMIT, "RLIMIT_NPROC");
    ok(n > 150 && n < 200, "what others of the user have running counts");
    l = plenty();
    u.system_tasks = 499000;
    is(asked(&l, &u, CTL_PROCESS_LIMIT, "threads-max of a machine that is full"), 4,
       "what runs may stay");

    l = plenty();
    u = idle();
    add_group(&l, &u, 256 * MB, 20 * MB);
    n = asked(&l, &u, CTL_CGROUP_MEMORY, "memory of the control group");
    ok(n > 30 && n < 100, "a first step, if all requests were heavy");
    limits_note_children(&u, 2, 20, 0, 8 * MB);
    n = asked(&l, &u, CTL_CGROUP_MEMORY, "memory of the control group, measured");
    ok(n > 250 && n < 1500, "half of what is left then");
    l = plenty();
    u = idle();
    u.system.used = 63 * GB;
    u.available_bytes = GB;
    n = asked(&l, &u, CTL_AVAILABLE_MEMORY, "memory of a machine that is nearly full");
    ok(n > 100 && n < 500, "what is left is used, in steps");
    l = plenty();
    u = idle();
    l.policy.memory_bytes = 64 * MB;
    n = asked(&l, &u, CTL_ADAPTIVE_MEMORY, "AdaptiveMemory");
    ok(n > 100 && n < 250, "in proportion to it");
    u.children_bytes = 65 * MB;
    is(asked(&l, &u, CTL_ADAPTIVE_MEMORY, "AdaptiveMemory exceeded"), 4, "what runs may stay");
}

static void test_pressure(void)
{
    limits_t l = plenty();
    limits_usage_t u = idle();

    limits_note_children(&u, 4, 200, 0, 76 * MB);
    add_group(&l, &u, 100 * MB, 79 * MB);
    is(asked(&l, &u, CTL_CGROUP_MEMORY, "just below the share"), 200, "no more");
    u.memory[0].used = 84 * MB;
    is(asked(&l, &u, CTL_CGROUP_MEMORY, "a little above the share"), 200, "no more, no fewer");
    u.memory[0].used = 98 * MB;
    ok(asked(&l, &u, CTL_CGROUP_MEMORY, "half of the reserve is used") < 200, "fewer");
    u.memory[0].used = 200 * MB;
    l.memory.level[0].most = MB;
    is(asked(&l, &u, CTL_CGROUP_MEMORY, "a limit that was lowered below all usage"), 2,
       "one thread a child that has to be there");
    u.memory[0].growth = 40 * MB;
    u.memory[0].used = 50 * MB;
    l.memory.level[0].most = 100 * MB;
    is(asked(&l, &u, CTL_CGROUP_MEMORY, "memory that grows fast"), 200, "is waited for");
}

/* More of anything never means fewer threads. */
static void test_monotonic(void)
{
    random_t r = random_seed(7);
    int i, wrong = 0, below_floor = 0, unnamed = 0, beyond = 0;

    for (i = 0; i < 100000; i++) {
        limits_t l = plenty();
        limits_usage_t u = idle();
        ctl_ceiling_e why = CTL_NO_CEILING;
        int before, after, expected;

        add_group(&l, &u, (16 + random_below(&r, 4000)) * MB, random_below(&r, 4000) * MB);
        add_pids(&l, &u, random_below(&r, 5000), random_below(&r, 5000));
        limits_note_children(&u, 1 + random_below(&r, 30), 1 + random_below(&r, 1000),
                             random_below(&r, 1000), random_below(&r, 3000) * MB);
        before = limits_max_threads(&l, &u, &why);
        unnamed += why == CTL_NO_CEILING;
        below_floor += before < l.policy.min_children;
        expected = limits_expected_threads(&l, &u, &why);
        beyond += before > expected && before > u.threads && before > l.policy.min_children;
        l.memory.level[0].most += random_below(&r, 1000) * MB;
        l.pids.level[0].most += random_below(&r, 1000);
        after = limits_max_threads(&l, &u, &why);
        wrong += after < before;
        if (after < before && wrong < 5) {
            diag("%d, then %d", before, after);
        }
    }
    is(wrong, 0, "a larger limit never means fewer threads");
    is(below_floor, 0, "never below one thread a child that has to be there");
    is(unnamed, 0, "what keeps the number down always has a name");
    is(beyond, 0, "never more now than in the long run");
}

/* A server in a control group, asked for as many threads as it may have. True costs differ from
 * what is guessed, and each thread takes half of its memory at once and the rest over the next
 * seconds. */
typedef struct course_t {
    int64_t most;
    int64_t thread_bytes;
    int64_t child_bytes;
    int64_t kernel_bytes;       /* a thread, not in the child's pages */
    int64_t others_bytes;
    int64_t lag_ms;             /* until about two thirds of the other half are there */
    bool shared_counted;        /* statm: pages shared with the parent count as a child's own */
} course_t;

typedef struct outcome_t {
    int threads;
    int64_t quarter_ms;           /* until there were a quarter of those possible */
    bool exceeded;
} outcome_t;

#define STEP_MS 20
#define COURSE_MS 60000

static outcome_t run_course(const course_t *c, int64_t possible, bool print)
{
    limits_t l = plenty();
    limits_usage_t u = { .available_bytes = 60 * GB, .system_tasks = 500 };
    outcome_t outcome = { 4, 0, false };
    double grown = 0.0;         /* threads whose memory is all there, fractions of them too */
    int64_t ms, printed = -1;

    add_group(&l, &u, c->most, 0);
    for (ms = STEP_MS; ms <= COURSE_MS; ms += STEP_MS) {
        int children = outcome.threads / 64 + 2;
        double held = (grown + (outcome.threads - grown) / 2.0) * (double)c->thread_bytes;
        int64_t ours = (int64_t)held + children * c->child_bytes;
        int64_t used = ours + outcome.threads * c->kernel_bytes + c->others_bytes;
        ctl_ceiling_e why;

        if (limits_is_due(&l, &u, outcome.threads, ms * 1000)) {
            limits_note_used(&u.memory[0], used,
                             u.read_us ? (double)(ms * 1000 - u.read_us) / 1e6 : -1.0);
            u.read_us = ms * 1000;
            limits_note_children(&u, children, outcome.threads, 0,
                                 ours + (c->shared_counted ? children * 2 * MB : 0));
            if (print && ms / 1000 != printed) {
                printed = ms / 1000;
                diag("%5.1f s: %d threads, %" PRId64 " MB of %" PRId64 " used, %" PRId64
                     " lately, a thread %" PRId64 " KB, a child %" PRId64 " KB",
                     (double)ms / 1000.0, outcome.threads, used / MB, c->most / MB,
                     u.memory[0].growth / MB, u.thread_bytes / KB, u.child_bytes / KB);
            }
        }
        /* load takes all that it may have at once */
        outcome.threads = limits_max_threads(&l, &u, &why);
        grown += (outcome.threads - grown) * STEP_MS / (double)c->lag_ms;
        outcome.exceeded = outcome.exceeded || used > c->most;
        if (!outcome.quarter_ms && outcome.threads >= possible / 4) {
            outcome.quarter_ms = ms;
        }
    }
    return outcome;
}

static void test_courses(void)
{
    static const int64_t thread_kb[] = { 24, 64, 100, 300, 1000, 3000 };
    static const int64_t child_kb[] = { 600, 2000, 8000 };
    static const int64_t most_mb[] = { 64, 128, 256, 1024, 4096 };
    size_t i, j, k;
    int killed = 0, wasteful = 0, late = 0;

    for (i = 0; i < sizeof(thread_kb) / sizeof(thread_kb[0]); i++) {
        for (j = 0; j < sizeof(child_kb) / sizeof(child_kb[0]); j++) {
            for (k = 0; k < sizeof(most_mb) / sizeof(most_mb[0]); k++) {
                course_t c = { most_mb[k] * MB, thread_kb[i] * KB, child_kb[j] * KB, 40 * KB,
                               5 * MB, (i + j + k) % 3 == 0 ? 5000 : 1000, (i + j + k) % 2 };
                /* that threads cost less than the least that is believed is not used */
                int64_t cost = (c.thread_bytes > LIMITS_LEAST_THREAD_BYTES
                                    ? c.thread_bytes
                                    : LIMITS_LEAST_THREAD_BYTES)
                               + c.kernel_bytes + c.child_bytes / 64;
                int64_t possible = (c.most * 8 / 10 - c.others_bytes - 2 * c.child_bytes) / cost;
                outcome_t outcome;

                possible = possible < 8192 ? possible : 8192;
                outcome = run_course(&c, possible, false);
                if (outcome.exceeded || outcome.quarter_ms > 1500
                    || (possible > 20 && outcome.threads < possible / 2)) {
                    diag("%" PRId64 " MB, %" PRId64 " KB a thread, %" PRId64
                         " KB a child: %d of %" PRId64 " threads%s",
                         most_mb[k], thread_kb[i], child_kb[j], outcome.threads, possible,
                         outcome.exceeded ? ", killed" : "");
                    run_course(&c, possible, killed + wasteful + late == 0);
                }
                killed += outcome.exceeded;
                wasteful += possible > 20 && outcome.threads < possible / 2;
                late += !outcome.quarter_ms || outcome.quarter_ms > 1500;
            }
        }
    }
    is(killed, 0, "the limit is never exceeded, whatever a thread costs");
    is(wasteful, 0, "half of what would fit is used, at least");
    is(late, 0, "a quarter within 1.5 seconds");
}

static void note(limits_usage_t *u, int threads, int64_t bytes)
{
    u->read_us += S_US;
    limits_note_children(u, 2, threads, 0, bytes);
}

static void test_learning(void)
{
    limits_usage_t u = { .read_us = S_US };
    int i;

    note(&u, 4, 8 * MB);
    ok(u.child_bytes > 3 * MB && u.child_bytes <= 4 * MB,
       "a child of few threads shows what it costs");
    ok(u.thread_bytes > LIMITS_THREAD_BYTES / 2, "but not what a thread costs");
    note(&u, 104, 8 * MB + 100 * MB);
    ok(u.thread_bytes > 1400 * KB && u.thread_bytes < 1600 * KB,
       "more than was guessed is believed at once, and half as much again");
    for (i = 0; i < 60; i++) {
        note(&u, 104, 8 * MB + 100 * MB);
    }
    ok(u.thread_bytes > 1100 * KB && u.thread_bytes < 1300 * KB,
       "later what was seen, and a fifth more");
    for (i = 0; i < 5; i++) {
        note(&u, 104, 8 * MB + 10 * MB);
    }
    ok(u.thread_bytes > 900 * KB, "less is not believed at once");
    for (i = 0; i < 600; i++) {
        note(&u, 104, 8 * MB + 10 * MB);
    }
    ok(u.thread_bytes > 90 * KB && u.thread_bytes < 140 * KB, "but in the end");
    u = (limits_usage_t) { 0 };
    limits_note_children(&u, 0, 0, 0, 0);
    limits_note_children(&u, 1, 0, 0, 5);
    limits_note_children(&u, 5, 5, 0, 0);
    is(u.thread_bytes + u.child_bytes, 0, "nothing is learned of nothing");
    note(&u, 4, 40 * MB);
    note(&u, 6, 44 * MB);
    ok(u.thread_bytes < 300 * KB, "a child's caches are not taken for its few threads'");
    note(&u, 6, 100 * MB);
    ok(u.child_bytes >= 19 * MB && u.thread_bytes > 9 * MB, "a few very large threads are noticed");
}

static void test_shortage(void)
{
    limits_t l = plenty();
    limits_usage_t u = idle();

    ok(!limits_is_short(&l, &u), "a machine with memory is not short of it");
    u.available_bytes = GB;
    ok(limits_is_short(&l, &u), "one with a sixty-fourth left is");
    u.available_bytes = LIMITS_NONE;
    ok(!limits_is_short(&l, &u), "one of which nothing is known is not");
    u = idle();
    add_group(&l, &u, 1000 * MB, 895 * MB);
    ok(!limits_is_short(&l, &u), "above the share, but not by half of what it leaves");
    u.memory[0].used = 905 * MB;
    ok(limits_is_short(&l, &u), "by more than half");
    l.memory.level[0].most = 40 * MB;
    u.memory[0].used = 33 * MB;
    ok(limits_is_short(&l, &u), "the last 8 MB of a small group");
    l.memory.level[0].most = 16 * MB;
    u.memory[0].used = 11 * MB;
    ok(!limits_is_short(&l, &u), "or the last quarter of a tiny one");
}

static void test_parts(void)
{
    limits_handout_t handout = { 0 };
    limits_usage_t u = idle();

    is(limits_more_follow(&handout, &u, false, 6, CTL_CGROUP_MEMORY), true, "not used up: a part");
    is(limits_more_follow(&handout, &u, true, 6, CTL_CGROUP_MEMORY), true,
       "used up: nobody has looked since");
    u.read_us += S_US / 10;
    is(limits_more_follow(&handout, &u, true, 10, CTL_CGROUP_MEMORY), true, "there is more");
    is(limits_more_follow(&handout, &u, true, 11, CTL_CGROUP_MEMORY), true, "the same look");
    u.read_us += S_US / 10;
    is(limits_more_follow(&handout, &u, true, 11, CTL_CGROUP_MEMORY), false,
       "hardly any more: that is all");
    u.read_us += S_US;
    is(limits_more_follow(&handout, &u, true, 8, CTL_CGROUP_MEMORY), false, "less");
    is(limits_more_follow(&handout, &u, false, 8, CTL_CGROUP_MEMORY), true, "not used up any more");
    is(limits_more_follow(&handout, &u, true, 8, CTL_CGROUP_PIDS), false,
       "tasks are not handed out in parts");
    u.read_us += S_US;
    is(limits_more_follow(&handout, &u, true, 20, CTL_AVAILABLE_MEMORY), true,
       "the memory of a machine is");
}

int main(void)
{
    tap_begin(60);
    test_names();
    test_pressure();
    test_monotonic();
    test_courses();
    test_learning();
    test_shortage();
    test_parts();
    return tap_done();
}
