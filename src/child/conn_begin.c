/* Workers. How a connection comes to a thread: accepted, taken along, woken by the poller. Then
 * conn_steps.c has it. */
#include "conn_internal.h"
#include "first_byte.h"
#include "late.h"
#include "lending.h"
#include "listeners.h"
#include "put_off.h"
#include "token.h"

#include "base/clock.h"
#include "base/probes.h"
#include "base/testhook.h"

#include "apr_portable.h"
#include "http_connection.h"
#include "http_vhost.h"
#include "scoreboard.h"
#include "util_filter.h"

/* Memory that a connection has for its first steps, and for those of its first request, as nodes of
 * its allocator. */
#define NODES_TO_CREATE     2
#define NODES_TO_SERVE      6

/* There is no memory for this connection; those that we have need what there is. */
static void refuse(conn_t *conn, worker_t *worker)
{
    child_t *child = conn->child;

    conn_close(conn, worker);
    listeners_out_of_memory(child);
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

    conn_give_thread(conn, worker);
    /* whose connection it is, and no more the request of the one before */
    ap_update_child_status_from_conn(conn->sbh, SERVER_BUSY_READ, conn->c);
    conn->begun = true;
    rc = ap_pre_connection(conn->c, conn->socket);
    if (rc != OK && rc != DONE) {
        ap_log_cerror(APLOG_MARK, APLOG_DEBUG, 0, conn->c, ADPNO(0021)
                      "pre_connection hooks refused the connection (%d)", rc);
        conn->c->aborted = 1;
        return;
    }
    collect_begin(conn, conn->accepted_us);
}

static void wait_for_first_byte(conn_t *conn, worker_t *worker)
{
    lending_take_back(conn, worker);
    conn_set_hint(conn, HINT_NEW);
    conn_wait(conn, POLLER_READ, conn_after(first_byte_timeout(conn->server)),
              &conn->child->score->wait_io);
}

/* Serve a new connection as soon as its first byte is there, or before if the server may
 * speak first. */
static void begin_conn(conn_t *conn, worker_t *worker)
{
    first_byte_e first = conn->opening == OPENING_SERVE ? FIRST_THERE : conn_first_byte(conn);

    ON_WORKER();
    if (first == FIRST_THERE && conn->opening == OPENING_WAIT
        && (put_off_new(conn) || put_off(conn))) {
        return;
    }
    lending_lend(conn, worker);
    if (!conn->c && !lending_reserve(conn, NODES_TO_CREATE)) {
        refuse(conn, worker);
        return;
    }
    if (first == FIRST_NEVER || (!conn->c && !create(conn))) {
        conn_close(conn, worker);
        return;
    }
    if (conn_is_janitor(worker)) {
        conn_leave_to_workers(conn, worker,
                              conn->opening == OPENING_WAIT ? POLLER_READ : POLLER_WRITE);
        return;
    }
    if (first == FIRST_MISSING && conn->opening == OPENING_WAIT) {
        wait_for_first_byte(conn, worker);
        return;
    }
    if (!lending_reserve(conn, NODES_TO_SERVE)) {
        refuse(conn, worker);
        return;
    }
    introduce(conn, worker);
    if (first == FIRST_MISSING && !conn->c->aborted) {
        wait_for_first_byte(conn, worker);
        return;
    }
    conn_serve(conn, worker);
}

void conn_register_filters(void)
{
    response_register();
    late_register_filter();
    hold_register_filter();
}

bool conn_first_byte_late(conn_t *conn, worker_t *worker)
{
    /* the janitor runs no hooks, and of a handshake that never began nobody would hear */
    if (conn_is_janitor(worker) || (!conn->begun && first_byte_is_tls(conn->server))) {
        return false;
    }
    /* a line in the log is not worth the last memory */
    if (!conn->begun && !lending_reserve(conn, NODES_TO_SERVE)) {
        return false;
    }
    conn->no_request = true;
    conn_count_served(conn);
    conn_attach(conn, worker);
    if (!conn->begun) {
        introduce(conn, worker);
    }
    collect_never(conn);
    late_end_input(conn->c);
    conn_serve(conn, worker);
    return true;
}

static void take_socket(conn_t *conn, apr_socket_t *socket, opening_e opening)
{
    int fd = -1;

    conn->socket = socket;
    conn->opening = opening;
    conn->accepted_us = clock_coarse_us();
    conn_set_hint(conn, HINT_NONE);
    apr_os_sock_get(&fd, socket);
    atomic_store(&conn->fd, fd);
}

void conn_accepted(conn_t *conn, apr_socket_t *socket, opening_e opening, worker_t *worker)
{
    take_socket(conn, socket, opening);
    begin_conn(conn, worker);
}

/* job_fn, on a worker. */
static void run_begin(job_t *job, void *taker)
{
    begin_conn(conn_of_job(job), taker);
}

void conn_taken_along(conn_t *conn, apr_socket_t *socket, opening_e opening)
{
    ON_STEWARD();
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
    else if (state == CONN_STATE_KEEPALIVE) {
        conn_enter(conn, CONN_STATE_PROCESSING, "the client has sent something");
        collect_next(conn);
    }
    else if (state == CONN_STATE_ASYNC_WAITIO
             || (state == CONN_STATE_WRITE_COMPLETION && is_for_hooks(conn))) {
        conn_enter(conn, CONN_STATE_PROCESSING, "the client has sent something");
    }
    conn_serve(conn, worker);
}

/* What the connection waited for has happened. */
void conn_resume(conn_t *conn, worker_t *worker)
{
    ON_WORKER();
    OWNED(conn);
    conn_count_served(conn);
    if (!conn->begun) {
        begin_conn(conn, worker);
        return;
    }
    lending_lend(conn, worker);
    conn_attach(conn, worker);
    go_on(conn, worker);
}

/* The next request, or one that is in the filters: not the rest of a response, and not the end. */
static bool waits_for_request(const conn_t *conn)
{
    return conn->begun && (conn->cs.state == CONN_STATE_KEEPALIVE
                           || (conn->cs.state == CONN_STATE_PROCESSING
                               && conn->hold.bytes == NULL));
}

void conn_event(child_t *child, poller_token_t token, worker_t *worker)
{
    conn_t *conn = slab_at(&child->connections, token_index(token));

    ON_WORKER();
    if (!claim_by_event(&conn->claim, token_generation(token))) {
        return;
    }
    conn->armed = false;
    ADP_PROBE2(claim, conn->fd, conn->cs.state);
    if (!waits_for_request(conn) || !put_off(conn)) {
        conn_resume(conn, worker);
    }
}

/* job_fn, on a worker. */
static void run_put_off(job_t *job, void *taker)
{
    conn_t *conn = conn_of_job(job);

    if (conn_is_janitor(taker)) {
        /* it serves no requests: the poller finds the connection ready at once, unless what has
         * come was sent ahead and lies in the filters */
        conn_leave_to_workers(conn, taker, conn->begun && conn->cs.state == CONN_STATE_PROCESSING
                                           ? POLLER_WRITE : POLLER_READ);
        return;
    }
    conn_resume(conn, taker);
}

void conn_queue_put_off(conn_t *conn, int64_t now_us)
{
    ON_STEWARD();
    conn->job.run = run_put_off;
    jobs_push(&conn->child->jobs, &conn->job, now_us);
}
