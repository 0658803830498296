/* eventfd: many wake-ups are one. Any thread writes, one reads. */
#include "wakeup.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

int wakeup_open(int *fd)
{
    *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return *fd >= 0 ? 0 : errno;
}

void wakeup_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void wakeup_send(int fd)
{
    int saved_errno = errno;
    uint64_t one = 1;

    /* fails only when the counter is full, and then it is readable anyway */
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        continue;
    }
    errno = saved_errno;
}

/* Not read(2) where there is another way: processes that inherited the descriptor share its
 * flags, and one of them may have taken O_NONBLOCK away, and the count too. */
static ssize_t receive(int fd)
{
    uint64_t count;
    struct iovec whole = { &count, sizeof(count) };
    ssize_t n = preadv2(fd, &whole, 1, -1, RWF_NOWAIT);

    return n < 0 && errno != EAGAIN && errno != EINTR ? read(fd, &count, sizeof(count)) : n;
}

void wakeup_receive(int fd)
{
    while (receive(fd) < 0 && errno == EINTR) {
        continue;
    }
}
