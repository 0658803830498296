/* The parent finds the answers while it reads the configuration; children only look them up. */
#include "first_byte.h"

#include "reqtimeout.h"

#include "base/log.h"

#include "apr_hash.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_vhost.h"
#include "util_cfgtree.h"

#include <string.h>
#include <sys/param.h>

/* Stages of a request, as mod_reqtimeout has them, and its defaults. */
static const struct {
    const char *name;
    read_times_t by_default;
} stages[READ_STAGES] = {
    [READ_HANDSHAKE] = { "handshake", { 0, 0, 0 } },
    [READ_HEAD]      = { "header", { 20, 40, 500 } },
    [READ_BODY]      = { "body", { 20, 0, 500 } }
};

/* What a virtual host's directives say, or the main server's. */
typedef struct host_t {
    read_times_t times[READ_STAGES];
    bool has_times[READ_STAGES];
    const char *tls_engine;     /* of SSLEngine; NULL: not set */
    bool tls;                   /* the rest follows from these */
    apr_interval_time_t timeout;
    /* of the main server */
    apr_array_header_t *found;  /* found_t */
    bool http_only;             /* no process_connection hook speaks anything else */
    bool has_http2;             /* mod_http2 is there */
    apr_interval_time_t longest_timeout;
} host_t;

/* What was found of a listening socket. */
typedef struct found_t {
    const apr_sockaddr_t *address;
    const char *protocol;
    opening_e opening;
} found_t;

/* --- what the configuration says ---------------------------------------------------- */

/* Where a virtual host was defined; both server_rec and ap_directive_t point to the same name. */
typedef struct place_t {
    const char *file;
    apr_uint64_t line;
} place_t;

static place_t *place_of(apr_pool_t *p, const char *file, int line)
{
    place_t *place = apr_pcalloc(p, sizeof(*place));

    place->file = file;
    place->line = (apr_uint64_t)line;
    return place;
}

static void note_directive(host_t *host, const ap_directive_t *node)
{
    int stage;

    if (!ap_cstr_casecmp(node->directive, "RequestReadTimeout")) {
        for (stage = 0; stage < READ_STAGES; stage++) {
            host->has_times[stage] |= reqtimeout_stage(node->args, stages[stage].name,
                                                       &host->times[stage]);
        }
    }
    else if (!ap_cstr_casecmp(node->directive, "SSLEngine")) {
        host->tls_engine = node->args;
    }
}

/* The directives of a server; virtual hosts in it are looked up in hosts, by place. */
static void read_directives(const ap_directive_t *node, host_t *host, apr_hash_t *hosts)
{
    for (; node; node = node->next) {
        host_t *inner = host;

        if (!ap_cstr_casecmp(node->directive, "<VirtualHost")) {
            place_t place = { .file = node->filename, .line = (apr_uint64_t)node->line_num };

            inner = apr_hash_get(hosts, &place, sizeof(place));
        }
        if (node->first_child && inner) {
            read_directives(node->first_child, inner, hosts);
        }
        else if (!node->first_child) {
            note_directive(host, node);
        }
    }
}

/* What a virtual host does not say the main server says for it. */
static void inherit(host_t *host, const host_t *outer)
{
    int stage;

    for (stage = 0; stage < READ_STAGES; stage++) {
        if (!host->has_times[stage]) {
            host->times[stage] = outer->times[stage];
        }
    }
    if (!host->tls_engine) {
        host->tls_engine = outer->tls_engine;
    }
}

static bool begins_with_tls(const host_t *host, const server_rec *s)
{
    const char *protocol = ap_get_server_protocol((server_rec *)s);

    return host->tls_engine ? !ap_cstr_casecmp(host->tls_engine, "on")
                            : protocol && !strcmp(protocol, "https");
}

/* The stage that the first byte belongs to; with a limit of 0, as without mod_reqtimeout,
 * Timeout remains. */
static apr_interval_time_t timeout_of(const host_t *host, const server_rec *s)
{
    long seconds = host->times[host->tls ? READ_HANDSHAKE : READ_HEAD].first_s;

    return seconds > 0 ? MIN(apr_time_from_sec(seconds), s->timeout) : s->timeout;
}

/* What counts where nobody says anything; without mod_reqtimeout nothing can be said. */
static void set_default_times(host_t *outer)
{
    bool kept = ap_find_linked_module("mod_reqtimeout.c") != NULL;
    int stage;

    for (stage = 0; kept && stage < READ_STAGES; stage++) {
        if (!outer->has_times[stage]) {
            outer->times[stage] = stages[stage].by_default;
        }
    }
}

static void find_hosts(apr_pool_t *p, server_rec *main_server)
{
    apr_hash_t *hosts = apr_hash_make(p);
    host_t *outer = apr_pcalloc(p, sizeof(*outer));
    server_rec *s;

    for (s = main_server; s; s = s->next) {
        host_t *host = s == main_server ? outer : apr_pcalloc(p, sizeof(*host));

        ap_set_module_config(s->module_config, &mpm_adaptive_module, host);
        if (s != main_server) {
            apr_hash_set(hosts, place_of(p, s->defn_name, (int)s->defn_line_number),
                         sizeof(place_t), host);
        }
    }
    read_directives(ap_conftree, outer, hosts);
    set_default_times(outer);
    for (s = main_server; s; s = s->next) {
        host_t *host = ap_get_module_config(s->module_config, &mpm_adaptive_module);

        inherit(host, outer);
        host->tls = begins_with_tls(host, s);
        host->timeout = timeout_of(host, s);
        outer->longest_timeout = MAX(outer->longest_timeout, s->timeout);
    }
}

apr_interval_time_t first_byte_timeout(const server_rec *s)
{
    const host_t *host = ap_get_module_config(s->module_config, &mpm_adaptive_module);

    return host ? host->timeout : s->timeout;
}

bool first_byte_is_tls(const server_rec *s)
{
    const host_t *host = ap_get_module_config(s->module_config, &mpm_adaptive_module);

    return host && host->tls;
}

const read_times_t *first_byte_times(const server_rec *s, read_stage_e stage)
{
    static const read_times_t unlimited;
    const host_t *host = ap_get_module_config(s->module_config, &mpm_adaptive_module);

    return host ? &host->times[stage] : &unlimited;
}

/* ap_vhost_iterate_conn_cb: 0 if it gives bodies the same time as the first one of the address. */
static int differs(void *baton, conn_rec *c, server_rec *s)
{
    const read_times_t *first = baton;
    const read_times_t *times = first_byte_times(s, READ_BODY);

    (void)c;
    return times->first_s != first->first_s || times->most_s != first->most_s
           || times->bytes_per_s != first->bytes_per_s;
}

bool first_byte_bodies_may_wait(conn_rec *c)
{
    return ap_vhost_iterate_given_conn(c, differs,
                                       (void *)first_byte_times(c->base_server, READ_BODY)) == 0;
}

apr_interval_time_t first_byte_longest_timeout(const server_rec *main_server)
{
    const host_t *host = ap_get_module_config(main_server->module_config, &mpm_adaptive_module);

    return host ? host->longest_timeout : main_server->timeout;
}

/* --- who speaks first ----------------------------------------------------------------- */

/* AcceptFilter is set for this protocol, and not to none: the client speaks first. That is so
 * for http and https if nobody says otherwise, and for nothing else. */
static bool is_filtered(const server_rec *main_server, const char *protocol)
{
    core_server_config *core = ap_get_core_module_config(main_server->module_config);
    const char *filter = core->accf_map && protocol ? apr_table_get(core->accf_map, protocol)
                                                    : NULL;

    return filter && strcmp(filter, "none");
}

static bool is_http(const char *protocol)
{
    return !protocol || !strcmp(protocol, "http") || !strcmp(protocol, "https");
}

/* The module that a process_connection hook belongs to is in this list. */
static bool is_one_of(const char *module, const char *const *modules)
{
    while (*modules && module && strcmp(module, *modules)) {
        modules++;
    }
    return *modules != NULL;
}

/* The first process_connection hook's module that is none of these; NULL: there is none. */
static const char *hook_of_another(const char *const *modules)
{
    const apr_array_header_t *hooks = ap_hook_get_process_connection();
    int i;

    for (i = 0; hooks && i < hooks->nelts; i++) {
        const char *module = APR_ARRAY_IDX(hooks, i, ap_LINK_process_connection_t).szName;

        if (!is_one_of(module, modules)) {
            return module ? module : "a module without a name";
        }
    }
    return NULL;
}

/* With these, a connection that speaks HTTP never has to be greeted: all of them wait for the
 * client before they do anything. Other modules are not known. */
static bool may_greet_http(void)
{
    static const char *const silent[] = {
        "core.c", "http_core.c", "mod_ssl.c", "mod_tls.c", "mod_http2.c", "mod_reqtimeout.c", NULL
    };

    return hook_of_another(silent) != NULL;
}

/* With these, what a connection to an HTTP server carries is HTTP: those that never greet, and some
 * that only count or refuse connections. Others may have a protocol of their own in which what
 * looks like half a request is a whole one. */
static bool speaks_only_http(const server_rec *main_server)
{
    static const char *const known[] = {
        "core.c", "http_core.c", "mod_ssl.c", "mod_tls.c", "mod_http2.c", "mod_reqtimeout.c",
        "mod_security2.c", "mod_qos.c", "mod_antiloris.c", NULL
    };

    const char *other = hook_of_another(known);

    if (other) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, main_server, ADPNO(0024)
                     "requests that come slowly have a thread each: %s processes connections, and "
                     "may speak something else than HTTP", other);
    }
    return other == NULL;
}

bool first_byte_may_be_http2(const server_rec *main_server)
{
    const host_t *host = ap_get_module_config(main_server->module_config, &mpm_adaptive_module);

    return host && host->has_http2;
}

bool first_byte_speaks_http(const server_rec *main_server, const server_rec *s)
{
    const host_t *host = ap_get_module_config(main_server->module_config, &mpm_adaptive_module);

    return host && host->http_only && is_http(ap_get_server_protocol((server_rec *)s));
}

static opening_e opening_of(const server_rec *main_server, const char *protocol)
{
    if (is_filtered(main_server, protocol)) {
        return OPENING_WAIT;
    }
    return is_http(protocol) && !may_greet_http() ? OPENING_HOOKS : OPENING_SERVE;
}

static bool is_any(const apr_sockaddr_t *address)
{
    static const char zeros[16];

    return (size_t)address->ipaddr_len <= sizeof(zeros)
           && !memcmp(address->ipaddr_ptr, zeros, (size_t)address->ipaddr_len);
}

typedef enum {
    MATCHES_NOT,
    MATCHES_SOME,               /* connections to some address of the socket */
    MATCHES_ALL                 /* every connection */
} match_e;

static match_e match(const server_addr_rec *host, const ap_listen_rec *lr)
{
    if (host->host_port && host->host_port != lr->bind_addr->port) {
        return MATCHES_NOT;
    }
    if (is_any(host->host_addr) || apr_sockaddr_equal(host->host_addr, lr->bind_addr)) {
        return MATCHES_ALL;
    }
    return is_any(lr->bind_addr) ? MATCHES_SOME : MATCHES_NOT;
}

static opening_e find_opening(const server_rec *main_server, const ap_listen_rec *lr)
{
    opening_e opening = opening_of(main_server, lr->protocol);
    bool all = false;
    const server_rec *s;

    for (s = main_server->next; s; s = s->next) {
        const server_addr_rec *host;
        match_e best = MATCHES_NOT;

        for (host = s->addrs; host; host = host->next) {
            best = MAX(best, match(host, lr));
        }
        if (best != MATCHES_NOT) {
            opening = MAX(opening,
                          opening_of(main_server, ap_get_server_protocol((server_rec *)s)));
        }
        all = all || best == MATCHES_ALL;
    }
    if (!all) {
        /* the main server has what no virtual host has */
        opening = MAX(opening,
                      opening_of(main_server, ap_get_server_protocol((server_rec *)main_server)));
    }
    return opening;
}

/* A duplicate for another bucket is a socket of its own with the same address. */
static bool is_of(const found_t *found, const ap_listen_rec *lr)
{
    const char *protocol = found->protocol;

    return found->address->port == lr->bind_addr->port
           && apr_sockaddr_equal(found->address, lr->bind_addr)
           && (protocol && lr->protocol ? !strcmp(protocol, lr->protocol)
                                        : protocol == lr->protocol);
}

opening_e first_byte_opening(const server_rec *main_server, const ap_listen_rec *lr)
{
    const host_t *host = ap_get_module_config(main_server->module_config, &mpm_adaptive_module);
    int i;

    for (i = 0; host && host->found && i < host->found->nelts; i++) {
        const found_t *found = &APR_ARRAY_IDX(host->found, i, found_t);

        if (is_of(found, lr)) {
            return found->opening;
        }
    }
    /* a module has added it since */
    return find_opening(main_server, lr);
}

void first_byte_find(apr_pool_t *p, server_rec *main_server)
{
    apr_array_header_t *all = apr_array_make(p, 4, sizeof(found_t));
    ap_listen_rec *lr;
    host_t *host;

    find_hosts(p, main_server);
    for (lr = ap_listeners; lr; lr = lr->next) {
        found_t *found = apr_array_push(all);

        *found = (found_t) { lr->bind_addr, lr->protocol, find_opening(main_server, lr) };
        if (found->opening != OPENING_WAIT) {
            apr_socket_opt_set(lr->sd, APR_TCP_DEFER_ACCEPT, 0);
        }
    }
    host = ap_get_module_config(main_server->module_config, &mpm_adaptive_module);
    host->found = all;
    host->has_http2 = ap_find_linked_module("mod_http2.c") != NULL;
    host->http_only = speaks_only_http(main_server);
}
