#include "signals.h"

#include "httpd.h"
#include "mpm_common.h"
#include "unixd.h"

#include <stddef.h>

static void obeyed(sigset_t *set)
{
    static const int signals[] = {
        SIGTERM, SIGINT, SIGHUP, AP_SIG_GRACEFUL, AP_SIG_GRACEFUL_STOP
    };
    size_t i;

    sigemptyset(set);
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaddset(set, signals[i]);
    }
}

void signals_hold(sigset_t *before)
{
    sigset_t set;

    obeyed(&set);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

void signals_release(void)
{
    sigset_t set;

    obeyed(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void signals_let_in(void)
{
    signals_release();
    signals_hold(NULL);
}

void signals_ignore_restarts(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    sigemptyset(&ignore.sa_mask);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(AP_SIG_GRACEFUL, &ignore, NULL);
}

static apr_status_t pool_is_cleared(void *unused)
{
    (void)unused;
    signals_release();
    return APR_SUCCESS;
}

void signals_listen(apr_pool_t *pconf, int one_process)
{
    /* Cleanups run last in, first out: httpd's, registered by its function, forgets what was
     * noted, and only then those that were held are noted. */
    apr_pool_cleanup_register(pconf, NULL, pool_is_cleared, apr_pool_cleanup_null);
    ap_unixd_mpm_set_signals(pconf, one_process);
}
