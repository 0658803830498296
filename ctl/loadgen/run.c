/* The event loop of a schedule. */

#include "run.h"

#include "tool.h"
#include "exchange.h"
#include "options.h"
#include "queue.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

volatile sig_atomic_t interrupted;

static int64_t start_us;
static int timer_fd;
static int64_t armed_us;        /* 0: the timer is off */

/* ---- requests that are due ---- */

static int is_over(int64_t *due_us)
{
    if (interrupted || !schedule_next(due_us)) {
        return 1;
    }
    *due_us += start_us;
    return 0;
}

static void begin_waiting(void)
{
    while (queue_length() > 0 && exchange_begin(*queue_first())) {
        queue_drop_first();
    }
    if (queue_length() > counters.behind_max) {
        counters.behind_max = queue_length();
    }
}

/* In the queue first, so that a request which crosses a close keeps its place behind those that
 * wait longer. */
static void issue_due(void)
{
    int64_t now = now_us(), due_us;

    while (!is_over(&due_us) && due_us <= now) {
        queue_put((request){
            .due_us = due_us, .late_us = now - due_us, .index = counters.issued });
        outcome_issued(now - due_us);
        schedule_advance();
        now = now_us();
    }
    begin_waiting();
}

/* ---- time that passes ---- */

/* Setting it again also forgets that it has expired. */
static void arm_timer(int64_t at_us)
{
    struct itimerspec spec = {
        .it_value = { .tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000 }
    };

    if (at_us != armed_us) {
        timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
        armed_us = at_us;
    }
}

void sweep_timeouts(void)
{
    int64_t limit_us = now_us() - (int64_t)(options.timeout_seconds * 1000000.0);
    connection *c;

    while ((c = conn_first_under_way()) != NULL && c->begun_us < limit_us) {
        exchange_failed(c, FAIL_TIMEOUT);
    }
}

/* Nobody waits for ever: what is left long after the end of the schedule is lost. */
static void give_up(void)
{
    connection *c;

    while ((c = conn_first_under_way()) != NULL) {
        exchange_failed(c, FAIL_TIMEOUT);
    }
    for (; queue_length() > 0; queue_drop_first()) {
        counters.sent++;
        outcome_failed(*queue_first(), (answer){ .status = 0 }, FAIL_TIMEOUT, -1, 0);
    }
}

/* What nobody is interested in any more; it has not failed. */
static void drop_unfinished(void)
{
    connection *c;

    counters.unfinished = conns_under_way() + queue_length();
    queue_clear();
    while ((c = conn_first_under_way()) != NULL) {
        conn_close(c);
    }
}

/* Of the timer it is enough that it wakes. */
static void wait_events(int timeout_ms)
{
    struct epoll_event events[256];
    int i, n = epoll_wait(epoll_fd, events, 256, timeout_ms);

    for (i = 0; i < n; i++) {
        if (events[i].data.ptr) {
            exchange_event(events[i].data.ptr);
        }
    }
}

static void begin(void)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = NULL } };

    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) != 0) {
        die("timerfd");
    }
    start_us = now_us();
    outcomes_start(start_us);
    printf("start_us %lld\nready %d\n", (long long)start_us, options.connections);
    fflush(stdout);
}

void run_schedule(void)
{
    int64_t next_sweep_us, last_us, due_us;

    begin();
    next_sweep_us = start_us + SWEEP_US;
    last_us = start_us + (int64_t)((options.seconds + 2 * options.timeout_seconds) * 1000000.0);
    while (!is_over(&due_us) || conns_under_way() || queue_length()) {
        issue_due();
        arm_timer(is_over(&due_us) ? 0 : due_us);
        wait_events(SWEEP_US / 1000);
        if (now_us() >= next_sweep_us) {
            next_sweep_us = now_us() + SWEEP_US;
            fflush(stdout);
            sweep_timeouts();
        }
        if (now_us() > last_us) {
            give_up();
        }
        if (options.end_with_schedule && is_over(&due_us)) {
            drop_unfinished();
        }
    }
}
