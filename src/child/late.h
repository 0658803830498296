/* The time for a request is over: whoever reads on is told so. An input filter next to the socket,
 * so that modules find out as if they had waited themselves: mod_reqtimeout logs it, httpd answers
 * with 408. */
#ifndef ADP_LATE_H
#define ADP_LATE_H

#include "httpd.h"

/* With the hooks. */
void late_register_filter(void);

/* Nothing more will be read of this connection. The thread that owns it. */
void late_end_input(conn_rec *c);

#endif
