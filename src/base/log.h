/* Log lines of this module: every file that writes one includes this. */
#ifndef ADP_LOG_H
#define ADP_LOG_H

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"

#include <stdbool.h>
#include <stdint.h>

extern module AP_MODULE_DECLARE_DATA mpm_adaptive_module;
APLOG_USE_MODULE(mpm_adaptive);

/* Our message numbers; AHnnnnn belong to httpd. Each is explained in docs/user/messages.md. */
#define ADPNO(n) "ADP" #n ": "

/* A message that comes again and again: true if its time has come, which is noted in *logged_us (0:
 * it was never said). */
static inline bool log_is_due(int64_t *logged_us, int64_t every_us, int64_t now_us)
{
    if (*logged_us && now_us - *logged_us < every_us) {
        return false;
    }
    *logged_us = now_us;
    return true;
}

#endif
