/* The shared memory of parent and children, with real processes. */

#include "scoreboard_ext.h"

#include "base/clock.h"
#include "tap.h"

#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SLOTS 5

static void test_records(scoreboard_ext_t *ext)
{
    ext_child_t *child = &ext->children[SLOTS - 1];
    pid_t pid;

    is(ext->slot_count, SLOTS, "it says how many records there are");
    is(atomic_load(&child->threads), 0, "a new record is empty");
    pid = fork();
    if (pid == 0) {
        atomic_store(&child->threads, 7);
        atomic_store(&child->work, 3);
        atomic_store(&child->ready, true);
        atomic_store(&child->closed, true);
        atomic_store(&child->wants_successor, true);
        atomic_store(&child->wants_relief, true);
        atomic_store(&child->exhausted, true);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    is(atomic_load(&child->threads), 7, "what a child writes, the parent reads");
    atomic_store(&ext->children[SLOTS - 2].threads, 9);
    scoreboard_ext_reset(ext, (int)(child - ext->children));
    ok(!atomic_load(&child->threads) && !ext_idle(child) && !atomic_load(&child->ready)
       && !atomic_load(&child->closed) && !atomic_load(&child->wants_successor)
       && !atomic_load(&child->wants_relief) && !atomic_load(&child->exhausted),
       "reset forgets all of it");
    is(atomic_load(&ext->children[SLOTS - 2].threads), 9, "and nothing of the neighbour's");
}

static void test_cache_lines(const scoreboard_ext_t *ext)
{
    is(sizeof(ext_child_t) % 64, 0, "a record is made of whole cache lines");
    is((uintptr_t)&ext->children[0] % 64, 0, "and lies in one: children do not slow each other");
}

static void test_may_log(scoreboard_ext_t *ext)
{
    int64_t now_us = INT64_C(5000) * CLOCK_US_PER_S;

    ok(scoreboard_ext_may_log(ext, LOG_ACCEPT, now_us), "the first message is logged");
    ok(!scoreboard_ext_may_log(ext, LOG_ACCEPT, now_us), "not another at the same time");
    ok(!scoreboard_ext_may_log(ext, LOG_ACCEPT, now_us + CLOCK_US_PER_S - 1),
       "nor within a second");
    ok(scoreboard_ext_may_log(ext, LOG_POLLER, now_us), "but one of another kind");
    ok(scoreboard_ext_may_log(ext, LOG_ACCEPT, now_us + CLOCK_US_PER_S), "and after a second");
    ok(!scoreboard_ext_may_log(ext, LOG_ACCEPT, now_us + CLOCK_US_PER_S + 1),
       "from when on a second counts again");
}

/* Several processes in the same trouble at the same time. */
static void test_may_log_race(scoreboard_ext_t *ext)
{
    enum { PROCESSES = 4, ROUNDS = 20000 };
    int64_t start_us = INT64_C(9000) * CLOCK_US_PER_S;
    int i, process, status, logged = 0;
    int results[2];

    if (pipe(results)) {
        ok(false, "a pipe");
        return;
    }
    for (process = 0; process < PROCESSES; process++) {
        if (fork() == 0) {
            for (i = 0; i < ROUNDS; i++) {
                int n = scoreboard_ext_may_log(ext, LOG_THREADS, start_us + i * CLOCK_US_PER_S);

                logged += n;
            }
            status = write(results[1], &logged, sizeof(logged)) == sizeof(logged) ? 0 : 1;
            _exit(status);
        }
    }
    close(results[1]);
    for (process = 0; process < PROCESSES; process++) {
        int n = 0;

        if (read(results[0], &n, sizeof(n)) == sizeof(n)) {
            logged += n;
        }
    }
    close(results[0]);
    while (wait(&status) > 0) {
        continue;
    }
    ok(logged > 0 && logged <= ROUNDS, "of several processes one logs");
    diag("%d messages in %d seconds", logged, ROUNDS);
}

/* --- limits and plan ---------------------------------------------------------------- */

static void test_limits(scoreboard_ext_t *ext)
{
    ext_limits_t limits = {
        .max_threads = 480, .max_children = 8, .threads_per_child = 64,
        .ceiling = CTL_CGROUP_PIDS, .cpus = 1.5
    };
    ext_limits_t found = { .max_threads = 7 };

    ok(!scoreboard_ext_read_limits(ext, &found), "no limits were written yet");
    is(found.max_threads, 7, "and nothing was changed");
    strcpy(limits.text, "1.5 processors (cpu.max)");
    scoreboard_ext_write_limits(ext, &limits);
    ok(scoreboard_ext_read_limits(ext, &found), "limits are read");
    ok(memcmp(&found, &limits, sizeof(found)) == 0, "as they were written");
    memset(limits.text, 'x', sizeof(limits.text));
    limits.max_threads = -5;
    limits.ceiling = CTL_CEILINGS;
    limits.cpus = NAN;
    scoreboard_ext_write_limits(ext, &limits);
    ok(scoreboard_ext_read_limits(ext, &found), "nonsense is read as well");
    is(strlen(found.text), EXT_TEXT_SIZE - 1, "but text ends");
    is(found.max_threads, 0, "a count is one");
    is(found.ceiling, CTL_NO_CEILING, "a ceiling is one");
    ok(found.cpus == 0, "a number is one");
}

static void test_plan(scoreboard_ext_t *ext)
{
    ext_plan_t plan = {
        .mode = EXT_MODE_OBSERVE, .draining = 3,
        .sample = { .now_us = 12345678, .serving = 2, .busy = 100, .arrivals = UINT64_MAX },
        .limits = { .max_threads = 400, .min_spare_threads = CTL_NOT_SET },
        .plan = { .target = 9, .start = 7, .reason = CTL_DEMAND, .demand = 480.5 }
    };
    ext_plan_t found;

    ok(!scoreboard_ext_read_plan(ext, &found), "no plan was written yet");
    scoreboard_ext_write_plan(ext, &plan);
    ok(scoreboard_ext_read_plan(ext, &found), "a plan is read");
    is(found.mode, EXT_MODE_OBSERVE, "with its mode");
    is(found.sample.busy, 100, "with its sample");
    is(found.limits.max_threads, 400, "with its limits");
    is(found.limits.min_spare_threads, CTL_NOT_SET, "of which some are not set");
    ok(found.plan.target == 9 && found.plan.reason == CTL_DEMAND && found.plan.demand == 480.5,
       "as it was");
    ok(found.wall_us > INT64_C(1600000000) * CLOCK_US_PER_S, "and the time of day");
    plan.plan.reason = (ctl_reason_e)-1;
    plan.plan.ceiling = (ctl_ceiling_e)1000;
    plan.plan.demand = INFINITY;
    plan.plan.spare = -1;
    plan.sample.serving = INT32_MIN;
    plan.mode = 77;
    scoreboard_ext_write_plan(ext, &plan);
    ok(scoreboard_ext_read_plan(ext, &found), "nonsense is read");
    is(found.plan.reason, CTL_STEADY, "with a reason");
    is(found.plan.ceiling, CTL_NO_CEILING, "with a ceiling");
    ok(found.plan.demand == 0 && found.plan.spare == 0, "with numbers");
    is(found.sample.serving, 0, "with a count");
    ok(found.mode >= 0 && found.mode < EXT_MODES, "and a mode");
}

/* A writer that was killed in the middle. */
static void test_torn(scoreboard_ext_t *ext)
{
    ext_plan_t plan = { .sample = { .busy = 5 } }, found;
    size_t i, words = sizeof(ext->plan) / 8;
    int believed = 0;

    for (i = 0; i < words; i++) {
        scoreboard_ext_write_plan(ext, &plan);
        atomic_fetch_xor(&ext->plan.words[i], UINT64_C(1) << (i % 64));
        believed += scoreboard_ext_read_plan(ext, &found);
    }
    is(believed, 0, "one wrong bit in any word, and nobody believes it");
    scoreboard_ext_write_plan(ext, &plan);
    ok(scoreboard_ext_read_plan(ext, &found), "the next plan mends it");
}

/* --- slots -------------------------------------------------------------------------- */

static void test_slots(scoreboard_ext_t *ext)
{
    ext_slot_t slot;

    ok(!scoreboard_ext_read_slot(ext, 1, &slot), "nothing is known of a slot");
    scoreboard_ext_note_slot(ext, 1, EXT_SLOT_FREE, 0, 0, 900);
    ok(!scoreboard_ext_read_slot(ext, 1, &slot), "a free one needs no word");
    scoreboard_ext_note_slot(ext, 1, EXT_SLOT_STARTING, 4711, 3, 1000);
    ok(scoreboard_ext_read_slot(ext, 1, &slot), "then something is");
    ok(slot.state == EXT_SLOT_STARTING && slot.pid == 4711 && slot.generation == 3, "what it is");
    scoreboard_ext_note_slot(ext, 1, EXT_SLOT_STARTING, 4711, 3, 2000);
    scoreboard_ext_read_slot(ext, 1, &slot);
    is(slot.since_us, 1000, "since it began");
    scoreboard_ext_note_slot(ext, 1, EXT_SLOT_PARKED, 4711, 3, 3000);
    scoreboard_ext_read_slot(ext, 1, &slot);
    ok(slot.state == EXT_SLOT_PARKED && slot.since_us == 3000, "another state has its own time");
    scoreboard_ext_note_slot(ext, 1, EXT_SLOT_PARKED, 4712, 3, 4000);
    scoreboard_ext_read_slot(ext, 1, &slot);
    is(slot.since_us, 4000, "another process too");
    scoreboard_ext_note_slot(ext, SLOTS - 1, EXT_SLOT_DRAINING, 5, 5, 5);
    ok(scoreboard_ext_read_slot(ext, SLOTS - 1, &slot), "the last slot has a place");
    scoreboard_ext_note_slot(ext, SLOTS, EXT_SLOT_DRAINING, 5, 5, 5);
    scoreboard_ext_note_slot(ext, -1, EXT_SLOT_DRAINING, 5, 5, 5);
    ok(!scoreboard_ext_read_slot(ext, SLOTS, &slot) && !scoreboard_ext_read_slot(ext, -1, &slot),
       "others are ignored");
}

/* --- decisions ---------------------------------------------------------------------- */

static ext_decision_t a_decision(int n)
{
    return (ext_decision_t) {
        .now_us = n, .kind = EXT_THREADS, .slot = n, .reason = CTL_WAITING, .busy = n,
        .threads_before = n, .threads_after = n + 1, .waited_us = n, .demand = n
    };
}

static bool is_decision(const ext_decision_t *d, int n)
{
    return d->now_us == n && d->slot == n && d->busy == n && d->threads_after == n + 1
           && d->waited_us == n && d->demand == n && d->reason == CTL_WAITING;
}

static void test_decisions(scoreboard_ext_t *ext)
{
    ext_decision_t found[EXT_MOST_DECISIONS], decision;
    int i, wrong = 0;

    is(scoreboard_ext_read_decisions(ext, found), 0, "no decision at first");
    for (i = 1; i <= 3; i++) {
        decision = a_decision(i);
        scoreboard_ext_note_decision(ext, &decision);
    }
    is(scoreboard_ext_read_decisions(ext, found), 3, "three decisions");
    ok(is_decision(&found[0], 3) && is_decision(&found[2], 1), "the newest first");
    is(found[0].number, 3, "they are numbered");
    ok(found[0].wall_us > INT64_C(1600000000) * CLOCK_US_PER_S, "and have the time of day");
    for (; i <= 10 * EXT_DECISIONS + 5; i++) {
        decision = a_decision(i);
        scoreboard_ext_note_decision(ext, &decision);
    }
    is(scoreboard_ext_read_decisions(ext, found), EXT_DECISIONS, "the ring is full");
    for (i = 0; i < EXT_DECISIONS; i++) {
        wrong += !is_decision(&found[i], 10 * EXT_DECISIONS + 5 - i);
    }
    is(wrong, 0, "the last ones");
    atomic_store(&ext->decisions[EXT_THREADS][0].words[3], 99);
    is(scoreboard_ext_read_decisions(ext, found), EXT_DECISIONS - 1, "a torn one is left out");
    decision.kind = EXT_CHILDREN;
    scoreboard_ext_note_decision(ext, &decision);
    for (i = 0; i < 2 * EXT_DECISIONS; i++) {
        decision = a_decision(i);
        scoreboard_ext_note_decision(ext, &decision);
    }
    is(scoreboard_ext_read_decisions(ext, found), EXT_DECISIONS + 1,
       "decisions of children push out none of the parent's");
    ok(found[EXT_DECISIONS].kind == EXT_CHILDREN
       && found[EXT_DECISIONS].number == found[0].number - 2 * EXT_DECISIONS,
       "which keeps its place in the order");
    /* what a child may do to it */
    atomic_store(&ext->decisions_noted, UINT64_MAX);
    atomic_store(&ext->noted[EXT_CHILDREN], UINT64_MAX);
    decision.slot = decision.kind = decision.reason = INT32_MIN;
    decision.demand = -INFINITY;
    scoreboard_ext_note_decision(ext, &decision);
    scoreboard_ext_note_decision(ext, &decision);
    scoreboard_ext_read_decisions(ext, found);
    for (i = wrong = 0; i < EXT_DECISIONS + 2; i++) {
        wrong += found[i].kind < 0 || found[i].reason < 0 || found[i].reason >= CTL_REASONS
                 || !(found[i].demand >= 0);
    }
    is(wrong, 0, "nonsense is made harmless");
}

/* Children die at any instruction: whatever they leave behind does not spoil the ring. */
static void test_killed_writers(scoreboard_ext_t *ext)
{
    ext_decision_t found[EXT_MOST_DECISIONS], decision = a_decision(1);
    int round, i, count = 0, wrong = 0;

    for (round = 0; round < 20; round++) {
        pid_t pid = fork();

        if (pid == 0) {
            for (i = 1;; i = i % 1000 + 1) {
                decision = a_decision(i);
                scoreboard_ext_note_decision(ext, &decision);
            }
        }
        /* not before it wrote, so that it dies while it writes */
        while (atomic_load(&ext->decisions_noted) < (uint64_t)(round + 1) * 1000) {
            sched_yield();
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        count = scoreboard_ext_read_decisions(ext, found);
        for (i = 0; i < count; i++) {
            wrong += !is_decision(&found[i], (int)found[i].now_us);
        }
    }
    is(wrong, 0, "what killed children wrote is whole");
    ok(count >= EXT_DECISIONS - 20, "and at most one entry each was lost");
    for (i = 1; i <= EXT_DECISIONS; i++) {
        decision = a_decision(i);
        scoreboard_ext_note_decision(ext, &decision);
    }
    is(scoreboard_ext_read_decisions(ext, found), EXT_DECISIONS, "until the ring has come round");
}

/* --- history ------------------------------------------------------------------------ */

#define S CLOCK_US_PER_S
static ext_second_t seconds[EXT_SECONDS];

static ext_history_t history;

static void write_second(scoreboard_ext_t *ext, int64_t now_us, int busy, int waited_us,
                         uint64_t arrivals)
{
    ext_second_t now = {
        .threads = 2 * busy, .busy = busy, .waited_us = waited_us, .serving = 2, .target = 3,
        .demand = 1.5F
    };

    scoreboard_ext_write_second(ext, &history, &now, arrivals, now_us);
}

static void test_history(scoreboard_ext_t *ext)
{
    int64_t t = 10000 * S;
    int i, n, wrong = 0;

    is(scoreboard_ext_read_seconds(ext, t, seconds), 0, "no history at first");
    write_second(ext, t, 10, 700, 5000);
    is(scoreboard_ext_read_seconds(ext, t, seconds), 1, "one second");
    ok(seconds[0].second == 10000 && seconds[0].busy == 10 && seconds[0].threads == 20
       && seconds[0].waited_us == 700 && seconds[0].serving == 2 && seconds[0].target == 3
       && seconds[0].demand == 1.5F, "as it was");
    is(seconds[0].arrivals, 0, "what arrived before the first is nobody's");

    write_second(ext, t + 400000, 50, 100, 5020);
    write_second(ext, t + 900000, 5, 0, 5030);
    is(scoreboard_ext_read_seconds(ext, t + 900000, seconds), 1, "the same second");
    is(seconds[0].busy, 50, "the most threads that were busy in it");
    is(seconds[0].threads, 10, "the last of the levels");
    is(seconds[0].waited_us, 700, "the longest wait");
    is(seconds[0].arrivals, 30, "all arrivals");

    write_second(ext, t + 5 * S, 8, 300, 5030 + 53);
    n = scoreboard_ext_read_seconds(ext, t + 5 * S, seconds);
    is(n, 6, "a gap is filled");
    for (i = 1; i < 5; i++) {
        wrong += seconds[i].second != 10000 + i || seconds[i].threads != 10
                 || seconds[i].waited_us != 0 || seconds[i].arrivals != 10;
    }
    is(wrong, 0, "with the levels of before it and a share of what arrived");
    ok(seconds[5].threads == 16 && seconds[5].waited_us == 300 && seconds[5].arrivals == 13,
       "then comes what was written");

    n = scoreboard_ext_read_seconds(ext, t + 8 * S, seconds);
    is(n, 9, "the parent sleeps since: a reader goes on");
    ok(seconds[8].second == 10008 && seconds[8].threads == 16 && seconds[8].arrivals == 0
       && seconds[8].waited_us == 0, "with what was so last");
}

static void test_history_wraps(scoreboard_ext_t *ext)
{
    int64_t t = 20000 * S;
    int i, n, wrong = 0;

    for (i = 0; i < 1500; i++) {
        write_second(ext, t + i * S, i, i, (uint64_t)i * 7);
    }
    n = scoreboard_ext_read_seconds(ext, t + 1499 * S, seconds);
    is(n, EXT_SECONDS, "ten minutes are kept");
    for (i = 0; i < n; i++) {
        wrong += seconds[i].second != 20000 + 900 + i || seconds[i].busy != 900 + i
                 || seconds[i].arrivals != 7;
    }
    is(wrong, 0, "the last ones, oldest first");
    write_second(ext, t + 100000 * S, 1, 1, UINT64_C(1499) * 7);
    n = scoreboard_ext_read_seconds(ext, t + 100000 * S, seconds);
    is(n, EXT_SECONDS, "after a day of sleep as well");
    for (i = wrong = 0; i < n - 1; i++) {
        wrong += seconds[i].threads != 2 * 1499 || seconds[i].arrivals != 0;
    }
    is(wrong, 0, "that was as at its beginning");
}

static void test_history_counters(scoreboard_ext_t *ext)
{
    int64_t t = 200000 * S;

    write_second(ext, t, 1, 1, UINT64_MAX - 4);
    write_second(ext, t + S, 1, 1, 5);
    scoreboard_ext_read_seconds(ext, t + S, seconds);
    is(seconds[EXT_SECONDS - 1].arrivals, 10, "a counter that wraps");
    write_second(ext, t + 2 * S, 1, 1, 2);
    scoreboard_ext_read_seconds(ext, t + 2 * S, seconds);
    is(seconds[EXT_SECONDS - 1].arrivals, 0, "one that begins anew");
    write_second(ext, t - 50 * S, 1, 1, 4);
    ok(scoreboard_ext_read_seconds(ext, t - 50 * S, seconds) > 0, "a clock that jumps back");
    write_second(ext, -1, 1, 1, 4);
    write_second(ext, INT64_MIN, 1, 1, 4);
    is(scoreboard_ext_read_seconds(ext, INT64_MIN, seconds), 0, "and one that was never wound");
    write_second(ext, INT64_MAX, 1, 1, 4);
    ok(scoreboard_ext_read_seconds(ext, INT64_MAX, seconds) > 0, "or too far");
}

int main(void)
{
    scoreboard_ext_t *ext;

    tap_begin(120);
    if (!is(scoreboard_ext_create(&ext, SLOTS), 0, "shared memory")) {
        return tap_done();
    }
    test_records(ext);
    test_cache_lines(ext);
    test_may_log(ext);
    test_may_log_race(ext);
    test_limits(ext);
    test_plan(ext);
    test_torn(ext);
    test_slots(ext);
    test_decisions(ext);
    scoreboard_ext_destroy(ext);

    if (!is(scoreboard_ext_create(&ext, SLOTS), 0, "fresh memory")) {
        return tap_done();
    }
    test_killed_writers(ext);
    test_history(ext);
    test_history_wraps(ext);
    test_history_counters(ext);
    scoreboard_ext_destroy(ext);
    return tap_done();
}
