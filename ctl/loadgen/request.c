/* The text of requests: always the same for a schedule, put together when it is due for a trace. */

#include "request.h"

#include "tool.h"
#include "options.h"
#include "trace.h"

#include <string.h>

static char *common;            /* header lines of all requests */
static size_t common_length;
static char *whole;             /* for a schedule */
static size_t whole_length;
static uint32_t only_origin;

void requests_begin(void)
{
    int n = asprintf(&common, "\r\nConnection: %s\r\n%s",
                     options.mode == MODE_NEW ? "close" : "keep-alive", options.fields);

    if (n < 0) {
        die("start");
    }
    common_length = (size_t)n;
    if (options.trace_file) {
        return;
    }
    n = asprintf(&whole, "GET %s HTTP/1.1\r\nHost: %s%s\r\n", options.path, options.host, common);
    if (n < 0) {
        die("start");
    }
    whole_length = (size_t)n;
    only_origin = origin_number(options.https_port != 0, options.host, strlen(options.host));
}

origin *request_origin(const request *r)
{
    return origin_of(options.trace_file ? trace[r->index].origin : only_origin);
}

int request_is_head(const request *r)
{
    return options.trace_file && trace[r->index].is_head;
}

static char *put(char *to, const char *from, size_t length)
{
    memcpy(to, from, length);
    return to + length;
}

/* trace_read() has seen to it that there is room. */
static size_t text_of_trace(const trace_request *t, char *to)
{
    const origin *o = origin_of(t->origin);
    char *end = t->is_head ? put(to, "HEAD ", 5) : put(to, "GET ", 4);

    end = put(end, t->path, t->path_length);
    end = put(end, " HTTP/1.1\r\nHost: ", 17);
    end = put(end, o->host, o->host_length);
    end = put(end, common, common_length);
    if (t->fields_length) {
        end = put(end, t->fields, t->fields_length);
        end = put(end, "\r\n", 2);
    }
    end = put(end, "\r\n", 2);
    return (size_t)(end - to);
}

size_t request_text(const request *r, const char **text)
{
    static char of_trace[REQUEST_MAX];

    if (!options.trace_file) {
        *text = whole;
        return whole_length;
    }
    *text = of_trace;
    return text_of_trace(&trace[r->index], of_trace);
}
