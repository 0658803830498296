/* Timers from several threads, through the steward and the queue of jobs to workers behind
 * a poller: every callback runs once, none early, and no wake-up gets lost (then this
 * hangs, and is killed). */

#include "base/jobs.h"
#include "base/poller.h"
#include "stress.h"
#include "tap.h"
#include "base/timers.h"
#include "base/wakeup.h"

#include <stdlib.h>

#define ADDERS  3
#define WORKERS 3
#define TIMERS  2000                /* an adder; every second one registers another */
#define TOTAL   (ADDERS * (TIMERS + TIMERS / 2))

#define TOKEN_JOBS 1
#define TOKEN_EXIT 2

typedef struct task_t {
    int64_t due_us;
    bool again;                     /* the callback registers another */
    _Atomic int runs;
} task_t;

static timers_t timers;
static jobs_t jobs;
static poller_t poller;
static int steward_fd, exit_fd;
static task_t tasks[ADDERS][2 * TIMERS];
static _Atomic long ran, early, refused;

static timer_callback_fn run_task;

static void add(task_t *task, int64_t delay_us)
{
    bool wake;

    task->due_us = clock_now_us() + delay_us;
    if (timers_add(&timers, task->due_us, run_task, task, &wake)) {
        count(&refused);
    }
    if (wake) {
        wakeup_send(steward_fd);
    }
}

static void run_task(void *baton)
{
    task_t *task = baton;

    if (clock_now_us() < task->due_us) {
        count(&early);
    }
    atomic_fetch_add(&task->runs, 1);
    if (task->again) {
        add(task + TIMERS, 50);
    }
    if (atomic_fetch_add(&ran, 1) == TOTAL - 1) {
        wakeup_send(exit_fd);
        wakeup_send(steward_fd);
    }
}

/* job_fn */
static void run_timer(job_t *job, void *worker)
{
    adp_timer_t *timer = (adp_timer_t *)(void *)job;

    (void)worker;
    timer->callback(timer->baton);
    free(timer);
}

static void *adder(void *arg)
{
    random_t r = random_seed(300 + (uint64_t)(intptr_t)arg);
    int i;

    for (i = 0; i < TIMERS; i++) {
        task_t *task = &tasks[(intptr_t)arg][i];

        task->again = i % 2 == 0;
        add(task, random_below(&r, 3000));
        if (random_below(&r, 50) == 0) {
            /* so long that nothing is registered any more, and the steward sleeps for ever */
            usleep(6000);
        }
    }
    return NULL;
}

static void *worker(void *arg)
{
    poller_token_t token = 0;

    (void)arg;
    for (;;) {
        if (poller_wait(&poller, &token, -1) == 1) {
            if (token == TOKEN_EXIT) {
                return NULL;
            }
            jobs_run_one(&jobs, NULL);
        }
    }
}

static void *steward(void *arg)
{
    (void)arg;
    while (atomic_load(&ran) < TOTAL) {
        struct pollfd pfd = { .fd = steward_fd, .events = POLLIN };
        adp_timer_t *timer;
        int64_t now_us = clock_now_us(), next_us;

        while ((timer = timers_take_due(&timers, now_us)) != NULL) {
            timer->job.run = run_timer;
            jobs_push(&jobs, &timer->job, now_us);
        }
        next_us = timers_next(&timers);
        /* nothing else wakes it: a lost wake-up is a timer that never runs */
        if (poll(&pfd, 1, next_us == CLOCK_NEVER ? -1
                          : next_us <= now_us ? 0 : (int)((next_us - now_us) / 1000 + 1)) == 1) {
            wakeup_receive(steward_fd);
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[ADDERS + WORKERS + 1];
    int adder_no, i, wrong = 0;

    tap_begin(120);
    timers_init(&timers);
    jobs_open(&jobs);
    poller_open(&poller);
    wakeup_open(&steward_fd);
    wakeup_open(&exit_fd);
    poller_add_edge(&poller, jobs.event_fd, TOKEN_JOBS);
    poller_add_level(&poller, exit_fd, TOKEN_EXIT);
    start_threads(threads, 1, steward);
    start_threads(threads + 1, WORKERS, worker);
    start_threads(threads + 1 + WORKERS, ADDERS, adder);
    join_threads(threads, ADDERS + WORKERS + 1);

    for (adder_no = 0; adder_no < ADDERS; adder_no++) {
        for (i = 0; i < 2 * TIMERS; i++) {
            int expected = i < TIMERS || i % 2 == 0;

            wrong += atomic_load(&tasks[adder_no][i].runs) != expected;
        }
    }
    is(wrong, 0, "every callback ran once");
    is(atomic_load(&early), 0, "none early");
    is(atomic_load(&refused), 0, "none was refused");
    is(timers.count, 0, "no timer is left");
    is(atomic_load(&jobs.count), 0, "and no job");
    diag("%d callbacks", TOTAL);
    poller_close(&poller);
    jobs_close(&jobs);
    timers_destroy(&timers);
    return tap_done();
}
