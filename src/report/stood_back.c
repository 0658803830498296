/* A module of its own, in the same shared object, for a server that another MPM runs: Debian's
 * mpm_adaptive.load loads it instead of mpm_adaptive_module where mpm_event, mpm_worker or
 * mpm_prefork is enabled as well (`a2enmod php8.2` enables the last), so that the server starts,
 * and whoever looks for the reason finds it in the log. It is no MPM, and has but this one hook. */
#include "base/log.h"

#include "ap_mpm.h"
#include "http_core.h"

/* mpm_adaptive itself is not loaded, and has no number by which httpd could name it in the log. */
extern module AP_MODULE_DECLARE_DATA mpm_adaptive_stood_back_module;
#undef APLOG_MODULE_INDEX
#define APLOG_MODULE_INDEX (mpm_adaptive_stood_back_module.module_index)

static int say_why(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    const char *mpm = ap_show_mpm();

    (void)pconf;
    (void)plog;
    (void)ptemp;
    /* the first of the two times that a start reads the configuration */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, ADPNO(0116)
                 "mpm_adaptive is enabled, but stands back, because mpm_%s is enabled as well and "
                 "runs this server. To use mpm_adaptive: adaptivectl enable. To keep mpm_%s: "
                 "a2dismod mpm_adaptive", mpm, mpm);
    return OK;
}

static void stood_back_register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_post_config(say_why, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA mpm_adaptive_stood_back_module
    __attribute__((visibility("default"))) = {
    STANDARD20_MODULE_STUFF,
    NULL,                       /* create per-directory config */
    NULL,                       /* merge per-directory config */
    NULL,                       /* create per-server config */
    NULL,                       /* merge per-server config */
    NULL,                       /* directives */
    stood_back_register_hooks,
    AP_MODULE_FLAG_NONE
};
