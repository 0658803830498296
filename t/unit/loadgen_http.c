/* Where the load generator finds the end of a response: heads, lengths, chunks. Each response comes
 * as a whole, in two parts split at every byte, and byte by byte: the verdict must be the same. */

#include "../../ctl/loadgen/chunked.c"
#include "../../ctl/loadgen/http.c"

#include "tap.h"

#include <string.h>

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

typedef struct {
    const char *name, *data;
    enum http_verdict verdict;  /* when all of it has come */
    enum http_verdict at_close;
    int status;
    int64_t body_bytes;
    int close_after, to_head_request;
} example;

/* A verdict before the end of the data is that of the end: nothing is fed behind it. */
static const example examples[] = {
    { "nothing", "", HTTP_MORE, HTTP_MALFORMED, 0, 0, 0, 0 },
    { "half a head", "HTTP/1.1 200 OK\r\nContent-Le", HTTP_MORE, HTTP_MALFORMED, 0, 0, 0, 0 },
    { "a length", OK "Content-Length: 5\r\n\r\nhello", HTTP_COMPLETE, 0, 200, 5, 0, 0 },
    { "... in any case, with blanks", OK "content-length:   5  \r\n\r\nhello", HTTP_COMPLETE, 0,
      200, 5, 0, 0 },
    { "... that is not reached", OK "Content-Length: 6\r\n\r\nhello", HTTP_MORE, HTTP_MALFORMED,
      200, 5, 0, 0 },
    { "a length of 0", OK "Content-Length: 0\r\n\r\n", HTTP_COMPLETE, 0, 200, 0, 0, 0 },
    { "no number", OK "Content-Length: 5x\r\n\r\n", HTTP_MALFORMED, 0, 0, 0, 0, 0 },
    { "two lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", HTTP_MALFORMED, 0, 0, 0,
      0, 0 },
    { "line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", HTTP_COMPLETE, 0, 200, 1, 0,
      0 },
    { "no reason", "HTTP/1.1 404\r\nContent-Length: 1\r\n\r\nx", HTTP_COMPLETE, 0, 404, 1, 0, 0 },
    { "not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", HTTP_MALFORMED, 0, 0, 0, 0, 0 },
    { "not a status", "HTTP/1.1 2xx OK\r\n\r\n", HTTP_MALFORMED, 0, 0, 0, 0, 0 },

    { "until close", OK "\r\nhello", HTTP_MORE, HTTP_COMPLETE, 200, 5, 1, 0 },
    { "another coding until close", OK "Transfer-Encoding: gzip\r\nContent-Length: 3\r\n\r\nhello",
      HTTP_MORE, HTTP_COMPLETE, 200, 5, 1, 0 },
    { "close after a length", OK "Connection: close\r\nContent-Length: 5\r\n\r\nhello",
      HTTP_COMPLETE, 0, 200, 5, 1, 0 },
    { "close among others", OK "Connection: Upgrade, Close\r\nContent-Length: 0\r\n\r\n",
      HTTP_COMPLETE, 0, 200, 0, 1, 0 },
    { "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", HTTP_COMPLETE, 0, 200, 1, 1, 0 },
    { "HTTP/1.0 that stays",
      "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", HTTP_COMPLETE, 0,
      200, 1, 0, 0 },

    { "HEAD", OK "Content-Length: 500\r\n\r\n", HTTP_COMPLETE, 0, 200, 0, 0, 1 },
    { "HEAD of chunks", CHUNKED, HTTP_COMPLETE, 0, 200, 0, 0, 1 },
    { "204", "HTTP/1.1 204 No Content\r\n\r\n", HTTP_COMPLETE, 0, 204, 0, 0, 0 },
    { "304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n",
      HTTP_COMPLETE, 0, 304, 0, 0, 0 },
    { "100 and 103 before it",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK
      "Content-Length: 2\r\n\r\nhi", HTTP_COMPLETE, 0, 200, 2, 0, 0 },
    { "103 alone", "HTTP/1.1 103 Early Hints\r\n\r\n", HTTP_MORE, HTTP_MALFORMED, 0, 0, 0, 0 },
    { "101", "HTTP/1.1 101 Switching Protocols\r\n\r\n", HTTP_COMPLETE, 0, 101, 0, 1, 0 },

    { "chunks", CHUNKED "5\r\nhello\r\nB\r\n, you there\r\n0\r\n\r\n", HTTP_COMPLETE, 0, 200, 16, 0,
      0 },
    { "chunks and a length", OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1\r\nx\r\n0\r\n\r\n", HTTP_COMPLETE, 0, 200, 1, 0, 0 },
    { "no chunk", CHUNKED "0\r\n\r\n", HTTP_COMPLETE, 0, 200, 0, 0, 0 },
    { "extensions", CHUNKED "5;a=b;c=\"d\"\r\nhello\r\n000;last\r\n\r\n", HTTP_COMPLETE, 0, 200, 5,
      0, 0 },
    { "a blank behind the size", CHUNKED "5  \r\nhello\r\n0\r\n\r\n", HTTP_COMPLETE, 0, 200, 5, 0,
      0 },
    { "trailers", CHUNKED "1\r\nx\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n", HTTP_COMPLETE, 0, 200, 1,
      0, 0 },
    { "data that looks like chunks", CHUNKED "7\r\n0\r\n\r\nab\r\n0\r\n\r\n", HTTP_COMPLETE, 0, 200,
      7, 0, 0 },
    { "the last chunk is missing", CHUNKED "5\r\nhello\r\n", HTTP_MORE, HTTP_MALFORMED, 200, 5, 0,
      0 },
    { "a chunk longer than its size", CHUNKED "4\r\nhello\r\n", HTTP_MALFORMED, 0, 200, 4, 0, 0 },
    { "no size", CHUNKED "\r\n", HTTP_MALFORMED, 0, 200, 0, 0, 0 },
    { "no hexadecimal size", CHUNKED "g\r\n", HTTP_MALFORMED, 0, 200, 0, 0, 0 },
    { "a size beyond all", CHUNKED "1000000000000000\r\n", HTTP_MALFORMED, 0, 200, 0, 0, 0 },
};

static enum http_verdict feed(http_response *r, enum http_verdict so_far, const char *data,
                              size_t length)
{
    return so_far == HTTP_MORE ? http_feed(r, data, length) : so_far;
}

static bool is_as_expected(const example *e, const http_response *r, enum http_verdict verdict)
{
    return verdict == e->verdict && r->status == e->status && r->body_bytes == e->body_bytes
           && r->close_after == e->close_after
           && (verdict != HTTP_MORE || http_at_close((http_response *)r) == e->at_close);
}

/* In pieces of that size, but for the first one. */
static bool comes(const example *e, size_t first, size_t piece)
{
    http_response r = { .stage = HTTP_HEAD };
    enum http_verdict verdict = HTTP_MORE;
    size_t length = strlen(e->data), at = first;
    bool good;

    http_begin(&r, e->to_head_request);
    verdict = feed(&r, verdict, e->data, first);
    for (; at < length; at += piece) {
        verdict = feed(&r, verdict, e->data + at, piece < length - at ? piece : length - at);
    }
    good = is_as_expected(e, &r, verdict);
    if (!good) {
        diag("first %zu, then by %zu: verdict %d, status %d, %lld bytes, close %d", first, piece,
             verdict, r.status, (long long)r.body_bytes, r.close_after);
    }
    http_drop(&r);
    return good;
}

static bool comes_in_all_ways(const example *e)
{
    size_t length = strlen(e->data), split;
    bool good = comes(e, 0, 1);

    for (split = 0; split <= length && good; split++) {
        good = comes(e, split, length + 1);
    }
    return good;
}

/* A head of that many bytes, and a body of one. */
static enum http_verdict long_head(size_t size, size_t piece, int *status)
{
    static const char begin[] = OK "Content-Length: 1\r\nX-Long: ";
    http_response r = { .stage = HTTP_HEAD };
    enum http_verdict verdict = HTTP_MORE;
    char *data = malloc(size + 1);
    size_t at;

    memset(data, 'a', size + 1);
    memcpy(data, begin, sizeof(begin) - 1);
    memcpy(data + size - 4, "\r\n\r\n", 4);
    http_begin(&r, 0);
    for (at = 0; at < size + 1; at += piece) {
        size_t left = size + 1 - at;

        verdict = feed(&r, verdict, data + at, piece < left ? piece : left);
    }
    *status = r.status;
    http_drop(&r);
    free(data);
    return verdict;
}

static void test_long_heads(void)
{
    size_t pieces[] = { 1000, 4096, 2 * HTTP_HEAD_MAX }, i;
    int status;

    for (i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        is(long_head(HTTP_HEAD_MAX, pieces[i], &status), HTTP_COMPLETE,
               "a head of 64 KB is read");
        is(status, 200, "... to its end");
        is(long_head(HTTP_HEAD_MAX + 1, pieces[i], &status), HTTP_MALFORMED,
               "a longer one is not");
    }
}

static void test_behind_the_end(void)
{
    static const char *const data[] = {
        OK "Content-Length: 1\r\n\r\nxy", CHUNKED "0\r\n\r\nx", "HTTP/1.1 204 No Content\r\n\r\nx"
    };
    size_t i;

    for (i = 0; i < sizeof(data) / sizeof(*data); i++) {
        http_response r = { .stage = HTTP_HEAD };

        http_begin(&r, 0);
        is(http_feed(&r, data[i], strlen(data[i])), HTTP_MALFORMED,
               "bytes behind the end belong to no response");
        http_drop(&r);
    }
}

static void test_fields_for_tests(void)
{
    static const char data[] = OK "X-Adp-Pid: 4711\r\nX-Received-Us: 123456789012\r\n"
                                  "Content-Length: 0\r\n\r\n";
    http_response r = { .stage = HTTP_HEAD };

    http_begin(&r, 0);
    http_feed(&r, data, strlen(data));
    is(r.server_pid, 4711, "the child that answered");
    is(r.received_us, 123456789012, "when the backend had it");
    http_begin(&r, 0);
    is(r.server_pid, 4711, "the child stays that of the connection");
    is(r.received_us, 0, "the rest is of one response");
}

int main(void)
{
    size_t i;

    tap_begin(60);
    for (i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
        ok(comes_in_all_ways(&examples[i]), examples[i].name);
    }
    test_long_heads();
    test_behind_the_end();
    test_fields_for_tests();
    return tap_done();
}
