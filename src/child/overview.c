/* The steward. Looks at connections that others own, and changes nothing. */
#include "overview.h"

#include "child_internal.h"
#include "conn.h"
#include "workers.h"

#include "base/clock.h"
#include "base/text.h"

#include "apr_strings.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>

/* Connections that are named; of all others the number is told. */
#define NAMED 5

/* --- what is seen -------------------------------------------------------- */

/* The hints, told apart further where somebody asks. */
#define WEBSOCKET HINTS
#define KINDS     (HINTS + 1)

static const char *const kind_names[KINDS] = {
    [HINT_NONE]      = "being served",
    [HINT_NEW]       = "before its first request",
    [HINT_REQUEST]   = "sending a request",
    [HINT_IDLE]      = "between two requests",
    [HINT_WRITING]   = "slow to take a response",
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

typedef struct survey_t {
    int count[KINDS];
    int total;
    sight_t longest[NAMED];     /* the earliest since_us first */
    int named;
} survey_t;

/* Of the connection only what conn.h allows other threads is read. False: it is free. */
static bool look_at_connection(conn_t *conn, sight_t *sight)
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

    return look_at_connection(sight->conn, &now) && now.word == sight->word
           && now.kind == sight->kind && now.since_us == sight->since_us;
}

static void rank(survey_t *o, const sight_t *sight)
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

static void survey_child(child_t *child, survey_t *o)
{
    uint32_t count = atomic_load(&child->connections.item_count);
    uint32_t i;

    memset(o, 0, sizeof(*o));
    for (i = 0; i < count; i++) {
        sight_t sight;

        if (look_at_connection(slab_at(&child->connections, i), &sight)) {
            o->count[sight.kind]++;
            o->total++;
            rank(o, &sight);
        }
    }
}

/* --- in words ----------------------------------------------------------------------- */

/* "3 connections (2 being served, 1 websocket)" */
static void say_counts(text_t *text, const survey_t *o)
{
    const char *before = " (";
    int kind;

    text_add(text, "%d connection%s", o->total, o->total == 1 ? "" : "s");
    for (kind = 0; kind < KINDS; kind++) {
        if (o->count[kind]) {
            text_add(text, "%s%d %s", before, o->count[kind], kind_names[kind]);
            before = ", ";
        }
    }
    text_add(text, "%s", o->total ? ")" : "");
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
        text_add(text, "a client that has gone");
    }
    else if (peer.any.sa_family == AF_INET
             && inet_ntop(AF_INET, &peer.in.sin_addr, address, sizeof(address))) {
        text_add(text, "%s:%d", address, ntohs(peer.in.sin_port));
    }
    else if (peer.any.sa_family == AF_INET6
             && inet_ntop(AF_INET6, &peer.in6.sin6_addr, address, sizeof(address))) {
        text_add(text, "[%s]:%d", address, ntohs(peer.in6.sin6_port));
    }
    else {
        text_add(text, "a local client");
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
        text_add(text, ", HTTP/2");
    }
    else if (score.status == SERVER_BUSY_READ) {
        text_add(text, ", reading a request");
    }
    else if (ap_extended_status && score.request[0]) {
        text_add(text, ", \"%.*s\"", (int)sizeof(score.request), score.request);
        if (score.vhost[0]) {
            text_add(text, " for %.*s", (int)sizeof(score.vhost), score.vhost);
        }
    }
}

/* Each of the named connections, unless it has changed since the survey: then it does not
 * hold the child. Returns how many were said. */
static int say_longest(text_t *text, const child_t *child, const survey_t *o, int64_t now_us)
{
    int i, said = 0;

    for (i = 0; i < o->named; i++) {
        const sight_t *sight = &o->longest[i];
        size_t before = text->used;

        text_add(text, "%s", said ? "; " : "");
        say_client(text, atomic_load(&sight->conn->fd));
        text_add(text, " %s for %d s", kind_names[sight->kind],
            (int)(MAX(now_us - sight->since_us, 0) / CLOCK_US_PER_S));
        if (sight->kind == HINT_NONE || sight->kind == WEBSOCKET) {
            say_request(text, child, atomic_load(&sight->conn->row));
        }
        if (is_unchanged(sight)) {
            said++;
        }
        else {
            text_cut(text, before);
        }
    }
    return said;
}

void overview_describe(child_t *child, char *buffer, size_t size, int64_t now_us)
{
    text_t text = text_begin(buffer, size);
    survey_t o;
    int said;

    survey_child(child, &o);
    if (!o.total) {
        text_add(&text, "no connection, but %d thread%s", workers_live(child),
            workers_live(child) == 1 ? "" : "s");
        return;
    }
    say_counts(&text, &o);
    text_add(&text, ": ");
    said = say_longest(&text, child, &o, now_us);
    if (said < o.total) {
        text_add(&text, "%s%d more", said ? "; and " : "", o.total - said);
    }
}

