/* Workers, each for the connection that it owns. */
#include "hold.h"

#include "conn_internal.h"

#include "apr_buckets.h"
#include "http_core.h"

#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

/* What a read asks for: as much as a bucket has. */
#define READ_BYTES  APR_BUCKET_BUFF_SIZE
/* The least that is allocated for a request that waits. */
#define LEAST_ROOM  256

/* For the process: this filter, and those of modules that may lie below it; NULL: not loaded. */
static struct {
    ap_filter_rec_t *hold, *reqtimeout, *tls, *logio, *remoteip;
    /* what the filter of mod_logio calls for what passes through it */
    APR_OPTIONAL_FN_TYPE(ap_logio_add_bytes_in) *count_bytes_in;
} filters;

void hold_reset(hold_t *hold)
{
    memset(hold, 0, sizeof(*hold));
}

void hold_begin(conn_t *conn)
{
    conn_rec *c = conn->c;

    conn->hold.buckets = apr_brigade_create(c->pool, c->bucket_alloc);
    conn->hold.fresh = apr_brigade_create(c->pool, c->bucket_alloc);
    conn->hold.filter = ap_add_input_filter_handle(filters.hold, conn, NULL, c);
}

/* --- reading below the filter ------------------------------------------------------- */

/* Leaves bytes as they are: mod_reqtimeout's filter, and mod_logio's, which counts them. */
static bool is_transparent(const ap_filter_t *f)
{
    return f->frec == filters.reqtimeout || f->frec == filters.logio;
}

/* Core's filter, if nothing changes what comes from the socket, else NULL. */
static ap_filter_t *plain_source(const conn_t *conn)
{
    ap_filter_t *f = conn->hold.filter->next;

    while (f && is_transparent(f)) {
        f = f->next;
    }
    return f && f->frec == ap_core_input_filter_handle ? f : NULL;
}

bool hold_is_plain(const conn_t *conn)
{
    return plain_source(conn) != NULL;
}

/* mod_reqtimeout's filter knows stages of requests that a thread reads, and between two of them it
 * would judge what we read by the times of the last one. While a request is collected these times
 * are ours to keep (collect.c), so we read past it. */
typedef struct detour_t {
    ap_filter_t *before, *left_out;
} detour_t;

static void leave_out_reqtimeout(const conn_t *conn, detour_t *detour)
{
    ap_filter_t *f = conn->hold.filter;

    while (f->next && f->next->frec != filters.reqtimeout) {
        f = f->next;
    }
    detour->before = f;
    detour->left_out = f->next;
    if (f->next) {
        f->next = f->next->next;
    }
}

static void put_back(const detour_t *detour)
{
    if (detour->left_out) {
        detour->before->next = detour->left_out;
    }
}

/* Into the brigade for it, without waiting. Of plain HTTP what is held may belong to several
 * requests: mod_logio has each byte when somebody reads it (count_for_logio()). */
static apr_status_t read_below(const conn_t *conn, ap_input_mode_t mode)
{
    ap_filter_t *source = plain_source(conn);
    detour_t detour;
    apr_status_t rv;

    if (source) {
        return ap_get_brigade(source, conn->hold.fresh, mode, APR_NONBLOCK_READ, READ_BYTES);
    }
    leave_out_reqtimeout(conn, &detour);
    rv = ap_get_brigade(conn->hold.filter->next, conn->hold.fresh, mode, APR_NONBLOCK_READ,
                        READ_BYTES);
    put_back(&detour);
    return rv;
}

apr_status_t hold_shake_hands(conn_t *conn)
{
    apr_status_t rv = read_below(conn, AP_MODE_INIT);

    apr_brigade_cleanup(conn->hold.fresh);
    return rv;
}

/* mod_remoteip's would log an error for each wait in the middle of a PROXY header; behind that,
 * which comes before the first request, it does nothing. */
static bool is_known(const conn_t *conn, const ap_filter_t *f)
{
    return is_transparent(f) || f->frec == filters.tls || f->frec == ap_core_input_filter_handle
           || (f->frec == filters.remoteip && conn->has_asked);
}

bool hold_may_read(const conn_t *conn)
{
    const ap_filter_t *f = conn->hold.filter->next;

    while (f && is_known(conn, f)) {
        f = f->next;
    }
    return f == NULL;
}

/* --- memory while it waits ---------------------------------------------------------- */

static void count_room(conn_t *conn, size_t room)
{
    atomic_fetch_add(&conn->child->held_bytes, (int64_t)room - (int64_t)conn->hold.room);
    conn->hold.room = room;
}

static bool make_space(conn_t *conn, size_t more)
{
    hold_t *hold = &conn->hold;
    size_t needed = hold->size + more;
    size_t room = MAX(hold->room, LEAST_ROOM);
    char *bytes;

    if (hold->bytes && needed <= hold->room) {
        return true;
    }
    while (room < needed) {
        room *= 2;
    }
    bytes = realloc(hold->bytes, room);
    if (bytes) {
        hold->bytes = bytes;
        count_room(conn, room);
    }
    return bytes != NULL;
}

bool hold_pack(conn_t *conn)
{
    hold_t *hold = &conn->hold;
    apr_off_t length = 0;
    apr_size_t size;

    if (APR_BRIGADE_EMPTY(hold->buckets)) {
        return true;
    }
    if (apr_brigade_length(hold->buckets, 1, &length) != APR_SUCCESS
        || !make_space(conn, (size_t)length)) {
        return false;
    }
    size = (apr_size_t)length;
    apr_brigade_flatten(hold->buckets, hold->bytes + hold->size, &size);
    hold->size += size;
    apr_brigade_cleanup(hold->buckets);
    return true;
}

void hold_unpack(conn_t *conn)
{
    hold_t *hold = &conn->hold;
    apr_bucket *bucket;

    if (hold->bytes) {
        bucket = apr_bucket_heap_create(hold->bytes, hold->size, free, conn->c->bucket_alloc);
        APR_BRIGADE_INSERT_HEAD(hold->buckets, bucket);
        count_room(conn, 0);
        hold->bytes = NULL;
        hold->size = 0;
    }
}

void hold_free(conn_t *conn)
{
    free(conn->hold.bytes);
    count_room(conn, 0);
    hold_reset(&conn->hold);
}

/* --- what is held ------------------------------------------------------------------- */

/* What was read goes behind what is held. Returns the number of bytes. */
static apr_off_t take_over(hold_t *hold)
{
    apr_off_t length = 0;

    while (!APR_BRIGADE_EMPTY(hold->fresh)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(hold->fresh);

        APR_BUCKET_REMOVE(bucket);
        if (APR_BUCKET_IS_METADATA(bucket) || bucket->length == 0) {
            apr_bucket_destroy(bucket);
            continue;
        }
        /* TLS shows its own buffer */
        apr_bucket_setaside(bucket, hold->filter->c->pool);
        length += (apr_off_t)bucket->length;
        APR_BRIGADE_INSERT_TAIL(hold->buckets, bucket);
    }
    return length;
}

static bool has_end(const apr_bucket_brigade *bb)
{
    return !APR_BRIGADE_EMPTY(bb) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
}

hold_read_e hold_read(conn_t *conn)
{
    hold_t *hold = &conn->hold;
    apr_status_t rv = read_below(conn, AP_MODE_READBYTES);
    bool ends = has_end(hold->fresh);
    apr_off_t length = take_over(hold);

    /* core's input filter is greedy: it has asked the kernel for more */
    hold->is_drained = length > 0 && length < READ_BYTES && hold_is_plain(conn);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(rv)) {
        hold->error = rv;
        return HOLD_ENDED;
    }
    if (length > 0) {
        return HOLD_GREW;
    }
    return ends || conn->net.has_ended ? HOLD_ENDED : HOLD_NOTHING;
}

bool hold_look(conn_t *conn, const char **bytes, size_t *size)
{
    hold_t *hold = &conn->hold;
    apr_bucket *first = APR_BRIGADE_FIRST(hold->buckets);
    bool has_buckets = first != APR_BRIGADE_SENTINEL(hold->buckets);

    if (!hold->bytes && has_buckets
        && APR_BUCKET_NEXT(first) == APR_BRIGADE_SENTINEL(hold->buckets)) {
        return apr_bucket_read(first, bytes, size, APR_NONBLOCK_READ) == APR_SUCCESS;
    }
    if (!hold_pack(conn)) {
        return false;
    }
    *bytes = hold->bytes ? hold->bytes : "";
    *size = hold->size;
    return true;
}

static apr_off_t length_in(apr_bucket_brigade *bb)
{
    apr_off_t length = 0;

    apr_brigade_length(bb, 0, &length);
    return length;
}

size_t hold_size(const conn_t *conn)
{
    return conn->hold.size + (size_t)length_in(conn->hold.buckets);
}

/* --- the filter: modules read ------------------------------------------------------- */

/* Move the first bytes, at most that many, from what is held. */
static apr_status_t give_bytes(hold_t *hold, apr_bucket_brigade *bb, apr_off_t most)
{
    apr_bucket *end;
    apr_status_t rv = apr_brigade_partition(hold->buckets, most, &end);

    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    while (APR_BRIGADE_FIRST(hold->buckets) != end) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(hold->buckets);

        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(bb, bucket);
    }
    return APR_SUCCESS;
}

/* Show the first bytes, at most that many, and keep them. */
static apr_status_t show_bytes(const hold_t *hold, apr_bucket_brigade *bb, apr_off_t most)
{
    apr_bucket *bucket, *copy, *end;
    apr_status_t rv = apr_brigade_partition(hold->buckets, most, &end);

    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        return rv;
    }
    for (bucket = APR_BRIGADE_FIRST(hold->buckets); bucket != end;
         bucket = APR_BUCKET_NEXT(bucket)) {
        rv = apr_bucket_copy(bucket, &copy);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        APR_BRIGADE_INSERT_TAIL(bb, copy);
    }
    return APR_SUCCESS;
}

/* Ends with a line feed, or is as long as core's input filter would make it at most. */
static bool is_line(apr_bucket_brigade *bb)
{
    apr_bucket *last = APR_BRIGADE_LAST(bb);
    const char *bytes;
    apr_size_t size;
    apr_off_t length = length_in(bb);

    return length >= HUGE_STRING_LEN
           || (length > 0 && apr_bucket_read(last, &bytes, &size, APR_NONBLOCK_READ) == APR_SUCCESS
               && size > 0 && bytes[size - 1] == APR_ASCII_LF);
}

/* The line goes on below: what is held of it is only handed out with more, or with the end. */
static apr_status_t finish_line(conn_t *conn, apr_bucket_brigade *bb, apr_read_type_e block,
                                apr_off_t readbytes)
{
    hold_t *hold = &conn->hold;
    apr_status_t rv = hold->error;

    if (!rv) {
        rv = ap_get_brigade(hold->filter->next, hold->fresh, AP_MODE_GETLINE, block, readbytes);
    }
    if (rv == APR_SUCCESS) {
        APR_BRIGADE_CONCAT(bb, hold->fresh);
        return APR_SUCCESS;
    }
    apr_brigade_cleanup(hold->fresh);
    if (APR_STATUS_IS_EOF(rv)) {
        return APR_SUCCESS;
    }
    APR_BRIGADE_PREPEND(hold->buckets, bb);
    return rv;
}

/* One line, from what is held or beyond. A thread that reads more than was collected waits here as
 * it would in core's input filter. */
static apr_status_t give_line(conn_t *conn, apr_bucket_brigade *bb, apr_read_type_e block,
                              apr_off_t readbytes)
{
    apr_status_t rv = apr_brigade_split_line(bb, conn->hold.buckets, APR_NONBLOCK_READ,
                                             HUGE_STRING_LEN);

    return rv != APR_SUCCESS || is_line(bb) ? rv : finish_line(conn, bb, block, readbytes);
}

/* Empty lines between two requests are of no use to anybody. */
static void eat_blank_lines(hold_t *hold)
{
    while (!APR_BRIGADE_EMPTY(hold->buckets)) {
        apr_bucket *first = APR_BRIGADE_FIRST(hold->buckets);
        const char *bytes;
        apr_size_t size, n = 0;

        if (apr_bucket_read(first, &bytes, &size, APR_NONBLOCK_READ) != APR_SUCCESS) {
            return;
        }
        while (n < size && (bytes[n] == APR_ASCII_LF
                            || (bytes[n] == APR_ASCII_CR && n + 1 < size
                                && bytes[n + 1] == APR_ASCII_LF))) {
            n++;
        }
        if (n < size) {
            if (n > 0 && apr_bucket_split(first, n) == APR_SUCCESS) {
                apr_bucket_delete(first);
            }
            return;
        }
        apr_bucket_delete(first);
    }
}

static apr_status_t read_beyond(conn_t *conn, ap_filter_t *f, apr_bucket_brigade *bb,
                                ap_input_mode_t mode, apr_read_type_e block, apr_off_t readbytes)
{
    hold_t *hold = &conn->hold;

    if (hold->is_drained) {
        hold->is_drained = false;
        if (block == APR_NONBLOCK_READ && mode == AP_MODE_SPECULATIVE) {
            return APR_EAGAIN;
        }
    }
    return hold->error ? hold->error : ap_get_brigade(f->next, bb, mode, block, readbytes);
}

/* Is anything held? A line that ends where a bucket does leaves an empty one behind. */
static bool has_bytes(hold_t *hold)
{
    while (!APR_BRIGADE_EMPTY(hold->buckets) && APR_BRIGADE_FIRST(hold->buckets)->length == 0) {
        apr_bucket_delete(APR_BRIGADE_FIRST(hold->buckets));
    }
    return !APR_BRIGADE_EMPTY(hold->buckets);
}

static apr_status_t hand_out(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                              apr_read_type_e block, apr_off_t readbytes)
{
    conn_t *conn = f->ctx;
    hold_t *hold = &conn->hold;

    switch (mode) {
    case AP_MODE_READBYTES:
        return give_bytes(hold, bb, readbytes);
    case AP_MODE_SPECULATIVE:
        return show_bytes(hold, bb, readbytes);
    case AP_MODE_GETLINE:
        return give_line(conn, bb, block, readbytes);
    case AP_MODE_EATCRLF:
        eat_blank_lines(hold);
        return APR_BRIGADE_EMPTY(hold->buckets)
               ? read_beyond(conn, f, bb, mode, block, readbytes) : APR_SUCCESS;
    default:
        /* all that there is */
        APR_BRIGADE_CONCAT(bb, hold->buckets);
        return read_beyond(conn, f, bb, mode, block, readbytes);
    }
}

/* As its own filter would have: what is shown counts, too. */
static void count_for_logio(const conn_t *conn, ap_input_mode_t mode, apr_bucket_brigade *bb,
                            apr_off_t before)
{
    apr_off_t bytes = mode == AP_MODE_SPECULATIVE ? length_in(bb)
                      : before - length_in(conn->hold.buckets);

    if (filters.count_bytes_in && mode != AP_MODE_EATCRLF && hold_is_plain(conn)) {
        filters.count_bytes_in(conn->c, bytes);
    }
}

/* ap_in_filter_func */
static apr_status_t read_held(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                              apr_read_type_e block, apr_off_t readbytes)
{
    conn_t *conn = f->ctx;
    apr_off_t before;
    apr_status_t rv;

    if (mode == AP_MODE_INIT || !has_bytes(&conn->hold)) {
        return read_beyond(conn, f, bb, mode, block, readbytes);
    }
    before = length_in(conn->hold.buckets);
    rv = hand_out(f, bb, mode, block, readbytes);
    count_for_logio(conn, mode, bb, before);
    return rv;
}

void hold_register_filter(void)
{
    /* above TLS (AP_FTYPE_CONNECTION + 5), below what looks at or changes a connection's bytes as
     * modules read them */
    filters.hold = ap_register_input_filter("ADAPTIVE_HOLD", read_held, NULL,
                                            (ap_filter_type)(AP_FTYPE_CONNECTION + 4));
}

void hold_find_filters(void)
{
    filters.reqtimeout = ap_get_input_filter_handle("reqtimeout");
    filters.tls = ap_get_input_filter_handle("SSL/TLS Filter");
    filters.logio = ap_get_input_filter_handle("LOG_INPUT_OUTPUT");
    filters.remoteip = ap_get_input_filter_handle("REMOTEIP_INPUT");
    filters.count_bytes_in = APR_RETRIEVE_OPTIONAL_FN(ap_logio_add_bytes_in);
}
