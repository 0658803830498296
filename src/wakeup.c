#include "wakeup.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/eventfd.h>

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

void wakeup_receive(int fd)
{
    uint64_t count;

    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {
        continue;
    }
}
