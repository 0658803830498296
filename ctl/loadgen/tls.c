/* OpenSSL as a client. Certificates are not verified: they are those of a copy of a site. */

#include "tls.h"

#include "tool.h"

#ifdef WITH_TLS

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>

#define HOST_MAX 256

static SSL_CTX *context;

int tls_is_built_in(void)
{
    return 1;
}

/* Keeps a session: the last ones of its origin. 1: it is ours from now on. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    origin *o = SSL_get_app_data(ssl);

    if (o->session_count == SESSIONS_MAX) {
        SSL_SESSION_free(o->sessions[0]);
        memmove(o->sessions, o->sessions + 1, sizeof(o->sessions[0]) * (SESSIONS_MAX - 1));
        o->session_count--;
    }
    o->sessions[o->session_count++] = session;
    return 1;
}

/* The newest one. A session of TLS 1.3 is good for one connection, an older one for many. */
static void use_session(SSL *ssl, origin *o)
{
    SSL_SESSION *session;

    if (!o->session_count) {
        return;
    }
    session = o->sessions[o->session_count - 1];
    SSL_set_session(ssl, session);
    if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
        SSL_SESSION_free(session);
        o->session_count--;
    }
}

void tls_begin(void)
{
    static const unsigned char http11[] = "\x08http/1.1";

    context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_set_alpn_protos(context, http11, sizeof(http11) - 1) != 0) {
        die("TLS");
    }
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE
                                  | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, keep_session);
}

/* The host without a port. Addresses are not names. */
static void set_name(SSL *ssl, const origin *o)
{
    char name[HOST_MAX];
    struct in_addr address;
    size_t length = strcspn(o->host, ":");

    if (o->host[0] == '[' || length >= sizeof(name)) {
        return;
    }
    memcpy(name, o->host, length);
    name[length] = '\0';
    if (inet_pton(AF_INET, name, &address) != 1) {
        SSL_set_tlsext_host_name(ssl, name);
    }
}

tls_connection *tls_open(origin *o, int fd)
{
    SSL *ssl = SSL_new(context);

    if (!ssl || !SSL_set_fd(ssl, fd) || !SSL_set_app_data(ssl, o)) {
        die("TLS");
    }
    SSL_set_connect_state(ssl);
    set_name(ssl, o);
    use_session(ssl, o);
    return ssl;
}

void tls_close(tls_connection *ssl)
{
    if (SSL_is_init_finished(ssl)) {
        SSL_shutdown(ssl);
    }
    ERR_clear_error();
    SSL_free(ssl);
}

int tls_handshake(tls_connection *ssl, uint32_t *events)
{
    int error = SSL_get_error(ssl, SSL_do_handshake(ssl));

    ERR_clear_error();
    *events = error == SSL_ERROR_WANT_WRITE ? EPOLLOUT : EPOLLIN;
    return error == SSL_ERROR_NONE ? 1
           : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int tls_was_resumed(tls_connection *ssl)
{
    return SSL_session_reused(ssl);
}

/* Like recv(): 0 if the server closed in an orderly way, with its last word or without. */
static ssize_t outcome_of(SSL *ssl, int rv, size_t n)
{
    int error, saved;

    if (rv > 0) {
        return (ssize_t)n;
    }
    saved = errno;
    error = SSL_get_error(ssl, rv);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && saved == 0)
#ifdef SSL_R_UNEXPECTED_EOF_WHILE_READING
        || ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
#endif
    ) {
        ERR_clear_error();
        return 0;
    }
    ERR_clear_error();
    errno = ECONNRESET;
    return -1;
}

ssize_t tls_send(tls_connection *ssl, const char *from, size_t length)
{
    size_t n = 0;
    int rv;
    ssize_t sent;

    errno = 0;
    rv = SSL_write_ex(ssl, from, length, &n);
    sent = outcome_of(ssl, rv, n);
    if (sent == 0) {
        errno = ECONNRESET;
        return -1;
    }
    return sent;
}

ssize_t tls_receive(tls_connection *ssl, char *to, size_t room)
{
    size_t n = 0;
    int rv;

    errno = 0;
    rv = SSL_read_ex(ssl, to, room, &n);
    return outcome_of(ssl, rv, n);
}

int tls_is_closed(tls_connection *ssl)
{
    char byte;
    size_t n = 0;
    int rv;
    ssize_t there;

    errno = 0;
    rv = SSL_peek_ex(ssl, &byte, 1, &n);
    there = outcome_of(ssl, rv, n);
    return there == 0 || (there < 0 && errno != EAGAIN);
}

int tls_has_pending(tls_connection *ssl)
{
    return SSL_has_pending(ssl);
}

#else

int tls_is_built_in(void)
{
    return 0;
}

/* Nobody comes here: what asks for TLS is refused before. */
static void missing(void)
{
    fputs("loadgen: " TLS_MISSING "\n", stderr);
    exit(2);
}

void tls_begin(void)
{
    missing();
}

tls_connection *tls_open(origin *o, int fd)
{
    (void)o;
    (void)fd;
    missing();
    return NULL;
}

void tls_close(tls_connection *t)
{
    (void)t;
}

int tls_handshake(tls_connection *t, uint32_t *events)
{
    (void)t;
    (void)events;
    return -1;
}

int tls_was_resumed(tls_connection *t)
{
    (void)t;
    return 0;
}

ssize_t tls_send(tls_connection *t, const char *from, size_t length)
{
    (void)t;
    (void)from;
    (void)length;
    return -1;
}

ssize_t tls_receive(tls_connection *t, char *to, size_t room)
{
    (void)t;
    (void)to;
    (void)room;
    return -1;
}

int tls_is_closed(tls_connection *t)
{
    (void)t;
    return 1;
}

int tls_has_pending(tls_connection *t)
{
    (void)t;
    return 0;
}

#endif
