/* The head of an HTTP/1 request, looked at while it comes in: is it complete, and how long will its
 * body be?
 *
 * Nothing is judged here but whether a thread that read on would have to wait. While it would, the
 * request waits without one; as soon as httpd would answer, with whatever, it has to have it: a
 * head that is complete, one that is over a limit, malformed, or no HTTP/1. That it is taken for
 * complete too early costs a thread that waits, and no more: what httpd makes of the bytes does
 * not depend on it. So this follows httpd's reading (ap_read_request(), RFC 9112 in its strict
 * form) as far as it blocks, and leaves the rest to it.
 *
 * A verdict never comes later than httpd's answer: nobody would send more, and nobody would read.
 * It comes earlier for what is rare and hard to judge: CONNECT, URLs with anything unusual in
 * front of the path, other versions than HTTP/1, a line beyond its limit before it ends, and in
 * the unsafe form request lines with more blanks than there should be. In the middle of a line
 * everything is waited for, a TLS handshake on a plain port as well.
 *
 * Pure C11: nothing of httpd or APR. Any thread; each head has one owner.
 */
#ifndef ADP_REQUEST_HEAD_H
#define ADP_REQUEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What bounds it. */
typedef struct head_limits_t {
    size_t line_bytes;          /* LimitRequestLine */
    size_t field_bytes;         /* LimitRequestFieldSize */
    size_t fields;              /* LimitRequestFields; 0: no limit */
    size_t blank_lines;         /* before the request line */
    size_t head_bytes;          /* all in all */
    bool strict;                /* not HttpProtocolOptions Unsafe */
    bool registered_methods;    /* HttpProtocolOptions RegisteredMethods */
    bool http2;                 /* it may also begin with HTTP/2's preface, all of which is waited
                                 * for: the first request, where a module speaks that */
} head_limits_t;

typedef enum {
    HEAD_UNFINISHED,            /* a thread would have to wait for more */
    HEAD_COMPLETE,              /* the empty line is there */
    HEAD_FOR_HTTPD              /* httpd has an answer to it already, or it is not HTTP/1 */
} head_verdict_e;

/* No Content-Length, or one that httpd has to judge. */
#define HEAD_NO_LENGTH (-1)

typedef struct head_t {
    /* of a complete head */
    size_t bytes;               /* its length, the empty line included */
    int64_t body_bytes;         /* Content-Length, or HEAD_NO_LENGTH */
    bool wants_continue;        /* Expect */
    /* of one that is not: where the look stands */
    size_t line_at;             /* begin of the current line */
    size_t looked_to;           /* no end of that line before here */
    size_t blank_lines;
    size_t fields;
    size_t folded_bytes;        /* of the last field, with what continues it */
    bool has_request_line;
    bool is_bad;                /* httpd refuses it when the current line is complete */
    bool has_length;
    bool has_coding;            /* Transfer-Encoding */
} head_t;

/* For the next request. */
void head_begin(head_t *head);

/* data: all that has come of the request so far, from its first byte; size grows from call to call.
 * Each byte is looked at about once, however small the pieces. */
head_verdict_e head_look(head_t *head, const head_limits_t *limits, const char *data, size_t size);

/* Bytes of the body that a complete head announces and that are to be waited for without a thread,
 * at most most; 0: none, or more than that, or it takes a thread to ask for them (Expect), or to
 * find their end (Transfer-Encoding). */
size_t head_body_to_wait_for(const head_t *head, size_t most);

#endif
