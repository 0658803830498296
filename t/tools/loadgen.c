/*
 * Load with a schedule: the k-th request is due k/rate seconds after the start, whatever became of
 * those before it, and its latency counts from then. Or many connections that are opened and held.
 *
 *   loadgen -m new  -p PORT -u PATH -r RATE -d SECONDS            a new connection each
 *   loadgen -m keep -p PORT -u PATH -r RATE -d SECONDS -c N       on N kept-alive connections
 *   loadgen -m hold -p PORT -u PATH -k silent|partial|idle -c N -d SECONDS
 *
 * -s RATE:SECONDS,RATE:SECONDS,... instead of -r and -d gives rates that follow each other. -t
 * SECONDS bounds a single request (10), from when it is sent. -n N: at most N connections at a
 * time, new ones too; what is due meanwhile waits for one. -e: the end of the schedule is the end;
 * what has not been answered by then is counted as "unfinished". SIGTERM ends the schedule early.
 * -l FILE gets a line for each request that ended: "DUE LATE DONE RECEIVED KIND" in us, moments
 * since the start. LATE is by how much this program missed DUE; RECEIVED is when the backend had
 * it if it says so (t/tools/backend.c: X-Received-Us, CLOCK_MONOTONIC), else -1; KIND is ok or
 * that of the failure. -R asks for real-time priority, so that a busy machine does not delay what
 * is measured; it goes on without.
 *
 * "ready N" is printed when the first request is due, or all held connections are up (N is how
 * many are; until then "opening N" while they get more); "fail MS KIND PID FRESH" for each lost
 * request (MS: since 1970; PID: the child that answered on this connection before, if its answers
 * carry X-Adp-Pid); then "key value" lines. late_*: how late this program itself was; start_us:
 * CLOCK_MONOTONIC.
 *
 * A server may close a kept-alive connection between two requests: it is opened anew and nothing
 * is lost. A request that crosses such a close on the wire finds the close there as soon as it is
 * sent, or a moment later if the server lost its processor between its last look and the close: it
 * is sent again on another connection and counted as "crossed". Any later close is a failure.
 */

#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HEADER_MAX 4096
#define SWEEP_US 50000
/* Less than what a request takes whose loss is to be found. */
#define CROSSING_US 10000
#define CONNECTIONS_MAX 20000
#define PHASES_MAX 64

enum mode { MODE_NEW, MODE_KEEP, MODE_HOLD };
enum hold_kind { HOLD_SILENT, HOLD_PARTIAL, HOLD_IDLE };
enum conn_state { CONN_UNUSED, CONN_CONNECTING, CONN_READING, CONN_IDLE };

enum failure {
    FAIL_CONNECT,
    FAIL_RESET,
    FAIL_CLOSED,
    FAIL_SHORT,
    FAIL_STATUS,
    FAIL_TIMEOUT,
    FAIL_MALFORMED,
    FAIL_KINDS
};

static const char *const failure_names[FAIL_KINDS] = {
    "connect", "reset", "closed", "short", "status", "timeout", "malformed"
};

/* Members of a ring; the ring itself has one of them as its head. */
typedef struct ring_link {
    struct ring_link *next, *previous;
} ring_link;

/* A request and by how much it was too late when this program looked at the clock. */
typedef struct {
    int64_t due_us, late_us;
} request;

typedef struct {
    ring_link link;             /* first: in the ring of its state */
    int fd;
    enum conn_state state;
    int answered;               /* requests answered on this connection */
    request request;            /* the one under way */
    int64_t begun_us;
    int64_t received_us;        /* by the backend, if it says so */
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
    const char *log_file;
    double rate;
    double seconds;
    double timeout_seconds;
    int connections;
    int at_most;                /* new connections at a time */
    int end_with_schedule;
} options = { .path = "/", .rate = 100, .seconds = 5, .timeout_seconds = 10, .connections = 10,
            .at_most = CONNECTIONS_MAX };

/* A part of the schedule. */
typedef struct {
    double rate;
    double seconds;
} phase;

static phase phases[PHASES_MAX];
static int phase_count;

/* What became of a request; times in us since the start. */
typedef struct {
    int64_t due_us, late_us, done_us, received_us;
    int failure;                /* enum failure, FAIL_KINDS: none */
} outcome;

static connection *conns;
static int conn_count;                  /* entries of conns in use or used before */
static ring_link unused, idle;
static ring_link under_way;             /* in the order of begun_us */
static long under_way_count;
static int epoll_fd;
static int timer_fd;
static char request_text[1024];
static int request_length;

static int64_t start_us;
static volatile sig_atomic_t interrupted;

static outcome *outcomes;
static long outcome_count, outcome_room;
static uint32_t *lateness_us;           /* of this program, per request */

static request *waiting;                /* requests for which no connection was free, a ring */
static long waiting_head, waiting_count, waiting_room;

static long issued, sent, ok, failed[FAIL_KINDS], crossed, reopened, closed_idle, held;
static long unfinished;

/* What the clock on the wall says, so that a test can tell what happened before and after
 * something it did. */
static long long wall_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void on_term(int sig)
{
    (void)sig;
    interrupted = 1;
}

/* ---- connections ---- */

static void ring_init(ring_link *ring)
{
    ring->next = ring->previous = ring;
}

static void ring_take_out(ring_link *l)
{
    l->previous->next = l->next;
    l->next->previous = l->previous;
}

static void ring_append(ring_link *ring, ring_link *l)
{
    l->next = ring;
    l->previous = ring->previous;
    ring->previous->next = l;
    ring->previous = l;
}

static int is_under_way(enum conn_state state)
{
    return state == CONN_CONNECTING || state == CONN_READING;
}

/* A connection enters the last place of the ring of its state, and leaves the one where it was. */
static void conn_become(connection *c, enum conn_state state)
{
    under_way_count += is_under_way(state) - is_under_way(c->state);
    ring_take_out(&c->link);
    ring_append(state == CONN_UNUSED ? &unused : state == CONN_IDLE ? &idle : &under_way, &c->link);
    c->state = state;
    if (is_under_way(state)) {
        c->begun_us = now_us();
    }
}

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
    conn_become(c, CONN_UNUSED);
}

static void record(request r, int64_t received_us, int failure)
{
    if (outcome_count < outcome_room) {
        outcomes[outcome_count++] = (outcome){ .due_us = r.due_us - start_us,
                                               .late_us = r.late_us,
                                               .done_us = now_us() - start_us,
                                               .failure = failure,
                                               .received_us = received_us > 0
                                                                  ? received_us - start_us
                                                                  : -1 };
    }
}

static void request_failed(connection *c, enum failure kind)
{
    failed[kind]++;
    record(c->request, 0, (int)kind);
    printf("fail %lld %s %ld %d\n", wall_ms(), failure_names[kind], c->server_pid,
           c->answered == 0);
    conn_close(c);
}

static void requeue(request r)
{
    if (waiting_count == waiting_room) {
        die("too many requests wait");
    }
    waiting[(waiting_head + waiting_count++) % waiting_room] = r;
}

/* Round about, so that every connection is used. */
static connection *conn_idle(void)
{
    return idle.next != &idle ? (connection *)idle.next : NULL;
}

/* At most max connections are ever in use. */
static connection *conn_unused(int max)
{
    if (unused.next == &unused && conn_count < max) {
        ring_append(&unused, &conns[conn_count++].link);
    }
    return unused.next != &unused ? (connection *)unused.next : NULL;
}

static int conn_open
(connection *c)
{
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        die("socket");
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->answered = 0;
    c->server_pid = 0;
    conn_become(c, CONN_CONNECTING);
    if (connect(c->fd, (struct sockaddr *)&options.address, sizeof(options.address)) != 0
        && errno != EINPROGRESS) {
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

/* It met a close on the wire, and has another chance on another connection. */
static void cross(connection *c)
{
    crossed++;
    requeue(c->request);
    conn_close(c);
}

/* Afterwards the connection reads the answer, or was closed and the request waits for another
 * one. */
static void request_send(connection *c)
{
    ssize_t n = send(c->fd, request_text, (size_t)request_length, MSG_NOSIGNAL);

    if (c->answered > 0 && (n < 0 || conn_is_closed(c))) {
        cross(c);
        return;
    }
    sent++;
    if (n != request_length) {
        request_failed(c, FAIL_RESET);
        return;
    }
    conn_become(c, CONN_READING);
    c->header_length = c->header_done = c->close_after = 0;
    c->received_us = 0;
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
    record(c->request, c->received_us, FAIL_KINDS);
    if (c->close_after || options.mode == MODE_NEW) {
        conn_close(c);
        return;
    }
    conn_become(c, CONN_IDLE);
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
    value = header_value(c->header, "X-Received-Us");
    c->received_us = value ? atoll(value) : 0;
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
    if (n == 0 && c->answered > 0 && now_us() - c->begun_us < CROSSING_US) {
        sent--;
        cross(c);
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
            n = recv(c->fd, c->header + c->header_length, (size_t)(HEADER_MAX - c->header_length),
                     MSG_DONTWAIT);
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
static int request_begin(request r)
{
    connection *c = NULL;

    while (options.mode == MODE_KEEP && (c = conn_idle()) != NULL && conn_is_closed(c)) {
        reopened++;
        conn_close(c);
    }
    if (!c) {
        c = conn_unused(options.mode == MODE_KEEP ? options.connections : options.at_most);
        if (!c) {
            return 0;
        }
        c->request = r;
        if (!conn_open(c)) {
            sent++;
            request_failed(c, FAIL_CONNECT);
        }
        return 1;
    }
    c->request = r;
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

/* Where the schedule is: the next request is the k-th of this phase, which began so long after the
 * start. */
static int phase_index;
static long phase_issued;
static double phase_begin_s;

static int64_t next_due(void)
{
    double offset_s = (double)phase_issued / phases[phase_index].rate;

    return start_us + (int64_t)((phase_begin_s + offset_s) * 1000000.0);
}

/* Goes on to the phase in which the next request is due, and says whether there is none. */
static int schedule_over(void)
{
    while (phase_index < phase_count
           && (double)phase_issued >= phases[phase_index].rate * phases[phase_index].seconds) {
        phase_begin_s += phases[phase_index++].seconds;
        phase_issued = 0;
    }
    return interrupted || phase_index == phase_count;
}

/* In the ring first, so that a request which crosses a close keeps its place behind those that
 * wait longer. */
static void issue_due(void)
{
    int64_t now = now_us(), due_us;

    while (!schedule_over() && (due_us = next_due()) <= now) {
        requeue((request){ .due_us = due_us, .late_us = now - due_us });
        lateness_us[issued++] = (uint32_t)(now - due_us);
        phase_issued++;
        now = now_us();
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
    if (connect_error(c->fd)) {
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

static void sweep_timeouts(void)
{
    int64_t limit = now_us() - (int64_t)(options.timeout_seconds * 1000000.0);

    while (under_way.next != &under_way && ((connection *)under_way.next)->begun_us < limit) {
        request_failed((connection *)under_way.next, FAIL_TIMEOUT);
    }
}

/* Nobody waits for ever: what is left long after the end of the schedule is lost. */
static void give_up(void)
{
    while (under_way.next != &under_way) {
        request_failed((connection *)under_way.next, FAIL_TIMEOUT);
    }
    while (waiting_count > 0) {
        failed[FAIL_TIMEOUT]++;
        sent++;
        record(waiting[waiting_head], 0, FAIL_TIMEOUT);
        waiting_head = (waiting_head + 1) % waiting_room;
        waiting_count--;
    }
}

/* What nobody is interested in any more; it has not failed. */
static void drop_unfinished(void)
{
    unfinished = under_way_count + waiting_count;
    waiting_count = 0;
    while (under_way.next != &under_way) {
        conn_close((connection *)under_way.next);
    }
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
    int64_t next_sweep, last_us;

    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event) != 0) {
        die("timerfd");
    }
    start_us = now_us();
    next_sweep = start_us + SWEEP_US;
    last_us = start_us + (int64_t)((options.seconds + 2 * options.timeout_seconds) * 1000000.0);
    printf("start_us %lld\nready %d\n", (long long)start_us, options.connections);
    fflush(stdout);
    while (!schedule_over() || under_way_count || waiting_count) {
        issue_due();
        if (!schedule_over()) {
            arm_timer(next_due());
        }
        wait_events(SWEEP_US / 1000);
        if (now_us() >= next_sweep) {
            next_sweep = now_us() + SWEEP_US;
            fflush(stdout);
            sweep_timeouts();
        }
        if (now_us() > last_us) {
            give_up();
        }
        if (options.end_with_schedule && schedule_over()) {
            drop_unfinished();
        }
    }
}

/* ---- held connections ---- */

#define HOLD_RATE 2000      /* connections opened a second */

/* A held connection has what its kind asks for: from here on only its end is of interest. */
static void hold_reached(connection *c)
{
    held++;
    conn_become(c, CONN_IDLE);
    conn_watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void hold_connected(connection *c)
{
    static const char partial[] = "GET / HTTP/1.1\r\nHost: local";

    if (options.kind == HOLD_IDLE) {
        conn_connected(c);
        return;
    }
    if (options.kind == HOLD_PARTIAL
        && send(c->fd, partial, sizeof(partial) - 1, MSG_NOSIGNAL) < 0) {
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
    long reported = 0;
    int64_t end;

    start_us = now_us();
    end = start_us + (int64_t)(options.seconds * 1000000.0);
    for (i = 0; i < options.connections; i++) {
        connection *c = conn_unused(CONNECTIONS_MAX);

        c->request.due_us = now_us();
        if (!conn_open(c)) {
            request_failed(c, FAIL_CONNECT);
        }
        /* Not all at once: where the backlog overflows, the kernel lets a client believe that it
         * is connected while the server will never hear of it. */
        do {
            hold_wait(1);
        } while (now_us() < start_us + (int64_t)(i + 1) * 1000000 / HOLD_RATE);
    }
    while (!interrupted && now_us() < end) {
        sweep_timeouts();
        if (under_way_count == 0 && !told) {
            told = 1;
            printf("ready %ld\n", held);
            fflush(stdout);
        }
        else if (!told && held != reported) {
            reported = held;
            printf("opening %ld\n", held);
            fflush(stdout);
        }
        hold_wait(SWEEP_US / 1000);
    }
}

/* ---- start and report ---- */

static int compare_us(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(const uint32_t *ascending, long count, double share)
{
    return count ? ascending[(long)((double)(count - 1) * share)] / 1000.0 : 0;
}

static void report_latencies(void)
{
    uint32_t *latencies = calloc((size_t)outcome_count + 1, sizeof(*latencies));
    long i, count = 0;

    if (!latencies) {
        die("report");
    }
    for (i = 0; i < outcome_count; i++) {
        if (outcomes[i].failure == FAIL_KINDS) {
            latencies[count++] = (uint32_t)(outcomes[i].done_us - outcomes[i].due_us);
        }
    }
    qsort(latencies, (size_t)count, sizeof(*latencies), compare_us);
    qsort(lateness_us, (size_t)issued, sizeof(*lateness_us), compare_us);
    printf("p50_ms %.3f\np99_ms %.3f\np999_ms %.3f\nmax_ms %.3f\n",
           percentile_ms(latencies, count, 0.5), percentile_ms(latencies, count, 0.99),
           percentile_ms(latencies, count, 0.999), percentile_ms(latencies, count, 1.0));
    printf("late_p50_ms %.3f\nlate_p99_ms %.3f\nlate_max_ms %.3f\n",
           percentile_ms(lateness_us, issued, 0.5), percentile_ms(lateness_us, issued, 0.99),
           percentile_ms(lateness_us, issued, 1.0));
    free(latencies);
}

static void write_log(void)
{
    FILE *out = fopen(options.log_file, "w");
    long i;

    if (!out) {
        die(options.log_file);
    }
    for (i = 0; i < outcome_count; i++) {
        const outcome *o = &outcomes[i];

        fprintf(out, "%lld %lld %lld %lld %s\n", (long long)o->due_us, (long long)o->late_us,
                (long long)o->done_us, (long long)o->received_us,
                o->failure == FAIL_KINDS ? "ok" : failure_names[o->failure]);
    }
    if (fclose(out) != 0) {
        die(options.log_file);
    }
}

static void report(void)
{
    long total = 0;
    int i;

    for (i = 0; i < FAIL_KINDS; i++) {
        printf("%s %ld\n", failure_names[i], failed[i]);
        total += failed[i];
    }
    printf("issued %ld\nsent %ld\nok %ld\nfailed %ld\ncrossed %ld\nreopened %ld\nclosed_idle "
           "%ld\nheld %ld\nunfinished %ld\n",
           issued, sent, ok, total, crossed, reopened, closed_idle, held, unfinished);
    report_latencies();
    if (options.log_file) {
        write_log();
    }
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

/* "RATE:SECONDS,RATE:SECONDS,..." */
static void parse_schedule(const char *text)
{
    int used;

    while (
        phase_count < PHASES_MAX
        && sscanf(text, "%lf:%lf%n", &phases[phase_count].rate, &phases[phase_count].seconds, &used)
               == 2
        && phases[phase_count].rate >= 0 && phases[phase_count].seconds > 0) {
        phase_count++;
        text += used;
        if (*text == '\0') {
            return;
        }
        text++;
    }
    fprintf(stderr, "loadgen: not a schedule: %s\n", text);
    exit(2);
}

/* The whole schedule, however it was given: its seconds, and the number of its requests as the
 * result. */
static double sum_schedule(void)
{
    double requests = 0;
    int i;

    if (!phase_count) {
        phases[phase_count++] = (phase){ .rate = options.rate, .seconds = options.seconds };
    }
    options.seconds = 0;
    for (i = 0; i < phase_count; i++) {
        options.seconds += phases[i].seconds;
        requests += phases[i].rate * phases[i].seconds + 1;
    }
    return requests;
}

static void parse_options(int argc, char **argv)
{
    static const char *const modes[] = { "new", "keep", "hold", NULL };
    static const char *const kinds[] = { "silent", "partial", "idle", NULL };
    int o;

    options.address.sin_family = AF_INET;
    options.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    while ((o = getopt(argc, argv, "m:p:u:r:d:s:c:n:k:t:l:eR")) != -1) {
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
        case 's':
            parse_schedule(optarg);
            break;
        case 'R':
            sched_setscheduler(0, SCHED_RR, &(struct sched_param){ .sched_priority = 1 });
            break;
        case 'l':
            options.log_file = optarg;
            break;
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 'n':
            options.at_most = atoi(optarg);
            break;
        case 'e':
            options.end_with_schedule = 1;
            break;
        case 't':
            options.timeout_seconds = atof(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (!options.address.sin_port || options.rate <= 0 || options.connections < 1
        || options.connections > CONNECTIONS_MAX || options.at_most < 1
        || options.at_most > CONNECTIONS_MAX) {
        fprintf(stderr, "loadgen: bad port, rate or number of connections\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    struct sigaction action = { .sa_handler = on_term };
    double requests;

    parse_options(argc, argv);
    requests = sum_schedule();
    raise_descriptor_limit();
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    /* Whatever goes wrong here, it does not stay behind. */
    alarm((unsigned)(options.seconds + options.timeout_seconds * 2 + 20));
    request_length = snprintf(request_text, sizeof(request_text),
                              "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: %s\r\n\r\n",
                              options.path, options.mode == MODE_NEW ? "close" : "keep-alive");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    outcome_room = waiting_room = (long)requests + options.connections;
    outcomes = calloc((size_t)outcome_room, sizeof(*outcomes));
    lateness_us = calloc((size_t)outcome_room, sizeof(*lateness_us));
    waiting = calloc((size_t)waiting_room, sizeof(*waiting));
    conns = calloc(CONNECTIONS_MAX, sizeof(*conns));
    if (epoll_fd < 0 || !outcomes || !lateness_us || !waiting || !conns) {
        die("start");
    }
    ring_init(&unused);
    ring_init(&idle);
    ring_init(&under_way);
    if (options.mode == MODE_HOLD) {
        run_hold();
    }
    else {
        run_schedule();
    }
    report();
    return 0;
}
