/* TLS for connections, where OpenSSL is there to build with (WITH_TLS). Sending and receiving are
 * like send() and recv(): -1 and EAGAIN if it cannot be done now. */
#ifndef LOADGEN_TLS_H
#define LOADGEN_TLS_H

#include "origin.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TLS_MISSING "built without OpenSSL: install libssl-dev and build again"

typedef struct ssl_st tls_connection;

int tls_is_built_in(void);
void tls_begin(void);
/* With the name of the origin, and a session of it if there is one. */
tls_connection *tls_open(origin *o, int fd);
/* A last word to the server, as far as it can be sent at once. */
void tls_close(tls_connection *t);

/* 1: done, 0: once more after what *events says (of epoll), -1: never. */
int tls_handshake(tls_connection *t, uint32_t *events);
int tls_was_resumed(tls_connection *t);
ssize_t tls_send(tls_connection *t, const char *from, size_t length);
ssize_t tls_receive(tls_connection *t, char *to, size_t room);
/* Whether the server has already ended it. Looking for that reads what has come. */
int tls_is_closed(tls_connection *t);
/* Whether something has been read that nobody has received: epoll does not tell. */
int tls_has_pending(tls_connection *t);

#endif
