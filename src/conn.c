#include "conn.h"

#include "child.h"
#include "config.h"
#include "listeners.h"

#include "ap_mpm.h"
#include "apr_atomic.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_protocol.h"
#include "http_vhost.h"
#include "mpm_common.h"

#include <poll.h>
#include <sys/param.h>
#include <sys/socket.h>

/* How long a client may go on sending after we closed our side (RFC 9112, 9.6). */
#define LINGER_S            30
#define LINGER_SHORT_S      2
/* How long the last flush may take before the connection is cut. */
#define LAST_FLUSH_S        2
/* Reads of one go while draining a lingering connection, so that a fast sender does not
 * keep the thread. */
#define LINGER_READS        32
#define LINGER_READ_BYTES   16384
/* Free connections that keep their pool, for each thread a child may have. */
#define POOLED_A_THREAD     2

/* What a step of the state machine came to. */
typedef enum {
    STEP_AGAIN,                 /* conn->cs.state says how to go on */
    STEP_GONE                   /* the connection waits, or is closed: not ours any more */
} step_e;

typedef step_e step_fn(conn_t *conn, worker_t *worker);

static void serve(conn_t *conn, worker_t *worker);
static step_fn step_suspended;

static conn_t *of_conn_rec(conn_rec *c)
{
    /* secondary connections (HTTP/2 streams) have none: their threads are not ours, and
     * what they do must not touch the state of the connection that carries them */
    return ap_get_module_config(c->conn_config, &mpm_adaptive_module);
}

static conn_t *of_deadline(deadline_t *entry)
{
    return (conn_t *)(void *)((char *)entry - APR_OFFSETOF(conn_t, deadline));
}

static conn_t *of_job(job_t *job)
{
    return (conn_t *)(void *)((char *)job - APR_OFFSETOF(conn_t, job));
}

/* --- birth and death ------------------------------------------------------------- */

static apr_pool_t *pool_new(child_t *child)
{
    apr_allocator_t *allocator;
    apr_pool_t *pool;

    if (apr_allocator_create(&allocator) != APR_SUCCESS) {
        return NULL;
    }
    apr_allocator_max_free_set(allocator, ap_max_mem_free);
    if (apr_pool_create_ex(&pool, child->pool, NULL, allocator) != APR_SUCCESS) {
        apr_allocator_destroy(allocator);
        return NULL;
    }
    apr_allocator_owner_set(allocator, pool);
    apr_pool_tag(pool, "transaction");
    return pool;
}

conn_t *conn_new(child_t *child)
{
    conn_t *conn = slab_take(&child->connections);

    if (!conn) {
        return NULL;
    }
    if (conn->pool) {
        atomic_fetch_sub_explicit(&child->pooled_connections, 1, memory_order_relaxed);
    }
    else {
        conn->pool = pool_new(child);
        if (!conn->pool) {
            slab_give(&child->connections, conn);
            return NULL;
        }
    }
    conn->child = child;
    deadline_init(&conn->deadline);
    conn->socket = NULL;
    conn->fd = -1;
    conn->in_poller = conn->armed = conn->begun = false;
    atomic_init(&conn->hint, HINT_NONE);
    conn->c = NULL;
    conn->sbh = NULL;
    conn->r = NULL;
    conn->server = NULL;
    conn->counter = NULL;
    conn->settled_after = 0;
    claim_acquire(&conn->claim);
    return conn;
}

void conn_discard(conn_t *conn)
{
    child_t *child = conn->child;

    /* pools are worth keeping, but not those of a crowd that has left */
    if (atomic_fetch_add_explicit(&child->pooled_connections, 1, memory_order_relaxed)
        < POOLED_A_THREAD * child->config->threads_per_child) {
        apr_pool_clear(conn->pool);
    }
    else {
        atomic_fetch_sub_explicit(&child->pooled_connections, 1, memory_order_relaxed);
        apr_pool_destroy(conn->pool);
        conn->pool = NULL;
    }
    claim_release(&conn->claim);
    slab_give(&child->connections, conn);
}

static step_e close_now(conn_t *conn)
{
    child_t *child = conn->child;

    deadlines_drop(&child->deadlines, &conn->deadline);
    if (conn->in_poller && conn->armed) {
        poller_remove(&child->poller, conn->fd);
    }
    conn->fd = -1;
    conn_discard(conn);         /* closes the socket: it lives in the pool */
    if (apr_atomic_dec32(&child->score->connections) == 0
        && atomic_load(&child->phase) != CHILD_SERVING) {
        child_wake_steward(child);
    }
    listeners_connection_closed(child);
    return STEP_GONE;
}

apr_uint32_t conn_count(const child_t *child)
{
    return apr_atomic_read32(&child->score->connections);
}

/* --- waiting ---------------------------------------------------------------------- */

static void detach_from_thread(conn_t *conn)
{
    if (conn->begun) {
        ap_run_suspend_connection(conn->c, conn->r);
        conn->c->sbh = NULL;
        conn->c->current_thread = NULL;
    }
}

/* The janitor has no place in the scoreboard: what it serves has no handle then. */
static void give_thread(conn_t *conn, worker_t *worker)
{
    conn->c->current_thread = worker->self;
    if (worker->slot >= 0) {
        ap_update_sb_handle(conn->sbh, conn->child->slot, worker->slot);
        conn->c->sbh = conn->sbh;
    }
    else {
        conn->c->sbh = NULL;
    }
}

static void attach_to_thread(conn_t *conn, worker_t *worker)
{
    if (conn->begun) {
        give_thread(conn, worker);
        ap_run_resume_connection(conn->c, conn->r);
    }
}

static void set_hint(conn_t *conn, conn_hint_e hint)
{
    atomic_store_explicit(&conn->hint, hint, memory_order_relaxed);
}

static conn_hint_e hint_of(conn_t *conn)
{
    return (conn_hint_e)atomic_load_explicit(&conn->hint, memory_order_relaxed);
}

static void count_waiting(conn_t *conn, apr_uint32_t *counter)
{
    conn->counter = counter;
    apr_atomic_inc32(counter);
}

static void count_served(conn_t *conn)
{
    set_hint(conn, HINT_NONE);
    if (conn->counter) {
        apr_atomic_dec32(conn->counter);
        conn->counter = NULL;
    }
}

/* Leave the connection to the poller and its deadline. Afterwards it is not ours: another
 * thread may be serving it before this returns. */
static step_e wait_for(conn_t *conn, poller_want_e want, int64_t due_us, apr_uint32_t *counter)
{
    child_t *child = conn->child;
    uint32_t index = conn->item.index;
    int fd = conn->fd;
    bool known = conn->in_poller;
    uint32_t generation;
    int rc;

    count_waiting(conn, counter);
    detach_from_thread(conn);
    conn->in_poller = true;
    conn->want = want;
    if (deadlines_set(&child->deadlines, &conn->deadline, due_us)) {
        child_wake_steward(child);
    }
    generation = claim_begin_arming(&conn->claim);
    rc = poller_arm(&child->poller, fd, token_make(TOKEN_CONNECTION, generation, index), want,
                    known);
    if (!rc) {
        claim_finish_arming(&conn->claim, generation);
        return STEP_GONE;
    }
    if (!claim_cancel_arming(&conn->claim, generation)) {
        return STEP_GONE;
    }
    /* out of kernel memory or of user watches: this connection cannot be kept */
    child_log_limited(child, LOG_POLLER, APLOG_ERR, rc, ADPNO(0020)
                      "cannot watch a connection, closing it");
    conn->in_poller = known;
    count_served(conn);
    return close_now(conn);
}

static int64_t after(apr_interval_time_t timeout)
{
    return clock_coarse_us() + MAX(timeout, 0);
}

/* --- the steps -------------------------------------------------------------------- */

static bool is_going(const child_t *child)
{
    return atomic_load_explicit(&child->phase, memory_order_relaxed) != CHILD_SERVING;
}

/* The conn_rec, and which virtual host's timeouts apply to it. */
static bool create(conn_t *conn)
{
    child_t *child = conn->child;
    apr_bucket_alloc_t *buckets = apr_bucket_alloc_create(conn->pool);
    /* unique among the open connections of all children */
    long id = (long)conn->item.index * child->config->slot_count + child->slot;

    ap_create_sb_handle(&conn->sbh, conn->pool, child->slot, 0);
    conn->c = ap_run_create_connection(conn->pool, child->server, conn->socket, id, NULL,
                                       buckets);
    if (!conn->c) {
        return false;
    }
    conn->c->cs = &conn->cs;
    conn->cs.state = CONN_STATE_PROCESSING;
    conn->cs.sense = CONN_SENSE_DEFAULT;
    ap_set_module_config(conn->c->conn_config, &mpm_adaptive_module, conn);
    ap_update_vhost_given_ip(conn->c);
    conn->server = conn->c->base_server;
    return true;
}

/* The first byte is there, or the server speaks first: the modules' turn. */
static void introduce(conn_t *conn, worker_t *worker)
{
    int rc;

    give_thread(conn, worker);
    conn->begun = true;
    rc = ap_pre_connection(conn->c, conn->socket);
    if (rc != OK && rc != DONE) {
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, ADPNO(0021)
                      "pre_connection hooks refused the connection (%d)", rc);
        conn->c->aborted = 1;
    }
}

static step_e step_processing(conn_t *conn, worker_t *worker)
{
    conn_rec *c = conn->c;
    int rc;

    (void)worker;
    if (c->aborted) {
        conn->cs.state = CONN_STATE_LINGER;
        return STEP_AGAIN;
    }
    rc = ap_run_process_connection(c);
    if (conn->cs.state == CONN_STATE_SUSPENDED) {
        return STEP_AGAIN;
    }
    /* A filter that hides input from us: the connection was served to its end by this
     * thread, as worker does. */
    if (c->clogging_input_filters) {
        conn->cs.state = CONN_STATE_LINGER;
        return STEP_AGAIN;
    }
    if (rc != OK && rc != DONE) {
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, c, ADPNO(0022)
                      "process_connection hooks returned %d in connection state %d, closing",
                      rc, conn->cs.state);
        conn->cs.state = CONN_STATE_LINGER;
        return STEP_AGAIN;
    }
    switch (conn->cs.state) {
    case CONN_STATE_WRITE_COMPLETION:
    case CONN_STATE_ASYNC_WAITIO:
    case CONN_STATE_LINGER:
        break;
    case CONN_STATE_KEEPALIVE:
        conn->cs.state = CONN_STATE_WRITE_COMPLETION;
        break;
    case CONN_STATE_PROCESSING:
        conn->cs.state = CONN_STATE_LINGER;
        break;
    default:
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, c, ADPNO(0023)
                      "unexpected connection state %d, closing", conn->cs.state);
        conn->cs.state = CONN_STATE_LINGER;
        break;
    }
    return STEP_AGAIN;
}

static apr_status_t flush_core_output(conn_rec *c)
{
    ap_filter_t *f = c->output_filters;

    while (f->next) {
        f = f->next;
    }
    return f->frec->filter_func.out_func(f, NULL);
}

static poller_want_e wanted(conn_t *conn, poller_want_e by_default)
{
    conn_sense_e sense = conn->cs.sense;

    conn->cs.sense = CONN_SENSE_DEFAULT;
    switch (sense) {
    case CONN_SENSE_WANT_READ:
        return POLLER_READ;
    case CONN_SENSE_WANT_WRITE:
        return POLLER_WRITE;
    default:
        return by_default;
    }
}

static bool others_wait(const child_t *child)
{
    return atomic_load_explicit(&child->ext->idle, memory_order_relaxed) == 0
           && poller_has_ready(&child->poller);
}

/* The next request is here already, but so are others' and no worker is idle: queue up
 * behind them, or a client that answers faster than we come back to the poller has a
 * worker for itself. The request is in the input filters, where the poller cannot see it;
 * that the socket is writable makes the connection ready at once. */
static step_e yield(conn_t *conn)
{
    return wait_for(conn, POLLER_WRITE, after(conn->server->timeout),
                    &conn->child->score->keep_alive);
}

static step_e step_write_completion(conn_t *conn, worker_t *worker)
{
    conn_rec *c = conn->c;

    (void)worker;
    if (flush_core_output(c) != APR_SUCCESS) {
        c->aborted = 1;
    }
    else if (c->data_in_output_filters) {
        return wait_for(conn, wanted(conn, POLLER_WRITE), after(conn->server->timeout),
                        &conn->child->score->write_completion);
    }
    if (c->aborted || c->keepalive != AP_CONN_KEEPALIVE) {
        conn->cs.state = CONN_STATE_LINGER;
    }
    else if (c->data_in_input_filters) {
        conn->cs.state = CONN_STATE_PROCESSING;
        if (others_wait(conn->child)) {
            return yield(conn);
        }
    }
    else if (is_going(conn->child)) {
        conn->cs.state = CONN_STATE_LINGER;
    }
    else {
        conn->cs.state = CONN_STATE_KEEPALIVE;
    }
    return STEP_AGAIN;
}

static step_e step_keepalive(conn_t *conn, worker_t *worker)
{
    (void)worker;
    set_hint(conn, HINT_IDLE);
    return wait_for(conn, POLLER_READ, after(conn->server->keep_alive_timeout),
                    &conn->child->score->keep_alive);
}

static step_e step_async_waitio(conn_t *conn, worker_t *worker)
{
    (void)worker;
    return wait_for(conn, wanted(conn, POLLER_READ), after(conn->server->timeout),
                    &conn->child->score->wait_io);
}

static step_e step_linger(conn_t *conn, worker_t *worker)
{
    conn_rec *c = conn->c;
    apr_socket_t *socket = conn->socket;
    bool brief;

    (void)worker;
    if (!c->aborted && c->data_in_output_filters) {
        /* the client has Timeout to take it */
        c->keepalive = AP_CONN_CLOSE;
        conn->cs.state = CONN_STATE_WRITE_COMPLETION;
        return STEP_AGAIN;
    }
    /* what the modules still say at the end goes out now or never */
    apr_socket_timeout_set(socket, apr_time_from_sec(LAST_FLUSH_S));
    if (ap_start_lingering_close(c)) {
        return close_now(conn);
    }
    apr_socket_timeout_set(socket, 0);
    brief = is_going(conn->child) || apr_table_get(c->notes, "short-lingering-close");
    conn->cs.state = brief ? CONN_STATE_LINGER_SHORT : CONN_STATE_LINGER_NORMAL;
    conn->linger_until_us = after(apr_time_from_sec(brief ? LINGER_SHORT_S : LINGER_S));
    return STEP_AGAIN;
}

/* Read and forget what the client still sends, until it closes its side too. */
static step_e step_drain(conn_t *conn, worker_t *worker)
{
    char scrap[LINGER_READ_BYTES];
    int reads;

    (void)worker;
    for (reads = 0; reads < LINGER_READS; reads++) {
        ssize_t n = recv(conn->fd, scrap, sizeof(scrap), MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return close_now(conn);
        }
        if (n < 0) {
            break;
        }
    }
    if (clock_coarse_us() >= conn->linger_until_us) {
        return close_now(conn);
    }
    set_hint(conn, HINT_LINGERING);
    return wait_for(conn, POLLER_READ, conn->linger_until_us,
                    &conn->child->score->lingering_close);
}

static step_e step_unexpected(conn_t *conn, worker_t *worker)
{
    (void)worker;
    conn->cs.state = CONN_STATE_LINGER;
    return STEP_AGAIN;
}

static step_fn *const steps[CONN_STATE_NUM] = {
    [CONN_STATE_KEEPALIVE]        = step_keepalive,
    [CONN_STATE_PROCESSING]       = step_processing,
    [CONN_STATE_HANDLER]          = step_unexpected,
    [CONN_STATE_WRITE_COMPLETION] = step_write_completion,
    [CONN_STATE_SUSPENDED]        = step_suspended,
    [CONN_STATE_LINGER]           = step_linger,
    [CONN_STATE_LINGER_NORMAL]    = step_drain,
    [CONN_STATE_LINGER_SHORT]     = step_drain,
    [CONN_STATE_ASYNC_WAITIO]     = step_async_waitio
};

/* Run a connection that this worker owns until it waits or is closed. */
static void serve(conn_t *conn, worker_t *worker)
{
    step_e step;

    do {
        conn_state_e state = conn->cs.state;

        step = state < CONN_STATE_NUM ? steps[state](conn, worker)
                                      : step_unexpected(conn, worker);
    } while (step == STEP_AGAIN);
}

/* The janitor serves no requests, or one that hangs would stop all deadlines. What is there
 * to be served makes the poller fire at once, for the next worker that is free. */
static void leave_to_workers(conn_t *conn, worker_t *worker, poller_want_e want)
{
    apr_uint32_t *counter = conn->counter;
    server_rec *server = conn->server ? conn->server : conn->child->server;

    attach_to_thread(conn, worker);
    count_served(conn);
    wait_for(conn, want, after(server->timeout),
             counter ? counter : &conn->child->score->wait_io);
}

static bool is_janitor(const worker_t *worker)
{
    return worker->slot < 0;
}

/* --- first byte ------------------------------------------------------------------- */

/* What a look at the socket of a new connection finds. */
typedef enum {
    FIRST_THERE,
    FIRST_MISSING,
    FIRST_NEVER                 /* the client has closed already */
} first_byte_e;

static first_byte_e first_byte(const conn_t *conn)
{
    char byte;
    ssize_t n = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0) {
        return FIRST_THERE;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? FIRST_MISSING : FIRST_NEVER;
}

/* Serve a new connection as soon as its first byte is there. */
static void begin(conn_t *conn, worker_t *worker)
{
    first_byte_e first = conn->client_first ? first_byte(conn) : FIRST_THERE;

    if (first == FIRST_NEVER || (!conn->c && !create(conn))) {
        close_now(conn);
        return;
    }
    if (is_janitor(worker)) {
        leave_to_workers(conn, worker, conn->client_first ? POLLER_READ : POLLER_WRITE);
        return;
    }
    if (first == FIRST_MISSING) {
        wait_for(conn, POLLER_READ, after(config_first_byte_timeout(conn->server)),
                 &conn->child->score->wait_io);
        return;
    }
    introduce(conn, worker);
    serve(conn, worker);
}

static void take_socket(conn_t *conn, apr_socket_t *socket, bool client_first)
{
    int fd = -1;

    conn->socket = socket;
    conn->client_first = client_first;
    apr_os_sock_get(&fd, socket);
    atomic_store(&conn->fd, fd);
}

void conn_accepted(conn_t *conn, apr_socket_t *socket, bool client_first, worker_t *worker)
{
    take_socket(conn, socket, client_first);
    begin(conn, worker);
}

/* job_fn, on a worker. */
static void run_begin(job_t *job, void *taker)
{
    begin(of_job(job), taker);
}

void conn_taken_along(conn_t *conn, apr_socket_t *socket, bool client_first)
{
    take_socket(conn, socket, client_first);
    conn->job.run = run_begin;
    jobs_push(&conn->child->jobs, &conn->job, clock_now_us());
}

/* --- events and deadlines --------------------------------------------------------- */

/* The wait is over: on with the state that follows it. */
static void go_on(conn_t *conn, worker_t *worker)
{
    if (conn->cs.state == CONN_STATE_KEEPALIVE || conn->cs.state == CONN_STATE_ASYNC_WAITIO) {
        conn->cs.state = CONN_STATE_PROCESSING;
    }
    serve(conn, worker);
}

/* What the connection waited for has happened. */
static void resume(conn_t *conn, worker_t *worker)
{
    count_served(conn);
    if (!conn->begun) {
        begin(conn, worker);
        return;
    }
    attach_to_thread(conn, worker);
    go_on(conn, worker);
}

void conn_event(child_t *child, poller_token_t token, worker_t *worker)
{
    conn_t *conn = slab_at(&child->connections, token_index(token));

    if (!claim_by_event(&conn->claim, token_generation(token))) {
        return;
    }
    conn->armed = false;
    resume(conn, worker);
}

bool conn_claim_deadline(deadline_t *entry, void *ctx)
{
    (void)ctx;
    return claim_by_deadline(&of_deadline(entry)->claim);
}

/* Only a look: between it and the claim the connection may have been served, which
 * run_idle() sees. It must not be claimed and given back here: the event that a worker
 * has fetched for it meanwhile would be dropped as stale, and it would wait for ever. */
bool conn_claim_idle(deadline_t *entry, void *ctx)
{
    conn_t *conn = of_deadline(entry);

    (void)ctx;
    return hint_of(conn) == HINT_IDLE && claim_by_deadline(&conn->claim);
}

bool conn_claim_long_linger(deadline_t *entry, void *ctx)
{
    conn_t *conn = of_deadline(entry);
    const int64_t *latest_us = ctx;

    return hint_of(conn) == HINT_LINGERING && atomic_load(&entry->due_us) > *latest_us
           && claim_by_deadline(&conn->claim);
}

/* The connection was taken from its wait for a reason that does not hold (any more): leave
 * it to wait on as before. */
static void wait_on(conn_t *conn, worker_t *worker)
{
    apr_uint32_t *counter = conn->counter;
    conn_hint_e hint = hint_of(conn);

    conn->armed = true;
    attach_to_thread(conn, worker);
    count_served(conn);
    set_hint(conn, hint);
    wait_for(conn, conn->want, atomic_load(&conn->deadline.due_us), counter);
}

/* Has what the connection waits for happened, though no worker had time to see it? */
static bool is_ready(const conn_t *conn)
{
    struct pollfd pfd = {
        .fd = conn->fd, .events = conn->want == POLLER_WRITE ? POLLOUT : POLLIN
    };

    return poll(&pfd, 1, 0) == 1;
}

/* A wait timed out; job_fn, on a worker. */
static void run_expired(job_t *job, void *taker)
{
    conn_t *conn = of_job(job);
    worker_t *worker = taker;
    bool lingers = conn->begun && (conn->cs.state == CONN_STATE_LINGER_NORMAL
                                   || conn->cs.state == CONN_STATE_LINGER_SHORT);

    conn->armed = true;
    if (!lingers && is_ready(conn)) {
        if (is_janitor(worker)) {
            leave_to_workers(conn, worker, conn->want);
        }
        else {
            resume(conn, worker);
        }
        return;
    }
    count_served(conn);
    if (!conn->begun || lingers) {
        attach_to_thread(conn, worker);
        close_now(conn);
        return;
    }
    attach_to_thread(conn, worker);
    if (conn->cs.state == CONN_STATE_WRITE_COMPLETION) {
        /* the client does not take what is there: nothing more can be said to it */
        conn->c->aborted = 1;
    }
    conn->cs.state = CONN_STATE_LINGER;
    serve(conn, worker);
}

/* The child is going and this connection waits for a next request; job_fn, on a worker.
 * A request that has arrived meanwhile is served rather than cut off. */
static void run_idle(job_t *job, void *taker)
{
    conn_t *conn = of_job(job);
    worker_t *worker = taker;

    if (conn->cs.state != CONN_STATE_KEEPALIVE) {
        wait_on(conn, worker);
        return;
    }
    conn->armed = true;
    if (first_byte(conn) == FIRST_THERE) {
        if (is_janitor(worker)) {
            leave_to_workers(conn, worker, POLLER_READ);
        }
        else {
            resume(conn, worker);
        }
        return;
    }
    count_served(conn);
    attach_to_thread(conn, worker);
    conn->cs.state = CONN_STATE_LINGER;
    serve(conn, worker);
}

/* The child is going and this client has not closed yet: it has less time now; job_fn, on a
 * worker. */
static void run_shorten_linger(job_t *job, void *taker)
{
    conn_t *conn = of_job(job);
    int64_t soon_us = after(apr_time_from_sec(LINGER_SHORT_S));

    conn->linger_until_us = MIN(conn->linger_until_us, soon_us);
    if (hint_of(conn) == HINT_LINGERING) {
        atomic_store(&conn->deadline.due_us, conn->linger_until_us);
    }
    wait_on(conn, taker);
}

static void queue_list(child_t *child, deadline_t *list, job_fn *run, int64_t now_us)
{
    while (list) {
        conn_t *conn = of_deadline(list);

        list = list->next;
        conn->deadline.next = NULL;
        conn->job.run = run;
        jobs_push(&child->jobs, &conn->job, now_us);
    }
}

void conn_queue_expired(child_t *child, deadline_t *list, int64_t now_us)
{
    queue_list(child, list, run_expired, now_us);
}

void conn_queue_idle(child_t *child, deadline_t *list, int64_t now_us)
{
    queue_list(child, list, run_idle, now_us);
}

void conn_queue_long_lingers(child_t *child, deadline_t *list, int64_t now_us)
{
    queue_list(child, list, run_shorten_linger, now_us);
}

/* --- suspended connections --------------------------------------------------------- */

/* httpd 2.4 does not tell the MPM when a module is done with a connection that it
 * suspended: the module's timed callback merely leaves another state in c->cs. Which
 * callback that was is unknown, and the one that did it may still be at work on the
 * connection. So the change counts once every callback that had begun by the time it was
 * seen has ended. */

void conn_callback_begins(child_t *child, worker_t *worker)
{
    pthread_mutex_lock(&child->suspended_lock);
    atomic_store(&worker->callback, ++child->callbacks_started);
    pthread_mutex_unlock(&child->suspended_lock);
}

/* The lowest number of a callback that still runs. Called with suspended_lock held. */
static uint64_t oldest_callback(child_t *child)
{
    uint64_t oldest = UINT64_MAX;
    int i;

    for (i = 0; i <= child->workers.limit; i++) {
        uint64_t running = atomic_load(&child->workers.workers[i].callback);

        if (running && running < oldest) {
            oldest = running;
        }
    }
    return oldest;
}

/* A suspended connection is done with; job_fn, on a worker. */
static void run_resumed(job_t *job, void *taker)
{
    conn_t *conn = of_job(job);
    worker_t *worker = taker;

    if (is_janitor(worker)) {
        leave_to_workers(conn, worker, POLLER_WRITE);
        return;
    }
    count_served(conn);
    attach_to_thread(conn, worker);
    serve(conn, worker);
}

/* Called with suspended_lock held. */
static void resume_settled(child_t *child)
{
    uint64_t oldest = child->suspended ? oldest_callback(child) : 0;
    conn_t *conn, *next;

    for (conn = child->suspended; conn; conn = next) {
        next = conn->suspended_next;
        if (conn->cs.state == CONN_STATE_SUSPENDED) {
            continue;
        }
        if (!conn->settled_after) {
            conn->settled_after = child->callbacks_started;
        }
        if (oldest > conn->settled_after) {
            *conn->suspended_link = next;
            if (next) {
                next->suspended_link = conn->suspended_link;
            }
            conn->settled_after = 0;
            conn->job.run = run_resumed;
            jobs_push(&child->jobs, &conn->job, clock_coarse_us());
        }
    }
}

static step_e step_suspended(conn_t *conn, worker_t *worker)
{
    child_t *child = conn->child;

    (void)worker;
    deadlines_drop(&child->deadlines, &conn->deadline);
    count_waiting(conn, &child->score->suspended);
    detach_from_thread(conn);
    pthread_mutex_lock(&child->suspended_lock);
    conn->suspended_next = child->suspended;
    conn->suspended_link = &child->suspended;
    if (child->suspended) {
        child->suspended->suspended_link = &conn->suspended_next;
    }
    child->suspended = conn;
    /* the callback may have been faster than we are */
    resume_settled(child);
    pthread_mutex_unlock(&child->suspended_lock);
    return STEP_GONE;
}

void conn_callback_ends(child_t *child, worker_t *worker)
{
    pthread_mutex_lock(&child->suspended_lock);
    atomic_store(&worker->callback, 0);
    resume_settled(child);
    pthread_mutex_unlock(&child->suspended_lock);
}

void conn_shutdown_all(child_t *child)
{
    uint32_t count = atomic_load(&child->connections.item_count);
    uint32_t i;

    for (i = 0; i < count; i++) {
        conn_t *conn = slab_at(&child->connections, i);
        /* The owner may close the descriptor at this very moment; then this is at worst an
         * end of file for another connection of a process that is being killed. */
        int fd = claim_state(&conn->claim) == CLAIM_FREE ? -1 : conn->fd;

        if (fd >= 0) {
            shutdown(fd, SHUT_RDWR);
        }
    }
}

/* --- hooks ------------------------------------------------------------------------ */

/* An HTTP/2 stream's connection begins as a copy of the one that carries it. It needs a
 * state of its own, or its requests would change the carrier's under the poller. */
int conn_hook_pre_connection(conn_rec *c, void *csd)
{
    (void)csd;
    if (c->master) {
        c->cs = apr_pcalloc(c->pool, sizeof(*c->cs));
        c->cs->state = CONN_STATE_PROCESSING;
        c->cs->sense = CONN_SENSE_DEFAULT;
    }
    return OK;
}

/* With pipelining the next request may have been read before this one is gone. */
static apr_status_t forget_request(void *data)
{
    request_rec *r = data;
    conn_t *conn = of_conn_rec(r->connection);

    if (conn && conn->r == r) {
        conn->r = NULL;
    }
    return APR_SUCCESS;
}

void conn_hook_pre_read_request(request_rec *r, conn_rec *c)
{
    conn_t *conn = of_conn_rec(c);

    if (conn) {
        conn->r = r;
        apr_pool_cleanup_register(r->pool, r, forget_request, apr_pool_cleanup_null);
    }
}

int conn_hook_post_read_request(request_rec *r)
{
    conn_t *conn = of_conn_rec(r->connection);

    if (conn) {
        /* A virtual host that sets no KeepAliveTimeout of its own keeps that of the first
         * one on its address, as it does under every other MPM. */
        conn->server = r->server->keep_alive_timeout_set ? r->server
                                                          : r->connection->base_server;
    }
    return OK;
}

int conn_hook_protocol_switch(conn_rec *c, request_rec *r, server_rec *s, const char *protocol)
{
    conn_t *conn = of_conn_rec(c);

    (void)protocol;
    /* A protocol for the whole connection (h2 by ALPN): there may never be a request that
     * says whose timeouts apply. */
    if (conn && !r && s) {
        conn->server = s;
    }
    return DECLINED;
}
