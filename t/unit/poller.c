/* The poller with real descriptors. */

#include "base/poller.h"

#include "tap.h"
#include "base/wakeup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* A moment in which the kernel passes on what was written. */
#define SOON_MS 5000

static poller_t p;

/* The token of the event that is ready, 0 if there is none. */
static poller_token_t ready(void)
{
    poller_token_t token = 0;

    return poller_wait(&p, &token, 0) == 1 ? token : 0;
}

static void put(int fd)
{
    if (write(fd, "x", 1) != 1) {
        diag("write: %s", strerror(errno));
    }
}

static void get(int fd)
{
    char byte;

    if (read(fd, &byte, 1) != 1) {
        diag("read: %s", strerror(errno));
    }
}

static void test_read(void)
{
    const poller_token_t large = UINT64_C(0xfedcba9876543210);
    int fd[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    is(poller_arm(&p, fd[0], large, POLLER_READ, false), 0, "a new descriptor is armed");
    ok(!poller_has_ready(&p) && !ready(), "nothing to read, no event");
    put(fd[1]);
    ok(poller_has_ready(&p) && poller_has_ready(&p), "an event can be seen without taking it");
    ok(ready() == large, "it comes with all 64 bits of its token");
    ok(!poller_has_ready(&p) && !ready(), "once, though there is still something to read");
    is(poller_arm(&p, fd[0], 2, POLLER_READ, true), 0, "it is armed again");
    ok(ready() == 2, "what is still to be read is a new event, with the new token");
    get(fd[0]);
    poller_arm(&p, fd[0], 3, POLLER_READ, true);
    ok(!ready(), "read and armed, it waits");
    close(fd[1]);
    ok(ready() == 3, "the other side's end is an event");
    close(fd[0]);
}

static void test_write(void)
{
    static char block[65536];
    int fd[2];
    ssize_t n;

    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    while ((n = send(fd[0], block, sizeof(block), MSG_DONTWAIT)) > 0) {
        continue;
    }
    poller_arm(&p, fd[0], 1, POLLER_WRITE, false);
    ok(!ready(), "a full buffer cannot be written");
    while ((n = recv(fd[1], block, sizeof(block), MSG_DONTWAIT)) > 0) {
        continue;
    }
    ok(ready() == 1, "an emptied one can");
    poller_arm(&p, fd[0], 2, POLLER_READ, true);
    ok(!ready(), "what is wanted can change: it can be written, but not be read");
    poller_arm(&p, fd[0], 3, POLLER_WRITE, true);
    ok(ready() == 3, "and back");
    close(fd[1]);
    poller_arm(&p, fd[0], 4, POLLER_WRITE, true);
    ok(ready() == 4, "the other side's end is an event for a writer too");
    close(fd[0]);
}

static void test_errors(void)
{
    poller_t closed = { -1 };
    poller_token_t token;
    int fd[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, fd);
    is(poller_arm(&p, fd[0], 1, POLLER_READ, true), ENOENT, "an unknown descriptor is not known");
    poller_arm(&p, fd[0], 1, POLLER_READ, false);
    is(poller_arm(&p, fd[0], 1, POLLER_READ, false), EEXIST, "a known one is not new");
    put(fd[1]);
    is(poller_remove(&p, fd[0]), 0, "it can be removed");
    ok(!ready(), "then its event is gone");
    is(poller_remove(&p, fd[0]), ENOENT, "removing it again is an error without effect");
    is(poller_arm(&p, fd[0], 2, POLLER_READ, false), 0, "it can come back as a new one");
    ok(ready() == 2, "and has its event");
    close(fd[0]);
    is(poller_arm(&p, fd[0], 1, POLLER_READ, false), EBADF, "a closed one cannot");
    close(fd[1]);
    errno = 0;
    ok(poller_wait(&closed, &token, 0) == -1 && errno == EBADF, "a poller that is none says so");
    poller_close(&closed);
    is(closed.fd, -1, "closing it is harmless");
}

static void test_wakeups(void)
{
    poller_token_t token = 0;
    int edge, level, i, events = 0;

    wakeup_open(&edge);
    poller_add_edge(&p, edge, 10);
    ok(!ready(), "an edge: nothing written, no event");
    for (i = 0; i < 5; i++) {
        wakeup_send(edge);
        events += ready() == 10;
        events += ready() == 10;
    }
    is(events, 5, "each write is one event, though nobody reads");
    poller_remove(&p, edge);
    close(edge);

    wakeup_open(&level);
    poller_add_level(&p, level, 11);
    ok(!ready(), "a level: nothing written, no event");
    wakeup_send(level);
    for (i = 0, events = 0; i < 5; i++) {
        events += poller_wait(&p, &token, -1) == 1 && token == 11;
    }
    is(events, 5, "one write is an event for everybody");
    poller_remove(&p, level);
    close(level);
}

/* Events are taken in the order in which they became ready: the probe relies on it. */
static void test_order(void)
{
    int fd[3][2], i, in_order = 0;

    for (i = 0; i < 3; i++) {
        wakeup_open(&fd[i][0]);
        poller_add_edge(&p, fd[i][0], (poller_token_t)i + 20);
    }
    wakeup_send(fd[1][0]);
    wakeup_send(fd[2][0]);
    wakeup_send(fd[0][0]);
    in_order += ready() == 21;
    in_order += ready() == 22;
    in_order += ready() == 20;
    is(in_order, 3, "first ready, first taken");
    for (i = 0; i < 3; i++) {
        poller_remove(&p, fd[i][0]);
        close(fd[i][0]);
    }
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
        diag("connect: %s", strerror(errno));
    }
    return fd;
}

static void test_listener(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    poller_token_t token = 0;
    poller_t sibling;
    int client;

    bind(listener, (struct sockaddr *)&address, sizeof(address));
    listen(listener, 5);
    getsockname(listener, (struct sockaddr *)&address, &size);
    poller_open(&sibling);
    is(poller_add_listener(&p, listener, 30), 0, "a listening socket is watched");
    is(poller_add_listener(&sibling, listener, 31), 0, "by a second poller too");
    ok(!ready(), "no connection, no event");
    client = connect_to(&address);
    ok(poller_wait(&p, &token, SOON_MS) == 1 && token == 30, "a connection is an event");
    ok(ready() == 30, "for as long as nobody accepts it");
    ok(poller_wait(&sibling, &token, 0) == 1 && token == 31, "in either poller");
    close(accept(listener, NULL, NULL));
    ok(!ready(), "accepted, it is none");
    is(poller_remove(&p, listener), 0, "a listening socket can be removed");
    close(client);
    client = connect_to(&address);
    ok(poller_wait(&sibling, &token, SOON_MS) == 1 && token == 31 && !ready(),
       "then the other poller has the events");
    close(client);
    close(listener);
    poller_close(&sibling);
}

static void on_alarm(int signo)
{
    (void)signo;
}

static void test_interrupted(void)
{
    struct sigaction action = { .sa_handler = on_alarm };
    struct itimerval soon = { .it_interval.tv_usec = 10000, .it_value.tv_usec = 10000 };
    struct itimerval off = { .it_value.tv_sec = 60 };
    poller_token_t token;

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    is(poller_wait(&p, &token, 60000), 0, "a signal ends the wait like a timeout");
    setitimer(ITIMER_REAL, &off, NULL);
    is(poller_wait(&p, &token, 1), 0, "a timeout ends the wait");
}

int main(void)
{
    tap_begin(120);
    is(poller_open(&p), 0, "a poller");
    ok(fcntl(p.fd, F_GETFD) & FD_CLOEXEC, "which scripts do not inherit");
    test_read();
    test_write();
    test_errors();
    test_wakeups();
    test_order();
    test_listener();
    test_interrupted();
    poller_close(&p);
    is(p.fd, -1, "closed");
    return tap_done();
}
