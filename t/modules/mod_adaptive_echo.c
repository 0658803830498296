/* A handler that tests load to see what has reached a module of a request: /echo. It has no hook
 * but that, so connections are what they are without it. */

#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

#include "apr_strings.h"

extern module AP_MODULE_DECLARE_DATA adaptive_echo_module __attribute__((visibility("default")));

static int echo_field(void *r, const char *name, const char *value)
{
    ap_rprintf(r, "%s: %s\n", name, value);
    return 1;
}

/* Length and checksum (FNV-1a) of what has come of a body. */
typedef struct body_t {
    apr_off_t size;
    apr_uint32_t sum;
} body_t;

static void add_block(body_t *body, const char *block, long size)
{
    long i;

    body->size += size;
    for (i = 0; i < size; i++) {
        body->sum = (body->sum ^ (unsigned char)block[i]) * 16777619u;
    }
}

static int read_body(request_rec *r, body_t *body)
{
    char block[8192];
    long n = 0;
    int rv = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);

    if (rv == OK && ap_should_client_block(r)) {
        while ((n = ap_get_client_block(r, block, sizeof(block))) > 0) {
            add_block(body, block, n);
        }
    }
    return n < 0 ? HTTP_BAD_REQUEST : rv;
}

/* A request with a broken body gets an error. */
static int echo(request_rec *r)
{
    body_t body = { 0, 2166136261u };
    int rv;

    if (strcmp(r->uri, "/echo")) {
        return DECLINED;
    }
    rv = read_body(r, &body);
    if (rv != OK) {
        return rv;
    }
    ap_set_content_type(r, "text/plain");
    ap_rprintf(r, "%s\n%s %s %d\n", r->the_request, r->method, r->unparsed_uri, r->proto_num);
    apr_table_do(echo_field, r, r->headers_in, NULL);
    ap_rprintf(r, "body %" APR_OFF_T_FMT " %08x\n", body.size, body.sum);
    apr_table_do(echo_field, r, r->trailers_in, NULL);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_handler(echo, NULL, NULL, APR_HOOK_FIRST);
}

AP_DECLARE_MODULE(adaptive_echo) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
