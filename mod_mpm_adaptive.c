/* mod_mpm_adaptive: an MPM for Apache httpd 2.4 that needs no tuning.
 *
 * The module record, its hooks and its answers to ap_mpm_query(). The parent's run is in
 * src/parent/parent.c, a child's in src/child/child.c; src/README.md is the tour.
 */
#include "base/log.h"
#include "base/testhook.h"
#include "child/bulkhead.h"
#include "child/child.h"
#include "child/conn.h"
#include "child/first_byte.h"
#include "config/config.h"
#include "config/directives.h"
#include "parent/backlog.h"
#include "parent/belongings.h"
#include "parent/handover.h"
#include "parent/parent.h"
#include "parent/signals.h"
#include "report/dump_config.h"
#include "report/handler.h"
#include "report/status.h"

#include "ap_listen.h"
#include "apr_portable.h"
#include "http_core.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mpm_common.h"

#include <sys/param.h>
#include <sys/socket.h>

#ifndef __linux__
#error "mod_mpm_adaptive needs Linux: its poller is epoll (another goes behind src/base/poller.h)"
#endif

/* CONN_STATE_ASYNC_WAITIO, process_score.wait_io and AP_MPMQ_CAN_WAITIO came with it (ap_mmn.h). */
#if !AP_MODULE_MAGIC_AT_LEAST(20120211, 137)
#error "mod_mpm_adaptive needs httpd 2.4.63 or later: make APXS=/its/bin/apxs builds for another"
#endif

/* What this process knows of itself; the rest is in retained_t. */
typedef struct mpm_t {
    retained_t *retained;
    bool one_process;
    ap_listen_rec **buckets;
    int bucket_count;
    belongings_before_t before; /* what there was before the configuration was read */
} mpm_t;

static mpm_t mpm;

/* --- start-up hooks, in their order ----------------------------------------------- */

static int detach(bool no_detach)
{
    apr_status_t rv = apr_proc_detach(no_detach ? APR_PROC_DETACH_FOREGROUND
                                                : APR_PROC_DETACH_DAEMONIZE);

    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, NULL, ADPNO(0110)
                     "cannot detach from the terminal");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

static int hook_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    bool debug = ap_exists_config_define("DEBUG");
    bool foreground = debug || ap_exists_config_define("FOREGROUND");
    bool no_detach = ap_exists_config_define("NO_DETACH");
    retained_t *retained = retained_get();

    (void)plog;
    (void)ptemp;
    mpm.retained = retained;
    mpm.one_process = debug || ap_exists_config_define("ONE_PROCESS");
    retained->mpm->mpm_state = AP_MPMQ_STARTING;
    directives_reset();
    ap_listen_pre_config();
    ap_extended_status = 0;
    /* the first load only checks the configuration */
    if (++retained->mpm->module_loads == 1) {
        return OK;
    }
    if (retained->mpm->module_loads == 2 && !mpm.one_process && !foreground
        && detach(no_detach) != OK) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    belongings_note(&mpm.before);
    signals_listen(pconf, mpm.one_process);
    ADP_PAUSE(pre_config);
    return OK;
}

static int hook_check_config(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    retained_t *retained = mpm.retained;

    (void)p;
    (void)plog;
    (void)ptemp;
    config_note_descriptors(retained->descriptors_held);
    config_resolve(&retained->fixed, retained->mpm->module_loads == 1, s);
    return OK;
}

static bool listeners_changed(void)
{
    const ap_listen_rec *lr;

    for (lr = ap_listeners; lr; lr = lr->next) {
        if (!lr->active) {
            return true;
        }
    }
    return false;
}

static bool is_listening(const ap_listen_rec *lr)
{
    int fd = -1, listening = 0;
    socklen_t length = sizeof(listening);

    return apr_os_sock_get(&fd, lr->sd) == APR_SUCCESS
           && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening;
}

static bool is_usable(const ap_listen_rec *bucket)
{
    const ap_listen_rec *lr = bucket;

    while (lr && is_listening(lr)) {
        lr = lr->next;
    }
    return !lr;
}

/* Buckets survive a graceful restart, but their sockets do not if ListenCoresBucketsRatio
 * was taken out of the configuration: without SO_REUSEPORT only the first can be bound, and
 * httpd's core only logs that. And each bucket needs a child of its own. */
static void drop_unusable_buckets(server_rec *s)
{
    int usable = 1;
    int i;

    while (usable < mpm.bucket_count && usable < config_get()->server_limit
           && is_usable(mpm.buckets[usable])) {
        usable++;
    }
    if (usable >= mpm.bucket_count) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, ADPNO(0115)
                 "%d of %d listener buckets cannot be used: each needs its own child, "
                 "ServerLimit is %d, and a changed ListenCoresBucketsRatio needs a stop "
                 "and a start", mpm.bucket_count - usable, mpm.bucket_count,
                 config_get()->server_limit);
    /* an open socket would go on getting connections that nobody accepts */
    for (i = usable; i < mpm.bucket_count; i++) {
        ap_close_listeners_ex(mpm.buckets[i]);
    }
    mpm.bucket_count = usable;
}

static int hook_open_logs(apr_pool_t *p, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    retained_t *retained = mpm.retained;
    int level = APLOG_ALERT | (retained->mpm->module_loads == 1 ? APLOG_STARTUP : 0);
    apr_status_t rv;

    (void)plog;
    (void)ptemp;
    if (retained->mpm->module_loads > 1) {
        ADP_PAUSE(open_logs);
    }
    if (retained->mpm->was_graceful && listeners_changed()) {
        handover_release_listeners(retained);
    }
    if (ap_setup_listeners(s) < 1) {
        ap_log_error(APLOG_MARK, level, 0, retained->mpm->module_loads == 1 ? NULL : s,
                     ADPNO(0111) "no listening sockets available, shutting down");
        return !OK;
    }
    first_byte_find(p, s);
    hold_find_filters();
    mpm.bucket_count = mpm.one_process ? 1
                       : retained->mpm->was_graceful ? retained->mpm->num_buckets : 0;
    rv = ap_duplicate_listeners(p, s, &mpm.buckets, &mpm.bucket_count);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, level, rv, s, ADPNO(0112)
                     "cannot duplicate the listening sockets (ListenCoresBucketsRatio)");
        return !OK;
    }
    drop_unusable_buckets(s);
    backlog_widen(mpm.buckets, mpm.bucket_count);
    retained->mpm->num_buckets = mpm.bucket_count;
    retained->mpm->max_buckets = MAX(retained->mpm->max_buckets, mpm.bucket_count);
    config_require_children(mpm.bucket_count);
    return OK;
}

/* When everything is open that the children will inherit. They close each other's lifelines. */
static int hook_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *s)
{
    retained_t *retained = mpm.retained;
    int i;

    (void)pconf;
    (void)plog;
    (void)ptemp;
    (void)s;
    retained->descriptors_held = limits_count_descriptors("");
    for (i = 0; i < retained->lifeline_count; i++) {
        retained->descriptors_held -= retained->lifelines[i] >= 0;
    }
    config_note_descriptors(MAX(retained->descriptors_held, 0));
    return OK;
}

static int hook_mpm(apr_pool_t *pconf, apr_pool_t *plog, server_rec *s)
{
    generation_t generation = { .server = s,
                                .pconf = pconf,
                                .retained = mpm.retained,
                                .config = config_get(),
                                .buckets = mpm.buckets,
                                .bucket_count = mpm.bucket_count,
                                .cpus = (int)(config_get()->cpus + 0.99),
                                .before = &mpm.before };
    apr_status_t rv = retained_size_slots(mpm.retained, s->process->pool);

    (void)plog;
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ALERT, rv, s, ADPNO(0113)
                     "no shared memory for %d children; lower ServerLimit",
                     mpm.retained->fixed.slot_count);
        return !OK;
    }
    status_show(mpm.retained->board, config_get());
    return parent_run(&generation, mpm.one_process);
}

/* --- questions -------------------------------------------------------------------- */

static int hook_query(int query_code, int *result, apr_status_t *rv)
{
    const adp_config_t *config = config_get();

    *rv = APR_SUCCESS;
    switch (query_code) {
    case AP_MPMQ_MAX_DAEMON_USED:
        *result = mpm.retained && mpm.retained->slots_used
                  ? mpm.retained->slots_used : config->slot_count;
        break;
    case AP_MPMQ_IS_THREADED:
    case AP_MPMQ_IS_FORKED:
        *result = AP_MPMQ_DYNAMIC;
        break;
    case AP_MPMQ_IS_ASYNC:
    case AP_MPMQ_CAN_WAITIO:
        *result = 1;
        break;
    case AP_MPMQ_HARD_LIMIT_DAEMONS:
        *result = config->slot_count;
        break;
    case AP_MPMQ_HARD_LIMIT_THREADS:
        *result = config->thread_limit;
        break;
    case AP_MPMQ_MAX_THREADS:
        *result = config->threads_per_child;
        break;
    case AP_MPMQ_MIN_SPARE_DAEMONS:
    case AP_MPMQ_MAX_SPARE_DAEMONS:
        *result = 0;
        break;
    case AP_MPMQ_MIN_SPARE_THREADS:
        *result = config->min_spare_threads;
        break;
    case AP_MPMQ_MAX_SPARE_THREADS:
        *result = config->max_spare_threads;
        break;
    case AP_MPMQ_MAX_REQUESTS_DAEMON:
        *result = ap_max_requests_per_child;
        break;
    case AP_MPMQ_MAX_DAEMONS:
        *result = config->max_request_workers / MAX(config->threads_per_child, 1);
        break;
    case AP_MPMQ_MPM_STATE:
        *result = mpm.retained ? mpm.retained->mpm->mpm_state : AP_MPMQ_STARTING;
        break;
    case AP_MPMQ_GENERATION:
        *result = mpm.retained ? mpm.retained->mpm->my_generation : 0;
        break;
    default:
        *rv = APR_ENOTIMPL;
        break;
    }
    return OK;
}

static const char *hook_get_name(void)
{
    return "adaptive";
}

/* The symbol that leaves the shared object. */
#define ADP_EXPORT __attribute__((visibility("default")))

/* --- the module ------------------------------------------------------------------- */

/* "mpm_prefork" for "prefork.c": what Debian's a2dismod takes, and half of the name for
 * LoadModule. */
static const char *mpm_name(apr_pool_t *p, const char *source)
{
    const char *name = strncmp(source, "mod_", 4) ? apr_pstrcat(p, "mpm_", source, NULL)
                                                  : source + 4;
    const char *dot = strrchr(name, '.');

    return dot ? apr_pstrmemdup(p, name, (apr_size_t)(dot - name)) : name;
}

/* mod_php works in mpm_prefork only, and Debian does not disable that below it. */
static bool is_for_mod_php(const char *mpm)
{
    return !strcmp(mpm, "mpm_prefork")
           && (ap_find_linked_module("mod_php.c") || ap_find_linked_module("mod_php7.c"));
}

/* httpd refuses two MPMs without saying which, once the configuration has been read and
 * before any hook runs: what runs then is the end of pconf, while all modules are there. */
static apr_status_t name_other_mpm(void *pconf)
{
    const apr_array_header_t *mpms = ap_hook_get_mpm();
    const char *other = NULL;
    bool php;
    int i;

    for (i = 0; mpms && i < mpms->nelts; i++) {
        const ap_LINK_mpm_t *hook = &APR_ARRAY_IDX(mpms, i, ap_LINK_mpm_t);

        if (hook->pFunc != hook_mpm && hook->szName) {
            other = mpm_name(pconf, hook->szName);
        }
    }
    if (other) {
        php = is_for_mod_php(other);
        ap_log_error(APLOG_MARK, APLOG_CRIT | APLOG_STARTUP, 0, NULL, ADPNO(0114)
                     "mpm_adaptive is loaded beside another MPM, %s: remove one of the two "
                     "LoadModule lines. On Debian, to keep mpm_adaptive: a2dismod %s%s%s; to keep "
                     "%s: a2dismod mpm_adaptive", other, php ? "'php*' " : "", other,
                     php ? " (mod_php works with no other MPM, php-fpm does)" : "",
                     other);
    }
    return APR_SUCCESS;
}

static void register_hooks(apr_pool_t *p)
{
    static const char *const after_core[] = { "core.c", NULL };

    apr_pool_pre_cleanup_register(p, p, name_other_mpm);
    ap_hook_open_logs(hook_open_logs, NULL, after_core, APR_HOOK_REALLY_FIRST);
    ap_hook_pre_config(hook_pre_config, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_check_config(hook_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(hook_post_config, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_mpm(hook_mpm, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_mpm_query(hook_query, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_mpm_get_name(hook_get_name, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_mpm_register_timed_callback(child_hook_register_timer, NULL, NULL,
                                        APR_HOOK_MIDDLE);
    ap_hook_pre_connection(conn_hook_pre_connection, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_pre_read_request(conn_hook_pre_read_request, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_read_request(conn_hook_post_read_request, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_protocol_switch(conn_hook_protocol_switch, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(bulkhead_hook_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_insert_network_bucket(net_bucket_hook, NULL, NULL, APR_HOOK_MIDDLE);
    conn_register_filters();
    status_register_hooks();
    handler_register_hooks();
    dump_config_register_hooks();
}

module AP_MODULE_DECLARE_DATA mpm_adaptive_module ADP_EXPORT = {
    MPM20_MODULE_STUFF,
    NULL,                       /* rewrite_args */
    NULL,                       /* create per-directory config */
    NULL,                       /* merge per-directory config */
    NULL,                       /* create per-server config */
    NULL,                       /* merge per-server config */
    config_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
