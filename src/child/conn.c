/* Workers, each for the connection that it owns. Memory, thread and waits of a connection; what
 * happens in a state is conn_steps.c's, which this file does not call. */
#include "conn.h"

#include "bell.h"
#include "conn_internal.h"
#include "first_byte.h"
#include "lending.h"
#include "listeners.h"
#include "memory_guard.h"
#include "token.h"
#include "workers.h"

#include "base/own_pool.h"
#include "base/testhook.h"

#include "apr_atomic.h"
#include "apr_portable.h"
#include "http_connection.h"
#include "http_vhost.h"
#include "mpm_common.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Free connections that keep their pool, for each thread a child may have. */
#define POOLED_A_THREAD     2

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
        conn->pool = own_pool_create(child->pool, "transaction");
        if (!conn->pool) {
            slab_give(&child->connections, conn);
            return NULL;
        }
        lending_begin(conn);
    }
    conn->child = child;
    deadline_init(&conn->deadline);
    conn->socket = NULL;
    conn->fd = -1;
    conn->in_poller = conn->armed = conn->begun = conn->state_is_new = false;
    conn->row = -1;
    conn->websocket = false;
    conn->carries = false;
    conn->has_asked = false;
    conn->no_request = false;
    conn->c = NULL;
    conn->sbh = NULL;
    conn->r = NULL;
    conn->server = NULL;
    conn->counter = NULL;
    conn->settled_after = 0;
    conn->has_callback = false;
    conn->computes = conn->was_put_off = conn->is_shed = false;
    conn->holds = 0;
    response_clear(conn);
    conn->target = TARGET_UNKNOWN;
    conn->net = (net_t) { false, false };
    hold_reset(&conn->hold);
    collect_never(conn);
    claim_acquire(&conn->claim);
    return conn;
}

static void drop_pool(conn_t *conn)
{
    atomic_fetch_sub_explicit(&conn->child->pooled_connections, 1, memory_order_relaxed);
    apr_pool_destroy(conn->pool);
    conn->pool = NULL;
}

void conn_discard(conn_t *conn, worker_t *worker)
{
    child_t *child = conn->child;

    hold_free(conn);
    lending_begin(conn);
    apr_pool_clear(conn->pool); /* closes the socket, which lives in it */
    if (worker) {
        lending_take_back(conn, worker);
    }
    /* pools are worth keeping, but not those of a crowd that has left */
    if (atomic_fetch_add_explicit(&child->pooled_connections, 1, memory_order_relaxed)
        >= POOLED_A_THREAD * child->config->threads_per_child) {
        drop_pool(conn);
    }
    claim_release(&conn->claim);
    slab_give(&child->connections, conn);
}

void conn_trim(child_t *child)
{
    uint32_t left = atomic_load(&child->connections.item_count);
    conn_t *taken = NULL;

    ON_STEWARD();
    while (left-- > 0 && atomic_load_explicit(&child->pooled_connections, memory_order_relaxed)
                         > 0) {
        conn_t *conn = slab_take(&child->connections);

        if (!conn) {
            break;
        }
        if (conn->pool) {
            drop_pool(conn);
        }
        conn->suspended_next = taken;
        taken = conn;
    }
    while (taken) {
        conn_t *conn = taken;

        taken = conn->suspended_next;
        slab_give(&child->connections, conn);
    }
}

step_e conn_close(conn_t *conn, worker_t *worker)
{
    child_t *child = conn->child;

    deadlines_drop(&child->deadlines, &conn->deadline);
    if (conn->in_poller && conn->armed) {
        poller_remove(&child->poller, conn->fd);
    }
    conn->fd = -1;
    response_drop(conn);
    conn_discard(conn, worker);
    conn_uncount(child);
    listeners_connection_closed(child);
    return STEP_GONE;
}

void conn_uncount(child_t *child)
{
    if (apr_atomic_dec32(&child->score->connections) == 0
        && atomic_load(&child->phase) != CHILD_SERVING) {
        bell_steward(child);
    }
}

/* --- states ----------------------------------------------------------------------- */

#define BIT(state) (1u << (state))

/* Where each state leads, as far as we take a connection there. A module may leave it in any state,
 * and from any it may have to be closed. */
static const unsigned leads_to[CONN_STATE_NUM] = {
    [CONN_STATE_KEEPALIVE] = BIT(CONN_STATE_PROCESSING) | BIT(CONN_STATE_WRITE_COMPLETION),
    [CONN_STATE_WRITE_COMPLETION] = BIT(CONN_STATE_PROCESSING) | BIT(CONN_STATE_KEEPALIVE),
    [CONN_STATE_ASYNC_WAITIO] = BIT(CONN_STATE_PROCESSING),
    [CONN_STATE_LINGER] = BIT(CONN_STATE_LINGER_NORMAL) | BIT(CONN_STATE_LINGER_SHORT)
};

static bool may_lead(conn_state_e from, conn_state_e to)
{
    return to == CONN_STATE_LINGER || (from < CONN_STATE_NUM && leads_to[from] & BIT(to));
}

void conn_enter(conn_t *conn, conn_state_e state, const char *why)
{
    CHECK(may_lead(conn->cs.state, state));
    OWNED(conn);
    ap_log_cerror(APLOG_MARK, APLOG_TRACE2, 0, conn->c, "connection state %d, was %d: %s", state,
                  conn->cs.state, why);
    conn->cs.state = state;
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
void conn_give_thread(conn_t *conn, worker_t *worker)
{
    conn->c->current_thread = worker->self;
    atomic_store_explicit(&conn->row, worker->slot, memory_order_relaxed);
    atomic_store_explicit(&worker->greets, !conn->has_asked, memory_order_relaxed);
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
        conn_give_thread(conn, worker);
        ap_run_resume_connection(conn->c, conn->r);
    }
}

void conn_count_waiting(conn_t *conn, apr_uint32_t *counter)
{
    conn->counter = counter;
    apr_atomic_inc32(counter);
    if (conn_hint(conn) == HINT_REQUEST) {
        atomic_fetch_add(&conn->child->ext->coming, 1);
    }
}

void conn_count_served(conn_t *conn)
{
    if (conn->counter) {
        apr_atomic_dec32(conn->counter);
        conn->counter = NULL;
        if (conn_hint(conn) == HINT_REQUEST) {
            atomic_fetch_sub(&conn->child->ext->coming, 1);
        }
    }
    conn_set_hint(conn, HINT_NONE);
}

first_byte_e conn_first_byte(conn_t *conn)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n";     /* RFC 9113, 3.4 */
    char bytes[sizeof(preface) - 1];
    ssize_t n = recv(conn->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

    if (n > 0) {
        if (n == sizeof(bytes) && !memcmp(bytes, preface, sizeof(bytes))) {
            atomic_store_explicit(&conn->carries, true, memory_order_relaxed);
        }
        return FIRST_THERE;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? FIRST_MISSING : FIRST_NEVER;
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
    return conn_close(conn, NULL);
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
        bell_steward(child);
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

void conn_shutdown_all(child_t *child)
{
    uint32_t count = atomic_load(&child->connections.item_count);
    uint32_t i;

    ON_STEWARD();
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
