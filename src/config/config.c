/* The parent, while it reads the configuration; afterwards nothing changes but what control
 * groups allow. Children inherit it. */
#include "config.h"

#include "directives.h"
#include "resolve.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"

#include "apr_strings.h"
#include "http_config.h"
#include "unixd.h"

#include <sys/param.h>

/* Threads that mod_http2 adds for each worker. */
#define HTTP2_COMPANIONS          1.5

#define STATUS_SOCKET "adaptive-status.sock"

/* How often control groups are asked whether their limits have changed. */
#define GROUPS_INTERVAL_US (5 * CLOCK_US_PER_S)

static adp_config_t effective;
static limits_t limits;
static int64_t descriptors_held;
static int expected_threads;    /* that the limits found allow, whatever is configured */
static ctl_ceiling_e expected_ceiling;
static resolve_note_t notes[RESOLVE_MOST_NOTES];    /* of the effective configuration */
static int note_count;

const adp_config_t *config_get(void)
{
    return &effective;
}

const limits_t *config_limits(void)
{
    return &limits;
}

bool config_look_at_groups(int64_t *looked_us, int64_t now_us)
{
    if (now_us - *looked_us < GROUPS_INTERVAL_US) {
        return false;
    }
    *looked_us = now_us;
    return limits_find_groups(&limits);
}

/* What there is, and what it is good for before anything runs. */
static void find_limits(void)
{
    const directives_t *given = directives_given();
    int threads;
    /* the parent of a server that root starts is exempt from what its children are not */
    uid_t user = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    limits_usage_t usage = { 0 };

    limits_find(&limits, "", user);
    limits.descriptors_held = descriptors_held;
    limits.policy.companions = ap_find_linked_module("mod_http2.c") ? HTTP2_COMPANIONS : 0.0;
    limits.policy.memory_share = given->memory_share;
    limits.policy.memory_bytes = given->memory_bytes;
    threads = resolve_default_threads(limits.policy.companions > 0.0,
                                      limits_threads_by_descriptors(&limits));
    limits.policy.threads_per_child = given->threads_per_child > 0 ? given->threads_per_child
                                                                   : threads;
    limits_refresh_usage(&limits, &usage, clock_now_us());
    config_expect(&usage);
}

void config_expect(const limits_usage_t *usage)
{
    expected_threads = limits_expected_threads(&limits, usage, &expected_ceiling);
}

/* The rest of the policy follows from the corrected configuration. */
static void complete_limits(void)
{
    const directives_t *given = directives_given();

    limits.policy.threads_per_child = effective.threads_per_child;
    limits.policy.max_children = effective.max_children;
    limits.policy.slots_ceiling = effective.ceiling;
    limits.policy.max_request_workers = given->max_request_workers == DIRECTIVES_NOT_SET
                                        ? LIMITS_NOT_SET : effective.max_request_workers;
}

/* What the administrator should know of how it was resolved: on the console if somebody sits there,
 * else in the log of s. */
static void tell(const resolve_note_t *note, bool to_console, server_rec *s)
{
    int startup = to_console ? APLOG_STARTUP : 0;

    s = to_console ? NULL : s;
    switch (note->kind) {
    case RESOLVE_OLD_NAME:
        ap_log_error(APLOG_MARK, APLOG_NOTICE | startup, 0, s, ADPNO(0002) "%s", note->text);
        break;
    case RESOLVE_CORRECTED:
        ap_log_error(APLOG_MARK, APLOG_WARNING | startup, 0, s, ADPNO(0010) "%s", note->text);
        break;
    case RESOLVE_FEW_DESCRIPTORS:
        ap_log_error(APLOG_MARK, APLOG_WARNING | startup, 0, s, ADPNO(0015) "%s", note->text);
        break;
    }
}

void config_resolve(config_fixed_t *fixed, bool to_console, server_rec *s)
{
    resolve_input_t input;
    resolve_result_t result;
    int i;

    find_limits();
    input = (resolve_input_t) {
        .given = directives_given(),
        .cpus = limits.cpus,
        .threads_by_descriptors = limits_threads_by_descriptors(&limits),
        .free_descriptors = limits_free_descriptors(&limits),
        .children_by_descriptors = limits_children_by_descriptors(&limits),
        .expected_threads = expected_threads,
        .expected_ceiling = expected_ceiling,
        .http2 = limits.policy.companions > 0.0,
        .heartbeat = ap_find_linked_module("mod_heartbeat.c") != NULL
    };
    result = resolve(&input, fixed);
    effective = result.config;
    *fixed = result.fixed;
    note_count = result.note_count;
    for (i = 0; i < note_count; i++) {
        notes[i] = result.notes[i];
        tell(&notes[i], to_console, s);
    }
    complete_limits();
}

/* "MaxRequestWorkers 150 from /etc/apache2/mods-enabled/mpm_adaptive.conf:9; ": nobody has to
 * look for a line that somebody else left behind. "" if no directive keeps threads down. */
static const char *describe_origin(char *buffer, size_t size)
{
    const directives_t *given = directives_given();

    buffer[0] = '\0';
    if (given->total_origin) {
        apr_snprintf(buffer, size, "MaxRequestWorkers %d from %s; ", effective.max_request_workers,
                     given->total_origin);
    }
    else if (given->children_origin) {
        apr_snprintf(buffer, size, "ServerLimit %d from %s; ", effective.server_limit,
                     given->children_origin);
    }
    return buffer;
}

int config_expected_threads(void)
{
    return MIN(expected_threads, effective.max_request_workers);
}

const char *config_mode_name(ext_mode_e mode)
{
    static const char *const names[] = {
        [EXT_MODE_OFF] = "off", [EXT_MODE_OBSERVE] = "observe", [EXT_MODE_ON] = "on"
    };

    return names[mode];
}

char *config_describe(char *buffer, size_t size)
{
    char found[400], from[200];
    int threads = config_expected_threads();

    apr_snprintf(buffer, size, "up to %d thread%s in %d child%s of %d: %s; %sAdaptiveMode %s",
                 threads, threads == 1 ? "" : "s", effective.max_children,
                 effective.max_children == 1 ? "" : "ren", effective.threads_per_child,
                 limits_describe(&limits, found, sizeof(found)),
                 describe_origin(from, sizeof(from)), config_mode_name(effective.adaptive_mode));
    return buffer;
}

int config_notes(const char **texts, int most)
{
    int i;

    for (i = 0; i < note_count && i < most; i++) {
        texts[i] = notes[i].text;
    }
    return i;
}

const char *config_status_socket(apr_pool_t *p)
{
    return ap_runtime_dir_relative(p, effective.status_socket ? effective.status_socket
                                                              : STATUS_SOCKET);
}

void config_log_limits(server_rec *s)
{
    char text[800];

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, ADPNO(0011) "%s; version "
                 ADP_VERSION, config_describe(text, sizeof(text)));
}

void config_note_descriptors(int64_t held)
{
    limits.descriptors_held = descriptors_held = held;
}

void config_require_children(int count)
{
    resolve_require_children(&effective, count);
    limits.policy.min_children = MAX(count, 1);
    complete_limits();
}
