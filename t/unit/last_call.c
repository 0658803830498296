/* A listening socket that ends loses no connection. */
#include "base/last_call.h"

#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

/* Clients of a socket that systemd holds start the server again. */
static void lent(void)
{
    char count[12];
    int listener, client;

    address.sin_port = 0;
    listener = listening();
    snprintf(count, sizeof(count), "%d", listener - 2);
    setenv("LISTEN_FDS", count, 1);
    is(last_call(listener), EPERM, "a socket that a service manager has handed over is left alone");
    is(connected(&client), 0, "and clients connect to it");
    snprintf(count, sizeof(count), "%d", listener - 3);
    setenv("LISTEN_FDS", count, 1);
    is(last_call(listener), 0, "the next socket is ours");
}

int main(void)
{
    int listener, clients[EARLY], late, i, accepted = 0, last = -1;
    char text[3] = "";

    tap_begin(30);
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
    is(last_call(-1), EBADF, "no socket: an error");
    lent();
    return tap_done();
}
