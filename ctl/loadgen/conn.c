/* Connections and their states. */

#include "conn.h"

#include "tool.h"
#include "options.h"
#include "outcome.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

int epoll_fd;

static connection *conns;
static int conn_count;          /* entries of conns in use or used before */
static ring_link unused, idle;
static ring_link under_way;     /* in the order of begun_us */
static long under_way_count;

void conns_begin(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(CONNECTIONS_MAX, sizeof(*conns));
    if (epoll_fd < 0 || !conns) {
        die("start");
    }
    ring_init(&unused);
    ring_init(&idle);
    ring_init(&under_way);
}

long conns_under_way(void)
{
    return under_way_count;
}

connection *conn_first_under_way(void)
{
    return ring_is_empty(&under_way) ? NULL : RING_MEMBER(under_way.next, connection, link);
}

connection *conn_idle(origin *o)
{
    return ring_is_empty(&o->idle) ? NULL : RING_MEMBER(o->idle.next, connection, origin_link);
}

connection *conn_unused(int max)
{
    if (ring_is_empty(&unused) && conn_count < max) {
        ring_append(&unused, &conns[conn_count++].link);
    }
    return ring_is_empty(&unused) ? NULL : RING_MEMBER(unused.next, connection, link);
}

int conn_evict(void)
{
    if (ring_is_empty(&idle)) {
        return 0;
    }
    counters.evicted++;
    conn_close(RING_MEMBER(idle.next, connection, link));
    return 1;
}

static int is_under_way(enum conn_state state)
{
    return state != CONN_UNUSED && state != CONN_IDLE;
}

void conn_become(connection *c, enum conn_state state)
{
    under_way_count += is_under_way(state) - is_under_way(c->state);
    ring_take_out(&c->link);
    ring_append(state == CONN_UNUSED ? &unused : state == CONN_IDLE ? &idle : &under_way, &c->link);
    if (c->state == CONN_IDLE) {
        ring_take_out(&c->origin_link);
    }
    if (state == CONN_IDLE) {
        ring_append(&c->origin->idle, &c->origin_link);
    }
    c->state = state;
    if (is_under_way(state)) {
        c->begun_us = now_us();
    }
}

void conn_watch(connection *c, uint32_t events)
{
    struct epoll_event event = { .events = events, .data = { .ptr = c } };

    if (c->watched == events) {
        return;
    }
    if (epoll_ctl(epoll_fd, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event) != 0) {
        die("epoll_ctl");
    }
    c->watched = events;
}

int conn_open(connection *c, origin *o)
{
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        die("socket");
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->origin = o;
    c->answered = 0;
    c->watched = 0;
    http_begin(&c->response, 0);
    c->response.server_pid = 0;
    conn_become(c, CONN_CONNECTING);
    if (connect(c->fd, (struct sockaddr *)&o->address, sizeof(o->address)) != 0
        && errno != EINPROGRESS) {
        return 0;
    }
    conn_watch(c, EPOLLOUT);
    return 1;
}

void conn_close(connection *c)
{
    if (c->tls) {
        tls_close(c->tls);
        c->tls = NULL;
    }
    close(c->fd);
    http_drop(&c->response);
    free(c->unsent);
    c->unsent = NULL;
    conn_become(c, CONN_UNUSED);
}

ssize_t conn_write(connection *c, const char *from, size_t length)
{
    return c->tls ? tls_send(c->tls, from, length) : send(c->fd, from, length, MSG_NOSIGNAL);
}

ssize_t conn_read(connection *c, char *to, size_t room)
{
    return c->tls ? tls_receive(c->tls, to, room) : recv(c->fd, to, room, MSG_DONTWAIT);
}

int conn_is_closed(connection *c)
{
    char byte;
    ssize_t n;

    if (c->tls) {
        return tls_is_closed(c->tls);
    }
    n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}
