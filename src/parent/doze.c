/* The parent, between two rounds. Owns how often children may wake it (pace.h). */
#include "doze.h"

#include "pace.h"
#include "reaper.h"
#include "signals.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/testhook.h"
#include "base/wakeup.h"

#include <poll.h>
#include <signal.h>
#include <sys/param.h>
#include <time.h>

/* Processor time of this thread. */
static int64_t cpu_now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * CLOCK_US_PER_S + ts.tv_nsec / 1000;
}

/* When children may wake us next. What it took to start and bury children does not count. */
static int64_t next_wakeup_us(retained_t *r)
{
    int64_t used_us = cpu_now_us() - r->paced_cpu_us;

    r->paced_cpu_us += used_us;
    if (r->paced_turnover != r->turnover) {
        r->paced_turnover = r->turnover;
        used_us = 0;
    }
    return pace_next(&r->pace, used_us, clock_now_us());
}

/* One ppoll(2) with these signals blocked. What it finds of fd (-1: none), 0: nothing. */
static int doze(int fd, int64_t until_us, const sigset_t *mask)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    struct timespec timeout = clock_timeout(until_us - clock_now_us());

    return ppoll(&poll_fd, 1, &timeout, mask) > 0 ? poll_fd.revents : 0;
}

static void hear_children(const generation_t *g, int events)
{
    retained_t *r = g->retained;

    if (events & POLLNVAL) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, g->server, ADPNO(0063)
                     "the descriptor by which children wake the parent was closed by something "
                     "else in this process; looking ten times a second instead");
        /* not touched again: by now it may be another file */
        r->wakeup_fd = -1;
    }
    else if (events) {
        wakeup_receive(r->wakeup_fd);
        overseer_wake(&r->overseer);
    }
}

/* Nothing is slept over that came since the last look. Signals are blocked. */
static bool has_to_wake(const generation_t *g, bool (*is_over)(const generation_t *))
{
    return is_over(g) || signals_is_question_due();
}

void doze_until(const generation_t *g, int64_t until_us, bool (*is_over)(const generation_t *))
{
    retained_t *r = g->retained;
    int64_t pause_us = next_wakeup_us(r);
    sigset_t before, commands;

    if (r->wakeup_fd < 0) {
        until_us = clock_earlier(until_us, clock_now_us() + DOZE_RETRY_US);
    }

    signals_hold(&before);
    commands = before;
    sigaddset(&commands, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &commands, NULL);
    ADP_PAUSE(parent_sleeps);
    if (!has_to_wake(g, is_over) && pause_us > clock_now_us()) {
        doze(-1, MIN(pause_us, until_us), &commands);
    }
    if (!has_to_wake(g, is_over) && !reaper_is_due()) {
        hear_children(g, doze(r->wakeup_fd, until_us, &before));
    }
    if (reaper_is_due() || r->wakeup_fd < 0) {
        overseer_wake(&r->overseer);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
