/*
 * Load with a schedule: the k-th request is due k/rate seconds after the start, whatever became of those before it, and
 * its latency counts from then. Or many connections that are opened and held.
 *
 *   loadgen -m new  -p PORT -u PATH -r RATE -d SECONDS            each request on a connection of its own
 *   loadgen -m keep -p PORT -u PATH -r RATE -d SECONDS -c N       on N kept-alive connections
 *   loadgen -m hold -p PORT -u PATH -k silent|partial|idle -c N -d SECONDS
 *
 * -t SECONDS bounds a single request (10). SIGTERM ends the schedule early. "ready N" is printed when the first request
 * is due, or all held connections are up (N is how many are); "fail MS KIND PID FRESH" for each lost request (MS: since
 * 1970; PID: the child that answered on this connection before, if its answers carry X-Adp-Pid); then "key value" lines.
 *
 * A server may close a kept-alive connection between two requests: it is opened anew and nothing is lost. A request that
 * crosses such a close on the wire finds the close there as soon as it is sent: it is sent again on another connection and
 * counted as "crossed". Any later close is a failure.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HEADER_MAX 4096
#define SWEEP_US 50000
#define CONNECTIONS_MAX 20000

enum mode { MODE_NEW, MODE_KEEP, MODE_HOLD };
enum hold_kind { HOLD_SILENT, HOLD_PARTIAL, HOLD_IDLE };
enum conn_state { CONN_UNUSED, CONN_CONNECTING, CONN_READING, CONN_IDLE };

enum failure { FAIL_CONNECT, FAIL_RESET, FAIL_CLOSED, FAIL_SHORT, FAIL_STATUS, FAIL_TIMEOUT, FAIL_MALFORMED, FAIL_KINDS };

static const char *const failure_names[FAIL_KINDS] = {
    "connect", "reset", "closed", "short", "status", "timeout", "malformed"
};

typedef struct {
    int fd;
    enum conn_state state;
    int answered;               /* requests answered on this connection */
    int64_t due_us;             /* of the request under way */
    int64_t begun_us;
    long server_pid;
    int header_length;
    int header_done;
    int close_after;
    int64_t body_left;          /* -1: until the server closes */
    char header[HEADER_MAX + 1];
} connection;

static struct {
    enum mode mode;
    enum hold_kind kind;
    struct sockaddr_in address;
    const char *path;
    double rate;
    double seconds;
    double timeout_seconds;
    int connections;
} options = { .path = "/", .rate = 100, .seconds = 5, .timeout_seconds = 10, .connections = 10 };

static connection *conns;
static int conn_count;                  /* entries of conns in use or used before */
static int epoll_fd;
static int timer_fd;
static char request_text[1024];
static int request_length;

static int64_t start_us;
static volatile sig_atomic_t interrupted;

static uint32_t *latencies;             /* in µs */
static long latency_count, latency_room;

static int64_t *waiting;                /* due times of requests for which no connection was free, a ring */
static long waiting_head, waiting_count, waiting_room;

static long issued, sent, ok, failed[FAIL_KINDS], crossed, reopened, closed_idle, held;

static int64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

/* What the clock on the wall says, so that a test can tell what happened before and after something it did. */
static long long wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static void on_term(int sig)
{
    (void)sig;
    interrupted = 1;
}

/* ---- connections ---- */

static void conn_watch(connection *c, int op, uint32_t events)
{
    struct epoll_event event = { .events = events, .data = { .ptr = c } };

    if (epoll_ctl(epoll_fd, op, c->fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static void conn_close(connection *c)
{
    close(c->fd);
    c->state = CONN_UNUSED;
}

static void request_failed(connection *c, enum failure kind)
{
    failed[kind]++;
    printf("fail %lld %s %ld %d\n", wall_ms(), failure_names[kind], c->server_pid,
           c->answered == 0);
    conn_close(c);
}

static void requeue(int64_t due_us)
{
    if (waiting_count == waiting_room) {
        die("too many requests wait");
    }
    waiting[(waiting_head + waiting_count++) % waiting_room] = due_us;
}

static void record_latency(int64_t due_us)
{
    if (latency_count < latency_room) {
        latencies[latency_count++] = (uint32_t)(now_us() - due_us);
    }
}

static connection *conn_find(enum conn_state state)
{
    static int next;                    /* goes round, so that every connection is used */
    int i;

    for (i = 0; i < conn_count; i++) {
        connection *c = &conns[(next + i) % conn_count];

        if (c->state == state) {
            next = (next + i + 1) % conn_count;
            return c;
        }
    }
    return NULL;
}

static connection *conn_unused(void)
{
    connection *c = conn_find(CONN_UNUSED);

    if (!c && conn_count < CONNECTIONS_MAX) {
        c = &conns[conn_count++];
    }
    return c;
}

static int conn_open(connection *c)
{
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        die("socket");
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->answered = 0;
    c->server_pid = 0;
    c->state = CONN_CONNECTING;
    c->begun_us = now_us();
    if (connect(c->fd, (struct sockaddr *)&options.address, sizeof(options.address)) != 0 && errno != EINPROGRESS) {
        return 0;
    }
    conn_watch(c, EPOLL_CTL_ADD, EPOLLOUT);
    return 1;
}

/* Whether the server has already ended this connection. */
static int conn_is_closed(connection *c)
{
    char byte;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

/* ---- requests ---- */

/* Afterwards the connection reads the answer, or was closed and the request waits for another one. */
static void request_send(connection *c)
{
    ssize_t n = send(c->fd, request_text, (size_t)request_length, MSG_NOSIGNAL);

    if (c->answered > 0 && (n < 0 || conn_is_closed(c))) {
        crossed++;
        requeue(c->due_us);
        conn_close(c);
        return;
    }
    sent++;
    if (n != request_length) {
        request_failed(c, FAIL_RESET);
        return;
    }
    c->state = CONN_READING;
    c->begun_us = now_us();
    c->header_length = c->header_done = c->close_after = 0;
    conn_watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

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

static void request_answered(connection *c)
{
    c->answered++;
    ok++;
    record_latency(c->due_us);
    if (c->close_after || options.mode == MODE_NEW) {
        conn_close(c);
        return;
    }
    c->state = CONN_IDLE;
}

/* 1: the header is complete and understood, 0: not yet, -1: not one for us. */
static int header_parse(connection *c, const char **body)
{
    char *end = strstr(c->header, "\r\n\r\n");
    const char *value;
    int status;

    if (!end) {
        return c->header_length == HEADER_MAX ? -1 : 0;
    }
    *body = end + 4;
    end[2] = '\0';
    if (sscanf(c->header, "HTTP/1.%*d %d", &status) != 1) {
        return -1;
    }
    value = header_value(c->header, "X-Adp-Pid");
    c->server_pid = value ? atol(value) : c->server_pid;
    value = header_value(c->header, "Connection");
    c->close_after = value && strncasecmp(value, "close", 5) == 0;
    value = header_value(c->header, "Content-Length");
    if (!value && !c->close_after) {
        return -1;
    }
    c->body_left = value ? atoll(value) : -1;
    c->header_done = status;
    return 1;
}

static void body_arrived(connection *c, int64_t bytes)
{
    if (c->body_left < 0) {
        return;
    }
    c->body_left -= bytes;
    if (c->body_left > 0) {
        return;
    }
    if (c->body_left < 0) {
        request_failed(c, FAIL_MALFORMED);
    }
    else if (c->header_done / 100 != 2) {
        request_failed(c, FAIL_STATUS);
    }
    else {
        request_answered(c);
    }
}

static void answer_ended(connection *c, ssize_t n)
{
    if (c->header_done && c->body_left < 0 && n == 0) {
        c->body_left = 0;
        body_arrived(c, 0);
        return;
    }
    if (c->header_length > 0) {
        request_failed(c, FAIL_SHORT);
        return;
    }
    request_failed(c, n == 0 ? FAIL_CLOSED : FAIL_RESET);
}

static void answer_read(connection *c)
{
    char buffer[65536];
    ssize_t n;

    while (c->state == CONN_READING) {
        if (c->header_done) {
            n = recv(c->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
        }
        else {
            n = recv(c->fd, c->header + c->header_length, (size_t)(HEADER_MAX - c->header_length), MSG_DONTWAIT);
        }
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            answer_ended(c, n);
        }
        else if (c->header_done) {
            body_arrived(c, n);
        }
        else {
            const char *body;
            int rv;

            c->header_length += (int)n;
            c->header[c->header_length] = '\0';
            rv = header_parse(c, &body);
            if (rv < 0) {
                request_failed(c, FAIL_MALFORMED);
            }
            else if (rv > 0) {
                body_arrived(c, c->header + c->header_length - body);
            }
        }
    }
}

/* ---- the schedule ---- */

/* Finds or opens a connection for a request; 0 when all are busy. */
static int request_begin(int64_t due_us)
{
    connection *c = NULL;

    while (options.mode == MODE_KEEP && (c = conn_find(CONN_IDLE)) != NULL && conn_is_closed(c)) {
        reopened++;
        conn_close(c);
    }
    if (!c) {
        if (options.mode == MODE_KEEP && conn_count == options.connections && !conn_find(CONN_UNUSED)) {
            return 0;
        }
        c = conn_unused();
        if (!c) {
            return 0;
        }
        c->due_us = due_us;
        if (!conn_open(c)) {
            sent++;
            request_failed(c, FAIL_CONNECT);
        }
        return 1;
    }
    c->due_us = due_us;
    request_send(c);
    return 1;
}

static void begin_waiting(void)
{
    while (waiting_count > 0 && request_begin(waiting[waiting_head])) {
        waiting_head = (waiting_head + 1) % waiting_room;
        waiting_count--;
    }
}

static int64_t due_time(long k)
{
    return start_us + (int64_t)((double)k * 1000000.0 / options.rate);
}

static int schedule_over(void)
{
    return interrupted || due_time(issued) > start_us + (int64_t)(options.seconds * 1000000.0);
}

/* In the ring first, so that a request which crosses a close keeps its place behind those that wait longer. */
static void issue_due(void)
{
    int64_t now = now_us();

    while (!schedule_over() && due_time(issued) <= now) {
        requeue(due_time(issued++));
    }
    begin_waiting();
}

static void arm_timer(int64_t at_us)
{
    struct itimerspec spec = {
        .it_value = { .tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000 }
    };

    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void conn_connected(connection *c)
{
    int error = 0;
    socklen_t length = sizeof(error);

    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        sent++;
        request_failed(c, FAIL_CONNECT);
        return;
    }
    request_send(c);
}

static void conn_event(connection *c)
{
    switch (c->state) {
    case CONN_CONNECTING:
        conn_connected(c);
        break;
    case CONN_READING:
        answer_read(c);
        break;
    case CONN_IDLE:
        closed_idle++;
        reopened += options.mode == MODE_KEEP;
        conn_close(c);
        break;
    case CONN_UNUSED:
        break;
    }
}

static int sweep_timeouts(void)
{
    int64_t limit = now_us() - (int64_t)(options.timeout_seconds * 1000000.0);
    int i, busy = 0;

    for (i = 0; i < conn_count; i++) {
        connection *c = &conns[i];

        if (c->state != CONN_CONNECTING && c->state != CONN_READING) {
            continue;
        }
        if (c->begun_us < limit) {
            request_failed(c, FAIL_TIMEOUT);
            continue;
        }
        busy++;
    }
    return busy;
}

static void wait_events(int timeout_ms)
{
    struct epoll_event events[256];
    int i, n = epoll_wait(epoll_fd, events, 256, timeout_ms);

    for (i = 0; i < n; i++) {
        if (events[i].data.ptr) {
            conn_event(events[i].data.ptr);
        }
        else {
            uint64_t expirations;
            ssize_t ignored = read(timer_fd, &expirations, sizeof(expirations));

            (void)ignored;
        }
    }
}

static void run_schedule(void)
{
    struct epoll_event event = { .events = EPOLLIN, .data = { .ptr = NULL } };
    int64_t next_sweep;
    int busy = 1;

    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) != 0) {
        die("timerfd");
    }
    start_us = now_us();
    next_sweep = start_us + SWEEP_US;
    printf("ready %d\n", options.connections);
    fflush(stdout);
    while (!schedule_over() || busy || waiting_count) {
        issue_due();
        if (!schedule_over()) {
            arm_timer(due_time(issued));
        }
        wait_events(SWEEP_US / 1000);
        if (now_us() >= next_sweep) {
            next_sweep = now_us() + SWEEP_US;
            fflush(stdout);
        }
        busy = sweep_timeouts();
    }
}

/* ---- held connections ---- */

#define HOLD_RATE 2000      /* connections opened a second */

/* A held connection has what its kind asks for: from here on only its end is of interest. */
static void hold_reached(connection *c)
{
    held++;
    c->state = CONN_IDLE;
    conn_watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void hold_connected(connection *c)
{
    static const char partial[] = "GET / HTTP/1.1\r\nHost: local";

    if (options.kind == HOLD_IDLE) {
        conn_connected(c);
        return;
    }
    if (options.kind == HOLD_PARTIAL && send(c->fd, partial, sizeof(partial) - 1, MSG_NOSIGNAL) < 0) {
        request_failed(c, FAIL_RESET);
        return;
    }
    hold_reached(c);
}

static void hold_event(connection *c)
{
    if (c->state == CONN_CONNECTING) {
        hold_connected(c);
        return;
    }
    if (c->state == CONN_READING) {
        answer_read(c);
        held += c->state == CONN_IDLE;
        return;
    }
    conn_event(c);
}

static void hold_wait(int timeout_ms)
{
    struct epoll_event events[256];
    int i, n = epoll_wait(epoll_fd, events, 256, timeout_ms);

    for (i = 0; i < n; i++) {
        hold_event(events[i].data.ptr);
    }
}

static void run_hold(void)
{
    int i, told = 0;
    int64_t end;

    start_us = now_us();
    end = start_us + (int64_t)(options.seconds * 1000000.0);
    for (i = 0; i < options.connections; i++) {
        connection *c = conn_unused();

        c->due_us = now_us();
        if (!conn_open(c)) {
            request_failed(c, FAIL_CONNECT);
        }
        /* Not all at once: where the backlog overflows, the kernel lets a client believe that it is connected while the
         * server will never hear of it. */
        do {
            hold_wait(1);
        } while (now_us() < start_us + (int64_t)(i + 1) * 1000000 / HOLD_RATE);
    }
    while (!interrupted && now_us() < end) {
        if (sweep_timeouts() == 0 && !told) {
            told = 1;
            printf("ready %ld\n", held);
            fflush(stdout);
        }
        hold_wait(SWEEP_US / 1000);
    }
}

/* ---- start and report ---- */

static int compare_latency(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(double share)
{
    return latency_count ? latencies[(long)((double)(latency_count - 1) * share)] / 1000.0 : 0;
}

static void report(void)
{
    long total = 0;
    int i;

    qsort(latencies, (size_t)latency_count, sizeof(*latencies), compare_latency);
    for (i = 0; i < FAIL_KINDS; i++) {
        printf("%s %ld\n", failure_names[i], failed[i]);
        total += failed[i];
    }
    printf("sent %ld\nok %ld\nfailed %ld\ncrossed %ld\nreopened %ld\nclosed_idle %ld\nheld %ld\n", sent, ok, total,
           crossed, reopened, closed_idle, held);
    printf("p50_ms %.3f\np99_ms %.3f\nmax_ms %.3f\n", percentile_ms(0.5), percentile_ms(0.99), percentile_ms(1.0));
    printf("end\n");
}

static int pick(const char *value, const char *const *names)
{
    int i;

    for (i = 0; names[i]; i++) {
        if (strcmp(value, names[i]) == 0) {
            return i;
        }
    }
    fprintf(stderr, "loadgen: unknown kind %s\n", value);
    exit(2);
}

static void parse_options(int argc, char **argv)
{
    static const char *const modes[] = { "new", "keep", "hold", NULL };
    static const char *const kinds[] = { "silent", "partial", "idle", NULL };
    int o;

    options.address.sin_family = AF_INET;
    options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while ((o = getopt(argc, argv, "m:p:u:r:d:c:k:t:")) != -1) {
        switch (o) {
        case 'm':
            options.mode = (enum mode)pick(optarg, modes);
            break;
        case 'k':
            options.kind = (enum hold_kind)pick(optarg, kinds);
            break;
        case 'p':
            options.address.sin_port = htons((uint16_t)atoi(optarg));
            break;
        case 'u':
            options.path = optarg;
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 'd':
            options.seconds = atof(optarg);
            break;
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 't':
            options.timeout_seconds = atof(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (!options.address.sin_port || options.rate <= 0 || options.connections < 1
        || options.connections > CONNECTIONS_MAX) {
        fprintf(stderr, "loadgen: bad port, rate or number of connections\n");
        exit(2);
    }
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_term };

    parse_options(argc, argv);
    raise_descriptor_limit();
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    /* Whatever goes wrong here, it does not stay behind. */
    alarm((unsigned)(options.seconds + options.timeout_seconds * 2 + 10));
    request_length = snprintf(request_text, sizeof(request_text),
                              "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n", options.path,
                              options.mode == MODE_NEW ? "close" : "keep-alive");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    latency_room = waiting_room = (long)(options.rate * options.seconds) + 2 + options.connections;
    latencies = calloc((size_t)latency_room, sizeof(*latencies));
    waiting = calloc((size_t)waiting_room, sizeof(*waiting));
    conns = calloc(CONNECTIONS_MAX, sizeof(*conns));
    if (epoll_fd < 0 || !latencies || !waiting || !conns) {
        die("start");
    }
    if (options.mode == MODE_HOLD) {
        run_hold();
    }
    else {
        run_schedule();
    }
    report();
    return 0;
}
