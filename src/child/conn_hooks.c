/* httpd's hooks that tell what happens on a connection. */

#include "conn_internal.h"
#include "lending.h"
#include "lowering.h"
#include "pinning.h"
#include "put_off.h"
#include "shed.h"
#include "self.h"

#include "base/clock.h"

#include <string.h>

/* NULL: the janitor, or nobody. */
static worker_t *worker_of(conn_t *conn)
{
    int row = atomic_load(&conn->row);

    return row >= 0 && row < conn->child->workers.limit ? &conn->child->workers.list[row] : NULL;
}

/* The connection carries HTTP/2 streams, and whoever serves it now serves them all. The worker that
 * has it, or a thread of mod_http2's that begins one of them. */
static void note_carrier(conn_t *conn)
{
    worker_t *worker;

    if (!conn || atomic_load_explicit(&conn->carries, memory_order_relaxed)) {
        return;
    }
    atomic_store(&conn->carries, true);
    worker = worker_of(conn);
    if (worker) {
        /* if it has left the connection since, an event that has nothing to do with it is not
         * lowered, and no harm is done */
        lowering_spare(worker);
    }
}

/* Whatever came before the first request, a TLS handshake for instance, is not its own. And what
 * looked like HTTP/2 is not: it would have no request of its own. */
static void note_first_request(conn_t *conn)
{
    worker_t *worker = worker_of(conn);

    conn->has_asked = true;
    atomic_store(&conn->carries, false);
    if (worker) {
        headcount_carry(conn->child->ext, &worker->carries, false);
        worker_next_request(worker);
        atomic_store(&worker->greets, false);
    }
}

/* An HTTP/2 stream's connection begins as a copy of the one that carries it. It needs a
 * state of its own, or its requests would change the carrier's under the poller. */
int conn_hook_pre_connection(conn_rec *c, void *csd)
{
    conn_t *conn = conn_of_conn_rec(c);

    (void)csd;
    if (conn) {
        response_begin(conn);
    }
    if (c->master) {
        c->cs = apr_pcalloc(c->pool, sizeof(*c->cs));
        c->cs->state = CONN_STATE_PROCESSING;
        c->cs->sense = CONN_SENSE_DEFAULT;
        note_carrier(conn_of_conn_rec(c->master));
    }
    return OK;
}

/* With pipelining the next request may have been read before this one is gone. */
static apr_status_t forget_request(void *data)
{
    request_rec *r = data;
    conn_t *conn = conn_of_conn_rec(r->connection);

    if (conn && conn->r == r) {
        conn->r = NULL;
    }
    return APR_SUCCESS;
}

void conn_hook_pre_read_request(request_rec *r, conn_rec *c)
{
    conn_t *conn = conn_of_conn_rec(c);

    if (conn) {
        conn->r = r;
        if (!conn->has_asked) {
            note_first_request(conn);
        }
        apr_pool_cleanup_register(r->pool, r, forget_request, apr_pool_cleanup_null);
    }
}

/* HTTP/2 streams have threads of their own, and no conn_t; all of a session's are one event. */
static void count_request(const conn_rec *c)
{
    child_t *self = self_get();

    if (self) {
        ext_count_request(self->ext, clock_coarse_us() / CLOCK_US_PER_S);
    }
    if (self && c->master && atomic_fetch_add(&self->streams, 1) % PINNING_EVENTS == 0) {
        pinning_busy(self);
    }
}

/* It waits in its thread for as long as the tunnel lasts, if there will be one. */
static void note_websocket(conn_t *conn, const request_rec *r)
{
    const char *upgrade = apr_table_get(r->headers_in, "Upgrade");
    bool wanted = upgrade && !ap_cstr_casecmp(upgrade, "websocket");

    atomic_store_explicit(&conn->websocket, wanted, memory_order_relaxed);
    if (wanted) {
        lending_forgo(conn);
    }
}

int conn_hook_post_read_request(request_rec *r)
{
    conn_t *conn = conn_of_conn_rec(r->connection);

    if (r->prev) {
        return OK;              /* a redirect of its own: the client has asked once */
    }
    count_request(r->connection);
    if (conn) {
        response_note_request(conn, r);
        if (shed_request(conn, r)) {
            return HTTP_SERVICE_UNAVAILABLE;
        }
        put_off_note_target(conn, r);
        note_websocket(conn, r);
        /* A virtual host that sets no KeepAliveTimeout of its own keeps that of the first
         * one on its address, as it does under every other MPM. */
        conn->server = r->server->keep_alive_timeout_set ? r->server
                                                          : r->connection->base_server;
    }
    return OK;
}

int conn_hook_protocol_switch(conn_rec *c, request_rec *r, server_rec *s, const char *protocol)
{
    conn_t *conn = conn_of_conn_rec(c);

    if (!strcmp(protocol, "h2") || !strcmp(protocol, "h2c")) {
        note_carrier(conn);
    }
    if (conn) {
        collect_never(conn);
    }
    /* A protocol for the whole connection (h2 by ALPN): there may never be a request that
     * says whose timeouts apply. */
    if (conn && !r && s) {
        conn->server = s;
    }
    return DECLINED;
}
