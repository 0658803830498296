/* The shared memory of parent and children, with real processes. */

#include "scoreboard_ext.h"

#include "clock.h"
#include "tap.h"

#include <stdlib.h>
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
    scoreboard_ext_reset(child);
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
    ok(scoreboard_ext_may_log(ext, LOG_FORK, now_us), "but one of another kind");
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
    scoreboard_ext_destroy(ext);
    return tap_done();
}
