/*
 * A number of users, each of whom waits for an answer before asking again: what the response time
 * is when so many are there. (ctl/loadgen has a schedule instead, whatever the server does.)
 *
 *   users -p PORT -u PATH -c USERS -d SECONDS [-w SECONDS] [-z MS] [-t SECONDS] [-k] [-R]
 *
 * Users come one after the other within the first half of the warm-up (-w, 1) and ask again MS
 * milliseconds (-z, 0) after each answer, or a tenth of a second after a failure. Each request has
 * a connection of its own; with -k a user keeps the connection for as long as the server does.
 * What was begun in the SECONDS (-d) after the warm-up is judged, from the call of connect() or the
 * sending on a connection that is kept until the answer has been read. The users go on until the
 * last of these has ended or has taken longer than -t (10) seconds, so that those judged last find
 * as many others as the first did. -R asks for real-time priority, and goes on without.
 *
 * Prints "ready" when the users begin to come, then "key value" lines: judged, failed, how often
 * for which reason, mean_ms, p50_ms and so on (of what did not fail), rate (answers a second),
 * answered (in all, the warm-up included).
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
#include <time.h>
#include <unistd.h>

#define USERS_MAX 18000
#define HEADER_MAX 4096
#define EVENTS 256
#define AFTER_FAILURE_US 100000
#define SWEEP_US 50000
/* A server that closes a kept connection in the moment of the next request is no failure. */
#define CROSSING_US 10000

enum state { AWAY, CONNECTING, READING };

enum failure { FAIL_CONNECT, FAIL_CLOSED, FAIL_STATUS, FAIL_TIMEOUT, FAIL_MALFORMED, FAIL_KINDS };

static const char *const failure_names[FAIL_KINDS] = {
    "connect", "closed", "status", "timeout", "malformed"
};

typedef struct {
    int fd;                     /* -1: none */
    enum state state;
    int answered;               /* on this connection */
    int64_t begun_us;           /* of the request; of one who is away, when the next one begins */
    int place;                  /* in the heap of those who are away */
    int header_length;
    int header_done;
    int close_after;
    int64_t body_left;          /* -1: until the server closes */
    char header[HEADER_MAX + 1];
} user;

static struct {
    struct sockaddr_in address;
    const char *path;
    int users;
    double seconds, warm_s, timeout_s, pause_ms;
    int keep;
} options = { .path = "/", .users = 10, .seconds = 5, .warm_s = 1, .timeout_s = 10 };

static user *users;
static user **away;             /* by begun_us, the earliest first */
static int away_count;
static int epoll_fd;
static char request_text[1024];
static int request_length;

static int64_t from_us, to_us;  /* what begins in between is judged */
static long judged, open_judged, failed[FAIL_KINDS], crossed;
static long answered, answered_meanwhile;   /* in all, and in the time that is judged */
static uint32_t *latency_us;
static long latency_count, latency_room;

/* ---- users who are away: a binary heap ---- */

static void put(int place, user *u)
{
    away[place] = u;
    u->place = place;
}

static void go_away(user *u, int64_t until_us)
{
    int place = away_count++;

    u->state = AWAY;
    u->begun_us = until_us;
    while (place > 0 && away[(place - 1) / 2]->begun_us > until_us) {
        put(place, away[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(place, u);
}

static user *come_back(void)
{
    user *first = away[0], *last = away[--away_count];
    int place = 0;

    while (place * 2 + 1 < away_count) {
        int child = place * 2 + 1;

        if (child + 1 < away_count && away[child + 1]->begun_us < away[child]->begun_us) {
            child++;
        }
        if (away[child]->begun_us >= last->begun_us) {
            break;
        }
        put(place, away[child]);
        place = child;
    }
    put(place, last);
    return first;
}

/* ---- requests ---- */

static int is_judged(const user *u)
{
    return u->begun_us >= from_us && u->begun_us < to_us;
}

static void leave(user *u)
{
    if (u->fd >= 0) {
        close(u->fd);
    }
    u->fd = -1;
}

static void request_failed(user *u, enum failure kind)
{
    if (is_judged(u)) {
        failed[kind]++;
        open_judged--;
    }
    leave(u);
    go_away(u, now_us() + AFTER_FAILURE_US);
}

static void request_answered(user *u)
{
    int64_t now = now_us();

    if (is_judged(u)) {
        if (latency_count == latency_room) {
            latency_room = latency_room * 2 + 65536;
            latency_us = realloc(latency_us, (size_t)latency_room * sizeof(*latency_us));
            if (!latency_us) {
                die("latencies");
            }
        }
        latency_us[latency_count++] = (uint32_t)(now - u->begun_us);
        open_judged--;
    }
    answered++;
    answered_meanwhile += now >= from_us && now < to_us;
    u->answered++;
    if (u->close_after || !options.keep) {
        leave(u);
    }
    go_away(u, now + (int64_t)(options.pause_ms * 1000.0));
}

static void watch(user *u, int op, uint32_t events)
{
    struct epoll_event event = { .events = events, .data = { .ptr = u } };

    if (epoll_ctl(epoll_fd, op, u->fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void open_connection(user *u)
{
    int one = 1;

    u->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->fd < 0) {
        die("socket");
    }
    setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    u->answered = 0;
    u->state = CONNECTING;
    if (connect(u->fd, (struct sockaddr *)&options.address, sizeof(options.address)) != 0
        && errno != EINPROGRESS) {
        request_failed(u, FAIL_CONNECT);
        return;
    }
    watch(u, EPOLL_CTL_ADD, EPOLLOUT);
}

/* The server has ended the connection that the user kept: the request goes over another one. */
static void cross(user *u)
{
    crossed++;
    leave(u);
    open_connection(u);
}

static void send_request(user *u)
{
    if (send(u->fd, request_text, (size_t)request_length, MSG_NOSIGNAL) != request_length) {
        if (u->answered > 0) {
            cross(u);
            return;
        }
        request_failed(u, FAIL_CLOSED);
        return;
    }
    u->state = READING;
    u->header_length = u->header_done = u->close_after = 0;
    watch(u, EPOLL_CTL_MOD, EPOLLIN);
}

static void begin(user *u)
{
    u->begun_us = now_us();
    if (is_judged(u)) {
        judged++;
        open_judged++;
    }
    if (u->fd >= 0) {
        send_request(u);
    }
    else {
        open_connection(u);
    }
}

static void connected(user *u)
{
    if (connect_error(u->fd)) {
        request_failed(u, FAIL_CONNECT);
        return;
    }
    send_request(u);
}

/* ---- answers ---- */

static const char *header_value(const char *header, const char *name)
{
    size_t length = strlen(name);
    const char *line;

    for (line = strstr(header, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
            const char *value = line + 3 + length;

            return value + strspn(value, " ");
        }
    }
    return NULL;
}

/* 1: the header is complete and understood, 0: not yet, -1: not one for us. */
static int header_parse(user *u, const char **body)
{
    char *end = strstr(u->header, "\r\n\r\n");
    const char *value;

    if (!end) {
        return u->header_length == HEADER_MAX ? -1 : 0;
    }
    *body = end + 4;
    end[2] = '\0';
    if (sscanf(u->header, "HTTP/1.%*d %d", &u->header_done) != 1 || u->header_done <= 0) {
        return -1;
    }
    value = header_value(u->header, "Connection");
    u->close_after = value && strncasecmp(value, "close", 5) == 0;
    value = header_value(u->header, "Content-Length");
    if (!value && !u->close_after) {
        return -1;
    }
    u->body_left = value ? atoll(value) : -1;
    return 1;
}

static void answer_complete(user *u)
{
    if (u->header_done / 100 != 2) {
        request_failed(u, FAIL_STATUS);
    }
    else {
        request_answered(u);
    }
}

static void body_arrived(user *u, int64_t bytes)
{
    if (u->body_left < 0) {
        return;
    }
    u->body_left -= bytes;
    if (u->body_left < 0) {
        request_failed(u, FAIL_MALFORMED);
    }
    else if (u->body_left == 0) {
        answer_complete(u);
    }
}

static void answer_ended(user *u, ssize_t n)
{
    if (u->header_done && u->body_left < 0 && n == 0) {
        answer_complete(u);
    }
    else if (u->header_length == 0 && u->answered > 0 && now_us() - u->begun_us < CROSSING_US) {
        cross(u);
    }
    else {
        request_failed(u, FAIL_CLOSED);
    }
}

static void answer_read(user *u)
{
    static char buffer[65536];

    while (u->state == READING) {
        char *to = u->header_done ? buffer : u->header + u->header_length;
        size_t room = u->header_done ? sizeof(buffer) : (size_t)(HEADER_MAX - u->header_length);
        ssize_t n = recv(u->fd, to, room, MSG_DONTWAIT);
        const char *body;
        int rv;

        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            answer_ended(u, n);
            return;
        }
        if (u->header_done) {
            body_arrived(u, n);
            continue;
        }
        u->header_length += (int)n;
        u->header[u->header_length] = '\0';
        rv = header_parse(u, &body);
        if (rv < 0) {
            request_failed(u, FAIL_MALFORMED);
        }
        else if (rv > 0) {
            body_arrived(u, u->header + u->header_length - body);
        }
    }
}

static void user_event(user *u)
{
    switch (u->state) {
    case CONNECTING:
        connected(u);
        break;
    case READING:
        answer_read(u);
        break;
    case AWAY:
        /* the server ends a connection that was kept */
        leave(u);
        break;
    }
}

/* ---- the whole ---- */

static void sweep_timeouts(int64_t now)
{
    int i;

    for (i = 0; i < options.users; i++) {
        if (users[i].state != AWAY
            && now - users[i].begun_us > (int64_t)(options.timeout_s * 1000000.0)) {
            request_failed(&users[i], FAIL_TIMEOUT);
        }
    }
}

static void wait_events(int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int i, n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);

    for (i = 0; i < n; i++) {
        user_event(events[i].data.ptr);
    }
}

static int until_next_ms(int64_t now)
{
    int64_t left_us = away_count ? away[0]->begun_us - now : SWEEP_US;

    return left_us <= 0 ? 0 : left_us >= SWEEP_US ? SWEEP_US / 1000 : (int)((left_us + 999) / 1000);
}

static void run(void)
{
    int64_t start_us = now_us(), next_sweep = start_us + SWEEP_US, now = start_us;
    int i;

    from_us = start_us + (int64_t)(options.warm_s * 1000000.0);
    to_us = from_us + (int64_t)(options.seconds * 1000000.0);
    for (i = 0; i < options.users; i++) {
        users[i].fd = -1;
        go_away(&users[i], start_us + (int64_t)(options.warm_s * 500000.0 * i / options.users));
    }
    printf("ready\n");
    fflush(stdout);
    while (now < to_us || open_judged > 0) {
        while (away_count && away[0]->begun_us <= now) {
            begin(come_back());
        }
        wait_events(until_next_ms(now));
        now = now_us();
        if (now >= next_sweep) {
            next_sweep = now + SWEEP_US;
            sweep_timeouts(now);
        }
    }
}

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(double share)
{
    return latency_us[(long)((double)(latency_count - 1) * share)] / 1000.0;
}

static void report(void)
{
    double sum = 0;
    long i, lost = 0;

    for (i = 0; i < FAIL_KINDS; i++) {
        printf("%s %ld\n", failure_names[i], failed[i]);
        lost += failed[i];
    }
    printf("judged %ld\nfailed %ld\ncrossed %ld\nanswered %ld\nrate %.3f\n", judged, lost, crossed,
           answered, (double)answered_meanwhile / options.seconds);
    if (latency_count) {
        qsort(latency_us, (size_t)latency_count, sizeof(*latency_us), compare_us);
        for (i = 0; i < latency_count; i++) {
            sum += latency_us[i];
        }
        printf("mean_ms %.3f\np50_ms %.3f\np90_ms %.3f\np99_ms %.3f\nmax_ms %.3f\n",
               sum / 1000.0 / (double)latency_count, percentile_ms(0.5), percentile_ms(0.9),
               percentile_ms(0.99), percentile_ms(1.0));
    }
    printf("end\n");
}

static void parse_options(int argc, char **argv)
{
    int o;

    options.address.sin_family = AF_INET;
    options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while ((o = getopt(argc, argv, "p:u:c:d:w:z:t:kR")) != -1) {
        switch (o) {
        case 'p':
            options.address.sin_port = htons((uint16_t)atoi(optarg));
            break;
        case 'u':
            options.path = optarg;
            break;
        case 'c':
            options.users = atoi(optarg);
            break;
        case 'd':
            options.seconds = atof(optarg);
            break;
        case 'w':
            options.warm_s = atof(optarg);
            break;
        case 'z':
            options.pause_ms = atof(optarg);
            break;
        case 't':
            options.timeout_s = atof(optarg);
            break;
        case 'k':
            options.keep = 1;
            break;
        case 'R':
            sched_setscheduler(0, SCHED_RR, &(struct sched_param){ .sched_priority = 1 });
            break;
        default:
            exit(2);
        }
    }
    if (!options.address.sin_port || options.users < 1 || options.users > USERS_MAX
        || options.seconds <= 0 || options.warm_s < 0 || options.pause_ms < 0) {
        fprintf(stderr, "users: bad port, number of users or time\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    raise_descriptor_limit();
    /* Whatever goes wrong here, it does not stay behind. */
    alarm((unsigned)(options.warm_s + options.seconds + 2 * options.timeout_s + 20));
    request_length = snprintf(request_text, sizeof(request_text),
                              "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n",
                              options.path, options.keep ? "keep-alive" : "close");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    users = calloc((size_t)options.users, sizeof(*users));
    away = calloc((size_t)options.users, sizeof(*away));
    if (epoll_fd < 0 || !users || !away) {
        die("start");
    }
    run();
    report();
    return 0;
}
