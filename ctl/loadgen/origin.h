/* Where requests go: a scheme and a host. TLS sessions and kept-alive connections are of one of
 * these, as in a browser. */
#ifndef LOADGEN_ORIGIN_H
#define LOADGEN_ORIGIN_H

#include "ring.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* As many as a browser keeps of a host, more or less. */
#define SESSIONS_MAX 8

typedef struct {
    const char *host;           /* as in the Host header, with a port if it has one */
    size_t host_length;
    int is_tls;
    struct sockaddr_in address;
    ring_link idle;             /* connections, by how long they have been idle */
    struct ssl_session_st *sessions[SESSIONS_MAX];
    int session_count;
} origin;

/* The number of that origin, which is there from now on. */
uint32_t origin_number(int is_tls, const char *host, size_t host_length);
origin *origin_of(uint32_t number);

#endif
