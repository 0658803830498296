#include "conn_internal.h"

#include "first_byte.h"
#include "listeners.h"
#include "pool.h"
#include "memory_guard.h"
#include "testhook.h"

#include "apr_atomic.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_vhost.h"
#include "mpm_common.h"

#include <errno.h>
#include <sys/socket.h>

/* Free connections that keep their pool, for each thread a child may have. */
#define POOLED_A_THREAD     2

/* Memory that a connection has for its first steps, and for those of its first request,
 * as nodes of its allocator. */
#define NODE_BYTES          (8192 - APR_MEMNODE_T_SIZE)
#define NODES_TO_CREATE     2
#define NODES_TO_SERVE      6

/* --- birth and death ------------------------------------------------------------- */

conn_t *conn_new(child_t *child)
{
    conn_t *conn = slab_take(&child->connections);

    if (!conn) {
        return NULL;
    }
    if (memory_guard_is_short(child, conn->pool == NULL)) {
        slab_give(&child->connections, conn);
        return NULL;
    }
    if (conn->pool) {
        atomic_fetch_sub_explicit(&child->pooled_connections, 1, memory_order_relaxed);
    }
    else {
        conn->pool = child_create_pool(child->pool, "transaction");
        if (!conn->pool) {
            slab_give(&child->connections, conn);
            return NULL;
        }
    }
    conn->child = child;
    deadline_init(&conn->deadline);
    conn->socket = NULL;
    conn->fd = -1;
    conn->in_poller = conn->armed = conn->begun = conn->state_is_new = false;
    conn->row = -1;
    conn->websocket = false;
    conn->no_request = false;
    conn->c = NULL;
    conn->sbh = NULL;
    conn->r = NULL;
    conn->server = NULL;
    conn->counter = NULL;
    conn->settled_after = 0;
    conn->has_callback = false;
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

void conn_trim(child_t *child)
{
    uint32_t left = atomic_load(&child->connections.item_count);
    int most = POOLED_A_THREAD * pool_live(child);
    conn_t *without = NULL;

    /* free ones that have a pool lie on top of those that have none, but not strictly so */
    while (left-- > 0 && atomic_load_explicit(&child->pooled_connections, memory_order_relaxed)
                         > most) {
        conn_t *conn = slab_take(&child->connections);

        if (!conn) {
            break;
        }
        if (conn->pool) {
            atomic_fetch_sub_explicit(&child->pooled_connections, 1, memory_order_relaxed);
            apr_pool_destroy(conn->pool);
            conn->pool = NULL;
        }
        conn->suspended_next = without;
        without = conn;
    }
    while (without) {
        conn_t *conn = without;

        without = conn->suspended_next;
        slab_give(&child->connections, conn);
    }
}

step_e conn_close(conn_t *conn)
{
    child_t *child = conn->child;

    deadlines_drop(&child->deadlines, &conn->deadline);
    if (conn->in_poller && conn->armed) {
        poller_remove(&child->poller, conn->fd);
    }
    conn->fd = -1;
    conn_discard(conn);         /* closes the socket: it lives in the pool */
    conn_uncount(child);
    listeners_connection_closed(child);
    return STEP_GONE;
}

void conn_uncount(child_t *child)
{
    if (apr_atomic_dec32(&child->score->connections) == 0
        && atomic_load(&child->phase) != CHILD_SERVING) {
        child_wake_steward(child);
    }
}

apr_uint32_t conn_count(const child_t *child)
{
    return apr_atomic_read32(&child->score->connections);
}

/* --- waiting ---------------------------------------------------------------------- */

void conn_detach(conn_t *conn)
{
    if (conn->begun) {
        ap_run_suspend_connection(conn->c, conn->r);
        conn->c->sbh = NULL;
        conn->c->current_thread = NULL;
    }
}

/* What the scoreboard shows of a worker that begins with a connection in this state. Hooks
 * show more when they know it. */
static int status_of(conn_state_e state)
{
    switch (state) {
    case CONN_STATE_WRITE_COMPLETION:
    case CONN_STATE_LINGER:
        return SERVER_BUSY_WRITE;
    case CONN_STATE_LINGER_NORMAL:
    case CONN_STATE_LINGER_SHORT:
        return SERVER_CLOSING;
    default:
        return SERVER_BUSY_READ;
    }
}

void conn_show(const conn_t *conn, const worker_t *worker)
{
    if (!conn_is_janitor(worker)) {
        worker_score *score = ap_get_scoreboard_worker_from_indexes(conn->child->slot,
                                                                    worker->slot);

        score->status = (unsigned char)status_of(conn->cs.state);
    }
}

/* The janitor has no place in the scoreboard: what it serves has no handle then. */
static void give_thread(conn_t *conn, worker_t *worker)
{
    conn->c->current_thread = worker->self;
    atomic_store_explicit(&conn->row, worker->slot, memory_order_relaxed);
    if (worker->slot >= 0) {
        ap_update_sb_handle(conn->sbh, conn->child->slot, worker->slot);
        conn->c->sbh = conn->sbh;
        conn_show(conn, worker);
    }
    else {
        conn->c->sbh = NULL;
    }
}

void conn_attach(conn_t *conn, worker_t *worker)
{
    if (conn->begun) {
        give_thread(conn, worker);
        ap_run_resume_connection(conn->c, conn->r);
    }
}

void conn_count_waiting(conn_t *conn, apr_uint32_t *counter)
{
    conn->counter = counter;
    apr_atomic_inc32(counter);
}

void conn_count_served(conn_t *conn)
{
    conn_set_hint(conn, HINT_NONE);
    if (conn->counter) {
        apr_atomic_dec32(conn->counter);
        conn->counter = NULL;
    }
}

/* The poller refuses a connection that has just been detached: close it, attached again, as
 * modules expect it. */
static step_e give_up(conn_t *conn, apr_thread_t *thread, ap_sb_handle_t *sbh)
{
    conn_count_served(conn);
    if (conn->begun) {
        conn->c->current_thread = thread;
        conn->c->sbh = sbh;
        ap_run_resume_connection(conn->c, conn->r);
        conn->c->aborted = 1;
        if (!conn_lingers(conn)) {
            ap_start_lingering_close(conn->c);
        }
    }
    return conn_close(conn);
}

/* Leave the connection to the poller and its deadline. Afterwards it is not ours: another
 * thread may be serving it before this returns. */
step_e conn_wait(conn_t *conn, poller_want_e want, int64_t due_us, apr_uint32_t *counter)
{
    child_t *child = conn->child;
    uint32_t index = conn->item.index;
    int fd = conn->fd;
    bool known = conn->in_poller;
    apr_thread_t *thread = conn->begun ? conn->c->current_thread : NULL;
    ap_sb_handle_t *sbh = conn->begun ? conn->c->sbh : NULL;
    uint32_t generation;
    int rc;

    conn_count_waiting(conn, counter);
    conn_detach(conn);
    conn->in_poller = true;
    conn->want = want;
    if (deadlines_set(&child->deadlines, &conn->deadline, due_us)) {
        child_wake_steward(child);
    }
    generation = claim_begin_arming(&conn->claim);
    rc = ADP_FAULT(poller_refuses) ? ENOSPC
         : poller_arm(&child->poller, fd, token_make(TOKEN_CONNECTION, generation, index), want,
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
    return give_up(conn, thread, sbh);
}

/* The janitor serves no requests, or one that hangs would stop all deadlines. What is there
 * to be served makes the poller fire at once, for the next worker that is free. */
void conn_leave_to_workers(conn_t *conn, worker_t *worker, poller_want_e want)
{
    apr_uint32_t *counter = conn->counter;
    server_rec *server = conn->server ? conn->server : conn->child->server;

    conn_attach(conn, worker);
    conn_count_served(conn);
    conn_wait(conn, want, conn_after(server->timeout),
              counter ? counter : &conn->child->score->wait_io);
}

/* Let the allocator of the connection have some nodes, so that what is allocated next cannot fail
 * and end the process. False: there is no memory. */
static bool reserve(conn_t *conn, int nodes)
{
    apr_allocator_t *allocator = apr_pool_allocator_get(conn->pool);
    apr_memnode_t *list = NULL;
    bool enough = true;

    while (nodes-- > 0 && enough) {
        apr_memnode_t *node = ADP_FAULT(no_memory) ? NULL
                              : apr_allocator_alloc(allocator, NODE_BYTES);

        enough = node != NULL;
        if (enough) {
            node->next = list;
            list = node;
        }
    }
    if (list) {
        apr_allocator_free(allocator, list);
    }
    return enough;
}

/* There is no memory for this connection; those that we have need what there is. */
static void refuse(conn_t *conn)
{
    child_t *child = conn->child;

    conn_close(conn);
    listeners_out_of_memory(child);
}

/* --- beginning and going on ---------------------------------------------------- */

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
    /* whose connection it is, and no more the request of the one before */
    ap_update_child_status_from_conn(conn->sbh, SERVER_BUSY_READ, conn->c);
    conn->begun = true;
    rc = ap_pre_connection(conn->c, conn->socket);
    if (rc != OK && rc != DONE) {
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, ADPNO(0021)
                      "pre_connection hooks refused the connection (%d)", rc);
        conn->c->aborted = 1;
    }
}

first_byte_e conn_first_byte(const conn_t *conn)
{
    char byte;
    ssize_t n = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0) {
        return FIRST_THERE;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? FIRST_MISSING : FIRST_NEVER;
}

static void wait_for_first_byte(conn_t *conn)
{
    conn_set_hint(conn, HINT_NEW);
    conn_wait(conn, POLLER_READ, conn_after(first_byte_timeout(conn->server)),
              &conn->child->score->wait_io);
}

/* Serve a new connection as soon as its first byte is there, or before if the server may
 * speak first. */
static void begin(conn_t *conn, worker_t *worker)
{
    first_byte_e first = conn->opening == OPENING_SERVE ? FIRST_THERE : conn_first_byte(conn);

    if (!conn->c && !reserve(conn, NODES_TO_CREATE)) {
        refuse(conn);
        return;
    }
    if (first == FIRST_NEVER || (!conn->c && !create(conn))) {
        conn_close(conn);
        return;
    }
    if (conn_is_janitor(worker)) {
        conn_leave_to_workers(conn, worker,
                              conn->opening == OPENING_WAIT ? POLLER_READ : POLLER_WRITE);
        return;
    }
    if (first == FIRST_MISSING && conn->opening == OPENING_WAIT) {
        wait_for_first_byte(conn);
        return;
    }
    if (!reserve(conn, NODES_TO_SERVE)) {
        refuse(conn);
        return;
    }
    introduce(conn, worker);
    if (first == FIRST_MISSING && !conn->c->aborted) {
        wait_for_first_byte(conn);
        return;
    }
    conn_serve(conn, worker);
}

/* Next to the socket of a connection whose first byte is late; one for the process. */
static ap_filter_rec_t *too_late;

/* Returns APR_TIMEUP for whatever is read: the time for the first byte is over. */
static apr_status_t read_too_late(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                                  apr_read_type_e block, apr_off_t readbytes)
{
    (void)f;
    (void)bb;
    (void)mode;
    (void)block;
    (void)readbytes;
    return APR_TIMEUP;
}

void conn_register_filters(void)
{
    too_late = ap_register_input_filter("ADAPTIVE_TOO_LATE", read_too_late, NULL,
                                        (ap_filter_type)(AP_FTYPE_NETWORK - 1));
}

bool conn_first_byte_late(conn_t *conn, worker_t *worker)
{
    /* the janitor runs no hooks, and of a handshake that never began nobody would hear */
    if (conn_is_janitor(worker) || (!conn->begun && first_byte_is_tls(conn->server))) {
        return false;
    }
    /* a line in the log is not worth the last memory */
    if (!conn->begun && !reserve(conn, NODES_TO_SERVE)) {
        return false;
    }
    conn->no_request = true;
    conn_count_served(conn);
    conn_attach(conn, worker);
    if (!conn->begun) {
        introduce(conn, worker);
    }
    ap_add_input_filter_handle(too_late, NULL, NULL, conn->c);
    conn_serve(conn, worker);
    return true;
}

static void take_socket(conn_t *conn, apr_socket_t *socket, opening_e opening)
{
    int fd = -1;

    conn->socket = socket;
    conn->opening = opening;
    conn_set_hint(conn, HINT_NONE);
    apr_os_sock_get(&fd, socket);
    atomic_store(&conn->fd, fd);
}

void conn_accepted(conn_t *conn, apr_socket_t *socket, opening_e opening, worker_t *worker)
{
    take_socket(conn, socket, opening);
    begin(conn, worker);
}

/* job_fn, on a worker. */
static void run_begin(job_t *job, void *taker)
{
    begin(conn_of_job(job), taker);
}

void conn_taken_along(conn_t *conn, apr_socket_t *socket, opening_e opening)
{
    take_socket(conn, socket, opening);
    conn->job.run = run_begin;
    jobs_push(&conn->child->jobs, &conn->job, clock_now_us());
}

/* Whether what a connection in CONN_STATE_WRITE_COMPLETION waited for is a matter of the
 * process_connection hooks: input that they asked for, or, if input filters of theirs may
 * hold back something that the poller cannot see, anything. */
static bool is_for_hooks(const conn_t *conn)
{
    const conn_rec *c = conn->c;

    return c->clogging_input_filters
           || (conn->want == POLLER_READ && !c->data_in_output_filters
               && c->keepalive == AP_CONN_KEEPALIVE);
}

/* The wait is over: on with the state that follows it. */
static void go_on(conn_t *conn, worker_t *worker)
{
    conn_state_e state = conn->cs.state;

    if (conn->state_is_new) {
        conn->state_is_new = false;
    }
    else if (state == CONN_STATE_KEEPALIVE || state == CONN_STATE_ASYNC_WAITIO
             || (state == CONN_STATE_WRITE_COMPLETION && is_for_hooks(conn))) {
        conn->cs.state = CONN_STATE_PROCESSING;
    }
    conn_serve(conn, worker);
}

/* What the connection waited for has happened. */
void conn_resume(conn_t *conn, worker_t *worker)
{
    conn_count_served(conn);
    if (!conn->begun) {
        begin(conn, worker);
        return;
    }
    conn_attach(conn, worker);
    go_on(conn, worker);
}

void conn_event(child_t *child, poller_token_t token, worker_t *worker)
{
    conn_t *conn = slab_at(&child->connections, token_index(token));

    if (!claim_by_event(&conn->claim, token_generation(token))) {
        return;
    }
    conn->armed = false;
    conn_resume(conn, worker);
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
