/* From the moment at which a request is begun to the end of its answer. */

#include "exchange.h"

#include "tool.h"
#include "options.h"
#include "queue.h"
#include "request.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* Less than what a request takes whose loss is to be found. */
#define CROSSING_US 10000

static answer answer_of(const connection *c)
{
    return (answer){ .status = c->response.status,
                     .received_us = c->response.received_us,
                     .body_bytes = c->response.body_bytes };
}

void exchange_failed(connection *c, enum failure kind)
{
    outcome_failed(c->request, answer_of(c), kind, c->response.server_pid, c->answered == 0);
    conn_close(c);
}

/* It met a close on the wire, and has another chance on another connection. */
static void cross(connection *c)
{
    counters.crossed++;
    queue_put(c->request);
    conn_close(c);
}

/* ---- the request ---- */

static void answer_arrives(connection *c);

/* A look for the server's close, with TLS, may have taken the answer from the kernel. */
static void read_answer(connection *c)
{
    conn_become(c, CONN_READING);
    conn_watch(c, EPOLLIN);
    if (c->tls && tls_has_pending(c->tls)) {
        answer_arrives(c);
    }
}

static void send_later(connection *c, const char *text, size_t length)
{
    c->unsent = malloc(length);
    if (!c->unsent) {
        die("request");
    }
    memcpy(c->unsent, text, length);
    c->unsent_length = length;
    conn_become(c, CONN_SENDING);
    conn_watch(c, EPOLLOUT);
}

/* A server that does not take the rest may have said why. */
static void send_rest(connection *c)
{
    ssize_t n = conn_write(c, c->unsent, c->unsent_length);

    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n >= 0 && (size_t)n < c->unsent_length) {
        c->unsent_length -= (size_t)n;
        memmove(c->unsent, c->unsent + n, c->unsent_length);
        return;
    }
    free(c->unsent);
    c->unsent = NULL;
    read_answer(c);
}

/* Afterwards the connection reads the answer, or was closed and the request waits for another
 * one. */
static void send_request(connection *c)
{
    const char *text;
    size_t length = request_text(&c->request, &text);
    ssize_t n;

    http_begin(&c->response, request_is_head(&c->request));
    n = conn_write(c, text, length);
    if (n < 0 && errno == EAGAIN) {
        n = 0;
    }
    if (c->answered > 0 && (n < 0 || conn_is_closed(c))) {
        cross(c);
        return;
    }
    counters.sent++;
    if (n < 0) {
        exchange_failed(c, FAIL_RESET);
    }
    else if ((size_t)n < length) {
        send_later(c, text + n, length - (size_t)n);
    }
    else {
        read_answer(c);
    }
}

static void lost_before_request(connection *c)
{
    counters.sent++;
    exchange_failed(c, FAIL_CONNECT);
}

int exchange_begin(request r)
{
    origin *o = request_origin(&r);
    int max = options.mode == MODE_KEEP ? options.connections : options.at_most;
    connection *c = NULL;

    while (options.mode == MODE_KEEP && (c = conn_idle(o)) != NULL && conn_is_closed(c)) {
        counters.reopened++;
        conn_close(c);
    }
    if (c) {
        c->request = r;
        send_request(c);
        return 1;
    }
    c = conn_unused(max);
    if (!c && conn_evict()) {
        c = conn_unused(max);
    }
    if (!c) {
        return 0;
    }
    c->request = r;
    if (!conn_open(c, o)) {
        lost_before_request(c);
    }
    return 1;
}

/* ---- the connection that it needs ---- */

static void handshake(connection *c)
{
    uint32_t events;
    int rv = tls_handshake(c->tls, &events);

    if (rv < 0) {
        lost_before_request(c);
    }
    else if (rv == 0) {
        conn_watch(c, events);
    }
    else {
        counters.resumed += tls_was_resumed(c->tls);
        send_request(c);
    }
}

void exchange_connected(connection *c)
{
    if (connect_error(c->fd)) {
        lost_before_request(c);
    }
    else if (c->origin->is_tls) {
        c->tls = tls_open(c->origin, c->fd);
        conn_become(c, CONN_HANDSHAKE);
        handshake(c);
    }
    else {
        send_request(c);
    }
}

/* ---- the answer ---- */

/* A site has its redirects and pages that are not found; a schedule asks for what is there. */
static int is_good(int status)
{
    return options.trace_file ? status < 500 : status / 100 == 2;
}

static void answered(connection *c)
{
    int good = is_good(c->response.status);

    if (good) {
        outcome_ok(c->request, answer_of(c));
    }
    else {
        outcome_failed(c->request, answer_of(c), FAIL_STATUS, c->response.server_pid,
                       c->answered == 0);
    }
    c->answered++;
    if (c->response.close_after || options.mode == MODE_NEW
        || (options.mode == MODE_HOLD && !good)) {
        conn_close(c);
        return;
    }
    conn_become(c, CONN_IDLE);
}

/* Whether a close without an answer may have crossed the request on the wire. A trace asks as a
 * browser does, which sends a request again whenever a kept-alive connection is closed without a
 * byte of an answer (RFC 9110, 9.2.2); its latency has the time that was lost. */
static int may_have_crossed(const connection *c)
{
    return c->answered > 0 && (options.trace_file || now_us() - c->begun_us < CROSSING_US);
}

static void ended_by_server(connection *c, ssize_t n)
{
    if (n == 0 && c->response.has_begun && http_at_close(&c->response) == HTTP_COMPLETE) {
        answered(c);
    }
    else if (c->response.has_begun) {
        exchange_failed(c, FAIL_SHORT);
    }
    else if (n == 0 && may_have_crossed(c)) {
        counters.sent--;
        cross(c);
    }
    else {
        exchange_failed(c, n == 0 ? FAIL_CLOSED : FAIL_RESET);
    }
}

static void answer_arrives(connection *c)
{
    static char buffer[65536];

    while (c->state == CONN_READING) {
        ssize_t n = conn_read(c, buffer, sizeof(buffer));
        enum http_verdict verdict;

        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            ended_by_server(c, n);
            return;
        }
        verdict = http_feed(&c->response, buffer, (size_t)n);
        if (verdict == HTTP_COMPLETE) {
            answered(c);
        }
        else if (verdict == HTTP_MALFORMED) {
            exchange_failed(c, FAIL_MALFORMED);
        }
    }
}

/* What arrives there is the server's close. With TLS it may also be a session to keep, which
 * looking for a close has read. */
static void idle_event(connection *c)
{
    if (c->tls && !conn_is_closed(c) && !tls_has_pending(c->tls)) {
        return;
    }
    counters.closed_idle++;
    counters.reopened += options.mode == MODE_KEEP;
    conn_close(c);
}

void exchange_event(connection *c)
{
    switch (c->state) {
    case CONN_CONNECTING:
        exchange_connected(c);
        break;
    case CONN_HANDSHAKE:
        handshake(c);
        break;
    case CONN_SENDING:
        send_rest(c);
        break;
    case CONN_READING:
        answer_arrives(c);
        break;
    case CONN_IDLE:
        idle_event(c);
        break;
    case CONN_UNUSED:
        break;
    }
}
