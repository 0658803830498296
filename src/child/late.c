/* Workers, each for the connection that it owns. */
#include "late.h"

#include "util_filter.h"

#include <stdbool.h>

/* One for the process. */
static ap_filter_rec_t *late;

/* Returns APR_TIMEUP for whatever is read. Not for the first look ahead between two requests:
 * mod_reqtimeout waits with it for a request to begin, which this one has. f->ctx is not NULL until
 * then. */
static apr_status_t read_late(ap_filter_t *f, apr_bucket_brigade *bb, ap_input_mode_t mode,
                              apr_read_type_e block, apr_off_t readbytes)
{
    bool has_begun = f->ctx != NULL;

    (void)block;
    (void)readbytes;
    f->ctx = NULL;
    if (has_begun && mode == AP_MODE_SPECULATIVE) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_immortal_create("", 1, f->c->bucket_alloc));
        return APR_SUCCESS;
    }
    return APR_TIMEUP;
}

void late_register_filter(void)
{
    late = ap_register_input_filter("ADAPTIVE_LATE", read_late, NULL,
                                    (ap_filter_type)(AP_FTYPE_NETWORK - 1));
}

void late_end_input(conn_rec *c)
{
    ap_add_input_filter_handle(late, c->keepalives > 0 ? c : NULL, NULL, c);
}
