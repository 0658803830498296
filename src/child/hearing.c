/* A child's steward: its sleep, and what it hears meanwhile. Obeys the parent, and notices that it
 * is gone, or that a descriptor is. */
#include "hearing.h"

#include "accept.h"
#include "child.h"
#include "child_dump.h"
#include "child_internal.h"
#include "drain.h"
#include "listeners.h"
#include "watch.h"

#include "base/clock.h"
#include "base/testhook.h"
#include "base/wakeup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often a steward that cannot be woken looks by itself. */
#define DEAF_ROUND_US (50 * CLOCK_US_PER_MS)

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* Nobody will give orders any more. */
static void lose_parent(child_t *child)
{
    /* another version of this module goes on with the sockets */
    drain_order_e order = DRAIN_TAKE_BACKLOG;

    /* processes that other modules have forked may hold the lifeline open, so it may outlive the
     * parent; and a parent that goes over to another version of this module may close it */
    if (child->parent_pidfd < 0 || getppid() != child->parent_pid) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, child->server, ADPNO(0071)
                     "the parent process is gone; finishing what there is and ending");
        close_fd(&child->parent_pidfd);
        order = DRAIN_END_SOCKETS;
    }
    close_fd(&child->lifeline_fd);
    atomic_store(&child->told_to_drain, order);
}

/* A descriptor that becomes readable when the parent ends. -1: Linux before 5.3, or a sandbox. */
static int watch_parent(pid_t parent)
{
#ifdef SYS_pidfd_open
    return ADP_FAULT(no_pidfd) ? -1 : (int)syscall(SYS_pidfd_open, parent, 0);
#else
    (void)parent;
    return -1;
#endif
}

/* The same without a pidfd, by the end of a sleep. */
static void look_for_parent(child_t *child)
{
    if (!child->one_process && child->parent_pidfd < 0 && child->lifeline_fd >= 0
        && getppid() != child->parent_pid) {
        lose_parent(child);
    }
}

void hearing_watch_parent_by_signal(child_t *child)
{
    if (!child->one_process && child->parent_pidfd < 0) {
        prctl(PR_SET_PDEATHSIG, SIGHUP);
        look_for_parent(child);
    }
}

/* Something in this process has closed a descriptor that the steward needs, or put another file in
 * its place. It is not touched again: by now it may be a client's. */
static void lose_descriptor(child_t *child, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, child->server, ADPNO(0061)
                 "the descriptor of %s was closed by something else in this process; this child "
                 "ends", what);
    atomic_store(&child->told_to_drain, DRAIN_LEAVE_BACKLOG);
}

void hearing_take_orders(child_t *child)
{
    char orders[64];
    ssize_t n, i;

    ON_STEWARD();
    n = read(child->lifeline_fd, orders, sizeof(orders));
    if (n == 0) {
        lose_parent(child);
    }
    else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        child->lifeline_fd = -1;
        lose_descriptor(child, "the parent's orders");
    }
    for (i = 0; i < n; i++) {
        switch (orders[i]) {
        case CHILD_ORDER_DRAIN:
            atomic_store(&child->told_to_drain, DRAIN_TAKE_BACKLOG);
            break;
        case CHILD_ORDER_FINISH:
            atomic_store(&child->told_to_drain, DRAIN_END_SOCKETS);
            break;
        case CHILD_ORDER_RETIRE:
            atomic_store(&child->told_to_drain, DRAIN_LEAVE_BACKLOG);
            break;
        case CHILD_ORDER_LOOK:
            accept_look(child);
            break;
        case CHILD_ORDER_PARK:
            listeners_park(child);
            break;
        case CHILD_ORDER_RESUME:
            listeners_resume(child);
            break;
        case CHILD_ORDER_DECIDE:
            steward_decide_soon(&child->steer.steward);
            break;
        case CHILD_ORDER_DUMP:
            child_dump(child);
            break;
        default:
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0072)
                         "unknown order %d from the parent", orders[i]);
            break;
        }
    }
}

/* What the steward sleeps on. */
enum { ON_STEWARD, ON_LIFELINE, ON_PARENT, ON_POLLER, SLEEPS_ON };

static bool is_lost(const struct pollfd *fd)
{
    return (fd->revents & POLLNVAL) != 0;
}

/* One that was closed would be reported at every turn. */
static void take_leave_of_lost(child_t *child, const struct pollfd *fds)
{
    if (is_lost(&fds[ON_STEWARD])) {
        /* then the events by which workers leave may be gone, too */
        child->deaf = true;
        lose_descriptor(child, "the steward's wake-ups");
        atomic_store(&child->told_to_stop, true);
    }
    if (is_lost(&fds[ON_LIFELINE])) {
        child->lifeline_fd = -1;
        lose_descriptor(child, "the parent's orders");
    }
    if (is_lost(&fds[ON_PARENT])) {
        /* the lifeline tells of its end as well */
        child->parent_pidfd = -1;
    }
    if (is_lost(&fds[ON_POLLER])) {
        /* no event reaches anybody any more */
        lose_descriptor(child, "the poller");
        atomic_store(&child->told_to_stop, true);
    }
}

static void hear(child_t *child, const struct pollfd *fds)
{
    child->heard = true;
    if (fds[ON_STEWARD].revents && !child->deaf) {
        wakeup_receive(child->steward_fd);
    }
    if (fds[ON_LIFELINE].revents && !is_lost(&fds[ON_LIFELINE])) {
        hearing_take_orders(child);
    }
    if (fds[ON_PARENT].revents && child->parent_pidfd >= 0) {
        lose_parent(child);
    }
    if (fds[ON_POLLER].revents) {
        watch_rang(child);
    }
}

/* A steward that finds no sleep, for whatever reason, looks less often. */
static int64_t bounded(child_t *child, int64_t until_us, int64_t now_us)
{
    bool begins;
    int64_t pause_us = turns_pause_us(&child->turns, now_us, &begins);

    if (begins) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0062)
                     "the main thread of this child has turned %d times within a second; pausing "
                     "%d ms at each turn until it sleeps again", TURNS_MOST_PER_S,
                     (int)(TURNS_PAUSE_US / CLOCK_US_PER_MS));
    }
    if (pause_us > 0) {
        poll(NULL, 0, (int)(pause_us / CLOCK_US_PER_MS));
    }
    return child->deaf ? clock_earlier(until_us, now_us + DEAF_ROUND_US) : until_us;
}

void hearing_sleep_until(child_t *child, int64_t until_us)
{
    int64_t now_us = clock_now_us();
    struct pollfd fds[SLEEPS_ON] = {
        [ON_STEWARD] = { .fd = child->deaf ? -1 : child->steward_fd, .events = POLLIN },
        [ON_LIFELINE] = { .fd = child->lifeline_fd, .events = POLLIN },
        [ON_PARENT] = { .fd = child->parent_pidfd, .events = POLLIN },
        [ON_POLLER] = { .fd = watch_fd(child, now_us, &until_us), .events = POLLIN }
    };
    struct timespec timeout;
    sigset_t open_mask;
    int n;

    until_us = bounded(child, until_us, now_us);
    timeout = clock_timeout(until_us - now_us);
    pthread_sigmask(SIG_SETMASK, NULL, &open_mask);
    sigdelset(&open_mask, SIGTERM);
    sigdelset(&open_mask, SIGUSR2);
    sigdelset(&open_mask, child->one_process ? SIGINT : SIGHUP);
    n = ppoll(fds, SLEEPS_ON, until_us == CLOCK_NEVER ? NULL : &timeout, &open_mask);
    if (atomic_exchange(&child->told_to_dump, false)) {
        child_dump(child);
    }
    if (n <= 0) {
        look_for_parent(child);
        return;
    }
    take_leave_of_lost(child, fds);
    hear(child, fds);
}

void hearing_watch_parent(child_t *child)
{
    child->parent_pidfd = watch_parent(child->parent_pid);
    if (getppid() != child->parent_pid) {
        lose_parent(child);
    }
}
