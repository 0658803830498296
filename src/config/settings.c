/* From the directives as given and the configuration in force; nothing is decided here. */
#include "settings.h"

#include "config.h"
#include "directives.h"

#include "ap_mpm.h"
#include "mpm_common.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#define US_PER_MS 1000
#define US_PER_S  1000000

static setting_t *add(settings_t *settings, const char *directive, setting_origin_e origin)
{
    setting_t *setting = &settings->row[settings->count];

    settings->count = MIN(settings->count + 1, SETTINGS_MOST - 1);
    *setting = (setting_t) { .directive = directive, .origin = origin };
    return setting;
}

static void add_number(settings_t *settings, const char *directive, int value, int given,
                       setting_origin_e otherwise)
{
    setting_t *setting = add(settings, directive,
                             given == DIRECTIVES_NOT_SET ? otherwise
                             : given == value ? SETTING_GIVEN : SETTING_CORRECTED);

    (void)snprintf(setting->value, sizeof(setting->value), "%d", value);
    if (setting->origin == SETTING_CORRECTED) {
        (void)snprintf(setting->given, sizeof(setting->given), "%d", given);
    }
}

/* What is not in the configuration file has the default's value: whoever writes that sets nothing
 * else. */
__attribute__((format(printf, 4, 5)))
static void add_text(settings_t *settings, const char *directive, bool is_default,
                     const char *format, ...)
{
    setting_t *setting = add(settings, directive, is_default ? SETTING_DEFAULT : SETTING_GIVEN);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(setting->value, sizeof(setting->value), format, args);
    va_end(args);
}

static void add_numbers(settings_t *settings, const adp_config_t *config,
                        const directives_t *given)
{
    add_number(settings, "MaxRequestWorkers", config->max_request_workers,
               given->max_request_workers, SETTING_FOUND);
    add_number(settings, "ServerLimit", config->server_limit, given->server_limit, SETTING_FOUND);
    add_number(settings, "ThreadsPerChild", config->threads_per_child, given->threads_per_child,
               SETTING_FOUND);
    add_number(settings, "ThreadLimit", config->thread_limit, given->thread_limit, SETTING_FOUND);
    add_number(settings, "StartServers", config->start_servers, given->start_servers,
               SETTING_FOUND);
    /* without a number of its own the controller decides, and these bind nobody */
    if (given->min_spare_threads != DIRECTIVES_NOT_SET || config->adaptive_mode != EXT_MODE_ON) {
        add_number(settings, "MinSpareThreads", config->min_spare_threads,
                   given->min_spare_threads, SETTING_DEFAULT);
    }
    if (given->max_spare_threads != DIRECTIVES_NOT_SET || config->adaptive_mode != EXT_MODE_ON) {
        add_number(settings, "MaxSpareThreads", config->max_spare_threads,
                   given->max_spare_threads, SETTING_DEFAULT);
    }
    add_text(settings, "MaxConnectionsPerChild", ap_max_requests_per_child == 0, "%d",
             ap_max_requests_per_child);
    if (config->async_factor > 0) {
        add_text(settings, "AsyncRequestWorkerFactor", false, "%g", config->async_factor);
    }
}

static void add_memory(settings_t *settings, const adp_config_t *config)
{
    if (config->memory_bytes > 0) {
        add_text(settings, "AdaptiveMemory", false, "%lldM",
                 (long long)(config->memory_bytes / (1024 * 1024)));
    }
    else {
        add_text(settings, "AdaptiveMemory", config->memory_share == DIRECTIVES_MEMORY_SHARE,
                 "%g%%", 100.0 * config->memory_share);
    }
}

/* "off" where none is set. */
static void add_seconds(settings_t *settings, const char *directive, bool is_default, int64_t us)
{
    if (us > 0) {
        add_text(settings, directive, is_default, "%gs", (double)us / US_PER_S);
    }
    else {
        add_text(settings, directive, is_default, "off");
    }
}

/* In the largest unit that goes into it. */
static void add_size(settings_t *settings, const char *directive, bool is_default, int64_t bytes)
{
    const char *unit = bytes % 1048576 == 0 ? "M" : bytes % 1024 == 0 ? "K" : "";
    int64_t count = bytes % 1048576 == 0 ? bytes / 1048576
                    : bytes % 1024 == 0 ? bytes / 1024 : bytes;

    if (bytes > 0) {
        add_text(settings, directive, is_default, "%lld%s", (long long)count, unit);
    }
    else {
        add_text(settings, directive, is_default, "off");
    }
}

static void add_adaptive(settings_t *settings, const adp_config_t *config,
                         const directives_t *given)
{
    directives_t defaults = directives_defaults();

    add_text(settings, "AdaptiveMode", config->adaptive_mode == defaults.adaptive_mode, "%s",
             config_mode_name(config->adaptive_mode));
    add_text(settings, "AdaptiveWaitTarget", config->wait_target_us == defaults.wait_target_us,
             "%gms", (double)config->wait_target_us / US_PER_MS);
    add_seconds(settings, "AdaptiveHold", config->hold_us == defaults.hold_us, config->hold_us);
    add_seconds(settings, "AdaptiveMaxWait", given->max_wait_us == defaults.max_wait_us,
                given->max_wait_us);
    add_text(settings, "AdaptiveBulkheads", config->bulkheads == defaults.bulkheads, "%s",
             config->bulkheads ? "on" : "off");
    add_text(settings, "AdaptiveAffinity", config->affinity == defaults.affinity, "%s",
             config->affinity ? "on" : "off");
    add_memory(settings, config);
    add_size(settings, "AdaptiveBodyWait", given->body_wait_bytes == defaults.body_wait_bytes,
             given->body_wait_bytes);
    add_size(settings, "AdaptiveOutputBuffer", config->output_buffer == defaults.output_buffer,
             config->output_buffer);
    add_text(settings, "AdaptiveStatusSocket",
             !given->status_socket && !given->status_socket_off && !given->status_group_name,
             "%s%s%s",
             given->status_socket_off ? "off" : given->status_socket ? given->status_socket : "on",
             given->status_group_name ? " " : "",
             given->status_group_name ? given->status_group_name : "");
    add_text(settings, "AdaptiveStatusListen", !given->status_listen, "%s",
             given->status_listen ? given->status_listen : "off");
    add_seconds(settings, "AdaptiveDrainTimeout",
                config->drain_timeout_us == defaults.drain_timeout_us, config->drain_timeout_us);
}

settings_t settings_list(void)
{
    settings_t settings = { 0 };

    add_numbers(&settings, config_get(), directives_given());
    add_adaptive(&settings, config_get(), directives_given());
    settings.note_count = config_notes(settings.notes, SETTINGS_MOST_NOTES);
    return settings;
}
