/* A response of HTTP/1.1, parsed as its bytes come: its head is understood as far as it says where
 * the body ends, the body is counted and dropped. Knows nothing of connections. */
#ifndef LOADGEN_HTTP_H
#define LOADGEN_HTTP_H

#include "chunked.h"

#include <stddef.h>
#include <stdint.h>

#define HTTP_HEAD_MAX 65536

enum http_stage { HTTP_HEAD, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };
enum http_verdict { HTTP_MORE, HTTP_COMPLETE, HTTP_MALFORMED };

typedef struct {
    enum http_stage stage;
    int to_head_request;        /* there will be no body */
    int has_begun;              /* a byte has come */
    int status;                 /* 0: no final response yet */
    int close_after;            /* the connection will not be used again */
    int64_t left;               /* of the body, with a Content-Length */
    int64_t body_bytes;
    int64_t received_us;        /* X-Received-Us, 0: none */
    long server_pid;            /* X-Adp-Pid, of this response or one before it */
    chunked chunked;
    char *head;                 /* what has come of one that is not complete */
    size_t head_length;
} http_response;

/* Before the first byte. A structure that has not been used before is all zeros. */
void http_begin(http_response *r, int to_head_request);
/* Frees what it has. */
void http_drop(http_response *r);

/* Bytes behind the end of the response are an error: nothing else has been asked for. */
enum http_verdict http_feed(http_response *r, const char *data, size_t length);
/* The server has closed the connection: complete, or not what it should be. */
enum http_verdict http_at_close(http_response *r);

#endif
