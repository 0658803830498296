/*
 * A protocol module whose client says what its process_connection hook does: which state and sense
 * it leaves, what it returns, whether it aborts the connection, and what it leaves unsent and
 * unread. It writes down what the MPM makes of that, one line an event: t/states.t drives every
 * combination.
 *
 * The first line of a connection is "<id>;<step>;<step>..." and a step, for one call of the hook,
 * is "<state>,<sense>,<return value>,<aborted>,<keepalive>,<output>,<input>": numbers of httpd's
 * enums; output 1 is a line that the core keeps back, 2 the file of StatesTest, more than a socket
 * takes; input 1 says that input filters hold the next line. A call without a step closes the
 * connection. Each later call reads one line, if it is there.
 *
 * The lines of the log are "<id> <milliseconds of the monotonic clock> <event>": call, return,
 * suspend, resume, close (the lingering close begins) and gone. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "ap_mpm.h"
#include "mpm_common.h"
#include "apr_strings.h"
#include "util_filter.h"

#define MOST_STEPS 8
#define LINE_BYTES 512

extern module AP_MODULE_DECLARE_DATA states_test_module __attribute__((visibility("default")));

typedef struct {
    const char *big_file;       /* NULL: not for this server */
    int clog;
} server_conf;

typedef struct {
    int state;
    int sense;
    int rc;
    int aborted;
    int keepalive;
    int output;
    int input;
} step_t;

typedef struct {
    int id;
    int step_count;
    int calls;
    step_t steps[MOST_STEPS];
} conn_data;

static apr_file_t *events;

static server_conf *conf_of(conn_rec *c)
{
    return ap_get_module_config(c->base_server->module_config, &states_test_module);
}

static conn_data *data_of(conn_rec *c)
{
    return c->master ? NULL : ap_get_module_config(c->conn_config, &states_test_module);
}

/* One write, so that lines of several threads do not mix. */
static void say(const conn_data *data, const char *event)
{
    char line[64];
    struct timespec now;
    apr_size_t length;

    if (!events || data->id < 0) {
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    length = (apr_size_t)snprintf(line, sizeof(line), "%d %ld %s\n", data->id,
                                  (long)(now.tv_sec * 1000 + now.tv_nsec / 1000000), event);
    apr_file_write(events, line, &length);
}

static apr_status_t say_gone(void *data)
{
    say(data, "gone");
    return APR_SUCCESS;
}

static int states_pre_connection(conn_rec *c, void *csd)
{
    const server_conf *conf = conf_of(c);
    conn_data *data;

    (void)csd;
    if (c->master || !conf->big_file) {
        return OK;
    }
    data = apr_pcalloc(c->pool, sizeof(*data));
    data->id = -1;
    ap_set_module_config(c->conn_config, &states_test_module, data);
    apr_pool_cleanup_register(c->pool, data, say_gone, apr_pool_cleanup_null);
    c->clogging_input_filters = (unsigned)conf->clog;
    return OK;
}

static int read_line(conn_rec *c, char *line, apr_read_type_e block)
{
    apr_bucket_brigade *bb = apr_brigade_create(c->pool, c->bucket_alloc);
    apr_size_t length = LINE_BYTES - 1;
    apr_status_t rv = ap_get_brigade(c->input_filters, bb, AP_MODE_GETLINE, block, 0);

    if (rv == APR_SUCCESS) {
        rv = apr_brigade_flatten(bb, line, &length);
        line[length] = '\0';
    }
    apr_brigade_destroy(bb);
    return rv == APR_SUCCESS && length > 0;
}

static int parse(conn_data *data, const char *line)
{
    char *at;
    int id = (int)strtol(line, &at, 10);

    while (*at == ';' && data->step_count < MOST_STEPS) {
        step_t *step = &data->steps[data->step_count++];
        int *const fields[] = { &step->state,     &step->sense,  &step->rc,   &step->aborted,
                                &step->keepalive, &step->output, &step->input };
        size_t i;

        for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            *fields[i] = (int)strtol(at + 1, &at, 10);
        }
    }
    data->id = id;
    return data->step_count > 0;
}

/* A file is not counted by the core as memory, so that it takes all of it and does not block. */
static void leave_output(conn_rec *c, int kind)
{
    apr_bucket_brigade *bb = apr_brigade_create(c->pool, c->bucket_alloc);
    apr_finfo_t info;
    apr_file_t *file;

    if (kind == 1) {
        apr_brigade_puts(bb, NULL, NULL, "answer\n");
    } else if (apr_file_open(&file, conf_of(c)->big_file,
                             APR_FOPEN_READ | APR_FOPEN_SENDFILE_ENABLED, 0, c->pool)
                   == APR_SUCCESS
               && apr_file_info_get(&info, APR_FINFO_SIZE, file) == APR_SUCCESS) {
        apr_brigade_insert_file(bb, file, 0, info.size, c->pool);
    }
    ap_pass_brigade(c->output_filters, bb);
}

static int states_process_connection(conn_rec *c)
{
    conn_data *data = data_of(c);
    char line[LINE_BYTES];
    const step_t *step;

    if (!data || !c->cs) {
        return DECLINED;
    }
    if (!read_line(c, line, data->calls ? APR_NONBLOCK_READ : APR_BLOCK_READ) && !data->calls) {
        c->cs->state = CONN_STATE_LINGER;
        return OK;
    }
    if (!data->calls && !parse(data, line)) {
        c->cs->state = CONN_STATE_LINGER;
        return OK;
    }
    say(data, "call");
    c->data_in_input_filters = 0;
    if (data->calls++ >= data->step_count) {
        c->cs->state = CONN_STATE_LINGER;
        return OK;
    }
    step = &data->steps[data->calls - 1];
    if (step->output) {
        leave_output(c, step->output);
    }
    c->keepalive = step->keepalive ? AP_CONN_KEEPALIVE : AP_CONN_CLOSE;
    c->data_in_input_filters = (unsigned)step->input;
    c->aborted = (unsigned)step->aborted;
    if (step->sense >= 0) {
        c->cs->sense = (conn_sense_e)step->sense;
    }
    c->cs->state = (conn_state_e)step->state;
    say(data, "return");
    return step->rc;
}

static void states_suspend(conn_rec *c, request_rec *r)
{
    conn_data *data = data_of(c);

    (void)r;
    if (data) {
        say(data, "suspend");
    }
}

static void states_resume(conn_rec *c, request_rec *r)
{
    conn_data *data = data_of(c);

    (void)r;
    if (data) {
        say(data, "resume");
    }
}

static int states_pre_close(conn_rec *c)
{
    conn_data *data = data_of(c);

    if (data) {
        say(data, "close");
    }
    return OK;
}

static void *create_server_conf(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_pcalloc(p, sizeof(server_conf));
}

static const char *set_states(cmd_parms *cmd, void *dummy, const char *file, const char *clog)
{
    server_conf *conf = ap_get_module_config(cmd->server->module_config, &states_test_module);

    (void)dummy;
    conf->big_file = ap_server_root_relative(cmd->pool, file);
    conf->clog = clog && !strcmp(clog, "clog");
    return conf->big_file ? NULL : "not a usable file name";
}

/* Opened here, with the parent's rights, for all the children. */
static const char *set_log(cmd_parms *cmd, void *dummy, const char *file)
{
    const char *path = ap_server_root_relative(cmd->pool, file);

    (void)dummy;
    if (!path || apr_file_open(&events, path, APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_APPEND,
                               APR_FPROT_OS_DEFAULT, cmd->pool) != APR_SUCCESS) {
        return "cannot be opened";
    }
    return NULL;
}

static const command_rec states_commands[] = {
    AP_INIT_TAKE12("StatesTest", set_states, NULL, RSRC_CONF,
                   "connections of this server do what their client says; a large file; clog: they "
                   "clog their input filters"),
    AP_INIT_TAKE1("StatesTestLog", set_log, NULL, RSRC_CONF,
                  "file for what becomes of the connections"),
    { .name = NULL }
};

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_connection(states_pre_connection, NULL, NULL, APR_HOOK_LAST);
    ap_hook_process_connection(states_process_connection, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_suspend_connection(states_suspend, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_resume_connection(states_resume, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_pre_close_connection(states_pre_close, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(states_test) = {
    STANDARD20_MODULE_STUFF,
    NULL,
    NULL,
    create_server_conf,
    NULL,
    states_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
