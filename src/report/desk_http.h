/* As much of HTTP as the desk needs (parent/desk.h): one request a connection, GET or HEAD, and the
 * answer of render.h. Pure: bytes in, bytes out. */
#ifndef ADP_DESK_HTTP_H
#define ADP_DESK_HTTP_H

#include "render.h"

#include <stdbool.h>
#include <stddef.h>

/* A request line and headers have to fit in. */
#define DESK_HTTP_MOST 8192

typedef enum {
    DESK_HTTP_MORE,             /* the head is not complete yet */
    DESK_HTTP_ANSWER            /* the answer is known; the rest of what comes does not matter */
} desk_http_e;

typedef struct desk_http_t {
    int status;                 /* 200, or what is wrong */
    bool is_head;
    render_form_e form;         /* 200: what is asked for */
    char query[32];
} desk_http_t;

/* What these first bytes of a connection ask for. before: how many of them there were, and not
 * enough, when it was last asked. local_only: the Host has to be this machine by an address or as
 * localhost, because a browser that was lured to another name comes with that. */
desk_http_e desk_http_read(desk_http_t *request, const char *bytes, size_t before, size_t size,
                           bool local_only);

/* The whole response. view is NULL where none is needed (render_needs_view()), or could be had:
 * then the status becomes 503. */
void desk_http_write(out_t *out, const desk_http_t *request, const view_t *view);

#endif
