/* Many wake-ups are one. */
#include "base/wakeup.h"

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

static bool readable(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };

    return poll(&pfd, 1, 0) == 1;
}

int main(void)
{
    uint64_t almost_full = UINT64_MAX - 1;
    int fd = -1;

    tap_begin(120);
    is(wakeup_open(&fd), 0, "a wake-up opens");
    ok(fcntl(fd, F_GETFD) & FD_CLOEXEC, "scripts do not inherit it");
    ok(!readable(fd), "nobody sent one yet");
    wakeup_receive(fd);
    ok(true, "receiving none does not block");
    wakeup_send(fd);
    ok(readable(fd), "sent, it is readable");
    wakeup_send(fd);
    wakeup_receive(fd);
    ok(!readable(fd), "several are received as one");

    if (write(fd, &almost_full, sizeof(almost_full)) < 0) {
        diag("cannot fill the counter");
    }
    errno = ERANGE;
    wakeup_send(fd);
    is(errno, ERANGE, "sending more than the counter holds neither blocks nor changes errno");
    ok(readable(fd), "and is a wake-up all the same");

    wakeup_close(&fd);
    is(fd, -1, "closed");
    wakeup_close(&fd);
    is(fd, -1, "twice is harmless");
    errno = ERANGE;
    wakeup_send(fd);
    is(errno, ERANGE, "a late sender is not disturbed");
    return tap_done();
}
