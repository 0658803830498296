/* Workers, each for the connection that it owns. Reads through hold.c, judges by request_head.c;
 * never answers anything itself. */
#include "collect.h"

#include "conn_internal.h"
#include "late.h"
#include "received.h"

#include "base/clock.h"

#include "http_core.h"
#include "http_protocol.h"

#include <string.h>
#include <sys/socket.h>

/* No head is longer, or httpd reads the rest of it with a thread. */
#define MOST_HEAD_BYTES 65536
/* What requests that wait may hold of the memory that the server may use. */
#define MEMORY_PART     16

void collect_begin(conn_t *conn, int64_t accepted_us)
{
    collect_t *collect = &conn->collect;
    bool is_tls = first_byte_is_tls(conn->server);

    memset(collect, 0, sizeof(*collect));
    collect->may = conn->opening != OPENING_SERVE
                   && first_byte_speaks_http(conn->child->server, conn->server);
    if (collect->may) {
        hold_begin(conn);
        collect_next(conn);
        collect->stage = is_tls ? READ_HANDSHAKE : READ_HEAD;
        collect->since_us = accepted_us;
    }
}

void collect_next(conn_t *conn)
{
    collect_t *collect = &conn->collect;

    collect->is_due = collect->may;
    collect->stage = READ_HEAD;
    collect->since_us = 0;
    head_begin(&collect->head);
}

void collect_never(conn_t *conn)
{
    conn->collect.may = conn->collect.is_due = false;
}

/* --- how long it may take ----------------------------------------------------------- */

/* mod_reqtimeout counts what comes from the socket, of TLS the records; so does the kernel. */
static received_t received_of(const conn_t *conn)
{
    received_t received = { 0 };

    if (!received_look(conn->fd, &received)) {
        received.bytes = hold_size(conn);
    }
    return received;
}

static void enter_stage(conn_t *conn, read_stage_e stage, int64_t now_us)
{
    conn->collect.stage = stage;
    conn->collect.since_us = now_us;
    conn->collect.before = received_of(conn).bytes;
}

/* Which virtual host's Timeout holds for a body is known when a thread has read the head. */
static apr_interval_time_t patience(const conn_t *conn)
{
    return conn->collect.stage == READ_BODY ? first_byte_longest_timeout(conn->child->server)
                                            : conn->c->base_server->timeout;
}

/* The first of two times: mod_reqtimeout's for the stage, and Timeout after the last byte. That may
 * have come long before the stage began, behind a request that took its time. */
static int64_t due_at(const conn_t *conn, int64_t now_us)
{
    const collect_t *collect = &conn->collect;
    received_t received = received_of(conn);
    int64_t last_us = MAX(now_us - received.since_last_us, collect->since_us);
    int64_t stage_us = reqtimeout_due_us(first_byte_times(conn->c->base_server, collect->stage),
                                         collect->since_us, received.bytes - collect->before);

    return MIN(stage_us, last_us + patience(conn));
}

/* --- how much it may hold ----------------------------------------------------------- */

/* The child's part of that. */
static bool has_memory(const child_t *child, size_t more)
{
    return atomic_load_explicit(&child->held_bytes, memory_order_relaxed) + (int64_t)more
           <= child_memory_share(child, MEMORY_PART);
}

/* --- the stages --------------------------------------------------------------------- */

static collect_e ready(conn_t *conn)
{
    conn->collect.is_due = false;
    if (conn->collect.is_counted_out) {
        int one = 1;

        (void)setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
        conn->collect.is_counted_out = false;
    }
    hold_unpack(conn);
    return COLLECT_READY;
}

/* More has to come, and its time is not over. */
static collect_e wait_for_more(conn_t *conn, int64_t *due_us)
{
    int64_t now_us = clock_now_us();

    if (conn->collect.since_us == 0) {
        /* between two requests the time begins with the first byte */
        enter_stage(conn, READ_HEAD, now_us);
        conn->collect.before -= MIN(conn->collect.before, hold_size(conn));
    }
    *due_us = due_at(conn, now_us);
    if (*due_us <= now_us) {
        late_end_input(conn->c);
        return ready(conn);
    }
    return hold_pack(conn) && has_memory(conn->child, 0) ? COLLECT_WAIT : ready(conn);
}

/* Of a protocol that was agreed on in the handshake the module that speaks it knows more. */
static bool speaks_http(const conn_t *conn)
{
    return !strcmp(ap_get_protocol(conn->c), AP_PROTOCOL_HTTP1);
}

/* APR_EAGAIN: it is not over. Anything else but success is for a thread to find out, once more. */
static apr_status_t shake_hands(conn_t *conn)
{
    apr_status_t rv = hold_is_plain(conn) ? APR_SUCCESS : hold_shake_hands(conn);

    if (rv == APR_SUCCESS && speaks_http(conn)) {
        enter_stage(conn, READ_HEAD, clock_now_us());
    }
    else if (!APR_STATUS_IS_EAGAIN(rv)) {
        collect_never(conn);
    }
    return rv;
}

/* Where mod_http2 looks for HTTP/2's preface: in front of the first request, if it may be spoken
 * without having been agreed on. */
static bool may_be_http2(const conn_t *conn)
{
    return !conn->has_asked && first_byte_may_be_http2(conn->child->server)
           && ap_is_allowed_protocol(conn->c, NULL, NULL, hold_is_plain(conn) ? "h2c" : "h2");
}

/* What httpd would still read of a head, before it says anything. */
static head_limits_t head_limits_of(const conn_t *conn)
{
    const server_rec *s = conn->c->base_server;
    core_server_config *core = ap_get_core_module_config(s->module_config);

    return (head_limits_t) {
        .line_bytes = (size_t)MAX(s->limit_req_line, 0),
        .field_bytes = (size_t)MAX(s->limit_req_fieldsize, 0),
        .fields = (size_t)MAX(s->limit_req_fields, 0),
        .blank_lines = DEFAULT_LIMIT_BLANK_LINES,
        .head_bytes = MOST_HEAD_BYTES,
        .strict = core->http_conformance != AP_HTTP_CONFORMANCE_UNSAFE,
        .registered_methods = core->http_methods == AP_HTTP_METHODS_REGISTERED,
        .http2 = may_be_http2(conn)
    };
}

/* True: it goes on with the body. */
static bool wants_body(conn_t *conn)
{
    collect_t *collect = &conn->collect;
    const child_t *child = conn->child;
    size_t bytes = head_body_to_wait_for(&collect->head, child->config->body_wait_bytes);

    if (bytes == 0 || !first_byte_bodies_may_wait(conn->c)
        || hold_size(conn) >= collect->head.bytes + bytes) {
        return false;
    }
    collect->body_bytes = bytes;
    enter_stage(conn, READ_BODY, clock_now_us());
    return true;
}

static bool has_body(const conn_t *conn)
{
    return hold_size(conn) >= conn->collect.head.bytes + conn->collect.body_bytes;
}

/* What is held, is it enough for a thread? */
static bool is_enough(conn_t *conn)
{
    collect_t *collect = &conn->collect;
    const char *bytes;
    size_t size;
    head_limits_t limits;
    head_verdict_e verdict;

    if (collect->stage == READ_BODY) {
        return has_body(conn);
    }
    if (!hold_look(conn, &bytes, &size)) {
        return true;
    }
    if (size == 0) {
        return false;
    }
    limits = head_limits_of(conn);
    verdict = head_look(&collect->head, &limits, bytes, size);
    return verdict == HEAD_FOR_HTTPD || (verdict == HEAD_COMPLETE && !wants_body(conn));
}

/* The kernel keeps the rest of the body until all of it is there: no thread looks at each piece,
 * and no memory of ours holds it. It does not let that stop the client (tcp_set_rcvlowat()). */
static void count_out(conn_t *conn)
{
    collect_t *collect = &conn->collect;
    int left = (int)(collect->head.bytes + collect->body_bytes - hold_size(conn));

    if (collect->stage == READ_BODY && hold_is_plain(conn) && left > 1) {
        collect->is_counted_out = !setsockopt(conn->fd, SOL_SOCKET, SO_RCVLOWAT, &left,
                                              sizeof(left));
    }
}

static collect_e read_on(conn_t *conn, int64_t *due_us)
{
    while (!is_enough(conn)) {
        switch (hold_read(conn)) {
        case HOLD_GREW:
            break;
        case HOLD_NOTHING:
            count_out(conn);
            return wait_for_more(conn, due_us);
        default:
            return hold_size(conn) > 0 || !conn->has_asked ? ready(conn) : COLLECT_GONE;
        }
    }
    return ready(conn);
}

/* Not if a module reads by itself (HTTP/2), or bytes come through something that is not known. */
static bool may_collect(const conn_t *conn)
{
    return conn->collect.is_due && !conn->c->clogging_input_filters
           && !atomic_load_explicit(&conn->carries, memory_order_relaxed) && hold_may_read(conn);
}

collect_e collect_request(conn_t *conn, int64_t *due_us)
{
    conn->net.is_dry = false;
    if (!may_collect(conn)) {
        return ready(conn);
    }
    if (conn->collect.stage == READ_HANDSHAKE) {
        apr_status_t rv = shake_hands(conn);

        if (rv != APR_SUCCESS || !conn->collect.may) {
            return APR_STATUS_IS_EAGAIN(rv) ? wait_for_more(conn, due_us) : ready(conn);
        }
    }
    return read_on(conn, due_us);
}
