/* Workers, before each handler. Counts and refuses; the rule is law/share.c's, the table of
 * classes board/classes.c's. */
#include "bulkhead.h"

#include "child_internal.h"
#include "conn_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/testhook.h"
#include "board/classes.h"
#include "law/share.h"
#include "report/handler.h"
#include "report/report_text.h"

#include "apr_strings.h"
#include "apr_tables.h"
#include "http_config.h"
#include "http_log.h"

#include <string.h>
#include <sys/param.h>

/* How old a look at the siblings may be: while threads are few, and while they are not. */
#define NEAR_LOOK_US CLOCK_US_PER_MS
#define FAR_LOOK_US  (10 * CLOCK_US_PER_MS)
/* A child with less than this part of its own threads free looks as if they were few. */
#define OWN_NEAR_PART 4
/* Seconds. A backend that is dead is rarely back sooner. */
#define RETRY_AFTER "10"

#define PROXY_PREFIX "proxy:"

/* A virtual host as a class. */
typedef struct vhost_t {
    const server_rec *server;
    uint64_t hash;
    const char *text;
    size_t length;
} vhost_t;

/* What a request belongs to. */
typedef struct class_t {
    bool is_backend;
    uint64_t hash;
    const char *text;           /* not terminated */
    size_t length;
} class_t;

/* --- virtual hosts ---------------------------------------------------------------------- */

static int port_of(const server_rec *s)
{
    return s->addrs && s->addrs->host_port ? s->addrs->host_port : s->port;
}

void bulkhead_init(child_t *child)
{
    const adp_config_t *config = child->config;
    server_rec *s;

    ON_STEWARD();
    child->bulkheads.counts = config->bulkheads && config->adaptive_mode != EXT_MODE_OFF;
    child->bulkheads.refuses = child->bulkheads.counts && config->adaptive_mode == EXT_MODE_ON;
    child->bulkheads.vhosts = apr_hash_make(child->pool);
    for (s = child->server; s && child->bulkheads.counts; s = s->next) {
        const char *name = s->server_hostname ? s->server_hostname : "_default_";
        vhost_t *vhost = apr_palloc(child->pool, sizeof(*vhost));

        vhost->server = s;
        vhost->text = port_of(s) ? apr_psprintf(child->pool, "%s:%d", name, port_of(s)) : name;
        vhost->length = strlen(vhost->text);
        vhost->hash = classes_hash(false, vhost->text, vhost->length);
        apr_hash_set(child->bulkheads.vhosts, &vhost->server, sizeof(vhost->server), vhost);
    }
}

/* --- the class of a request ------------------------------------------------------------- */

/* "http://10.0.0.1:8080/path": what mod_proxy will ask, as ProxyPass and RewriteRule leave it, or
 * SetHandler; NULL: it serves somebody else. */
static const char *proxied_url(const request_rec *r)
{
    size_t skip = strlen(PROXY_PREFIX);

    if (r->proxyreq && r->filename && !strncmp(r->filename, PROXY_PREFIX, skip)) {
        return r->filename + skip;
    }
    return r->handler && !strncmp(r->handler, PROXY_PREFIX, skip) ? r->handler + skip : NULL;
}

/* Scheme, host and port, or the name of a balancer; with the socket's path before it if it has
 * one. Who signs on there (a forward proxy) is nobody's business. */
static class_t backend_of(const char *url)
{
    const char *bar = strncmp(url, "unix:", 5) ? NULL : strchr(url, '|');
    const char *scheme_end = strstr(bar ? bar : url, "://");
    const char *host = scheme_end ? scheme_end + 3 : bar ? bar + 1 : url;
    const char *end = host + strcspn(host, "/?#");
    const char *at = memchr(host, '@', (size_t)(end - host));
    class_t class = { .is_backend = true, .text = at ? at + 1 : url };

    class.length = (size_t)(end - class.text);
    class.hash = classes_hash(true, class.text, class.length);
    return class;
}

static class_t class_of(const bulkheads_t *b, const request_rec *r)
{
    const char *url = proxied_url(r);
    const vhost_t *vhost = apr_hash_get(b->vhosts, &r->server, sizeof(r->server));

    if (url) {
        return backend_of(url);
    }
    return vhost ? (class_t) { .hash = vhost->hash, .text = vhost->text, .length = vhost->length }
                 : (class_t) { 0 };
}

/* --- how many threads there are ----------------------------------------------------------- */

/* Of a limit that was found the parent hands out a part at a time, and measures again before the
 * rest: what is handed out now is no ceiling as long as more is expected to follow. */
static int threads_to_come(const child_t *child)
{
    ext_ceilings_t found;

    if (!scoreboard_ext_read_ceilings(child->board, &found) || found.count == 0) {
        return 0;
    }
    return (int)MIN(found.row[0].threads, INT32_MAX);
}

/* What the parent found last. Not to be relied on, but nothing worse follows from it than a
 * request that is refused, or is not. */
static int ceiling_of(const child_t *child)
{
    ext_plan_t plan;
    int64_t most;

    if (child->one_process || !scoreboard_ext_read_plan(child->board, &plan)
        || plan.limits.max_threads <= 0) {
        return child->one_process ? child->workers.limit : config_expected_threads();
    }
    most = (int64_t)MAX(plan.limits.max_children, 1) * MAX(plan.limits.threads_per_child, 1);
    return (int)MIN(most, MAX(plan.limits.max_threads, threads_to_come(child)));
}

static void look_at_siblings(child_t *child)
{
    bulkheads_t *b = &child->bulkheads;
    int i, busy = 0, slots = 0;

    for (i = 0; i < child->config->slot_count; i++) {
        if (i != child->slot && child_has_kin(child, i)) {
            busy += MIN(ext_busy(&child->board->children[i]), child->config->thread_limit);
            slots = i + 1;
        }
    }
    atomic_store(&b->others_busy, busy);
    atomic_store(&b->slots, MAX(slots, child->slot + 1));
    atomic_store(&b->ceiling, ceiling_of(child));
}

/* The child's own, the class's part of it left out. Busy are all that have been woken, at most. */
static share_room_t own_room(const child_t *child)
{
    int most = atomic_load_explicit(&child->rooms.most, memory_order_relaxed);

    return (share_room_t) {
        .ceiling = MIN(most, child_most_threads(child)), .busy = ext_busy(child->ext)
    };
}

/* The same of all children. */
static share_room_t all_room(child_t *child, const share_room_t *own)
{
    bulkheads_t *b = &child->bulkheads;
    int64_t now_us = clock_now_us();
    int64_t looked_us = atomic_load_explicit(&b->looked_us, memory_order_relaxed);
    bool may_be_near = atomic_load_explicit(&b->is_near, memory_order_relaxed)
                       || (own->ceiling - own->busy) * OWN_NEAR_PART < own->ceiling;
    share_room_t all;

    if (now_us - looked_us >= (may_be_near ? NEAR_LOOK_US : FAR_LOOK_US)
        && atomic_compare_exchange_strong(&b->looked_us, &looked_us, now_us)) {
        look_at_siblings(child);
    }
    all = (share_room_t) {
        .ceiling = atomic_load_explicit(&b->ceiling, memory_order_relaxed),
        .busy = atomic_load_explicit(&b->others_busy, memory_order_relaxed) + own->busy
    };
    if (share_is_near(&all) != atomic_load_explicit(&b->is_near, memory_order_relaxed)) {
        atomic_store_explicit(&b->is_near, share_is_near(&all), memory_order_relaxed);
    }
    return all;
}

/* What all children have of the class. */
static share_pace_t pace_of(const child_t *child, int place, int64_t now_us)
{
    int i, slots = atomic_load(&child->bulkheads.slots);
    share_pace_t pace = { 0 };

    for (i = 0; i < slots; i++) {
        if (child_has_kin(child, i)) {
            share_seen_t seen = classes_seen(&child->board->children[i], place, now_us);

            share_pace_add(&pace, &seen);
        }
    }
    return pace;
}

/* Of those that are busy, only who serves a request holds a thread for longer than a moment. Many
 * others are awake when clients come together: they find that a sibling was faster, or wait for
 * each other before they have anything to serve. */
static void leave_out_woken(const child_t *child, share_room_t *all, share_room_t *own)
{
    int i, slots = atomic_load(&child->bulkheads.slots);

    own->busy = MIN(own->busy, classes_serving(child->ext));
    all->busy = own->busy;
    for (i = 0; i < slots; i++) {
        if (i != child->slot && child_has_kin(child, i)) {
            const ext_child_t *ext = &child->board->children[i];

            all->busy += MIN(MIN(ext_busy(ext), classes_serving(ext)),
                             child->config->thread_limit);
        }
    }
}

/* --- refusing ----------------------------------------------------------------------------- */

static void log_refused(child_t *child, int place, const share_room_t *all,
                        const share_pace_t *pace, int64_t now_us)
{
    scoreboard_ext_t *board = child->board;
    uint64_t refused = atomic_load(&board->refused);
    ext_class_name_t name;
    char hold[32];

    if (!scoreboard_ext_read_class_name(&board->classes[place], &name)
        || !scoreboard_ext_may_log(board, LOG_REFUSED, now_us)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, child->server, ADPNO(0130)
                 "%s %s holds %d of %d threads, for %s%s each, and %d are busy: requests for it "
                 "are refused with 503, so that others find a thread (%d since this was last said)",
                 name.is_backend ? "backend" : "virtual host", name.text, all->held, all->ceiling,
                 pace->per_us[0] > 0 ? "" : "more than ",
                 report_duration(hold, sizeof(hold), share_hold_us(pace)), all->busy,
                 (int)(refused - atomic_exchange(&board->refused_told, refused)));
}

/* Does the request, counted already, go over the share of its class? */
static bool is_too_many(child_t *child, int place, int64_t now_us)
{
    share_room_t own = own_room(child);
    share_room_t all = all_room(child, &own);
    share_pace_t pace;

    if (!share_is_near(&all)) {
        return false;
    }
    own.held = classes_held(child->ext, place);
    pace = pace_of(child, place, now_us);
    all.held = (int)pace.held;
    if (!share_is_over(&all, &own) || !share_is_slow(&pace)
        || !classes_has_others(child->board, place, now_us)) {
        return false;
    }
    /* last, because it looks at all classes of all children */
    leave_out_woken(child, &all, &own);
    if (!share_is_near(&all) || !share_is_over(&all, &own)) {
        return false;
    }
    atomic_fetch_add(&child->board->classes[place].refused, 1);
    atomic_fetch_add(&child->board->refused, 1);
    if (child->bulkheads.refuses) {
        log_refused(child, place, &all, &pace, now_us);
    }
    return child->bulkheads.refuses;
}

/* What an error is answered with: refused itself, it would be answered with a plainer one. Not so
 * if a backend is to say it, which may be the very one that is dead. */
static bool is_error_document(const request_rec *r, const class_t *class)
{
    return r->prev && ap_is_HTTP_ERROR(r->prev->status) && !class->is_backend;
}

/* --- the hook ------------------------------------------------------------------------------- */

static int class_place(child_t *child, const class_t *class, int64_t now_us)
{
    int place = class->hash ? classes_find(child->board, class->hash) : CLASSES_NO_PLACE;

    return place != CLASSES_NO_PLACE || !class->hash
           ? place : classes_add(child->board, class->hash, class->is_backend, class->text,
                                 class->length, now_us);
}

int bulkhead_hook_handler(request_rec *r)
{
    conn_t *conn = conn_of_conn_rec(r->connection);
    int64_t now_us;
    class_t class;
    int place;

    if (!conn || r->main || !conn->child->bulkheads.counts) {
        return DECLINED;
    }
    /* of the request before it on this thread, or of this one before an internal redirect */
    bulkhead_end(conn);
    if (handler_is_status(r)) {
        return DECLINED;        /* who looks why threads are held is not refused for that */
    }
    now_us = clock_coarse_us();
    class = class_of(&conn->child->bulkheads, r);
    place = class_place(conn->child, &class, now_us);
    if (place == CLASSES_NO_PLACE) {
        classes_begin_nameless(conn->child->ext);
        conn->holds = HOLDS_NAMELESS;
        return DECLINED;
    }
    classes_note_seen(conn->child->board, place, now_us);
    classes_begin(conn->child->ext, place, now_us);
    ADP_PAUSE(bulkhead_counted);
    if (!is_error_document(r, &class) && is_too_many(conn->child, place, now_us)) {
        classes_take_back(conn->child->ext, place);
        apr_table_setn(r->err_headers_out, "Retry-After", RETRY_AFTER);
        return HTTP_SERVICE_UNAVAILABLE;
    }
    conn->holds = place + 1;
    conn->holds_since_us = now_us;
    return DECLINED;
}

void bulkhead_end(conn_t *conn)
{
    if (conn->holds == HOLDS_NAMELESS) {
        classes_end_nameless(conn->child->ext);
    }
    else if (conn->holds > 0) {
        classes_end(conn->child->ext, conn->holds - 1, clock_coarse_us() - conn->holds_since_us);
    }
    conn->holds = 0;
}
