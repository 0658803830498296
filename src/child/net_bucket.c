/* Workers, each for the connection that it owns. */
#include "net_bucket.h"

#include "conn_internal.h"

#include <errno.h>
#include <sys/socket.h>

/* Without waiting. Returns as recv(2) does. */
static apr_status_t receive_now(conn_t *conn, char *bytes, apr_size_t *size)
{
    ssize_t n;

    do {
        n = recv(conn->fd, bytes, *size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    *size = n > 0 ? (apr_size_t)n : 0;
    return n < 0 ? (errno == EWOULDBLOCK ? APR_EAGAIN : errno) : APR_SUCCESS;
}

static apr_status_t read_socket(conn_t *conn, char *bytes, apr_size_t *size, apr_read_type_e block)
{
    apr_size_t room = *size;
    apr_status_t rv = block == APR_NONBLOCK_READ ? receive_now(conn, bytes, size)
                                                 : apr_socket_recv(conn->socket, bytes, size);

    if (rv == APR_EOF) {
        rv = APR_SUCCESS;
        *size = 0;
    }
    conn->net.is_dry = rv == APR_SUCCESS && *size > 0 && *size < room;
    conn->net.has_ended = rv == APR_SUCCESS
                          ? *size == 0 : !APR_STATUS_IS_EAGAIN(rv) && !APR_STATUS_IS_TIMEUP(rv);
    return rv;
}

static apr_status_t read_net(apr_bucket *bucket, const char **bytes, apr_size_t *size,
                             apr_read_type_e block);

static const apr_bucket_type_t net_bucket_type = {
    "ADAPTIVE_NET", 5, APR_BUCKET_DATA, apr_bucket_destroy_noop, read_net,
    apr_bucket_setaside_notimpl, apr_bucket_split_notimpl, apr_bucket_copy_notimpl
};

static apr_bucket *create_bucket(conn_t *conn, apr_bucket_alloc_t *list)
{
    apr_bucket *bucket = apr_bucket_alloc(sizeof(*bucket), list);

    APR_BUCKET_INIT(bucket);
    bucket->free = apr_bucket_free;
    bucket->list = list;
    bucket->type = &net_bucket_type;
    bucket->length = (apr_size_t)-1;
    bucket->start = -1;
    bucket->data = conn;
    return bucket;
}

/* The bucket becomes what was read, and another one behind it stands for what is to come. */
static void become_data(apr_bucket *bucket, conn_t *conn, const char *bytes, apr_size_t size)
{
    apr_bucket *rest = create_bucket(conn, bucket->list);

    bucket = apr_bucket_heap_make(bucket, bytes, size, NULL);
    APR_BUCKET_INSERT_AFTER(bucket, rest);
}

/* apr_bucket_type_t.read */
static apr_status_t read_net(apr_bucket *bucket, const char **bytes, apr_size_t *size,
                             apr_read_type_e block)
{
    conn_t *conn = bucket->data;
    char buffer[APR_BUCKET_BUFF_SIZE];
    apr_status_t rv;

    *bytes = NULL;
    *size = 0;
    if (block == APR_NONBLOCK_READ && conn->net.is_dry) {
        conn->net.is_dry = false;
        return APR_EAGAIN;
    }
    *size = sizeof(buffer);
    rv = read_socket(conn, buffer, size, block);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (*size > 0) {
        become_data(bucket, conn, buffer, *size);
        *bytes = ((apr_bucket_heap *)bucket->data)->base;
    }
    else {
        /* the end, as APR's bucket shows it */
        bucket = apr_bucket_immortal_make(bucket, "", 0);
        *bytes = bucket->data;
    }
    return APR_SUCCESS;
}

apr_status_t net_bucket_hook(conn_rec *c, apr_bucket_brigade *bb, apr_socket_t *socket)
{
    conn_t *conn = conn_of_conn_rec(c);

    if (!conn || socket != conn->socket) {
        return AP_DECLINED;
    }
    APR_BRIGADE_INSERT_TAIL(bb, create_bucket(conn, c->bucket_alloc));
    return APR_SUCCESS;
}
