/* A new connection until its first byte: what happens at once, and how long the byte may take.
 * docs/user/directives.md, "New connections", is for administrators.
 *
 * All is found in the parent while it reads the configuration; children inherit the result. */
#ifndef ADP_FIRST_BYTE_H
#define ADP_FIRST_BYTE_H

#include "httpd.h"
#include "ap_listen.h"

#include <stdbool.h>

/* What happens to a connection of a listening socket before its first byte (first_byte.h). */
typedef enum {
    OPENING_WAIT,               /* nothing: it waits without a thread */
    OPENING_HOOKS,              /* pre_connection hooks see it at once, then it waits */
    OPENING_SERVE               /* it has a thread at once: the server may speak first */
} opening_e;

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

#endif
