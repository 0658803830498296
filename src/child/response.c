/* The response filter: see response.h. It is the lowest but for TLS and whatever else changes bytes
 * on their way to the socket. */
#include "response.h"

#include "child_internal.h"
#include "conn_internal.h"

#include "config/config.h"

#include "apr_hooks.h"
#include "apr_optional_hooks.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_request.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>

/* A TLS record: a slice that is a number of them makes no small ones. */
#define TLS_RECORD_BYTES 16384
/* The core waits for more before it writes less. */
#define CORE_LEAST_WRITE 4096
/* Below this a bound on what waits below us is meant to have as little there as possible: then
 * nothing is gained by slices. */
#define LEAST_ROOM       CORE_LEAST_WRITE
/* The core reads smaller pieces of files into memory. */
#define SENDFILE_BYTES   256
/* What the kernel needs for a packet beside what is in it: some 830 bytes on x86-64. */
#define PACKET_MEMORY    1024
/* Those who read slowly get this part of the memory that the server may use, all together. */
#define MEMORY_PART      8

static ap_filter_rec_t *response_filter;

/* --- what lies below --------------------------------------------------------------------- */

/* Only the core, which can send files as such. */
static bool is_plain(const ap_filter_t *f)
{
    return f->next && !f->next->next;
}

static apr_size_t core_threshold(const conn_rec *c)
{
    const core_server_config *conf = ap_get_core_module_config(c->base_server->module_config);

    return conf->flush_max_threshold;
}

/* How many bytes those below can have without blocking. TLS adds to each record. */
static apr_size_t most_below(const ap_filter_t *f)
{
    apr_size_t most = core_threshold(f->c);

    if (!is_plain(f)) {
        most -= most / 8;
        most -= most > TLS_RECORD_BYTES ? most % TLS_RECORD_BYTES : 0;
    }
    return most;
}

/* Whether the core sends this file without reading it: then it may have all of it. */
static bool is_sent_as_file(const ap_filter_t *f, const apr_bucket *e)
{
#if APR_HAS_SENDFILE
    if (APR_BUCKET_IS_FILE(e) && e->length >= SENDFILE_BYTES && is_plain(f)) {
        const apr_bucket_file *file = e->data;

        return apr_file_flags_get(file->fd) & APR_SENDFILE_ENABLED;
    }
#endif
    return false;
}

/* What a bucket takes of the room below. */
static apr_size_t bucket_weight(const ap_filter_t *f, const apr_bucket *e)
{
    return APR_BUCKET_IS_METADATA(e) || is_sent_as_file(f, e) ? 0 : e->length;
}

static apr_size_t brigade_weight(const ap_filter_t *f, const apr_bucket_brigade *bb)
{
    apr_size_t weight = 0;
    const apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        weight += bucket_weight(f, e);
    }
    return weight;
}

/* All of it has room, and makes nobody below wait for the client. */
static bool fits(const ap_filter_t *f, const apr_bucket_brigade *bb, apr_size_t room)
{
    const apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        apr_size_t weight = bucket_weight(f, e);

        if (weight > room || APR_BUCKET_IS_FLUSH(e)) {
            return false;
        }
        room -= weight;
    }
    return true;
}

/* The core writes what it has, without waiting. */
static apr_status_t write_below(conn_rec *c)
{
    ap_filter_t *f = c->output_filters;

    while (f->next) {
        f = f->next;
    }
    return f->frec->filter_func.out_func(f, NULL);
}

/* --- what is held ------------------------------------------------------------------------ */

static bool is_held(const response_t *resp)
{
    return resp->held && !APR_BRIGADE_EMPTY(resp->held);
}

/* A file takes no memory, nor does its mapping, which the kernel may drop. */
static apr_size_t memory_of(const apr_bucket *e)
{
    return APR_BUCKET_IS_METADATA(e) || APR_BUCKET_IS_FILE(e) || APR_BUCKET_IS_MMAP(e) ? 0
           : e->length;
}

static apr_size_t memory_of_all(const apr_bucket_brigade *bb)
{
    apr_size_t memory = 0;
    const apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        memory += memory_of(e);
    }
    return memory;
}

/* Note how much memory this connection holds now. */
static void account(conn_t *conn, apr_size_t memory)
{
    response_t *resp = &conn->response;

    if (memory != resp->memory) {
        atomic_fetch_add_explicit(&conn->child->output_held,
                                  (int64_t)memory - (int64_t)resp->memory, memory_order_relaxed);
        resp->memory = memory;
    }
}

static bool may_hold(const conn_t *conn, apr_size_t memory)
{
    const child_t *child = conn->child;

    if (memory == 0) {
        return true;
    }
    return conn->response.memory + memory <= (apr_size_t)child->config->output_buffer
           && atomic_load_explicit(&child->output_held, memory_order_relaxed)
              < child_memory_share(child, MEMORY_PART);
}

/* What was held has gone: its memory too. Whoever has it now has set aside what he needs. */
static void release(conn_t *conn)
{
    response_t *resp = &conn->response;

    account(conn, 0);
    if (resp->pool) {
        apr_pool_destroy(resp->pool);
        resp->pool = NULL;
    }
}

/* Some other bucket refers to the same file. If those below were to set this one aside, the file
 * would be theirs, and closed when they have sent it. */
static bool is_shared(const apr_bucket *e)
{
    const apr_bucket_file *file = e->data;

    return file->refcount.refcount > 1;
}

/* Buckets behind this one that refer to a file as it was before: to the one that this one has. */
static void take_sharers_along(apr_bucket *first, apr_bucket_brigade *bb, apr_bucket_file *before)
{
    apr_bucket_file *file = first->data;
    apr_bucket *e;

    for (e = APR_BUCKET_NEXT(first); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        if (APR_BUCKET_IS_FILE(e) && e->data == before) {
            apr_bucket_type_file.destroy(before);
            e->data = file;
            file->refcount.refcount++;
        }
    }
}

/* Set aside one by one, each bucket of a file that others share would get a descriptor of its own:
 * of a response with many ranges that is hundreds. So the first one takes the others along. */
static apr_status_t set_files_aside(apr_bucket_brigade *bb, apr_pool_t *pool)
{
    apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        apr_bucket_file *before = e->data;
        apr_status_t rv;

        if (!APR_BUCKET_IS_FILE(e) || !is_shared(e)) {
            continue;
        }
        rv = apr_bucket_setaside(e, pool);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (e->data != before) {
            take_sharers_along(e, bb, before);
        }
    }
    return APR_SUCCESS;
}

/* All of the brigade waits behind what is held already. */
static apr_status_t hold_back(conn_t *conn, apr_bucket_brigade *bb)
{
    response_t *resp = &conn->response;
    apr_size_t memory = resp->memory + memory_of_all(bb);
    apr_status_t rv;

    if (!resp->held) {
        resp->held = apr_brigade_create(conn->c->pool, conn->c->bucket_alloc);
    }
    if (!resp->pool) {
        apr_pool_create(&resp->pool, conn->c->pool);
        apr_pool_tag(resp->pool, "response_held");
    }
    rv = set_files_aside(bb, resp->pool);
    if (rv == APR_SUCCESS) {
        rv = ap_save_brigade(resp->filter, &resp->held, &bb, resp->pool);
    }
    if (!APR_BRIGADE_EMPTY(bb)) {
        /* what cannot be kept is lost, and the client must not take the rest for all */
        conn->c->aborted = 1;
        response_drop(conn);
        apr_brigade_cleanup(bb);
        return rv;
    }
    account(conn, memory);
    /* those below have not taken everything: true of them, and of us */
    conn->c->data_in_output_filters = 1;
    return APR_SUCCESS;
}

void response_drop(conn_t *conn)
{
    if (is_held(&conn->response)) {
        conn->c->aborted = 1;
        apr_brigade_cleanup(conn->response.held);
    }
    release(conn);
}

/* --- passing it on ----------------------------------------------------------------------- */

/* A file whose beginning has to be read here, or mapped, so that it can be passed on by itself. */
static bool has_to_be_read(const ap_filter_t *f, const apr_bucket *e, apr_size_t room)
{
    return APR_BUCKET_IS_FILE(e) && (is_shared(e) || bucket_weight(f, e) > room);
}

/* Read or map the beginning of a file: it becomes a bucket of its own, before the file. What is
 * read is a TLS record, or more if ReadBufferSize says so. */
static apr_status_t read_beginning(apr_bucket *e)
{
    const apr_bucket_file *file = e->data;
    const char *data;
    apr_size_t length;

    if (file->read_size < TLS_RECORD_BYTES) {
        apr_bucket_file_set_buf_size(e, TLS_RECORD_BYTES);
    }
    return apr_bucket_read(e, &data, &length, APR_BLOCK_READ);
}

/* What is in a packet, at least. A client with a small window gets small ones. 0: unknown. */
static uint32_t packet_bytes(const conn_t *conn)
{
    struct tcp_info info = { 0 };
    socklen_t size = sizeof(info);

    return getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_snd_mss : 0;
}

/* What the socket itself is sure to take: small pieces of that would cost a system call, and a turn
 * of the client's, each. 0: unknown. The kernel counts its memory: what is in a packet, and more
 * for the packet. */
static apr_size_t socket_room(const conn_t *conn)
{
    uint32_t memory[SK_MEMINFO_VARS] = { 0 };
    socklen_t size = sizeof(memory);
    uint64_t packet = packet_bytes(conn);
    uint64_t used, most;

    if (getsockopt(conn->fd, SOL_SOCKET, SO_MEMINFO, memory, &size) != 0) {
        return 0;
    }
    used = MAX(memory[SK_MEMINFO_WMEM_QUEUED], memory[SK_MEMINFO_WMEM_ALLOC]);
    most = memory[SK_MEMINFO_SNDBUF];
    return most > used ? (most - used) / 8 * 7 * packet / (packet + PACKET_MEMORY) : 0;
}

/* Of a mapped file the core may have what the socket is sure to take, and the rest that it may keep
 * of anything: so it finds out that the socket is full, and does not write a little at a time. */
static apr_size_t room_for(const ap_filter_t *f, const apr_bucket *e, apr_size_t room,
                           apr_size_t moved)
{
    apr_size_t wide = APR_BUCKET_IS_MMAP(e) && e->length > room && is_plain(f)
                      ? socket_room(f->ctx) : 0;
    apr_size_t before = moved + (f->c->data_in_output_filters ? most_below(f) : 0);

    return wide > before ? wide - before + room : room;
}

/* Move what has room, and the metadata that follows it, from one brigade to another. A flush would
 * have those below wait for the client: it goes by itself. */
static apr_status_t cut(ap_filter_t *f, apr_bucket_brigade *from, apr_bucket_brigade *slice,
                        apr_size_t room)
{
    bool flush = false;
    apr_size_t moved = 0;

    while (!APR_BRIGADE_EMPTY(from) && !flush) {
        apr_bucket *e = APR_BRIGADE_FIRST(from);
        apr_status_t rv = APR_SUCCESS;

        flush = APR_BUCKET_IS_FLUSH(e);
        if ((flush && !APR_BRIGADE_EMPTY(slice)) || (room == 0 && !APR_BUCKET_IS_METADATA(e))) {
            break;
        }
        if (has_to_be_read(f, e, room)) {
            rv = read_beginning(e);
        }
        room = room_for(f, e, room, moved);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (bucket_weight(f, e) > room && apr_bucket_split(e, room) != APR_SUCCESS) {
            /* a type that cannot be split: those below wait, as they would without us */
            room = bucket_weight(f, e);
        }
        room -= bucket_weight(f, e);
        moved += bucket_weight(f, e);
        APR_BUCKET_REMOVE(e);
        APR_BRIGADE_INSERT_TAIL(slice, e);
    }
    return APR_SUCCESS;
}

/* Pass on a brigade of this weight. */
static apr_status_t pass(ap_filter_t *f, apr_bucket_brigade *bb, apr_size_t weight)
{
    conn_t *conn = f->ctx;

    response_t *resp = &conn->response;
    apr_status_t rv;

    if (!f->c->data_in_output_filters) {
        resp->passed = 0;
    }
    resp->passed += weight;
    rv = ap_pass_brigade(f->next, bb);
    /* of that much the core has written what it could */
    resp->full = weight >= CORE_LEAST_WRITE && f->c->data_in_output_filters && is_plain(f);
    return rv;
}

static apr_size_t room_below(const ap_filter_t *f)
{
    const conn_t *conn = f->ctx;
    apr_size_t most = most_below(f);
    apr_size_t passed = f->c->data_in_output_filters ? conn->response.passed : 0;

    return most > passed ? most - passed : 0;
}

/* Those below have something, and too little room for another slice. Have them write, and look
 * again. Before a flush they may have nothing. */
static bool is_full(ap_filter_t *f, bool before_flush)
{
    const conn_t *conn = f->ctx;

    return f->c->data_in_output_filters
           && (before_flush || room_below(f) < most_below(f) / 2)
           && (conn->response.full || write_below(f->c) != APR_SUCCESS
               || f->c->data_in_output_filters);
}

static apr_status_t pass_slice(ap_filter_t *f, apr_bucket_brigade *from)
{
    conn_t *conn = f->ctx;
    response_t *resp = &conn->response;
    apr_status_t rv;

    if (!resp->slice) {
        resp->slice = apr_brigade_create(f->c->pool, f->c->bucket_alloc);
    }
    rv = cut(f, from, resp->slice, room_below(f));
    if (rv == APR_SUCCESS) {
        rv = pass(f, resp->slice, brigade_weight(f, resp->slice));
    }
    if (rv != APR_SUCCESS) {
        /* the client has only a part of it, and learns that from the end of the connection */
        f->c->aborted = 1;
        apr_brigade_cleanup(resp->slice);
        apr_brigade_cleanup(from);
    }
    return rv;
}

/* Pass on as much as has room, or all. What is left stays in the brigade. */
static apr_status_t feed(ap_filter_t *f, apr_bucket_brigade *from)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(from)) {
        if (fits(f, from, room_below(f))) {
            return pass(f, from, brigade_weight(f, from));
        }
        if (is_full(f, APR_BUCKET_IS_FLUSH(APR_BRIGADE_FIRST(from)))) {
            return f->c->aborted ? APR_ECONNABORTED : APR_SUCCESS;
        }
        rv = pass_slice(f, from);
    }
    return rv;
}

/* Pass on everything, what is held first. Those below wait for the client where they have to. */
static apr_status_t pass_all(ap_filter_t *f, apr_bucket_brigade *bb)
{
    conn_t *conn = f->ctx;
    response_t *resp = &conn->response;
    apr_status_t rv;

    if (!is_held(resp)) {
        return pass(f, bb, most_below(f));
    }
    APR_BRIGADE_PREPEND(bb, resp->held);
    rv = pass(f, bb, most_below(f));
    if (rv != APR_SUCCESS) {
        /* it may refer to what is released now */
        apr_brigade_cleanup(bb);
    }
    release(conn);
    return rv;
}

/* --- the filter -------------------------------------------------------------------------- */

typedef struct kind_t {
    bool unknown;               /* a bucket whose length nobody knows: a pipe, a program */
    bool flush;
    bool end;
} kind_t;

static kind_t kind_of(const apr_bucket_brigade *bb)
{
    kind_t kind = { false, false, false };
    const apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb); e = APR_BUCKET_NEXT(e)) {
        if (!APR_BUCKET_IS_METADATA(e)) {
            kind.unknown = kind.unknown || e->length == (apr_size_t)-1;
        }
        else {
            kind.flush = kind.flush || APR_BUCKET_IS_FLUSH(e);
            kind.end = kind.end || APR_BUCKET_IS_EOS(e);
        }
    }
    return kind;
}

/* A file goes out as such, whatever else its client would rather speak. It has no handler, or while
 * that runs one that is named after its type, or not at all. */
static bool is_of_file(const request_rec *r)
{
    while (r->next) {
        r = r->next;
    }
    return !r->handler || AP_IS_DEFAULT_HANDLER_NAME(r->handler) || strchr(r->handler, '/')
           || !strcmp(r->handler, "default-handler");
}

static bool is_tunnel(const conn_t *conn)
{
    return conn->response.tunnel && !(conn->r && is_of_file(conn->r));
}

static bool holds_nothing(const conn_t *conn)
{
    return is_tunnel(conn) || conn->c->aborted
           || atomic_load_explicit(&conn->carries, memory_order_relaxed)
           || core_threshold(conn->c) < LEAST_ROOM;
}

/* Wait until the client takes more, or the backend has more: then whoever flushes would rather read
 * than wait. False: neither, for Timeout. */
static bool wait_for_either(const conn_t *conn, bool *more_to_come)
{
    struct pollfd either[2] = {
        { .fd = conn->fd, .events = POLLOUT }, { .fd = conn->response.backend, .events = POLLIN }
    };
    int n;

    do {
        n = poll(either, 2, (int)apr_time_as_msec(conn->server->timeout));
    } while (n < 0 && errno == EINTR);
    *more_to_come = n > 0 && either[1].revents;
    return n > 0;
}

/* mod_proxy has nothing more to read just now, and waits for the backend next. What it has read
 * goes out before that, but while the client does not take it the backend may send more. */
static apr_status_t flush_until_more_comes(ap_filter_t *f)
{
    conn_t *conn = f->ctx;
    bool more_to_come = false;

    while (!more_to_come) {
        apr_status_t rv = response_go_on(conn);

        if (rv != APR_SUCCESS || !f->c->data_in_output_filters) {
            return rv;
        }
        if (!wait_for_either(conn, &more_to_come)) {
            f->c->aborted = 1;
            response_drop(conn);
            return APR_TIMEUP;
        }
    }
    return APR_SUCCESS;
}

/* What has room below goes there; the rest is held if it may be. */
static apr_status_t take_what_fits(ap_filter_t *f, apr_bucket_brigade *bb)
{
    conn_t *conn = f->ctx;
    apr_status_t rv = is_held(&conn->response) ? response_go_on(conn) : APR_SUCCESS;

    if (rv == APR_SUCCESS && !is_held(&conn->response)) {
        rv = feed(f, bb);
    }
    if (rv != APR_SUCCESS || APR_BRIGADE_EMPTY(bb)) {
        return rv;
    }
    return may_hold(conn, memory_of_all(bb)) ? hold_back(conn, bb) : pass_all(f, bb);
}

static apr_status_t response_out(ap_filter_t *f, apr_bucket_brigade *bb)
{
    conn_t *conn = f->ctx;
    kind_t kind = kind_of(bb);
    int backend = conn->response.backend;
    apr_status_t rv;

    if (f->c->aborted) {
        response_drop(conn);
    }
    if (kind.end) {
        conn->response.backend = -1;
    }
    if (holds_nothing(conn) || kind.unknown || (kind.flush && backend < 0)) {
        return pass_all(f, bb);
    }
    rv = take_what_fits(f, bb);
    return rv == APR_SUCCESS && kind.flush && is_held(&conn->response) ? flush_until_more_comes(f)
                                                                       : rv;
}

/* --- for others -------------------------------------------------------------------------- */

/* What the core has can be written together with what follows: the socket is sure to take both. */
static bool goes_along(conn_t *conn)
{
    const response_t *resp = &conn->response;
    apr_size_t most;

    if (!is_held(resp) || !is_plain(resp->filter)) {
        return false;
    }
    most = most_below(resp->filter);
    return !fits(resp->filter, resp->held, most) && socket_room(conn) >= 2 * most;
}

apr_status_t response_go_on(conn_t *conn)
{
    response_t *resp = &conn->response;
    apr_status_t rv = APR_SUCCESS;

    resp->full = false;
    if (goes_along(conn)) {
        resp->passed = 0;
    }
    else {
        rv = write_below(conn->c);
    }
    if (rv == APR_SUCCESS && is_held(resp)) {
        rv = feed(resp->filter, resp->held);
    }
    if (rv != APR_SUCCESS) {
        response_drop(conn);
    }
    else if (is_held(resp)) {
        account(conn, memory_of_all(resp->held));
    }
    else {
        release(conn);
    }
    return rv;
}

void response_note_request(conn_t *conn, const request_rec *r)
{
    conn->response.tunnel = r->method_number == M_CONNECT
                            || apr_table_get(r->headers_in, "Upgrade");
    conn->response.backend = -1;
}

/* proxy's create_req: r's response will be read as pr. */
static int note_backend(request_rec *r, request_rec *pr)
{
    conn_t *conn = conn_of_conn_rec(r->connection);
    apr_socket_t *socket = ap_get_conn_socket(pr->connection);

    /* the end of an included one is not seen here */
    if (conn && socket && !r->main) {
        apr_os_sock_get(&conn->response.backend, socket);
    }
    return OK;
}

void response_clear(conn_t *conn)
{
    conn->response = (response_t) { .backend = -1 };
}

void response_begin(conn_t *conn)
{
    conn->response.filter = ap_add_output_filter_handle(response_filter, conn, NULL, conn->c);
}

/* mod_proxy need not be there: its header is not needed either. */
typedef int proxy_HOOK_create_req_t(request_rec *r, request_rec *pr);

void response_register(void)
{
    response_filter = ap_register_output_filter("ADAPTIVE_RESPONSE", response_out, NULL,
                                                (ap_filter_type)(AP_FTYPE_CONNECTION + 3));
    APR_OPTIONAL_HOOK(proxy, create_req, note_backend, NULL, NULL, APR_HOOK_MIDDLE);
}
