/* Workers: the handler "adaptive-status" of httpd. What it answers is render.h's. */
#include "handler.h"

#include "render.h"
#include "view_show.h"

#include "base/log.h"

#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"

#include <string.h>

static void set_headers(request_rec *r, render_form_e form)
{
    int i;

    for (i = 0; render_headers[i]; i += 2) {
        apr_table_setn(r->headers_out, render_headers[i], render_headers[i + 1]);
    }
    if (form == RENDER_METRICS || form == RENDER_OPENMETRICS) {
        apr_table_mergen(r->headers_out, "Vary", "Accept");
    }
    ap_set_content_type(r, render_content_type(form));
}

static int send_form(request_rec *r, render_form_e form)
{
    view_t *view = render_needs_view(form) ? view_take() : NULL;
    out_t out = { 0 };

    if (view || !render_needs_view(form)) {
        render(&out, form, r->args, view);
    }
    view_free(view);
    if (out.failed || out.used == 0) {
        out_free(&out);
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, ADPNO(0128)
                      "no memory for the status page, or nothing to show yet");
        return HTTP_SERVICE_UNAVAILABLE;
    }
    ap_set_content_length(r, (apr_off_t)out.used);
    if (!r->header_only) {
        ap_rwrite(out.bytes, (int)out.used, r);
    }
    out_free(&out);
    return OK;
}

static int hook_handler(request_rec *r)
{
    render_form_e form;

    if (!handler_is_status(r)) {
        return DECLINED;
    }
    ap_allow_methods(r, REPLACE_ALLOW, "GET", NULL);
    if (r->method_number != M_GET) {
        return HTTP_METHOD_NOT_ALLOWED;
    }
    form = render_form(r->args, apr_table_get(r->headers_in, "Accept"));
    if (form == RENDER_UNKNOWN) {
        return HTTP_NOT_FOUND;
    }
    if (!view_is_shown()) {
        return HTTP_SERVICE_UNAVAILABLE;
    }
    set_headers(r, form);
    return send_form(r, form);
}

bool handler_is_status(const request_rec *r)
{
    return r->handler && !strcmp(r->handler, HANDLER_NAME);
}

void handler_register_hooks(void)
{
    ap_hook_handler(hook_handler, NULL, NULL, APR_HOOK_MIDDLE);
}
