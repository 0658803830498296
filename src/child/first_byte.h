/* A new connection until its first byte: what happens at once, and how long the byte may take.
 * docs/user/directives.md, "New connections", is for administrators.
 *
 * All is found in the parent while it reads the configuration; children inherit the result. */
#ifndef ADP_FIRST_BYTE_H
#define ADP_FIRST_BYTE_H

#include "reqtimeout.h"

#include "httpd.h"
#include "ap_listen.h"

#include <stdbool.h>

/* What happens to a connection of a listening socket before its first byte (first_byte.h). */
typedef enum {
    OPENING_WAIT,               /* nothing: it waits without a thread */
    OPENING_HOOKS,              /* pre_connection hooks see it at once, then it waits */
    OPENING_SERVE               /* it has a thread at once: the server may speak first */
} opening_e;

/* What a client sends before a thread has anything to do; mod_reqtimeout's stages. */
typedef enum {
    READ_HANDSHAKE,
    READ_HEAD,
    READ_BODY,
    READ_STAGES
} read_stage_e;

/* When all modules have read their directives and httpd knows its listening sockets, before
 * they are duplicated: open_logs. Lets the kernel announce at once what a server may have
 * to greet (TCP_DEFER_ACCEPT would hold it back). p lives as long as the configuration. */
void first_byte_find(apr_pool_t *p, server_rec *main_server);

/* What may happen to a connection of this listening socket before its first byte. Children start
 * without a look at all virtual hosts: their parent has done that. */
opening_e first_byte_opening(const server_rec *main_server, const ap_listen_rec *lr);

/* How long a connection may wait for its first byte, in µs, on this virtual host: Timeout, or
 * less if mod_reqtimeout says so. Any thread. */
apr_interval_time_t first_byte_timeout(const server_rec *s);

/* Whether a client of this virtual host begins with a TLS handshake. Any thread. */
bool first_byte_is_tls(const server_rec *s);

/* What RequestReadTimeout says for this stage on this virtual host; without mod_reqtimeout no
 * limit. Lives as long as the configuration. Any thread. */
const read_times_t *first_byte_times(const server_rec *s, read_stage_e stage);

/* Whether all virtual hosts that this connection can lead to give a request's body the same time:
 * which one it is for is known only when a thread has read its head. Any thread. */
bool first_byte_bodies_may_wait(conn_rec *c);

/* The longest Timeout of all virtual hosts, in µs. Any thread. */
apr_interval_time_t first_byte_longest_timeout(const server_rec *main_server);

/* Whether mod_http2 is there, which looks for its preface in front of the first request. Any
 * thread. */
bool first_byte_may_be_http2(const server_rec *main_server);

/* Whether a connection to this virtual host carries HTTP and nothing else, as far as the modules
 * are known. Any thread. */
bool first_byte_speaks_http(const server_rec *main_server, const server_rec *s);

#endif
