/*
 * A backend that answers late, for what proxies to it: thousands of connections in one thread, and
 * next to no processor time.
 *
 *   backend [-p PORT] [-d MS] [-R]
 *
 * Listens on 127.0.0.1 (any free port unless told) and prints "listening PORT". Ends with its
 * parent, or by SIGTERM. -R asks for real-time priority, so that a busy machine does not delay what
 * is measured; it goes on without.
 *
 *   /sleep?ms=N         answers after N ms
 *   /control?ms=N       from now on all other requests are answered after N ms (-d: at first, 0)
 *   /stats              "key value" lines: requests, connections, waiting, waiting_max, ...
 *   anything else       answers after the delay
 *
 * Answers carry X-Received-Us, the moment at which the request was read (CLOCK_MONOTONIC). One
 * request at a time on a connection: pipelining and bodies are not for it.
 */

#include "tool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX 8192
#define BACKLOG 4096
#define EVENTS 256
#define BODY_MAX 512

typedef struct {
    int fd;
    int length;                 /* of what was read of the request */
    int close_after;
    int place;                  /* in the heap, -1: not there */
    int64_t received_us;
    int64_t due_us;             /* of the answer */
    char *request;
} connection;

static int epoll_fd, listen_fd, timer_fd;
static connection **connections;        /* by descriptor */
static int descriptor_limit;

static connection **heap;               /* by due time, the earliest first */
static int heap_count;

static long delay_ms;
static long requests, connection_count, waiting_max;
static int64_t late_max_us;

/* ---- answers that are due later: a binary heap ---- */

static void heap_put(int place, connection *c)
{
    heap[place] = c;
    c->place = place;
}

static void heap_up(int place, connection *c)
{
    while (place > 0 && heap[(place - 1) / 2]->due_us > c->due_us) {
        heap_put(place, heap[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    heap_put(place, c);
}

static void heap_down(int place, connection *c)
{
    while (place * 2 + 1 < heap_count) {
        int child = place * 2 + 1;

        if (child + 1 < heap_count && heap[child + 1]->due_us < heap[child]->due_us) {
            child++;
        }
        if (heap[child]->due_us >= c->due_us) {
            break;
        }
        heap_put(place, heap[child]);
        place = child;
    }
    heap_put(place, c);
}

static void heap_add(connection *c)
{
    heap_up(heap_count++, c);
    if (heap_count > waiting_max) {
        waiting_max = heap_count;
    }
}

static void heap_remove(connection *c)
{
    int place = c->place;
    connection *last = heap[--heap_count];

    c->place = -1;
    if (last == c) {
        return;
    }
    if (place > 0 && heap[(place - 1) / 2]->due_us > last->due_us) {
        heap_up(place, last);
    }
    else {
        heap_down(place, last);
    }
}

/* ---- connections ---- */

static void connection_close(connection *c)
{
    if (c->place >= 0) {
        heap_remove(c);
    }
    connections[c->fd] = NULL;
    connection_count--;
    close(c->fd);
    free(c->request);
    free(c);
}

static void connection_accept(void)
{
    int one = 1, fd;

    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event event = { .events = EPOLLIN };
        connection *c = calloc(1, sizeof(*c));

        if (!c || fd >= descriptor_limit || !(c->request = malloc(REQUEST_MAX + 1))) {
            die("accept");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        c->fd = fd;
        c->place = -1;
        connections[fd] = c;
        connection_count++;
        event.data.fd = fd;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            die("epoll_ctl");
        }
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        die("accept");
    }
}

static void send_answer(connection *c, const char *body)
{
    char text[BODY_MAX + 512];
    int length = snprintf(text, sizeof(text),
                          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
                          "X-Received-Us: %lld\r\n%s\r\n%s",
                          strlen(body), (long long)c->received_us,
                          c->close_after ? "Connection: close\r\n" : "", body);

    /* it always fits into an empty socket buffer */
    if (send(c->fd, text, (size_t)length, MSG_NOSIGNAL) != length || c->close_after) {
        connection_close(c);
    }
}

static void send_stats(connection *c)
{
    char body[BODY_MAX];
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    snprintf(body, sizeof(body),
             "requests %ld\nconnections %ld\nwaiting %d\nwaiting_max %ld\nlate_max_us %lld\ncpu_us "
             "%lld\n",
             requests, connection_count, heap_count, waiting_max, (long long)late_max_us,
             (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000
                 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    send_answer(c, body);
}

/* ---- requests ---- */

static long argument_ms(const char *request)
{
    const char *end = strpbrk(request, "\r\n"), *value = strstr(request, "?ms=");

    return value && end && value < end ? atol(value + 4) : 0;
}

static int names(const char *request, const char *path)
{
    const char *begin = strchr(request, ' ');

    return begin && strncmp(begin + 1, path, strlen(path)) == 0;
}

static void request_complete(connection *c)
{
    long wait_ms = delay_ms;

    c->received_us = now_us();
    c->close_after = strcasestr(c->request, "\r\nConnection: close") != NULL;
    c->length = 0;
    if (names(c->request, "/stats")) {
        send_stats(c);
        return;
    }
    if (names(c->request, "/control")) {
        delay_ms = argument_ms(c->request);
        send_answer(c, "ok\n");
        return;
    }
    if (names(c->request, "/sleep")) {
        wait_ms = argument_ms(c->request);
    }
    requests++;
    c->due_us = c->received_us + wait_ms * 1000;
    if (wait_ms <= 0) {
        send_answer(c, "ok\n");
        return;
    }
    heap_add(c);
}

static void connection_read(connection *c)
{
    ssize_t n = recv(c->fd, c->request + c->length, (size_t)(REQUEST_MAX - c->length),
                     MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        connection_close(c);
        return;
    }
    if (c->place >= 0) {
        fprintf(stderr, "backend: a second request before the first was answered\n");
        connection_close(c);
        return;
    }
    c->length += (int)n;
    c->request[c->length] = '\0';
    if (strstr(c->request, "\r\n\r\n")) {
        request_complete(c);
    }
    else if (c->length == REQUEST_MAX) {
        connection_close(c);
    }
}

/* ---- time ---- */

static void answer_due(void)
{
    int64_t now = now_us();

    while (heap_count > 0 && heap[0]->due_us <= now) {
        connection *c = heap[0];

        if (now - c->due_us > late_max_us) {
            late_max_us = now - c->due_us;
        }
        heap_remove(c);
        send_answer(c, "ok\n");
        now = now_us();
    }
}

static void arm_timer(void)
{
    static int64_t armed_us;
    struct itimerspec spec;

    if (heap_count == 0 || heap[0]->due_us == armed_us) {
        return;
    }
    armed_us = heap[0]->due_us;
    memset(&spec, 0, sizeof(spec));
    spec.it_value.tv_sec = armed_us / 1000000;
    spec.it_value.tv_nsec = armed_us % 1000000 * 1000;
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* ---- start ---- */

static void watch(int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .fd = fd } };

    if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll");
    }
}

static void listen_on(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    socklen_t length = sizeof(address);
    int one = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0
        || listen(listen_fd, BACKLOG) != 0
        || getsockname(listen_fd, (struct sockaddr *)&address, &length) != 0) {
        die("listen");
    }
    printf("listening %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void make_room_for_descriptors(void)
{
    rlim_t most = raise_descriptor_limit();

    if (most == 0) {
        die("getrlimit");
    }
    descriptor_limit = most > 1 << 20 ? 1 << 20 : (int)most;
    connections = calloc((size_t)descriptor_limit, sizeof(connection *));
    heap = calloc((size_t)descriptor_limit, sizeof(connection *));
    if (!connections || !heap) {
        die("start");
    }
}

static void serve(void)
{
    struct epoll_event events[EVENTS];
    int i, n = epoll_wait(epoll_fd, events, EVENTS, -1);

    for (i = 0; i < n; i++) {
        int fd = events[i].data.fd;

        if (fd == listen_fd) {
            connection_accept();
        }
        else if (fd == timer_fd) {
            uint64_t expirations;
            ssize_t ignored = read(timer_fd, &expirations, sizeof(expirations));

            (void)ignored;
        }
        else if (connections[fd]) {
            connection_read(connections[fd]);
        }
    }
    answer_due();
    arm_timer();
}

int main(int argc, char **argv)
{
    int port = 0, o;

    while ((o = getopt(argc, argv, "p:d:R")) != -1) {
        switch (o) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'd':
            delay_ms = atol(optarg);
            break;
        case 'R':
            sched_setscheduler(0, SCHED_RR, &(struct sched_param){ .sched_priority = 1 });
            break;
        default:
            exit(2);
        }
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    make_room_for_descriptors();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    listen_on(port);
    watch(listen_fd);
    watch(timer_fd);
    for (;;) {
        serve();
    }
}
