/* A process that only tests the configuration: the one that reads it also finds the limits, so
 * that nobody has to compute them a second time (adaptivectl check). */
#include "dump_config.h"

#include "base/version.h"
#include "config/config.h"
#include "config/directives.h"

#include "apr_file_io.h"
#include "apr_strings.h"
#include "httpd.h"
#include "http_config.h"
#include "http_core.h"

static void dump_number(apr_file_t *out, const char *directive, int value, int given)
{
    const char *source = given == DIRECTIVES_NOT_SET ? "default" : "given";
    char other[40] = "";

    if (given != DIRECTIVES_NOT_SET && given != value) {
        apr_snprintf(other, sizeof(other), " as %d", given);
    }
    apr_file_printf(out, "  %-20s %7d  %s%s\n", directive, value, source, other);
}

/* Where adaptivectl status asks. */
static void dump_socket(apr_file_t *out, apr_pool_t *p, const adp_config_t *config)
{
    const char *path = config->status_socket_off ? "off" : config_status_socket(p);

    apr_file_printf(out, "  %-20s %s  %s\n", "AdaptiveStatusSocket", path,
                    config->status_socket || config->status_socket_off ? "given" : "default");
}

static void dump(apr_pool_t *pconf, server_rec *s)
{
    const adp_config_t *config = config_get();
    const directives_t *given = directives_given();
    apr_file_t *out;
    char text[800];

    (void)s;
    if (!ap_exists_config_define("DUMP_MPM_ADAPTIVE")
        || apr_file_open_stdout(&out, pconf) != APR_SUCCESS) {
        return;
    }
    /* at least one set of listening sockets, which a test does not open */
    config_require_children(1);
    apr_file_printf(out, "mpm_adaptive %s: %s\n", ADP_VERSION,
                    config_describe(text, sizeof(text)));
    dump_number(out, "MaxRequestWorkers", config->max_request_workers,
                given->max_request_workers);
    dump_number(out, "ServerLimit", config->server_limit, given->server_limit);
    dump_number(out, "ThreadsPerChild", config->threads_per_child, given->threads_per_child);
    dump_number(out, "StartServers", config->start_servers, given->start_servers);
    dump_number(out, "MinSpareThreads", config->min_spare_threads, given->min_spare_threads);
    dump_number(out, "MaxSpareThreads", config->max_spare_threads, given->max_spare_threads);
    dump_socket(out, pconf, config);
}

void dump_config_register_hooks(void)
{
    ap_hook_test_config(dump, NULL, NULL, APR_HOOK_MIDDLE);
}
