/* A listening socket that ends loses no connection. */
#include "base/last_call.h"

#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Connections that are made before. */
#define EARLY 20

static struct sockaddr_in address;

static int listening(void)
{
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 2 * EARLY)
        || getsockname(fd, (struct sockaddr *)&address, &size)) {
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* A connection, or -1 with errno; EINPROGRESS: not within 50 ms. */
static int connected(int *fd)
{
    struct pollfd pfd = { .events = POLLOUT };
    int error = 0;
    socklen_t size = sizeof(error);

    *fd = pfd.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!connect(*fd, (struct sockaddr *)&address, sizeof(address))) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    if (poll(&pfd, 1, 50) == 0) {
        return EINPROGRESS;
    }
    getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

/* Some kernels (seen with 6.18) keep these filters from who may not administer the network. */
static bool may_filter(void)
{
    struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffffffu);
    struct sock_fprog program = { 1, &all };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool may = !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program))
               || errno != EPERM;

    close(fd);
    return may;
}

/* What is left then: who is connected and silent can be accepted. */
static void refused(void)
{
    int listener = listening(), defer = 30, fd = -1;
    socklen_t size = sizeof(defer);

    setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, size);
    is(last_call(listener), EPERM, "the kernel refuses a last call: an error");
    is(connected(&fd), 0, "and clients connect as before");
    ok(!getsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer, &size) && defer == 0,
       "but are kept out of the backlog no more");
    close(listener);
}

/* Clients of a socket that systemd holds start the server again. */
static void lent(void)
{
    char count[12];
    int listener, client;

    address.sin_port = 0;
    listener = listening();
    snprintf(count, sizeof(count), "%d", listener - 2);
    setenv("LISTEN_FDS", count, 1);
    is(last_call(listener), EBUSY, "a socket that a service manager has handed over is left alone");
    is(connected(&client), 0, "and clients connect to it");
    snprintf(count, sizeof(count), "%d", listener - 3);
    setenv("LISTEN_FDS", count, 1);
    is(last_call(listener), may_filter() ? 0 : EPERM, "the next socket is ours");
}

static void nobody_new(void)
{
    int listener, clients[EARLY], late, i, accepted = 0, last = -1;
    char text[3] = "";

    listener = listening();
    ok(listener >= 0, "a listening socket");
    for (i = 0; i < EARLY; i++) {
        if (connected(&clients[i])) {
            break;
        }
    }
    is(i, EARLY, "clients connect");

    is(last_call(listener), 0, "the last call");
    is(connected(&late), EINPROGRESS, "after it a client gets no answer");
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0) {
            break;
        }
        last = fd;
        accepted++;
    }
    is(accepted, EARLY, "all who were there before are accepted, and nobody else");
    is(last_call(listener), 0, "a second call changes nothing");
    close(listener);

    ok(write(clients[EARLY - 1], "hi", 2) == 2 && read(last, text, 2) == 2 && !strcmp(text, "hi"),
       "what was accepted works on: a client's bytes arrive");
    ok(write(last, "ho", 2) == 2
           && poll(&(struct pollfd){ clients[EARLY - 1], POLLIN, 0 }, 1, 1000) == 1
           && read(clients[EARLY - 1], text, 2) == 2 && !strcmp(text, "ho"),
       "and the answer");
    is(connected(&i), ECONNREFUSED, "the closed port refuses whoever comes now");
}

int main(void)
{
    tap_begin(30);
    if (may_filter()) {
        nobody_new();
    }
    else {
        refused();
    }
    is(last_call(-1), EBADF, "no socket: an error");
    lent();
    return tap_done();
}
