/* What each state of a connection does, as a table. conn.h draws the graph. */

#include "bulkhead.h"
#include "conn_internal.h"
#include "lending.h"
#include "listeners.h"
#include "put_off.h"
#include "response.h"

#include "base/clock.h"
#include "base/testhook.h"

#include "http_connection.h"
#include "mpm_common.h"
#include "util_filter.h"

#include <errno.h>
#include <sys/socket.h>

/* How long a client may go on sending after we closed our side (RFC 9112, 9.6): it has to read
 * the response first. Where there is none, LINGER_SHORT_S. */
#define LINGER_S            30
/* How long the last flush may take before the connection is cut. */
#define LAST_FLUSH_S        2
/* Reads of one go while draining a lingering connection, so that a fast sender does not
 * keep the thread. */
#define LINGER_READS        32
#define LINGER_READ_BYTES   16384
/* How long the requests that a client has sent ahead keep their worker while others wait. */
#define TURN_US             CLOCK_US_PER_MS

static bool is_draining(const child_t *child)
{
    return atomic_load_explicit(&child->phase, memory_order_relaxed) != CHILD_SERVING;
}

/* Without a thread, until the rest of the request has come. */
static step_e wait_for_request(conn_t *conn, worker_t *worker, int64_t due_us)
{
    lending_take_back(conn, worker);
    conn_set_hint_since(conn, HINT_REQUEST, conn->collect.since_us);
    return conn_wait(conn, POLLER_READ, due_us, &conn->child->score->wait_io);
}

static step_e serve_request(conn_t *conn, worker_t *worker)
{
    conn_rec *c = conn->c;
    int rc;

    /* what the last wait was for says nothing about the next */
    conn->cs.sense = CONN_SENSE_DEFAULT;
    conn_enter_hooks(conn);
    rc = ap_run_process_connection(c);
    bulkhead_end(conn);
    put_off_learn(conn, worker);
    ADP_PAUSE(hooks_returned);
    if (conn_leave_hooks(conn) && (rc == OK || rc == DONE)) {
        /* even if it is aborted: a module will come back to it */
        return conn_step_suspended(conn, worker);
    }
    if (rc != OK && rc != DONE) {
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, c, ADPNO(0022)
                      "process_connection hooks returned %d in connection state %d, closing",
                      rc, conn->cs.state);
        conn_enter(conn, CONN_STATE_LINGER, "hooks failed");
        return STEP_AGAIN;
    }
    switch (conn->cs.state) {
    case CONN_STATE_WRITE_COMPLETION:
    case CONN_STATE_ASYNC_WAITIO:
    case CONN_STATE_LINGER:
        break;
    case CONN_STATE_KEEPALIVE:
        conn_enter(conn, CONN_STATE_WRITE_COMPLETION, "a request is done");
        break;
    case CONN_STATE_PROCESSING:
        conn_enter(conn, CONN_STATE_LINGER, "hooks are done with it");
        break;
    default:
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, c, ADPNO(0023)
                      "unexpected connection state %d, closing", conn->cs.state);
        conn_enter(conn, CONN_STATE_LINGER, "hooks left it in no state of theirs");
        break;
    }
    return STEP_AGAIN;
}

static step_e step_processing(conn_t *conn, worker_t *worker)
{
    int64_t due_us = 0;

    if (conn->c->aborted) {
        conn_enter(conn, CONN_STATE_LINGER, "the client has gone");
        return STEP_AGAIN;
    }
    conn_show(conn, worker);
    switch (collect_request(conn, &due_us)) {
    case COLLECT_WAIT:
        return wait_for_request(conn, worker, due_us);
    case COLLECT_GONE:
        conn->no_request = true;
        conn_enter(conn, CONN_STATE_LINGER, "the client has closed");
        return STEP_AGAIN;
    default:
        return serve_request(conn, worker);
    }
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
    return ext_idle(child->ext) == 0
           && poller_has_ready(&child->poller);
}

/* The client sends requests faster than we come back to the poller. It keeps its worker for a
 * turn; then it is others', if any wait. Asking for them, and queueing up, costs about as much as
 * a small file: once a turn and not once a request. */
static bool turn_is_over(conn_t *conn)
{
    int64_t now_us = clock_now_us();

    if (conn->turn_us == 0) {
        conn->turn_us = now_us;
    }
    if (now_us - conn->turn_us < TURN_US) {
        return false;
    }
    conn->turn_us = now_us;
    return others_wait(conn->child);
}

/* The next request is here already, but so are others' and no worker is idle: queue up
 * behind them, or a client that answers faster than we come back to the poller has a
 * worker for itself. The request is in the input filters, where the poller cannot see it;
 * that the socket is writable makes the connection ready at once. */
static step_e yield(conn_t *conn)
{
    return conn_wait(conn, POLLER_WRITE, conn_after(conn->server->timeout),
                     &conn->child->score->keep_alive);
}

/* The client has not taken everything yet. */
static bool output_is_left(conn_t *conn)
{
    if (response_go_on(conn) != APR_SUCCESS) {
        conn->c->aborted = 1;
    }
    return !conn->c->aborted && conn->c->data_in_output_filters;
}

/* The client has sent its next request. The filters answer that without a look at the socket if
 * they can (net_bucket.h); then the poller finds what has come meanwhile, but for a connection that
 * is about to be closed this is the last look. */
static bool next_is_here(conn_t *conn)
{
    return conn->c->data_in_input_filters
           || (is_draining(conn->child) && conn_first_byte(conn) == FIRST_THERE);
}

static step_e wait_writing(conn_t *conn, worker_t *worker, poller_want_e want)
{
    lending_take_back(conn, worker);
    conn_set_hint(conn, HINT_WRITING);
    return conn_wait(conn, want, conn_after(conn->server->timeout),
                     &conn->child->score->write_completion);
}

/* A hook that wants to read waits for that also if nothing is left to be written, and for
 * Timeout: it is in the middle of something, not between two requests. */
static step_e step_write_completion(conn_t *conn, worker_t *worker)
{
    conn_rec *c = conn->c;
    bool left = output_is_left(conn);
    poller_want_e want = wanted(conn, POLLER_WRITE);

    if (left || (want == POLLER_READ && !c->aborted)) {
        return wait_writing(conn, worker, want);
    }
    if (c->aborted || c->keepalive != AP_CONN_KEEPALIVE) {
        conn_enter(conn, CONN_STATE_LINGER, "no request follows");
    }
    else if (next_is_here(conn)) {
        conn_enter(conn, CONN_STATE_PROCESSING, "the next request is here already");
        collect_next(conn);
        if (worker_is_lowered(worker) || turn_is_over(conn)) {
            return yield(conn);
        }
        worker_next_request(worker);
    }
    else if (is_draining(conn->child)) {
        conn_enter(conn, CONN_STATE_LINGER, "the child drains");
    }
    else {
        conn_enter(conn, CONN_STATE_KEEPALIVE, "the response is written");
    }
    return STEP_AGAIN;
}

static step_e step_keepalive(conn_t *conn, worker_t *worker)
{
    lending_settle(conn, worker);
    conn_set_hint(conn, HINT_IDLE);
    return conn_wait(conn, POLLER_READ, conn_after(conn->server->keep_alive_timeout),
                     &conn->child->score->keep_alive);
}

static step_e step_async_waitio(conn_t *conn, worker_t *worker)
{
    if (conn->c->aborted) {
        conn_enter(conn, CONN_STATE_LINGER, "the client has gone");
        return STEP_AGAIN;
    }
    lending_take_back(conn, worker);
    conn_set_hint(conn, HINT_WAITIO);
    return conn_wait(conn, wanted(conn, POLLER_READ), conn_after(conn->server->timeout),
                     &conn->child->score->wait_io);
}

static step_e step_linger(conn_t *conn, worker_t *worker)
{
    conn_rec *c = conn->c;
    apr_socket_t *socket = conn->socket;
    bool brief;

    if (!c->aborted && c->data_in_output_filters && output_is_left(conn)) {
        /* the client has Timeout to take it */
        return wait_writing(conn, worker, POLLER_WRITE);
    }
    /* what the modules still say at the end goes out now or never */
    apr_socket_timeout_set(socket, apr_time_from_sec(LAST_FLUSH_S));
    if (ap_start_lingering_close(c)) {
        return conn_close(conn, worker);
    }
    apr_socket_timeout_set(socket, 0);
    if (conn->cs.state != CONN_STATE_LINGER) {
        conn_enter(conn, CONN_STATE_LINGER, "whatever pre_close hooks have made of it");
    }
    brief = is_draining(conn->child) || conn->no_request
            || apr_table_get(c->notes, "short-lingering-close");
    conn_enter(conn, brief ? CONN_STATE_LINGER_SHORT : CONN_STATE_LINGER_NORMAL,
               "our side is closed");
    conn->linger_until_us = conn_after(apr_time_from_sec(brief ? LINGER_SHORT_S : LINGER_S));
    return STEP_AGAIN;
}

/* Read and forget what the client still sends, until it closes its side too. */
static step_e step_drain(conn_t *conn, worker_t *worker)
{
    char scrap[LINGER_READ_BYTES];
    int reads;

    for (reads = 0; reads < LINGER_READS; reads++) {
        ssize_t n = recv(conn->fd, scrap, sizeof(scrap), MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return conn_close(conn, worker);
        }
        if (n < 0) {
            break;
        }
    }
    /* with descriptors or memory short nobody is waited for */
    if (clock_coarse_us() >= conn->linger_until_us || listeners_are_short(conn->child)) {
        return conn_close(conn, worker);
    }
    lending_take_back(conn, worker);
    conn_set_hint(conn, HINT_LINGERING);
    return conn_wait(conn, POLLER_READ, conn->linger_until_us,
                     &conn->child->score->lingering_close);
}

static step_e step_unexpected(conn_t *conn, worker_t *worker)
{
    (void)worker;
    conn_enter(conn, CONN_STATE_LINGER, "no connection should be in this state");
    return STEP_AGAIN;
}

static step_fn *const steps[CONN_STATE_NUM] = {
    [CONN_STATE_KEEPALIVE]        = step_keepalive,
    [CONN_STATE_PROCESSING]       = step_processing,
    [CONN_STATE_HANDLER]          = step_unexpected,
    [CONN_STATE_WRITE_COMPLETION] = step_write_completion,
    [CONN_STATE_SUSPENDED]        = conn_step_suspended,
    [CONN_STATE_LINGER]           = step_linger,
    [CONN_STATE_LINGER_NORMAL]    = step_drain,
    [CONN_STATE_LINGER_SHORT]     = step_drain,
    [CONN_STATE_ASYNC_WAITIO]     = step_async_waitio
};

/* Run a connection that this worker owns until it waits or is closed. */
void conn_serve(conn_t *conn, worker_t *worker)
{
    child_t *child = worker->child;
    step_e step;

    ON_WORKER();
    OWNED(conn);
    conn->turn_us = 0;
    headcount_carry(child->ext, &worker->carries,
                    atomic_load_explicit(&conn->carries, memory_order_relaxed));
    do {
        conn_state_e state = conn->cs.state;

        /* whoever has waited too long with something else than a request is not told at the next */
        conn->is_shed = conn->is_shed && state == CONN_STATE_PROCESSING;

        step = state < CONN_STATE_NUM ? steps[state](conn, worker)
                                      : step_unexpected(conn, worker);
    } while (step == STEP_AGAIN);
    headcount_carry(child->ext, &worker->carries, false);
}
