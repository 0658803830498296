/* The parent, while it reads the configuration: each line that is about this module. Nothing is
 * corrected here, but what is no value at all is refused. */
#include "directives.h"

#include "config.h"

#include "base/log.h"

#include "ap_listen.h"
#include "apr_strings.h"
#include "mpm_common.h"

#include <errno.h>
#include <grp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_MEMORY_PERCENT   1.0
#define MOST_MEMORY_PERCENT    95.0
#define LEAST_MEMORY_BYTES     (16.0 * 1024 * 1024)
#define MOST_MEMORY_BYTES      (16.0 * 1024 * 1024 * 1024 * 1024)

static directives_t given;

static void note_origin(const cmd_parms *cmd)
{
    const char *origin = apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename,
                                      cmd->directive->line_num);

    if (!ap_cstr_casecmp("ServerLimit", cmd->cmd->name)) {
        given.children_origin = origin;
    }
    else if (!ap_cstr_casecmp("MaxRequestWorkers", cmd->cmd->name)
             || !ap_cstr_casecmp("MaxClients", cmd->cmd->name)) {
        given.total_origin = origin;
    }
}

static const char *set_integer(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char *end;
    long value;

    (void)dummy;
    if (err) {
        return err;
    }
    errno = 0;
    value = strtol(arg, &end, 10);
    if (end == arg || *end || errno || value <= INT_MIN || value > INT_MAX) {
        return apr_pstrcat(cmd->pool, ADPNO(0001), cmd->cmd->name, " \"", arg, "\": ",
                           end == arg || *end
                               ? "not a whole number; write one with digits only"
                               : "out of range; write a whole number up to 2147483647",
                           ", or leave the line out", NULL);
    }
    *(int *)((char *)&given + (size_t)cmd->info) = (int)value;
    note_origin(cmd);
    given.max_clients = given.max_clients || !ap_cstr_casecmp(cmd->cmd->name, "MaxClients");
    return NULL;
}

static const char *set_async_factor(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    char *end;
    double value;

    (void)dummy;
    if (err) {
        return err;
    }
    value = strtod(arg, &end);
    if (end == arg || *end || !isfinite(value) || value <= 0.0) {
        return apr_pstrcat(cmd->pool, ADPNO(0003) "AsyncRequestWorkerFactor \"", arg,
                           "\": not a number above 0; write for example "
                           "AsyncRequestWorkerFactor 2, or leave the line out: connections "
                           "are then limited by descriptors only", NULL);
    }
    given.async_factor = value;
    return NULL;
}

/* --- adaptive directives ---------------------------------------------------------- */

static const char *set_mode(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)dummy;
    if (err) {
        return err;
    }
    if (!ap_cstr_casecmp(arg, "on")) {
        given.adaptive_mode = EXT_MODE_ON;
    }
    else if (!ap_cstr_casecmp(arg, "observe")) {
        given.adaptive_mode = EXT_MODE_OBSERVE;
    }
    else if (!ap_cstr_casecmp(arg, "off")) {
        given.adaptive_mode = EXT_MODE_OFF;
    }
    else {
        return apr_pstrcat(cmd->pool, ADPNO(0012) "AdaptiveMode \"", arg, "\": not one of on, "
                           "observe, off; write for example AdaptiveMode observe, or leave the "
                           "line out (on)", NULL);
    }
    return NULL;
}

static const char *set_switch(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    bool on = !ap_cstr_casecmp(arg, "on");

    (void)dummy;
    if (err) {
        return err;
    }
    if (!on && ap_cstr_casecmp(arg, "off")) {
        return apr_pstrcat(cmd->pool, ADPNO(0016), cmd->cmd->name, " \"", arg,
                           "\": neither on nor off; write for example ", cmd->cmd->name,
                           " off, or leave the line out (on)", NULL);
    }
    *(bool *)((char *)&given + (size_t)cmd->info) = on;
    return NULL;
}

typedef struct unit_t {
    const char *name;
    double factor;
} unit_t;

/* A number with a unit of the table, the first of which stands for none at all. */
static bool parse_with_unit(const char *arg, const unit_t *units, double *value)
{
    char *end;

    /* no sign, no "inf", no hexadecimal number: strtod() would take all of them */
    if (arg[strspn(arg, "0123456789")] == 'x' || !strchr("0123456789.", *arg)) {
        return false;
    }
    *value = strtod(arg, &end);
    if (end == arg || !isfinite(*value)) {
        return false;
    }
    for (; units->name; units++) {
        if (!ap_cstr_casecmp(end, units->name)) {
            *value *= units->factor;
            return true;
        }
    }
    return false;
}

typedef struct time_directive_t {
    size_t offset;
    double least_us, most_us;
    bool may_be_off;            /* "off" and 0, which are stored as 0 */
    const char *allowed;        /* how an error says it */
    unit_t plain;               /* what a number without unit is */
} time_directive_t;

static const time_directive_t wait_target = {
    APR_OFFSETOF(directives_t, wait_target_us), 100.0, 1e6, false,
    "from 0.1ms to 1000ms; write for example AdaptiveWaitTarget 2ms, or leave the line out (2ms)",
    { "", 1e3 }
};
static const time_directive_t hold = {
    APR_OFFSETOF(directives_t, hold_us), 1e6, 3600e6, false,
    "from 1s to 1h; write for example AdaptiveHold 5s, or leave the line out (5s)", { "", 1e6 }
};
static const time_directive_t max_wait = {
    APR_OFFSETOF(directives_t, max_wait_us), 1e5, 3600e6, true,
    "from 100ms to 1h, or off; write for example AdaptiveMaxWait 10s, or leave the line out (10s)",
    { "", 1e6 }
};
static const time_directive_t drain_timeout = {
    APR_OFFSETOF(directives_t, drain_timeout_us), 1e6, 30 * 86400e6, true,
    "from 1s to 30d, or off; write for example AdaptiveDrainTimeout 10min, or leave the line out "
    "(off: unlimited)", { "", 1e6 }
};

static const char *set_time(cmd_parms *cmd, void *dummy, const char *arg)
{
    const time_directive_t *d = cmd->info;
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    double us = 0.0;

    (void)dummy;
    if (err) {
        return err;
    }
    if (!d->may_be_off || ap_cstr_casecmp(arg, "off")) {
        const unit_t units[] = {
            d->plain, { "us", 1.0 }, { "ms", 1e3 }, { "s", 1e6 }, { "min", 60e6 },
            { "h", 3600e6 }, { "d", 86400e6 }, { NULL, 0.0 }
        };
        bool parsed = parse_with_unit(arg, units, &us);

        if (!parsed || us > d->most_us || (us < d->least_us && (us > 0.0 || !d->may_be_off))) {
            return apr_pstrcat(cmd->pool, ADPNO(0013), cmd->cmd->name, " \"", arg,
                               "\": not a time ", d->allowed, NULL);
        }
    }
    *(int64_t *)((char *)&given + d->offset) = (int64_t)(us + 0.5);
    return NULL;
}

static const char *set_memory(cmd_parms *cmd, void *dummy, const char *arg)
{
    /* no number without a unit: it would be taken for MB by some and for bytes by others */
    /* shares are told from sizes by their sign */
    static const unit_t units[] = {
        { "%", -1.0 }, { "M", 1048576.0 }, { "MB", 1048576.0 }, { "G", 1073741824.0 },
        { "GB", 1073741824.0 }, { "T", 1099511627776.0 }, { "TB", 1099511627776.0 }, { NULL, 0.0 }
    };
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    double value;

    (void)dummy;
    if (err) {
        return err;
    }
    if (parse_with_unit(arg, units, &value)) {
        if (-value >= LEAST_MEMORY_PERCENT && -value <= MOST_MEMORY_PERCENT) {
            given.memory_share = -value / 100.0;
            given.memory_bytes = 0;
            return NULL;
        }
        if (value >= LEAST_MEMORY_BYTES && value <= MOST_MEMORY_BYTES) {
            given.memory_share = DIRECTIVES_MEMORY_SHARE;
            given.memory_bytes = (int64_t)value;
            return NULL;
        }
    }
    return apr_pstrcat(cmd->pool, ADPNO(0014) "AdaptiveMemory \"", arg, "\": neither a share "
                       "from 1% to 95% nor a size from 16M to 16T; write for example "
                       "AdaptiveMemory 60% or AdaptiveMemory 2G, or leave the line out (80%)",
                       NULL);
}

typedef struct size_directive_t {
    size_t offset;
    double least_bytes, most_bytes;
    bool needs_unit;            /* a number alone might be taken for K */
    const char *allowed;        /* how an error says it */
} size_directive_t;

static const size_directive_t body_wait = {
    APR_OFFSETOF(directives_t, body_wait_bytes), 1.0, 1048576.0, false,
    "from 1 to 1M (bytes, or with K or M), or off; write for example AdaptiveBodyWait 64K, or "
    "leave the line out (64K)"
};
static const size_directive_t output_buffer = {
    APR_OFFSETOF(directives_t, output_buffer), 4096.0, 1073741824.0, true,
    "from 4K to 1G, or off; write for example AdaptiveOutputBuffer 256K, or leave the line out "
    "(256K)"
};

/* "off" and 0 are stored as 0. */
static const char *set_size(cmd_parms *cmd, void *dummy, const char *arg)
{
    static const unit_t units[] = {
        { "", 1.0 }, { "K", 1024.0 }, { "KB", 1024.0 }, { "M", 1048576.0 }, { "MB", 1048576.0 },
        { "G", 1073741824.0 }, { "GB", 1073741824.0 }, { NULL, 0.0 }
    };
    const size_directive_t *d = cmd->info;
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    double bytes = 0.0;

    (void)dummy;
    if (err) {
        return err;
    }
    if (ap_cstr_casecmp(arg, "off") && strcmp(arg, "0")
        && (!parse_with_unit(arg, units + d->needs_unit, &bytes) || bytes < d->least_bytes
            || bytes > d->most_bytes)) {
        return apr_pstrcat(cmd->pool, ADPNO(0004), cmd->cmd->name, " \"", arg,
                           "\": not a size ", d->allowed, NULL);
    }
    *(int64_t *)((char *)&given + d->offset) = (int64_t)bytes;
    return NULL;
}

/* "on", "off", or a path, and a group. */
static const char *set_status_socket(cmd_parms *cmd, void *dummy, const char *arg,
                                     const char *group)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const struct group *found;

    (void)dummy;
    if (err) {
        return err;
    }
    if (!arg[0]) {
        return ADPNO(0019) "AdaptiveStatusSocket \"\": no path; write on, off, or a path, or leave "
               "the line out (on)";
    }
    given.status_socket_off = !ap_cstr_casecmp(arg, "off");
    given.status_socket = given.status_socket_off || !ap_cstr_casecmp(arg, "on") ? NULL : arg;
    given.status_group = (gid_t)-1;
    given.status_group_name = group;
    if (group) {
        found = getgrnam(group);
        if (!found) {
            return apr_pstrcat(cmd->pool, ADPNO(0017) "AdaptiveStatusSocket ", arg, " \"", group,
                               "\": there is no such group; write the name of one whose members "
                               "may look at the server's state, or leave it out (root only)",
                               NULL);
        }
        given.status_group = found->gr_gid;
    }
    return NULL;
}

static bool is_loopback(const apr_sockaddr_t *address)
{
    return address->family == AF_INET
           ? ntohl(address->sa.sin.sin_addr.s_addr) >> 24 == 127
           : address->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->sa.sin6.sin6_addr);
}

static const char *set_status_listen(cmd_parms *cmd, void *dummy, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_sockaddr_t *address = NULL;
    apr_port_t port = 0;
    char *host = NULL, *scope = NULL;

    (void)dummy;
    if (err) {
        return err;
    }
    if (apr_parse_addr_port(&host, &scope, &port, arg, cmd->temp_pool) != APR_SUCCESS || scope
        || port == 0
        || apr_sockaddr_info_get(&address, host ? host : "127.0.0.1", APR_UNSPEC, port, 0,
                                 cmd->temp_pool) != APR_SUCCESS
        || !is_loopback(address)) {
        return apr_pstrcat(cmd->pool, ADPNO(0018) "AdaptiveStatusListen \"", arg, "\": not an "
                           "address of this machine alone and a port; write for example "
                           "AdaptiveStatusListen 127.0.0.1:8042, or leave the line out (none). "
                           "For others, have a virtual host with access control pass it on", NULL);
    }
    given.status_listen = arg;
    memset(&given.status_address, 0, sizeof(given.status_address));
    memcpy(&given.status_address, &address->sa, address->salen);
    return NULL;
}

/* Where a number goes: cmd_parms.info. */
#define INTEGER_DIRECTIVE(name, field, help) \
    AP_INIT_TAKE1(name, set_integer, (void *)APR_OFFSETOF(directives_t, field), RSRC_CONF, help)
#define SWITCH_DIRECTIVE(name, field, help) \
    AP_INIT_TAKE1(name, set_switch, (void *)APR_OFFSETOF(directives_t, field), RSRC_CONF, help)
#define SIZE_DIRECTIVE(name, spec, help) \
    AP_INIT_TAKE1(name, set_size, (void *)&(spec), RSRC_CONF, help)
#define TIME_DIRECTIVE(name, spec, help) \
    AP_INIT_TAKE1(name, set_time, (void *)&(spec), RSRC_CONF, help)

/* One row per directive: docs/user/directives.md has the same, and t/tables.t compares them. */
const command_rec config_commands[] = {
    LISTEN_COMMANDS,
    INTEGER_DIRECTIVE("StartServers", start_servers, "Children at start"),
    INTEGER_DIRECTIVE("ServerLimit", server_limit, "Most children of one generation"),
    INTEGER_DIRECTIVE("ThreadLimit", thread_limit,
                      "Most threads that ThreadsPerChild may ask for until the next stop"),
    INTEGER_DIRECTIVE("ThreadsPerChild", threads_per_child, "Most worker threads of a child"),
    INTEGER_DIRECTIVE("MaxRequestWorkers", max_request_workers,
                      "Most worker threads in all: requests that are served at once"),
    INTEGER_DIRECTIVE("MaxClients", max_request_workers, "Deprecated name of MaxRequestWorkers"),
    INTEGER_DIRECTIVE("MinSpareThreads", min_spare_threads,
                      "Idle threads, grown or yet to grow, below which a child is added"),
    INTEGER_DIRECTIVE("MaxSpareThreads", max_spare_threads,
                      "Idle threads, grown or yet to grow, above which a child goes"),
    AP_INIT_TAKE1("AsyncRequestWorkerFactor", set_async_factor, NULL, RSRC_CONF,
                  "Connections that a child takes beyond its threads, for each idle one"),
    AP_INIT_TAKE1(
        "AdaptiveMode", set_mode, NULL, RSRC_CONF,
        "on (default): threads and children follow the load; observe: that is only logged, and "
        "MinSpareThreads and MaxSpareThreads are followed; off: only these"),
    SWITCH_DIRECTIVE("AdaptiveBulkheads", bulkheads,
                     "While threads are few, what one virtual host or backend may hold is bounded "
                     "(on)"),
    TIME_DIRECTIVE("AdaptiveWaitTarget", wait_target,
                   "The longest that work should wait for a thread, 0.1ms to 1000ms (2ms)"),
    TIME_DIRECTIVE("AdaptiveHold", hold,
                   "The shortest time that a spare thread is kept, 1s to 1h (5s)"),
    AP_INIT_TAKE1(
        "AdaptiveMemory", set_memory, NULL, RSRC_CONF,
        "Memory to use: a share of the limit, 1% to 95% (80%), or a size from 16M to 16T"),
    SIZE_DIRECTIVE("AdaptiveOutputBuffer", output_buffer,
                   "What a connection may hold, without a thread, of a generated response that its "
                   "client is slow to read: 4K to 1G, or off (256K)"),
    TIME_DIRECTIVE("AdaptiveMaxWait", max_wait,
                   "What waits longer for a thread is answered with 503, 100ms to 1h, or off "
                   "(10s)"),
    SIZE_DIRECTIVE("AdaptiveBodyWait", body_wait,
                   "A request whose body is no longer waits for it without a thread, 1 to 1M, or "
                   "off (64K)"),
    TIME_DIRECTIVE("AdaptiveDrainTimeout", drain_timeout,
                   "How long a child that is draining may hang on, 1s to 30d, or off (off)"),
    SWITCH_DIRECTIVE("AdaptiveAffinity", affinity,
                     "on (default): a busy child keeps to a processor of its own; off: it does "
                     "not"),
    AP_INIT_TAKE12("AdaptiveStatusSocket", set_status_socket, NULL, RSRC_CONF,
                   "A Unix socket that shows the server's state, whatever happens: on (default: "
                   "adaptive-status.sock in DefaultRuntimeDir), off, or a path; and a group that "
                   "may connect (root only)"),
    AP_INIT_TAKE1("AdaptiveStatusListen", set_status_listen, NULL, RSRC_CONF,
                  "The same on an address of the loopback device: 127.0.0.1:8042 (off)"),
    AP_GRACEFUL_SHUTDOWN_TIMEOUT_COMMAND,
    { NULL, { NULL }, NULL, 0, NO_ARGS, NULL }
};

void directives_reset(void)
{
    given = directives_defaults();
}

const directives_t *directives_given(void)
{
    return &given;
}
