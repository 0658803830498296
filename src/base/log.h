/* Log lines of this module: every file that writes one includes this. */
#ifndef ADP_LOG_H
#define ADP_LOG_H

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

extern module AP_MODULE_DECLARE_DATA mpm_adaptive_module;
APLOG_USE_MODULE(mpm_adaptive);

/* Our message numbers; AHnnnnn belong to httpd. Each is explained in docs/messages.md. */
#define ADPNO(n) "ADP" #n ": "

#endif
