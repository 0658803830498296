/* The steward of a draining child. Reads connections that others own, and writes only log lines
 * and told_to_stop; when, says drain_schedule.c. */
#include "drain.h"

#include "child_internal.h"
#include "conn.h"
#include "drain_schedule.h"
#include "workers.h"

#include "base/clock.h"

#include "apr_strings.h"

#include <arpa/inet.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections that a message names; of all others it tells the number. */
#define NAMED 5
/* While connections are closed because the time is up, others come to a point where they can
 * be closed too. */
#define CLOSE_ROUND_US (50 * CLOCK_US_PER_MS)
/* A child that was cut off and still has not left, because the destructor of a module hangs,
 * leaves at once after so long. */
#ifndef DRAIN_LAST_RESORT_MS
#define DRAIN_LAST_RESORT_MS 5000
#endif

#define SUMMARY_BYTES 300
#define LIST_BYTES    1600

/* --- what the connections do -------------------------------------------------------- */

/* The hints, told apart further where somebody asks. */
#define WEBSOCKET HINTS
#define KINDS     (HINTS + 1)

static const char *const kind_names[KINDS] = {
    [HINT_NONE]      = "being served",
    [HINT_NEW]       = "before its first request",
    [HINT_IDLE]      = "between two requests",
    [HINT_WRITING]   = "slow to take its response",
    [HINT_WAITIO]    = "waiting for its client",
    [HINT_SUSPENDED] = "suspended by a module",
    [HINT_LINGERING] = "closing",
    [WEBSOCKET]      = "websocket"
};

/* What one look at a connection of somebody else found. */
typedef struct sight_t {
    conn_t *conn;
    uint32_t word;              /* of the claim: the same later means the same wait or request */
    int kind;
    int64_t since_us;
} sight_t;

typedef struct overview_t {
    int count[KINDS];
    int total;
    sight_t longest[NAMED];     /* the earliest since_us first */
    int named;
} overview_t;

/* Of the connection only what conn.h allows other threads is read. False: it is free. */
static bool look_at_connections(conn_t *conn, sight_t *sight)
{
    sight->conn = conn;
    sight->word = atomic_load(&conn->claim.word);
    if ((sight->word & 3) == CLAIM_FREE || atomic_load(&conn->fd) < 0) {
        return false;
    }
    sight->kind = atomic_load(&conn->hint);
    sight->since_us = atomic_load(&conn->since_us);
    if (sight->kind == HINT_NONE && atomic_load(&conn->websocket)) {
        sight->kind = WEBSOCKET;
    }
    return true;
}

static bool is_unchanged(const sight_t *sight)
{
    sight_t now;

    return look_at_connections(sight->conn, &now) && now.word == sight->word && now.kind == sight->kind
           && now.since_us == sight->since_us;
}

static void rank(overview_t *o, const sight_t *sight)
{
    int place = o->named;

    while (place > 0 && o->longest[place - 1].since_us > sight->since_us) {
        place--;
    }
    if (place == NAMED) {
        return;
    }
    o->named = MIN(o->named + 1, NAMED);
    memmove(&o->longest[place + 1], &o->longest[place],
            sizeof(*sight) * (size_t)(o->named - 1 - place));
    o->longest[place] = *sight;
}

static void survey(child_t *child, overview_t *o)
{
    uint32_t count = atomic_load(&child->connections.item_count);
    uint32_t i;

    memset(o, 0, sizeof(*o));
    for (i = 0; i < count; i++) {
        sight_t sight;

        if (look_at_connections(slab_at(&child->connections, i), &sight)) {
            o->count[sight.kind]++;
            o->total++;
            rank(o, &sight);
        }
    }
}

/* --- in words ----------------------------------------------------------------------- */

typedef struct text_t {
    char *at;
    char *end;
} text_t;

__attribute__((format(printf, 2, 3)))
static void say(text_t *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text->at += apr_vsnprintf(text->at, (apr_size_t)(text->end - text->at), format, args);
    va_end(args);
}

/* "3 connections (2 being served, 1 websocket)" */
static void say_counts(text_t *text, const overview_t *o)
{
    const char *before = " (";
    int kind;

    say(text, "%d connection%s", o->total, o->total == 1 ? "" : "s");
    for (kind = 0; kind < KINDS; kind++) {
        if (o->count[kind]) {
            say(text, "%s%d %s", before, o->count[kind], kind_names[kind]);
            before = ", ";
        }
    }
    say(text, "%s", o->total ? ")" : "");
}

/* The kernel knows whom the descriptor leads to, so nothing of the connection is read. */
static void say_client(text_t *text, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer = { .in6 = { .sin6_family = AF_UNSPEC } };
    socklen_t size = sizeof(peer);
    char address[INET6_ADDRSTRLEN] = "";

    if (getpeername(fd, &peer.any, &size)) {
        say(text, "a client that has gone");
    }
    else if (peer.any.sa_family == AF_INET
             && inet_ntop(AF_INET, &peer.in.sin_addr, address, sizeof(address))) {
        say(text, "%s:%d", address, ntohs(peer.in.sin_port));
    }
    else if (peer.any.sa_family == AF_INET6
             && inet_ntop(AF_INET6, &peer.in6.sin6_addr, address, sizeof(address))) {
        say(text, "[%s]:%d", address, ntohs(peer.in6.sin6_port));
    }
    else {
        say(text, "a local client");
    }
}

/* What the scoreboard shows of the thread that has the connection. ExtendedStatus decides
 * whether there is a request. */
static void say_request(text_t *text, const child_t *child, int row)
{
    worker_score score;

    if (row < 0 || row >= child->config->threads_per_child) {
        return;
    }
    ap_copy_scoreboard_worker(&score, child->slot, row);
    if (!strncmp(score.protocol, "h2", 2)) {
        /* its streams are with other threads */
        say(text, ", HTTP/2");
    }
    else if (score.status == SERVER_BUSY_READ) {
        say(text, ", reading a request");
    }
    else if (ap_extended_status && score.request[0]) {
        say(text, ", \"%.*s\"", (int)sizeof(score.request), score.request);
        if (score.vhost[0]) {
            say(text, " for %.*s", (int)sizeof(score.vhost), score.vhost);
        }
    }
}

/* Each of the named connections, unless it has changed since the survey: then it does not
 * hold the child. Returns how many were said. */
static int say_longest(text_t *text, const child_t *child, const overview_t *o, int64_t now_us)
{
    int i, said = 0;

    for (i = 0; i < o->named; i++) {
        const sight_t *sight = &o->longest[i];
        text_t before = *text;

        say(text, "%s", said ? "; " : "");
        say_client(text, atomic_load(&sight->conn->fd));
        say(text, " %s for %d s", kind_names[sight->kind],
            (int)(MAX(now_us - sight->since_us, 0) / CLOCK_US_PER_S));
        if (sight->kind == HINT_NONE || sight->kind == WEBSOCKET) {
            say_request(text, child, atomic_load(&sight->conn->row));
        }
        if (is_unchanged(sight)) {
            said++;
        }
        else {
            *text = before;
            *text->at = '\0';
        }
    }
    return said;
}

/* "3 connections (...): 192.0.2.1:4711 being served for 610 s, "GET ..."; ... and 1 more" */
static void describe(child_t *child, char *buffer, size_t size, int64_t now_us)
{
    text_t text = { buffer, buffer + size };
    overview_t o;
    int said;

    survey(child, &o);
    if (!o.total) {
        say(&text, "no connection, but %d busy thread%s", workers_live(child),
            workers_live(child) == 1 ? "" : "s");
        return;
    }
    say_counts(&text, &o);
    say(&text, ": ");
    said = say_longest(&text, child, &o, now_us);
    if (said < o.total) {
        say(&text, "%s%d more", said ? "; and " : "", o.total - said);
    }
}

/* --- the steward's part ------------------------------------------------------------- */

static int seconds(int64_t us)
{
    return (int)MIN(us / CLOCK_US_PER_S, INT_MAX);
}

static void warn(child_t *child, int64_t now_us)
{
    char holdouts[SUMMARY_BYTES + LIST_BYTES];

    describe(child, holdouts, sizeof(holdouts), now_us);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0102)
                 "told to finish %d s ago, this child still has %s; AdaptiveDrainTimeout "
                 "limits how long it may", seconds(now_us - child->drain.began_us), holdouts);
}

static void announce_cut(child_t *child, int64_t now_us)
{
    char holdouts[SUMMARY_BYTES + LIST_BYTES];

    if (child_connections(child) == 0 && workers_live(child) == 0) {
        return;
    }
    describe(child, holdouts, sizeof(holdouts), now_us);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0103)
                 "told to finish %d s ago, and AdaptiveDrainTimeout is %d s: this child ends "
                 "now and cuts off %s", seconds(now_us - child->drain.began_us),
                 seconds(child->drain.limit_us), holdouts);
}

/* Whatever waits is claimed and closed by workers as if its time were over, so that modules
 * say goodbye and TLS ends as it should. */
static void close_waiting(child_t *child, int64_t now_us)
{
    conn_queue_close(child, deadlines_take(&child->deadlines, UINT_MAX, conn_claim_deadline,
                                           NULL), now_us);
}

static void *leave_at_last(void *unused)
{
    (void)unused;
    poll(NULL, 0, DRAIN_LAST_RESORT_MS);
    _exit(APEXIT_OK);
}

/* Nobody else would end a child that hangs in its destructors: the parent does not wait for
 * it. If the system refuses this thread, it ends when it ends. */
static void limit_end(void)
{
    pthread_t thread;

    if (!pthread_create(&thread, NULL, leave_at_last, NULL)) {
        pthread_detach(thread);
    }
}

void drain_begin(child_t *child, int64_t now_us)
{
    ON_STEWARD();
    drain_schedule_begin(&child->drain, now_us);
}

int64_t drain_round(child_t *child, int64_t now_us)
{
    int64_t limit_us = atomic_load(&child->board->drain_timeout_us);

    ON_STEWARD();
    if (atomic_load(&child->told_to_stop)) {
        return CLOCK_NEVER;
    }
    switch (drain_schedule_act(&child->drain, limit_us, now_us)) {
    case DRAIN_GO_ON:
        break;
    case DRAIN_WARN:
        warn(child, now_us);
        break;
    case DRAIN_TIME_IS_UP:
        announce_cut(child, now_us);
        /* fall through */
    case DRAIN_CLOSE:
        close_waiting(child, now_us);
        return now_us + CLOSE_ROUND_US;
    case DRAIN_CUT:
        limit_end();
        atomic_store(&child->told_to_stop, true);
        return now_us;
    }
    return drain_schedule_next(&child->drain, limit_us);
}

void drain_ends(child_t *child)
{
    ON_STEWARD();
    if (child->drain.warned_us && !atomic_load(&child->told_to_stop)) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, child->server, ADPNO(0104)
                     "told to finish %d s ago, this child has no connection any more and ends",
                     seconds(clock_now_us() - child->drain.began_us));
    }
}
