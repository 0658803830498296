/* Pure; the desk's only thread. RFC 9112, as far as a request without a body goes. */
#include "desk_http.h"

#include <string.h>
#include <strings.h>

/* A piece of the head: not terminated. */
typedef struct piece_t {
    const char *text;
    size_t length;
} piece_t;

static bool equals(piece_t piece, const char *text)
{
    return piece.length == strlen(text) && !memcmp(piece.text, text, piece.length);
}

/* Up to the first `end`, which is taken off too; all if there is none. */
static piece_t take(piece_t *rest, char end)
{
    const char *at = memchr(rest->text, end, rest->length);
    piece_t piece = { rest->text, at ? (size_t)(at - rest->text) : rest->length };
    size_t used = piece.length + (at ? 1 : 0);

    rest->text += used;
    rest->length -= used;
    return piece;
}

static piece_t trimmed(piece_t piece)
{
    while (piece.length > 0 && strchr(" \t\r", piece.text[piece.length - 1])) {
        piece.length--;
    }
    while (piece.length > 0 && strchr(" \t", piece.text[0])) {
        piece.text++;
        piece.length--;
    }
    return piece;
}

/* The head ends with an empty line, not before `from`; a lone LF ends a line as well. 0: it is not
 * complete. */
static size_t head_length(const char *bytes, size_t from, size_t size)
{
    size_t i;

    for (i = from > 1 ? from : 1; i < size; i++) {
        if (bytes[i] == '\n' && (bytes[i - 1] == '\n'
                                 || (i > 1 && bytes[i - 1] == '\r' && bytes[i - 2] == '\n'))) {
            return i + 1;
        }
    }
    return 0;
}

static desk_http_e answer_with(desk_http_t *request, int status)
{
    request->status = status;
    return DESK_HTTP_ANSWER;
}

/* --- the request line ----------------------------------------------------------------------- */

static int read_target(desk_http_t *request, piece_t target)
{
    piece_t query;

    if (target.length == 0 || target.text[0] != '/') {
        return 400;
    }
    (void)take(&target, '?');
    query = target;
    if (query.length >= sizeof(request->query)) {
        return 404;
    }
    memcpy(request->query, query.text, query.length);
    request->query[query.length] = '\0';
    return 200;
}

static int read_request_line(desk_http_t *request, piece_t line)
{
    piece_t method = take(&line, ' '), target = take(&line, ' ');

    line = trimmed(line);
    if (method.length == 0 || line.length != strlen("HTTP/1.1")
        || memcmp(line.text, "HTTP/1.", strlen("HTTP/1."))) {
        return 400;
    }
    request->is_head = equals(method, "HEAD");
    if (!request->is_head && !equals(method, "GET")) {
        return 405;
    }
    return read_target(request, target);
}

/* --- headers -------------------------------------------------------------------------------- */

/* "127.0.0.1:8042", "[::1]", "localhost": nothing that a name server may have pointed here. */
static bool is_local_host(piece_t host)
{
    size_t i;

    if (host.length > 0 && host.text[0] == '[') {
        return true;
    }
    host = take(&host, ':');
    for (i = 0; i < host.length; i++) {
        if (!strchr("0123456789.", host.text[i])) {
            return host.length == strlen("localhost")
                   && !strncasecmp(host.text, "localhost", host.length);
        }
    }
    return host.length > 0;
}

static bool is_named(piece_t name, const char *text)
{
    return name.length == strlen(text) && !strncasecmp(name.text, text, name.length);
}

typedef struct headers_t {
    char accept[512];           /* "" if there is none, or it is longer */
    int hosts;
    bool is_local;
} headers_t;

static void read_headers(headers_t *headers, piece_t rest)
{
    while (rest.length > 0) {
        piece_t line = take(&rest, '\n');
        piece_t name = take(&line, ':');
        piece_t value = trimmed(line);

        if (is_named(name, "Host")) {
            headers->hosts++;
            headers->is_local = is_local_host(value);
        }
        else if (is_named(name, "Accept") && value.length < sizeof(headers->accept)) {
            memcpy(headers->accept, value.text, value.length);
            headers->accept[value.length] = '\0';
        }
    }
}

desk_http_e desk_http_read(desk_http_t *request, const char *bytes, size_t before, size_t size,
                           bool local_only)
{
    size_t length = head_length(bytes, before, size);
    piece_t rest = { bytes, length };
    headers_t headers = { .accept = "" };
    int status;

    *request = (desk_http_t) { .form = RENDER_UNKNOWN };
    if (length == 0) {
        return size < DESK_HTTP_MOST ? DESK_HTTP_MORE : answer_with(request, 431);
    }
    if (memchr(bytes, '\0', length)) {
        return answer_with(request, 400);
    }
    status = read_request_line(request, take(&rest, '\n'));
    if (status != 200) {
        return answer_with(request, status);
    }
    read_headers(&headers, rest);
    if (local_only && (headers.hosts != 1 || !headers.is_local)) {
        return answer_with(request, 421);
    }
    request->form = render_form(request->query, headers.accept);
    return answer_with(request, request->form == RENDER_UNKNOWN ? 404 : 200);
}

/* --- the response --------------------------------------------------------------------------- */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 421:
        return "Misdirected Request";
    case 431:
        return "Request Header Fields Too Large";
    case 503:
        return "Service Unavailable";
    default:
        return "Bad Request";
    }
}

static void put_error(out_t *out, int status)
{
    if (status == 404) {
        render(out, RENDER_UNKNOWN, "", NULL);
    }
    else if (status == 421) {
        out_text(out, "Ask for this by an address or as localhost.\n");
    }
    else {
        out_format(out, "%d %s\n", status, reason_of(status));
    }
}

static void put_response_head(out_t *out, int status, render_form_e form, size_t length)
{
    int i;

    out_format(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n%s", status, reason_of(status), render_content_type(form),
               length, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (form == RENDER_METRICS || form == RENDER_OPENMETRICS) {
        out_text(out, "Vary: Accept\r\n");
    }
    for (i = 0; render_headers[i]; i += 2) {
        out_format(out, "%s: %s\r\n", render_headers[i], render_headers[i + 1]);
    }
    out_text(out, "\r\n");
}

void desk_http_write(out_t *out, const desk_http_t *request, const view_t *view)
{
    int status = request->status;
    out_t body = { 0 };

    if (status == 200 && render_needs_view(request->form) && !view) {
        status = 503;
    }
    if (status == 200) {
        render(&body, request->form, request->query, view);
        status = body.failed ? 503 : 200;
    }
    if (status != 200) {
        out_free(&body);
        put_error(&body, status);
    }
    put_response_head(out, status, status == 200 ? request->form : RENDER_UNKNOWN, body.used);
    if (!request->is_head) {
        out_bytes(out, body.bytes, body.used);
    }
    out_free(&body);
}
