/* The queue of jobs, alone and behind a poller. */

#include "base/jobs.h"

#include "base/poller.h"
#include "tap.h"

#include <unistd.h>

typedef struct task_t {
    job_t job;                  /* first */
    int number;
    jobs_t *push_again;         /* not NULL: the job queues itself once more */
} task_t;

static int order[64], ran;
static void *last_worker;

/* job_fn */
static void note(job_t *job, void *worker)
{
    task_t *task = (task_t *)(void *)job;

    order[ran++ % 64] = task->number;
    last_worker = worker;
    if (task->push_again) {
        jobs_t *q = task->push_again;

        task->push_again = NULL;
        jobs_push(q, job, 0);
    }
}

static task_t task(int number)
{
    return (task_t){ .job.run = note, .number = number };
}

/* How often the event descriptor was written since the last call. */
static int events(jobs_t *q)
{
    uint64_t count = 0;

    return read(q->event_fd, &count, sizeof(count)) < 0 ? 0 : (int)count;
}

static void test_order(void)
{
    task_t tasks[3] = { task(1), task(2), task(3) };
    jobs_t q;
    int worker, i;

    is(jobs_open(&q), 0, "a queue opens");
    ok(!jobs_run_one(&q, NULL), "with nothing to run");
    for (i = 0; i < 3; i++) {
        jobs_push(&q, &tasks[i].job, 100 + i);
    }
    is(atomic_load(&q.count), 3, "three jobs are counted");
    is(jobs_oldest_us(&q, 150), 50, "the oldest has waited since it was pushed");
    ran = 0;
    ok(jobs_run_one(&q, &worker) && ran == 1, "one call runs one job");
    ok(last_worker == &worker, "in this thread, which it is told");
    is(jobs_oldest_us(&q, 150), 49, "then the second is the oldest");
    jobs_run_one(&q, NULL);
    jobs_run_one(&q, NULL);
    ok(order[0] == 1 && order[1] == 2 && order[2] == 3, "first in, first out");
    ok(!jobs_run_one(&q, NULL), "each runs once");
    is(jobs_oldest_us(&q, 150), 0, "an empty queue waits for nothing");
    is(atomic_load(&q.count), 0, "and counts nothing");
    jobs_push(&q, &tasks[0].job, 0);
    ok(jobs_run_one(&q, NULL), "an emptied queue takes jobs again");
    jobs_close(&q);
    is(q.event_fd, -1, "closing closes the descriptor");
}

static void test_events(void)
{
    task_t tasks[2] = { task(1), task(2) };
    jobs_t q;

    jobs_open(&q);
    is(events(&q), 0, "no job, no event");
    jobs_push(&q, &tasks[0].job, 0);
    jobs_push(&q, &tasks[1].job, 0);
    is(events(&q), 1, "two jobs, one event");
    jobs_run_one(&q, NULL);
    is(events(&q), 1, "who leaves a job behind announces it");
    jobs_run_one(&q, NULL);
    is(events(&q), 0, "who takes the last one does not");
    jobs_push(&q, &tasks[0].job, 0);
    is(events(&q), 1, "the next job is announced again");

    jobs_run_one(&q, NULL);
    tasks[1].push_again = &q;
    jobs_push(&q, &tasks[1].job, 0);
    events(&q);
    jobs_run_one(&q, NULL);
    is(events(&q), 1, "a job that queues itself again is announced");
    ok(jobs_run_one(&q, NULL), "and runs again");
    jobs_close(&q);
}

/* Every event entitles to one job: that must be enough to run all of them, also when
 * somebody takes jobs without an event (the janitor). */
static void test_behind_poller(void)
{
    enum { COUNT = 10 };
    task_t tasks[COUNT];
    poller_token_t token = 0;
    poller_t p;
    jobs_t q;
    int i;

    jobs_open(&q);
    poller_open(&p);
    poller_add_edge(&p, q.event_fd, 7);
    ran = 0;
    for (i = 0; i < COUNT; i++) {
        tasks[i] = task(i);
        jobs_push(&q, &tasks[i].job, 0);
        if (i == COUNT / 2) {
            jobs_run_one(&q, NULL);
        }
    }
    while (poller_wait(&p, &token, 0) == 1) {
        jobs_run_one(&q, NULL);
    }
    is(ran, COUNT, "events of the poller lead to every job");
    is(token, 7, "by their token");
    poller_close(&p);
    jobs_close(&q);
}

/* What a janitor leaves in the poller looks like work that waits. */
static void test_settle(void)
{
    task_t tasks[2] = { task(1), task(2) };
    poller_token_t token = 0;
    poller_t p;
    jobs_t q;

    jobs_open(&q);
    poller_open(&p);
    poller_add_edge(&p, q.event_fd, 7);
    jobs_push(&q, &tasks[0].job, 0);
    jobs_settle(&q);
    ok(poller_has_ready(&p), "a job that waits is seen");
    jobs_run_one(&q, NULL);
    ok(poller_has_ready(&p), "its event stays when somebody else has run it");
    jobs_settle(&q);
    ok(!poller_has_ready(&p), "... until it is taken back");
    jobs_push(&q, &tasks[1].job, 0);
    jobs_settle(&q);
    is(poller_wait(&p, &token, 0), 1, "the next job has an event");
    ok(jobs_run_one(&q, NULL), "... and is there");
    poller_close(&p);
    jobs_close(&q);
}

int main(void)
{
    tap_begin(120);
    test_order();
    test_events();
    test_behind_poller();
    test_settle();
    return tap_done();
}
