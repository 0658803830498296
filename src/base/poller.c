/* epoll, and nothing else knows of it: another backend would be another file with these
 * functions. Workers wait here; any thread of the child arms. */
#include "poller.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

static int control_epoll(poller_t *p, int op, int fd, poller_token_t token, uint32_t events)
{
    struct epoll_event ev = { .events = events, .data.u64 = token };

    return epoll_ctl(p->fd, op, fd, &ev) == 0 ? 0 : errno;
}

int poller_open(poller_t *p)
{
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    return p->fd >= 0 ? 0 : errno;
}

void poller_close(poller_t *p)
{
    if (p->fd >= 0) {
        close(p->fd);
        p->fd = -1;
    }
}

/* Level-triggered on purpose: a connection that no worker has taken stays in the
 * listening socket's backlog, where whichever worker of whichever child is free first
 * finds it, and no wake-up can be lost between children. */
int poller_add_listener(poller_t *p, int fd, poller_token_t token)
{
    return control_epoll(p, EPOLL_CTL_ADD, fd, token, EPOLLIN | EPOLLEXCLUSIVE);
}

int poller_add_edge(poller_t *p, int fd, poller_token_t token)
{
    return control_epoll(p, EPOLL_CTL_ADD, fd, token, EPOLLIN | EPOLLET);
}

int poller_add_level(poller_t *p, int fd, poller_token_t token)
{
    return control_epoll(p, EPOLL_CTL_ADD, fd, token, EPOLLIN);
}

int poller_arm(poller_t *p, int fd, poller_token_t token, poller_want_e want, bool known)
{
    uint32_t events = (want == POLLER_WRITE ? EPOLLOUT : EPOLLIN) | EPOLLONESHOT;

    return control_epoll(p, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, token, events);
}

int poller_remove(poller_t *p, int fd)
{
    return control_epoll(p, EPOLL_CTL_DEL, fd, 0, 0);
}

int poller_wait(poller_t *p, poller_token_t *token, int timeout_ms)
{
    struct epoll_event ev;
    int n = epoll_wait(p->fd, &ev, 1, timeout_ms);

    if (n == 1) {
        *token = ev.data.u64;
    }
    else if (n < 0 && errno == EINTR) {
        n = 0;
    }
    return n;
}

bool poller_has_ready(const poller_t *p)
{
    struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

    /* not one that is closed, which reports something else */
    return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLIN);
}

int poller_fd(const poller_t *p)
{
    return p->fd;
}
