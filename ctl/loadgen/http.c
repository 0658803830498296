/* Where a response ends: RFC 9112, 6.3, for requests without a body. */

#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/types.h>

/* What a head says, while it is read. */
typedef struct {
    int minor_version;
    int is_chunked, has_coding;
    int says_close, says_keep_alive;
    int64_t length;             /* -1: none */
    int is_bad;
} head_facts;

void http_begin(http_response *r, int to_head_request)
{
    http_drop(r);
    *r = (http_response){ .to_head_request = to_head_request, .server_pid = r->server_pid };
}

void http_drop(http_response *r)
{
    free(r->head);
    r->head = NULL;
    r->head_length = 0;
}

/* ---- the head ---- */

/* What follows the empty line, NULL if there is none; from: where to begin to look. */
static const char *end_of_head(const char *text, size_t length, size_t from)
{
    const char *end = text + length, *lf = text + from;

    while ((lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL) {
        lf++;
        if (lf < end && *lf == '\n') {
            return lf + 1;
        }
        if (lf + 1 < end && lf[0] == '\r' && lf[1] == '\n') {
            return lf + 2;
        }
    }
    return NULL;
}

/* -1: not a number. */
static int64_t number_of(const char *value, size_t length)
{
    int64_t number = 0;
    size_t i;

    for (i = 0; i < length; i++) {
        if (value[i] < '0' || value[i] > '9' || number > INT64_MAX / 10 - 1) {
            return -1;
        }
        number = number * 10 + (value[i] - '0');
    }
    return length ? number : -1;
}

/* A list of tokens, separated by commas. */
static int has_token(const char *value, size_t length, const char *token)
{
    size_t size = strlen(token), i = 0;

    while (i < length) {
        size_t begin, end;

        while (i < length && (value[i] == ' ' || value[i] == '\t' || value[i] == ',')) {
            i++;
        }
        begin = i;
        while (i < length && value[i] != ',') {
            i++;
        }
        for (end = i; end > begin && (value[end - 1] == ' ' || value[end - 1] == '\t'); end--) {
        }
        if (end - begin == size && strncasecmp(value + begin, token, size) == 0) {
            return 1;
        }
    }
    return 0;
}

static void content_length(head_facts *f, const char *value, size_t length)
{
    int64_t number = number_of(value, length);

    f->is_bad |= number < 0 || (f->length >= 0 && f->length != number);
    f->length = number;
}

static void field(http_response *r, head_facts *f, const char *line, size_t length)
{
    const char *colon = memchr(line, ':', length), *value, *end = line + length;
    size_t name = colon ? (size_t)(colon - line) : 0;

    if (!colon) {
        return;
    }
    for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++) {
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    length = (size_t)(end - value);
#define IS(text) (name == sizeof(text) - 1 && strncasecmp(line, text, name) == 0)
    if (IS("Content-Length")) {
        content_length(f, value, length);
    }
    else if (IS("Transfer-Encoding")) {
        f->has_coding = 1;
        f->is_chunked = has_token(value, length, "chunked");
    }
    else if (IS("Connection")) {
        f->says_close |= has_token(value, length, "close");
        f->says_keep_alive |= has_token(value, length, "keep-alive");
    }
    else if (IS("X-Adp-Pid")) {
        int64_t pid = number_of(value, length);

        r->server_pid = pid > 0 ? (long)pid : 0;
    }
    else if (IS("X-Received-Us")) {
        r->received_us = number_of(value, length);
    }
#undef IS
}

/* "HTTP/1.1 200 OK": the status, -1 if it is not one. */
static int status_line(head_facts *f, const char *line, size_t length)
{
    int64_t status;

    if (length < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' || line[7] > '9'
        || line[8] != ' ' || (length > 12 && line[12] != ' ')) {
        return -1;
    }
    f->minor_version = line[7] - '0';
    status = number_of(line + 9, 3);
    return status >= 100 ? (int)status : -1;
}

static int has_no_body(const http_response *r)
{
    return r->to_head_request || r->status == 204 || r->status == 304 || r->status == 101;
}

static void find_body(http_response *r, const head_facts *f)
{
    r->close_after = f->says_close || r->status == 101
                     || (f->minor_version == 0 && !f->says_keep_alive);
    if (has_no_body(r)) {
        r->stage = HTTP_LENGTH;
        r->left = 0;
    }
    else if (f->is_chunked) {
        r->stage = HTTP_CHUNKED;
        chunked_begin(&r->chunked);
    }
    else if (f->length >= 0 && !f->has_coding) {
        r->stage = HTTP_LENGTH;
        r->left = f->length;
    }
    else {
        r->stage = HTTP_UNTIL_CLOSE;
        r->close_after = 1;
    }
}

/* False: not a head. An interim one (100, 103) changes nothing: the next follows. */
static int parse_head(http_response *r, const char *text, const char *end)
{
    head_facts f = { .length = -1 };
    int status = 0;

    while (text < end) {
        const char *lf = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)(lf - text);

        length -= length > 0 && text[length - 1] == '\r';
        if (!status) {
            status = status_line(&f, text, length);
        }
        else if (length > 0) {
            field(r, &f, text, length);
        }
        if (status < 0 || f.is_bad) {
            return 0;
        }
        text = lf + 1;
    }
    if (status / 100 != 1 || status == 101) {
        r->status = status;
        find_body(r, &f);
    }
    return 1;
}

/* Keeps what there is of a head until the rest comes. False: too long, or no memory. */
static int keep_head(http_response *r, const char *data, size_t length)
{
    char *longer;

    if (r->head_length + length > HTTP_HEAD_MAX
        || (longer = realloc(r->head, r->head_length + length)) == NULL) {
        return 0;
    }
    memcpy(longer + r->head_length, data, length);
    r->head = longer;
    r->head_length += length;
    return 1;
}

/* How many bytes belong to the head, -1: it is not one. */
static ssize_t feed_head(http_response *r, const char *data, size_t length)
{
    size_t before = r->head_length, room = HTTP_HEAD_MAX - before;
    size_t looked_at = length < room ? length : room;
    const char *text = data, *end;
    ssize_t used;

    if (before) {
        if (!keep_head(r, data, looked_at)) {
            return -1;
        }
        text = r->head;
    }
    end = end_of_head(text, before + looked_at, before > 3 ? before - 3 : 0);
    if (!end) {
        return looked_at < length || (!before && !keep_head(r, data, length)) ? -1
                                                                               : (ssize_t)length;
    }
    used = parse_head(r, text, end) ? end - text - (ssize_t)before : -1;
    http_drop(r);
    return used;
}

/* ---- the body ---- */

static enum http_verdict feed_length(http_response *r, size_t length)
{
    if ((int64_t)length > r->left) {
        r->body_bytes += r->left;
        return r->status == 101 ? HTTP_COMPLETE : HTTP_MALFORMED;
    }
    r->left -= (int64_t)length;
    r->body_bytes += (int64_t)length;
    return r->left ? HTTP_MORE : HTTP_COMPLETE;
}

static enum http_verdict feed_chunked(http_response *r, const char *data, size_t length)
{
    size_t used = chunked_feed(&r->chunked, data, length);

    r->body_bytes = r->chunked.bytes;
    if (r->chunked.state == CHUNKED_DONE) {
        return used == length ? HTTP_COMPLETE : HTTP_MALFORMED;
    }
    return r->chunked.state == CHUNKED_BAD ? HTTP_MALFORMED : HTTP_MORE;
}

enum http_verdict http_feed(http_response *r, const char *data, size_t length)
{
    r->has_begun |= length > 0;
    while (r->stage == HTTP_HEAD) {
        ssize_t used = length ? feed_head(r, data, length) : 0;

        if (used < 0) {
            return HTTP_MALFORMED;
        }
        data += used;
        length -= (size_t)used;
        if (r->stage == HTTP_HEAD && !length) {
            return HTTP_MORE;
        }
    }
    switch (r->stage) {
    case HTTP_LENGTH:
        return feed_length(r, length);
    case HTTP_CHUNKED:
        return feed_chunked(r, data, length);
    default:
        r->body_bytes += (int64_t)length;
        return HTTP_MORE;
    }
}

enum http_verdict http_at_close(http_response *r)
{
    return r->stage == HTTP_UNTIL_CLOSE ? HTTP_COMPLETE : HTTP_MALFORMED;
}
