/* A client connection from accept to close: the state machine between httpd's
 * conn_state_e and the child's poller.
 *
 *   accept --data?--> PROCESSING <----------------------+--------------------+
 *      |                  |                             | readable           | ready
 *      v                  v                             |                    |
 *  first byte       WRITE_COMPLETION --flushed--> KEEPALIVE           ASYNC_WAITIO
 *  (no conn_rec           |   ^ writable                | Timeout            | Timeout
 *   yet, no thread)       v   |                         v                    v
 *      |               (waits for the client)        LINGER <----------------+
 *      v Timeout                                        | shutdown(2), client may still send
 *    close <------------ LINGER_NORMAL / LINGER_SHORT <-+
 *
 * SUSPENDED: some module has the connection and hands it back from a timed callback.
 *
 * A connection waits in the poller without a thread in every state; in PROCESSING only as long as
 * its request is being collected (collect.h). Who may touch it is settled by claim.h.
 */
#ifndef ADP_CONN_H
#define ADP_CONN_H

#include "collect.h"
#include "first_byte.h"
#include "fwd.h"
#include "hold.h"
#include "net_bucket.h"
#include "response.h"
#include "worker.h"

#include "base/claim.h"
#include "base/deadlines.h"
#include "base/jobs.h"
#include "base/poller.h"
#include "base/slab.h"

#include "httpd.h"
#include "scoreboard.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What a connection waits for, as far as the steward of a child that is draining cares. Only a
 * hint: who looks does not own the connection. */
typedef enum {
    HINT_NONE,                  /* nothing: a thread has it, or is about to */
    HINT_NEW,                   /* the client's first byte */
    HINT_REQUEST,               /* the rest of a request (collect.h) */
    HINT_IDLE,                  /* the client's next request */
    HINT_WRITING,               /* the client, to take more of a response */
    HINT_WAITIO,                /* its socket, for a module */
    HINT_SUSPENDED,             /* the module that suspended it */
    HINT_LINGERING,             /* the client's close */
    HINTS
} conn_hint_e;

struct conn_t {
    slab_item_t item;           /* first */
    claim_t claim;
    deadline_t deadline;
    job_t job;                  /* what a worker does with it after its deadline */
    child_t *child;
    /* for other threads; hints, like the first */
    _Atomic int hint;           /* conn_hint_e */
    _Atomic int64_t since_us;   /* the hint is true since then, by the coarse clock */
    _Atomic int row;            /* the thread that has it, as a slot of the scoreboard */
    _Atomic bool websocket;     /* the last request asked for one */
    _Atomic bool carries;       /* HTTP/2 streams, whose requests have other threads */
    /* the rest, fd apart, belongs to the thread that owns the connection */
    apr_pool_t *pool;           /* kept from one connection to the next */
    apr_socket_t *socket;
    _Atomic int fd;             /* conn_shutdown_all() looks at it */
    bool in_poller;             /* the poller knows the descriptor */
    bool armed;                 /* taken by its deadline: the poller may still fire */
    opening_e opening;          /* what happens before the first byte */
    int64_t accepted_us;        /* by the coarse clock */
    net_t net;                  /* what httpd reads it from */
    hold_t hold;                /* what has come of the next request */
    collect_t collect;          /* ... and what is missing of it */
    poller_want_e want;         /* what it last waited for */
    conn_rec *c;                /* NULL until somebody looked for the first byte */
    bool begun;                 /* pre_connection hooks have run */
    bool has_asked;             /* a request, HTTP/2's apart, has begun to be read */
    bool computes;              /* its last request did, for long: see put_off.h */
    bool is_shed;               /* its next request gets 503: it has waited too long */
    bool was_put_off;           /* its turn has come: it is not put off again */
    uint32_t target;            /* of its last request: target.h */
    int holds;                  /* the class that its thread serves (bulkhead.h), plus 1; 0: none;
                                 * HOLDS_NAMELESS: one without a place */
    int64_t holds_since_us;
    bool no_request;            /* it ends with no request under way */
    conn_state_t cs;            /* c->cs */
    response_t response;        /* what waits for a slow reader */
    bool state_is_new;          /* a module has left it while nobody had the connection */
    ap_sb_handle_t *sbh;        /* c->sbh while a thread has it */
    request_rec *r;             /* the request that is being read or served, or NULL */
    server_rec *server;         /* whose timeouts apply */
    apr_uint32_t *counter;      /* of the scoreboard, while it waits */
    int64_t linger_until_us;
    int64_t turn_us;            /* since when its requests in the filters keep a thread; 0 */
    /* while put off: guarded by put_off_t.lock */
    conn_t *put_off_next, *put_off_before;
    int64_t put_off_us;         /* since then */
    /* while suspended: guarded by child_t.suspended_lock */
    conn_t *suspended_next;
    conn_t **suspended_link;
    uint64_t settled_after;     /* resumed when all since callbacks_before, up to this, end */
    /* the owner's again */
    bool has_callback;          /* one was registered from within hooks on this connection */
    uint64_t callbacks_before;  /* those that had begun before the hooks */
};

/* A connection without a socket, its pool ready; NULL: no memory. Any thread, which owns it
 * until it calls conn_discard() or conn_accepted(). worker: the thread, which gets back what it has
 * lent (lending.h); NULL: it has lent nothing. */
conn_t *conn_new(child_t *child);
void conn_discard(conn_t *conn, worker_t *worker);

/* Serve a socket that was just accepted into conn->pool. A worker; gives up conn. */
void conn_accepted(conn_t *conn, apr_socket_t *socket, opening_e opening, worker_t *worker);

/* The same for a socket that the steward accepted: a worker will serve it. */
void conn_taken_along(conn_t *conn, apr_socket_t *socket, opening_e opening);

/* The poller has an event for a connection: take it, unless the event is stale, and serve
 * it until it waits again. A worker. */
void conn_event(child_t *child, poller_token_t token, worker_t *worker);

/* What the connection waited for has happened, or its turn has come (put_off.h): go on with it. The
 * worker that owns it; the steward has one do it. */
void conn_resume(conn_t *conn, worker_t *worker);
void conn_queue_put_off(conn_t *conn, int64_t now_us);

/* deadlines_claim_fn: takes a waiting connection whose deadline has passed. */
bool conn_claim_deadline(deadline_t *entry, void *ctx);

/* deadlines_claim_fn: takes a connection that only waits for the client's next request. */
bool conn_claim_idle(deadline_t *entry, void *ctx);

/* deadlines_claim_fn: takes a connection whose client has kept its next request to itself since
 * *(int64_t *)ctx, all of it or the rest. */
bool conn_claim_slow(deadline_t *entry, void *ctx);

/* deadlines_claim_fn: takes a lingering connection that may last beyond *(int64_t *)ctx. */
bool conn_claim_long_linger(deadline_t *entry, void *ctx);

/* Have the workers close, each in its way, the connections that one of the two claim
 * functions took: list is linked by next. The steward. */
void conn_queue_expired(child_t *child, deadline_t *list, int64_t now_us);
void conn_queue_idle(child_t *child, deadline_t *list, int64_t now_us);

/* Have the workers close connections that wait for whatever, and that conn_claim_deadline()
 * took before their time. The steward. */
void conn_queue_close(child_t *child, deadline_t *list, int64_t now_us);

/* Have the workers give lingering connections less time. The steward. */
void conn_queue_long_lingers(child_t *child, deadline_t *list, int64_t now_us);

/* A timed callback was registered by this thread, maybe from within hooks on a connection. */
void conn_callback_registered(void);

/* A timed callback begins and ends on this worker: afterwards suspended connections that
 * are done with by their module are served on. */
void conn_callback_begins(child_t *child, worker_t *worker);
void conn_callback_ends(child_t *child, worker_t *worker);

/* Cut off every connection's socket, so that threads blocked in it return. The steward,
 * on an ungraceful stop; connections stay their owners'. */
void conn_shutdown_all(child_t *child);

/* Destroy the pools of free connections, which keep what their largest request needed. The next
 * connections make small ones. The steward. */
void conn_trim(child_t *child);

/* One connection less in process_score.connections. A child that is draining ends with its last.
 * Any thread. */
void conn_uncount(child_t *child);

/* The filters of this part; with the hooks. */
void conn_register_filters(void);

/* Hooks, registered by mod_mpm_adaptive.c; on whichever thread serves the connection. */
int conn_hook_pre_connection(conn_rec *c, void *csd);
void conn_hook_pre_read_request(request_rec *r, conn_rec *c);
int conn_hook_post_read_request(request_rec *r);
int conn_hook_protocol_switch(conn_rec *c, request_rec *r, server_rec *s, const char *protocol);

#endif
