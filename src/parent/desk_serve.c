/* The desk, a process of its own. Nobody waits for it, and nothing that a client does, or does
 * not do, keeps it from serving the next. */
#include "desk_serve.h"

#include "base/clock.h"
#include "base/testhook.h"
#include "report/desk_http.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DOOR_CLIENTS     16
#define CLIENTS          (DESK_DOORS * DOOR_CLIENTS)
/* To send the request, and to take the response. */
#define REQUEST_MOST_US  (5 * CLOCK_US_PER_S)
#define RESPONSE_MOST_US (10 * CLOCK_US_PER_S)
/* When there is no descriptor or no memory for a connection. */
#define RETRY_US         (100 * CLOCK_US_PER_MS)
/* Blocks that are read of what a client sends beyond its request. */
#define MOST_LEFTOVERS   16

typedef struct client_t {
    int fd;                     /* -1: the place is free */
    int door;                   /* that it came by */
    int64_t until_us;
    size_t got;                 /* of the request */
    char request[DESK_HTTP_MOST];
    out_t response;             /* used > 0: there is one */
    size_t sent;
} client_t;

typedef struct server_t {
    const desk_door_t *doors;
    client_t clients[CLIENTS];
    int count[DESK_DOORS];      /* of clients, by the door that they came by */
    int64_t accept_us;          /* not before; 0: at once */
    struct pollfd fds[DESK_DOORS + CLIENTS];
} server_t;

static volatile sig_atomic_t told_to_end;

static void on_term(int signo)
{
    (void)signo;
    told_to_end = 1;
}

/* --- one client ----------------------------------------------------------------------------- */

static void part(server_t *s, client_t *client)
{
    close(client->fd);
    client->fd = -1;
    out_free(&client->response);
    s->count[client->door]--;
}

/* False: it has all of it, or has gone. */
static bool send_on(client_t *client)
{
    int i;

    while (client->sent < client->response.used) {
        ssize_t n = send(client->fd, client->response.bytes + client->sent,
                         client->response.used - client->sent, MSG_NOSIGNAL);

        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        client->sent += (size_t)n;
    }
    /* what it has sent beyond its request must not become a reset that overtakes the response */
    shutdown(client->fd, SHUT_WR);
    for (i = 0; i < MOST_LEFTOVERS
                && recv(client->fd, client->request, sizeof(client->request), 0) > 0; i++) {
    }
    return false;
}

static bool answer_to(client_t *client, const desk_http_t *request, int64_t now_us)
{
    view_t *view = request->status == 200 && render_needs_view(request->form) ? view_take() : NULL;

    desk_http_write(&client->response, request, view);
    view_free(view);
    client->until_us = now_us + RESPONSE_MOST_US;
    return client->response.used > 0 && send_on(client);
}

/* False: it is over. */
static bool hear_client(const server_t *s, client_t *client, int64_t now_us)
{
    size_t before = client->got;
    desk_http_t request;
    ssize_t n = recv(client->fd, client->request + before, sizeof(client->request) - before, 0);

    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    client->got += (size_t)n;
    return desk_http_read(&request, client->request, before, client->got,
                          s->doors[client->door].local_only) == DESK_HTTP_MORE
           || answer_to(client, &request, now_us);
}

static void look_after(server_t *s, client_t *client, int events, int64_t now_us)
{
    bool stays = client->until_us > now_us;

    if (stays && events) {
        stays = client->response.used > 0 ? send_on(client) : hear_client(s, client, now_us);
    }
    if (!stays) {
        part(s, client);
    }
}

/* --- all of them ---------------------------------------------------------------------------- */

static client_t *free_place(server_t *s)
{
    int i;

    for (i = 0; i < CLIENTS; i++) {
        if (s->clients[i].fd < 0) {
            return &s->clients[i];
        }
    }
    return NULL;
}

/* For tests: the kernel takes a response in one piece, or nearly, however slow the client is. */
static void shorten_writes(int fd)
{
    int least = 1;

    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
}

static void welcome(server_t *s, int door, int64_t now_us)
{
    client_t *client = free_place(s);
    int fd = accept4(s->doors[door].fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            s->accept_us = now_us + RETRY_US;
        }
        return;
    }
    if (ADP_FAULT(short_writes)) {
        shorten_writes(fd);
    }
    client->fd = fd;
    client->door = door;
    client->until_us = now_us + REQUEST_MOST_US;
    client->got = client->sent = 0;
    s->count[door]++;
    look_after(s, client, POLLIN, now_us);
}

/* Who may come by one door does not keep out those who come by the other. */
static bool accepts(const server_t *s, int door, int64_t now_us)
{
    return !told_to_end && s->count[door] < DOOR_CLIENTS && s->accept_us <= now_us;
}

static int prepare(server_t *s, int64_t now_us)
{
    int i;

    for (i = 0; i < DESK_DOORS; i++) {
        s->fds[i] = (struct pollfd) {
            .fd = accepts(s, i, now_us) ? s->doors[i].fd : -1, .events = POLLIN
        };
    }
    for (i = 0; i < CLIENTS; i++) {
        s->fds[DESK_DOORS + i] = (struct pollfd) {
            .fd = s->clients[i].fd,
            .events = s->clients[i].response.used > 0 ? POLLOUT : POLLIN
        };
    }
    return DESK_DOORS + CLIENTS;
}

static int64_t next_us(const server_t *s, int64_t now_us)
{
    int64_t until_us = s->accept_us > now_us ? s->accept_us : CLOCK_NEVER;
    int i;

    for (i = 0; i < CLIENTS; i++) {
        if (s->clients[i].fd >= 0) {
            until_us = clock_earlier(until_us, s->clients[i].until_us);
        }
    }
    return until_us;
}

static void turn(server_t *s, const sigset_t *open_mask)
{
    int64_t now_us = clock_now_us(), until_us = next_us(s, now_us);
    struct timespec timeout = clock_timeout(until_us - now_us);
    int i, count = prepare(s, now_us);

    if (ppoll(s->fds, (nfds_t)count, until_us == CLOCK_NEVER ? NULL : &timeout, open_mask) < 0) {
        return;
    }
    now_us = clock_now_us();
    for (i = 0; i < CLIENTS; i++) {
        if (s->clients[i].fd >= 0) {
            look_after(s, &s->clients[i], s->fds[DESK_DOORS + i].revents, now_us);
        }
    }
    for (i = 0; i < DESK_DOORS; i++) {
        if (s->fds[i].revents) {
            welcome(s, i, now_us);
        }
    }
}

/* What is sent to all processes of a service is not for this one, and what the parent would do then
 * even less: its descriptors have another meaning here. */
static void ignore_signals(void)
{
    static const int signals[] = { SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE };
    size_t i;

    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        signal(signals[i], SIG_IGN);
    }
    signal(SIGCHLD, SIG_DFL);
}

static bool has_clients(const server_t *s)
{
    int i;

    for (i = 0; i < DESK_DOORS; i++) {
        if (s->count[i] > 0) {
            return true;
        }
    }
    return false;
}

int desk_serve(const desk_door_t doors[DESK_DOORS])
{
    static server_t s;
    struct sigaction act = { .sa_handler = on_term };
    sigset_t term, open_mask;
    int i;

    ignore_signals();

    s.doors = doors;
    for (i = 0; i < CLIENTS; i++) {
        s.clients[i].fd = -1;
    }
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_SETMASK, &term, NULL);
    sigemptyset(&open_mask);
    sigaction(SIGTERM, &act, NULL);
    while (!told_to_end || has_clients(&s)) {
        turn(&s, &open_mask);
    }
    return 0;
}
