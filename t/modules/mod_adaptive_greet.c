/*
 * A protocol in which the server speaks first (on virtual hosts with "AdpGreet On"), and a hook
 * that wants to see each connection as early as it can (with "AdpWatch On"). With -DADP_NO_PROTOCOL
 * there is no process_connection hook. */

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"

extern module AP_MODULE_DECLARE_DATA adaptive_greet_module __attribute__((visibility("default")));

typedef struct {
    int greets;
    int watches;
} greet_conf;

static greet_conf *conf_of(conn_rec *c)
{
    return ap_get_module_config(c->base_server->module_config, &adaptive_greet_module);
}

static int greet_pre_connection(conn_rec *c, void *csd)
{
    (void)csd;
    if (!c->master && conf_of(c)->watches) {
        ap_log_cerror(APLOG_MARK, APLOG_WARNING, 0, c, "seen by pre_connection");
    }
    return OK;
}

/* Greets, and sends back what the client says first. */
static int greet_process_connection(conn_rec *c)
{
    static const char hello[] = "220 hello\r\n";
    apr_socket_t *socket = ap_get_conn_socket(c);
    apr_size_t length = sizeof(hello) - 1;
    char answer[256];

    if (c->master || !conf_of(c)->greets) {
        return DECLINED;
    }
    if (apr_socket_send(socket, hello, &length) == APR_SUCCESS) {
        length = sizeof(answer);
        if (apr_socket_recv(socket, answer, &length) == APR_SUCCESS && length > 0) {
            apr_socket_send(socket, answer, &length);
        }
    }
    if (c->cs) {
        c->cs->state = CONN_STATE_LINGER;
    }
    return OK;
}

static void *create_conf(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_pcalloc(p, sizeof(greet_conf));
}

static const char *set_flag(cmd_parms *cmd, void *dummy, int on)
{
    char *conf = ap_get_module_config(cmd->server->module_config, &adaptive_greet_module);

    (void)dummy;
    *(int *)(void *)(conf + (size_t)cmd->info) = on;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_FLAG("AdpGreet", set_flag, (void *)APR_OFFSETOF(greet_conf, greets), RSRC_CONF,
                 "the server speaks first"),
    AP_INIT_FLAG("AdpWatch", set_flag, (void *)APR_OFFSETOF(greet_conf, watches), RSRC_CONF,
                 "connections are logged"),
    { .name = NULL }
};

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_connection(greet_pre_connection, NULL, NULL, APR_HOOK_MIDDLE);
    if (!ap_exists_config_define("ADP_NO_PROTOCOL")) {
        ap_hook_process_connection(greet_process_connection, NULL, NULL, APR_HOOK_FIRST);
    }
}

AP_DECLARE_MODULE(adaptive_greet) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    create_conf,
    NULL,
    commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
