/* What a request looks like on the wire. */
#ifndef LOADGEN_REQUEST_H
#define LOADGEN_REQUEST_H

#include "origin.h"
#include "schedule.h"

#include <stddef.h>

void requests_begin(void);
origin *request_origin(const request *r);
int request_is_head(const request *r);
/* Its bytes, until the next call: how many. */
size_t request_text(const request *r, const char **text);

#endif
