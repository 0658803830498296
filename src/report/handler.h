/* The status page as a handler of httpd: "SetHandler adaptive-status". */
#ifndef ADP_HANDLER_H
#define ADP_HANDLER_H

#include "httpd.h"

#include <stdbool.h>

#define HANDLER_NAME "adaptive-status"

/* The module's register_hooks. */
void handler_register_hooks(void);

/* Is this request for it? Any worker. */
bool handler_is_status(const request_rec *r);

#endif
