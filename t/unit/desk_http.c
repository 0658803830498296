/* What the desk makes of the bytes of a request. */

#include "report/desk_http.h"

#include "tap.h"

#include <stdlib.h>
#include <string.h>

static desk_http_t request;

static desk_http_e read_text(const char *text, bool local_only)
{
    return desk_http_read(&request, text, 0, strlen(text), local_only);
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void test_forms(void)
{
    static const struct {
        const char *text;
        render_form_e form;
    } cases[] = {
        { GET("/"), RENDER_PAGE }, { GET("/x/y"), RENDER_PAGE }, { GET("/?"), RENDER_PAGE },
        { GET("/?json"), RENDER_JSON }, { GET("/adaptive-status?metrics"), RENDER_METRICS },
        { GET("/?style"), RENDER_STYLE }, { GET("/?icon=red"), RENDER_ICON },
        { "GET /?metrics HTTP/1.0\nAccept: application/openmetrics-text;version=1.0.0\n\n",
          RENDER_OPENMETRICS },
        { "HEAD /?json HTTP/1.1\r\n\r\n", RENDER_JSON }
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(read_text(cases[i].text, false) == DESK_HTTP_ANSWER && request.status == 200
           && request.form == cases[i].form, "a form is understood");
        is(request.is_head, cases[i].text[0] == 'H', "... and whether the body is wanted");
    }
}

static void test_pieces(void)
{
    static const char text[] = "GET /?json HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
    size_t i;

    for (i = 0; i + 1 < sizeof(text) - 1; i++) {
        if (desk_http_read(&request, text, 0, i + 1, false) != DESK_HTTP_MORE
            || desk_http_read(&request, text, i, i + 1, false) != DESK_HTTP_MORE) {
            break;
        }
    }
    is(i + 1, sizeof(text) - 1, "no piece of a request is taken for all of it");
    for (i = 0; i < sizeof(text) - 1; i++) {
        if (desk_http_read(&request, text, i, sizeof(text) - 1, false) != DESK_HTTP_ANSWER
            || request.status != 200 || request.form != RENDER_JSON) {
            break;
        }
    }
    is(i, sizeof(text) - 1, "... and all is, however much of it was looked at before");
}

static void test_wrong(void)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        { GET("/?other"), 404 }, { GET("/?jsonjsonjsonjsonjsonjsonjsonjsonjsonjsonjson"), 404 },
        { "POST / HTTP/1.1\r\n\r\n", 405 }, { "DELETE /?json HTTP/1.1\r\n\r\n", 405 },
        { "GET\r\n\r\n", 400 }, { "GET /\r\n\r\n", 400 }, { "\r\n\r\n", 400 },
        { "GET x HTTP/1.1\r\n\r\n", 400 }, { "GET / HTTP/2.0\r\n\r\n", 400 },
        { " GET / HTTP/1.1\r\n\r\n", 400 }, { "\x16\x03\x01\n\n", 400 }
    };
    char zero[] = "GET / HTTP/1.1\r\nX: \0\r\n\r\n";
    char *large = calloc(1, DESK_HTTP_MOST);
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is(read_text(cases[i].text, false), DESK_HTTP_ANSWER, "a wrong request is answered");
        is(request.status, cases[i].status, "... with its status");
    }
    desk_http_read(&request, zero, 0, sizeof(zero) - 1, false);
    is(request.status, 400, "a zero in it is wrong");
    memset(large, 'a', DESK_HTTP_MOST);
    is(desk_http_read(&request, large, 0, DESK_HTTP_MOST - 1, false), DESK_HTTP_MORE,
       "a long one may go on");
    is(desk_http_read(&request, large, 0, DESK_HTTP_MOST, false), DESK_HTTP_ANSWER,
       "... up to its limit");
    is(request.status, 431, "... with its status");
    free(large);
}

/* A page of somebody else whose name leads to this machine makes a browser ask under that name. */
static void test_hosts(void)
{
    static const char *const good[] = {
        "localhost", "LOCALHOST:80", "127.0.0.1:8042", "127.1.2.3", "[::1]:8042", "[::1]"
    };
    static const char *const bad[] = {
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "evil:80"
    };
    char text[200];
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nhost:\t%s \r\n\r\n", good[i]);
        read_text(text, true);
        is(request.status, 200, good[i]);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        read_text(text, true);
        is(request.status, 421, bad[i]);
        read_text(text, false);
        is(request.status, 200, "... does not matter on the socket");
    }
    read_text("GET / HTTP/1.0\r\n\r\n", true);
    is(request.status, 421, "no Host");
    read_text("GET / HTTP/1.1\r\nHost: evil\r\nHost: localhost\r\n\r\n", true);
    is(request.status, 421, "two of them");
}

static void test_response(void)
{
    out_t out = { 0 };

    read_text(GET("/?style"), false);
    desk_http_write(&out, &request, NULL);
    out_bytes(&out, "", 1);
    ok(!strncmp(out.bytes, "HTTP/1.1 200 OK\r\nContent-Type: text/css", 39), "a response");
    ok(strstr(out.bytes, "\r\nContent-Security-Policy: default-src 'none'") != NULL
       && strstr(out.bytes, "\r\nCache-Control: no-store\r\n") != NULL
       && strstr(out.bytes, "\r\nX-Content-Type-Options: nosniff\r\n") != NULL, "... is guarded");
    out_free(&out);
    read_text("HEAD /?style HTTP/1.1\r\n\r\n", false);
    desk_http_write(&out, &request, NULL);
    ok(out.used > 4 && !memcmp(out.bytes + out.used - 4, "\r\n\r\n", 4), "HEAD has no body");
    out_free(&out);
    read_text(GET("/?json"), false);
    desk_http_write(&out, &request, NULL);
    ok(!strncmp(out.bytes, "HTTP/1.1 503 ", 13), "nothing to show yet");
    out_free(&out);
    read_text("PUT / HTTP/1.1\r\n\r\n", false);
    desk_http_write(&out, &request, NULL);
    out_bytes(&out, "", 1);
    ok(strstr(out.bytes, "\r\nAllow: GET, HEAD\r\n") != NULL, "405 says what is allowed");
    out_free(&out);
}

int main(void)
{
    tap_begin(30);
    test_forms();
    test_pieces();
    test_wrong();
    test_hosts();
    test_response();
    return tap_done();
}
