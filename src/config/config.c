/* The parent, while it reads the configuration; afterwards nothing changes but what control
 * groups allow. Children inherit it. */
#include "config.h"

#include "base/clock.h"
#include "base/log.h"

#include "ap_listen.h"
#include "apr_strings.h"
#include "mpm_common.h"
#include "unixd.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/param.h>

/* What event and worker accept at most. */
#define MAX_SERVER_LIMIT 20000
#define MAX_THREAD_LIMIT 100000

/* Without any directive. Threads: mod_http2 starts once to one and a half times as many of
 * its own in every child, and many of them cost CPU (64: a tenth more a request than 25).
 * Limit: what memory and tasks allow, but a scoreboard of 10,900 slots is as much as a
 * status page can show and exporters read (64 KB a line); its unused rows cost nothing.
 * The least leaves room for children that come and go beside each other.
 * Children at start: one a processor, because threads of one process that run on several
 * pay for each other's mmap(2) and munmap(2) (one child for two processors: 63 to 70 us a
 * kept-alive request instead of 44). bench/run.pl measures all three. */
#define DEFAULT_THREADS_PER_CHILD 64
#define HTTP2_THREADS_PER_CHILD   25
#define HTTP2_COMPANIONS          1.5
#define LEAST_DEFAULT_CHILDREN    4
#define MOST_DEFAULT_THREADS      8192
#define LEAST_START_SERVERS       2
#define MOST_START_SERVERS        16
/* What mpm_event keeps idle by default. */
#define HEARTBEAT_MIN_SPARE       75

/* The adaptive directives' defaults. Waiting: shorter than what a user or a kernel's
 * scheduler would notice. Holding: load that comes and goes within half a minute finds its
 * threads. Memory: a fifth stays for sockets, file cache and the growth of requests. */
#define DEFAULT_WAIT_TARGET_US (2 * CLOCK_US_PER_MS)
#define DEFAULT_HOLD_US        (5 * CLOCK_US_PER_S)
#define DEFAULT_MEMORY_SHARE   0.8
#define LEAST_MEMORY_PERCENT   1.0
#define MOST_MEMORY_PERCENT    95.0
#define LEAST_MEMORY_BYTES     (16.0 * 1024 * 1024)
#define MOST_MEMORY_BYTES      (16.0 * 1024 * 1024 * 1024 * 1024)

/* How often control groups are asked whether their limits have changed. */
#define GROUPS_INTERVAL_US (5 * CLOCK_US_PER_S)

#define NOT_SET INT_MIN

/* What the configuration file says, NOT_SET where it is silent. */
typedef struct directives_t {
    int start_servers;
    int server_limit;
    int thread_limit;
    int threads_per_child;
    int max_request_workers;
    int min_spare_threads;
    int max_spare_threads;
    double async_factor;
    bool max_clients;           /* the old name was used */
    const char *total_origin;   /* "FILE:LINE" of MaxRequestWorkers, of ServerLimit */
    const char *children_origin;
    ext_mode_e adaptive_mode;
    int64_t wait_target_us;
    int64_t hold_us;
    int64_t drain_timeout_us;
    double memory_share;
    int64_t memory_bytes;
} directives_t;

static directives_t given;
static adp_config_t effective;
static limits_t limits;
static int64_t descriptors_held;
static int expected_threads;    /* that the limits found allow, whatever is configured */
static ctl_ceiling_e expected_ceiling;

typedef struct integer_directive_t {
    const char *name;
    size_t offset;
} integer_directive_t;

static const integer_directive_t integer_directives[] = {
    { "StartServers", APR_OFFSETOF(directives_t, start_servers) },
    { "ServerLimit", APR_OFFSETOF(directives_t, server_limit) },
    { "ThreadLimit", APR_OFFSETOF(directives_t, thread_limit) },
    { "ThreadsPerChild", APR_OFFSETOF(directives_t, threads_per_child) },
    { "MaxRequestWorkers", APR_OFFSETOF(directives_t, max_request_workers) },
    { "MaxClients", APR_OFFSETOF(directives_t, max_request_workers) },
    { "MinSpareThreads", APR_OFFSETOF(directives_t, min_spare_threads) },
    { "MaxSpareThreads", APR_OFFSETOF(directives_t, max_spare_threads) },
    { NULL, 0 }
};

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
    const integer_directive_t *d;
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
                           end == arg || *end ? "not a whole number; write one with digits only"
                                              : "out of range; write a whole number up to 2147483647",
                           ", or leave the line out", NULL);
    }
    for (d = integer_directives; d->name; d++) {
        if (!ap_cstr_casecmp(d->name, cmd->cmd->name)) {
            *(int *)((char *)&given + d->offset) = (int)value;
        }
    }
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
    const char *name;
    size_t offset;
    double least_us, most_us;
    bool may_be_off;            /* "off" and 0, which are stored as 0 */
    const char *allowed;        /* how an error says it */
    unit_t plain;               /* what a number without unit is */
} time_directive_t;

static const time_directive_t time_directives[] = {
    { "AdaptiveWaitTarget", APR_OFFSETOF(directives_t, wait_target_us), 100.0, 1e6, false,
      "from 0.1ms to 1000ms; write for example AdaptiveWaitTarget 2ms, or leave the line out "
      "(2ms)", { "", 1e3 } },
    { "AdaptiveHold", APR_OFFSETOF(directives_t, hold_us), 1e6, 3600e6, false,
      "from 1s to 1h; write for example AdaptiveHold 5s, or leave the line out (5s)",
      { "", 1e6 } },
    { "AdaptiveDrainTimeout", APR_OFFSETOF(directives_t, drain_timeout_us), 1e6, 30 * 86400e6, true,
      "from 1s to 30d, or off; write for example AdaptiveDrainTimeout 10min, or leave the line "
      "out (off: unlimited)", { "", 1e6 } }
};

static const char *set_time(cmd_parms *cmd, void *dummy, const char *arg)
{
    const time_directive_t *d = time_directives;
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    double us = 0.0;

    (void)dummy;
    if (err) {
        return err;
    }
    while (ap_cstr_casecmp(d->name, cmd->cmd->name)) {
        d++;
    }
    if (!d->may_be_off || ap_cstr_casecmp(arg, "off")) {
        const unit_t units[] = {
            d->plain, { "us", 1.0 }, { "ms", 1e3 }, { "s", 1e6 }, { "min", 60e6 },
            { "h", 3600e6 }, { "d", 86400e6 }, { NULL, 0.0 }
        };
        bool parsed = parse_with_unit(arg, units, &us);

        if (!parsed || us > d->most_us || (us < d->least_us && (us > 0.0 || !d->may_be_off))) {
            return apr_pstrcat(cmd->pool, ADPNO(0013), d->name, " \"", arg, "\": not a time ",
                               d->allowed, NULL);
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
            given.memory_share = DEFAULT_MEMORY_SHARE;
            given.memory_bytes = (int64_t)value;
            return NULL;
        }
    }
    return apr_pstrcat(cmd->pool, ADPNO(0014) "AdaptiveMemory \"", arg, "\": neither a share "
                       "from 1% to 95% nor a size from 16M to 16T; write for example "
                       "AdaptiveMemory 60% or AdaptiveMemory 2G, or leave the line out (80%)",
                       NULL);
}

#define INTEGER_DIRECTIVE(name, help) \
    AP_INIT_TAKE1(name, set_integer, NULL, RSRC_CONF, help)

const command_rec config_commands[] = {
    LISTEN_COMMANDS,
    INTEGER_DIRECTIVE("StartServers", "Children at start"),
    INTEGER_DIRECTIVE("ServerLimit", "Most children of one generation"),
    INTEGER_DIRECTIVE("ThreadLimit", "Most threads that ThreadsPerChild may ask for until the next stop"),
    INTEGER_DIRECTIVE("ThreadsPerChild", "Most worker threads of a child"),
    INTEGER_DIRECTIVE("MaxRequestWorkers", "Most worker threads in all: requests that are served at once"),
    INTEGER_DIRECTIVE("MaxClients", "Deprecated name of MaxRequestWorkers"),
    INTEGER_DIRECTIVE("MinSpareThreads", "Idle threads, grown or yet to grow, below which a child is added"),
    INTEGER_DIRECTIVE("MaxSpareThreads", "Idle threads, grown or yet to grow, above which a child goes"),
    AP_INIT_TAKE1("AsyncRequestWorkerFactor", set_async_factor, NULL, RSRC_CONF,
                  "Connections that a child takes beyond its threads, for each idle one"),
    AP_INIT_TAKE1("AdaptiveMode", set_mode, NULL, RSRC_CONF,
                  "on (default): threads and children follow the load; observe: that is only logged, and "
                  "MinSpareThreads and MaxSpareThreads are followed; off: only these"),
    AP_INIT_TAKE1("AdaptiveWaitTarget", set_time, NULL, RSRC_CONF,
                  "The longest that work should wait for a thread, 0.1ms to 1000ms (2ms)"),
    AP_INIT_TAKE1("AdaptiveHold", set_time, NULL, RSRC_CONF,
                  "The shortest time that a spare thread is kept, 1s to 1h (5s)"),
    AP_INIT_TAKE1("AdaptiveMemory", set_memory, NULL, RSRC_CONF,
                  "Memory to use: a share of the limit, 1% to 95% (80%), or a size from 16M to 16T"),
    AP_INIT_TAKE1("AdaptiveDrainTimeout", set_time, NULL, RSRC_CONF,
                  "How long a child that is going may hang on, 1s to 30d, or off (off)"),
    AP_GRACEFUL_SHUTDOWN_TIMEOUT_COMMAND,
    { NULL, { NULL }, NULL, 0, NO_ARGS, NULL }
};

void config_reset(void)
{
    given = (directives_t) {
        .start_servers = NOT_SET, .server_limit = NOT_SET, .thread_limit = NOT_SET,
        .threads_per_child = NOT_SET, .max_request_workers = NOT_SET,
        .min_spare_threads = NOT_SET, .max_spare_threads = NOT_SET, .async_factor = 0.0,
        .adaptive_mode = EXT_MODE_ON, .wait_target_us = DEFAULT_WAIT_TARGET_US,
        .hold_us = DEFAULT_HOLD_US, .memory_share = DEFAULT_MEMORY_SHARE
    };
}

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

/* Where the corrections of one run go. */
typedef struct correction_log_t {
    bool to_console;
    server_rec *s;
} correction_log_t;

static void correct(const correction_log_t *log, const char *directive, int *value, int to,
                    const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_WARNING | (log->to_console ? APLOG_STARTUP : 0), 0,
                 log->to_console ? NULL : log->s, ADPNO(0010)
                 "%s of %d %s, using %s %d instead", directive, *value, why, directive, to);
    *value = to;
}

static void correct_range(const correction_log_t *log, const char *directive, int *value,
                          int highest)
{
    char why[80];

    if (*value > highest) {
        apr_snprintf(why, sizeof(why), "is above the limit of %d", highest);
        correct(log, directive, value, highest, why);
    }
    else if (*value < 1) {
        correct(log, directive, value, 1, "is not allowed, the least is 1");
    }
}

static void note_old_name(const correction_log_t *log)
{
    if (given.max_clients) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE | (log->to_console ? APLOG_STARTUP : 0), 0,
                     log->to_console ? NULL : log->s, ADPNO(0002)
                     "MaxClients is deprecated, use MaxRequestWorkers %d instead",
                     given.max_request_workers);
    }
}

/* A limit that sizes the scoreboard: what was given, within its range; on a restart what it
 * was at the start. NOT_SET if it is left to a default that depends on the rest. */
static int resolve_limit(const correction_log_t *log, const char *directive, int value,
                         int highest, int fixed)
{
    if (value != NOT_SET) {
        correct_range(log, directive, &value, highest);
        if (fixed && value != fixed) {
            correct(log, directive, &value, fixed,
                    "was changed by a restart, which needs a stop and a start");
        }
    }
    return fixed ? fixed : value;
}

/* What a child gets if nobody says so: as many as its descriptors allow. */
static int default_threads_per_child(void)
{
    int threads = limits.policy.companions > 0.0 ? HTTP2_THREADS_PER_CHILD
                                                 : DEFAULT_THREADS_PER_CHILD;

    return MIN(threads, limits_threads_by_descriptors(&limits));
}

/* ... and no fewer than a MaxRequestWorkers needs with a ServerLimit that is given too. */
static int threads_if_not_given(void)
{
    int threads = default_threads_per_child();

    if (given.max_request_workers > 0 && given.server_limit > 0) {
        int needed = (given.max_request_workers - 1) / given.server_limit + 1;

        threads = MAX(threads, MIN(needed, limits_threads_by_descriptors(&limits)));
    }
    return MIN(threads, MAX_THREAD_LIMIT);
}

static void resolve_limits(config_fixed_t *fixed, const correction_log_t *log)
{
    int *threads = &effective.thread_limit;

    effective.server_limit = resolve_limit(log, "ServerLimit", given.server_limit,
                                           MAX_SERVER_LIMIT, fixed->server_limit);
    *threads = resolve_limit(log, "ThreadLimit", given.thread_limit, MAX_THREAD_LIMIT,
                             fixed->thread_limit);
    if (*threads == NOT_SET) {
        /* nobody has to raise it by hand for a large ThreadsPerChild */
        *threads = MAX(threads_if_not_given(),
                       MIN(given.threads_per_child, MAX_THREAD_LIMIT));
    }
    fixed->thread_limit = *threads;
}

/* Threads a child, at most most, so that equally large children come to total: a plain total
 * is honoured to the thread, or as nearly as up to twice as many children as needed allow. */
static int split_evenly(int total, int most)
{
    int fewest = (total + most - 1) / most;
    int best = total / fewest, lost = total % fewest;
    int children;

    for (children = fewest; children <= 2 * fewest && children <= total && lost > 0; children++) {
        if (total % children < lost) {
            lost = total % children;
            best = total / children;
        }
    }
    return MAX(best, 1);
}

static void resolve_threads_per_child(const correction_log_t *log)
{
    int *threads = &effective.threads_per_child;
    int total = given.max_request_workers;

    *threads = given.threads_per_child;
    if (*threads == NOT_SET) {
        *threads = MIN(threads_if_not_given(), effective.thread_limit);
        if (total > 0) {
            *threads = split_evenly(total, *threads);
        }
        return;
    }
    if (*threads > effective.thread_limit) {
        char why[120];

        apr_snprintf(why, sizeof(why), "is above ThreadLimit %d, which only a stop and a start "
                     "can raise", effective.thread_limit);
        correct(log, "ThreadsPerChild", threads, effective.thread_limit, why);
    }
    else if (*threads < 1) {
        correct(log, "ThreadsPerChild", threads, 1, "is not allowed, the least is 1");
    }
    if (*threads > limits_threads_by_descriptors(&limits)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING | (log->to_console ? APLOG_STARTUP : 0), 0,
                     log->to_console ? NULL : log->s, ADPNO(0015)
                     "ThreadsPerChild %d is more than %" APR_INT64_T_FMT " descriptors a child are good "
                     "for, %d will be used; raise the limit of open files (ulimit -n)", *threads,
                     (apr_int64_t)limits_free_descriptors(&limits), limits_threads_by_descriptors(&limits));
    }
}

/* ServerLimit if nobody set it: what the limits found allow, and what MaxRequestWorkers needs. */
static void default_server_limit(void)
{
    int threads = effective.threads_per_child;
    int needed;

    effective.ceiling = CTL_SERVER_LIMIT;
    if (effective.server_limit != NOT_SET) {
        return;
    }
    if (expected_threads < MOST_DEFAULT_THREADS) {
        effective.ceiling = expected_ceiling;
    }
    /* requests may turn out smaller than expected: the limits keep threads down, not the slots */
    needed = MIN(2 * MIN(expected_threads, MOST_DEFAULT_THREADS), MOST_DEFAULT_THREADS) / threads;
    if (needed > limits_children_by_descriptors(&limits)) {
        needed = limits_children_by_descriptors(&limits);
        effective.ceiling = CTL_DESCRIPTORS;
    }
    if (given.threads_per_child == NOT_SET && threads == limits_threads_by_descriptors(&limits)) {
        /* children would have more threads if there were descriptors for them */
        effective.ceiling = CTL_DESCRIPTORS;
    }
    needed = MAX(needed, LEAST_DEFAULT_CHILDREN);
    if (given.max_request_workers != NOT_SET) {
        needed = MAX(needed, given.max_request_workers / threads);
    }
    effective.server_limit = MIN(needed, MAX_SERVER_LIMIT);
}

static void resolve_max_request_workers(const correction_log_t *log)
{
    int *total = &effective.max_request_workers;
    int threads = effective.threads_per_child;
    apr_int64_t highest = (apr_int64_t)effective.server_limit * threads;
    char why[160];

    *total = given.max_request_workers;
    if (*total == NOT_SET) {
        *total = (int)MIN(highest, INT_MAX);
        return;
    }
    if (*total < threads) {
        apr_snprintf(why, sizeof(why), "is below ThreadsPerChild %d", threads);
        correct(log, "MaxRequestWorkers", total, threads, why);
    }
    if (*total % threads) {
        apr_snprintf(why, sizeof(why), "is not a multiple of ThreadsPerChild %d", threads);
        correct(log, "MaxRequestWorkers", total, *total - *total % threads, why);
    }
    if (*total > highest) {
        apr_snprintf(why, sizeof(why), "is above ServerLimit %d times ThreadsPerChild %d (a "
                     "higher ServerLimit needs a stop and a start)",
                     effective.server_limit, threads);
        correct(log, "MaxRequestWorkers", total, (int)highest, why);
    }
    effective.ceiling = CTL_MAX_REQUEST_WORKERS;
}

static void resolve_start_servers(const correction_log_t *log)
{
    int *start = &effective.start_servers;

    *start = given.start_servers;
    if (*start == NOT_SET) {
        int cpus = (int)(limits.cpus + 0.99);

        *start = MIN(MAX(cpus, LEAST_START_SERVERS), MOST_START_SERVERS);
        *start = MIN(*start, effective.max_children);
    }
    else if (*start < 1) {
        correct(log, "StartServers", start, 1, "is not allowed, the least is 1");
    }
    else if (*start > effective.server_limit) {
        char why[60];

        apr_snprintf(why, sizeof(why), "is above ServerLimit %d", effective.server_limit);
        correct(log, "StartServers", start, effective.server_limit, why);
    }
}

/* What mod_heartbeat tells a balancer is the number of threads that are idle, and the balancer gives each
 * server a part of the requests by that. One that only has the threads that it needs, however soon
 * it could have more, would get next to nothing beside others under mpm_event: with that
 * module as many are kept as mpm_event keeps. */
static int default_min_spare_threads(void)
{
    int most = MAX(config_expected_threads() / 2, 1);

    if (!ap_find_linked_module("mod_heartbeat.c")) {
        return effective.threads_per_child;
    }
    effective.given.min_spare_threads = true;
    return MIN(HEARTBEAT_MIN_SPARE, most);
}

static void resolve_spare_threads(const correction_log_t *log)
{
    int *lowest = &effective.min_spare_threads;
    int *highest = &effective.max_spare_threads;
    int threads = effective.threads_per_child;

    *lowest = given.min_spare_threads;
    if (*lowest == NOT_SET) {
        *lowest = default_min_spare_threads();
    }
    else if (*lowest < 1) {
        correct(log, "MinSpareThreads", lowest, 1, "is not allowed, the least is 1");
    }
    *highest = given.max_spare_threads;
    if (*highest == NOT_SET) {
        /* the children that were started stay */
        *highest = (effective.start_servers + 1) * threads;
    }
    /* starting one child must not be a reason to end one */
    *highest = MAX(*highest, *lowest + threads);
}

/* Slots beyond ServerLimit keep a place for children that are going, so that a reload, or
 * one that hangs on to a slow client, never stands in the way of a new one. */
static void resolve_slot_count(config_fixed_t *fixed)
{
    if (!fixed->slot_count) {
        fixed->slot_count = effective.server_limit + MAX(effective.server_limit / 3, 8);
    }
    fixed->server_limit = effective.server_limit;
    effective.slot_count = fixed->slot_count;
}

/* What there is, and what it is good for before anything runs. */
static void find_limits(void)
{
    /* the parent of a server that root starts is exempt from what its children are not */
    uid_t user = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    limits_usage_t usage = { 0 };

    limits_find(&limits, "", user);
    limits.descriptors_held = descriptors_held;
    limits.policy.companions = ap_find_linked_module("mod_http2.c") ? HTTP2_COMPANIONS : 0.0;
    limits.policy.memory_share = given.memory_share;
    limits.policy.memory_bytes = given.memory_bytes;
    limits.policy.threads_per_child = given.threads_per_child > 0 ? given.threads_per_child
                                                                  : default_threads_per_child();
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
    limits.policy.threads_per_child = effective.threads_per_child;
    limits.policy.max_children = effective.max_children;
    limits.policy.slots_ceiling = effective.ceiling;
    limits.policy.max_request_workers = given.max_request_workers == NOT_SET
                                        ? LIMITS_NOT_SET : effective.max_request_workers;
}

static void resolve_adaptive(void)
{
    effective.given = (adp_given_t) {
        .start_servers = given.start_servers != NOT_SET,
        .server_limit = given.server_limit != NOT_SET,
        .threads_per_child = given.threads_per_child != NOT_SET,
        .max_request_workers = given.max_request_workers != NOT_SET,
        .min_spare_threads = given.min_spare_threads != NOT_SET,
        .max_spare_threads = given.max_spare_threads != NOT_SET
    };
    effective.adaptive_mode = given.adaptive_mode;
    effective.wait_target_us = given.wait_target_us;
    effective.hold_us = given.hold_us;
    effective.drain_timeout_us = given.drain_timeout_us;
    effective.memory_share = given.memory_share;
    effective.memory_bytes = given.memory_bytes;
    effective.cpus = limits.cpus;
}

void config_resolve(config_fixed_t *fixed, bool to_console, server_rec *s)
{
    correction_log_t log = { to_console, s };

    find_limits();
    resolve_adaptive();
    note_old_name(&log);
    resolve_limits(fixed, &log);
    resolve_threads_per_child(&log);
    default_server_limit();
    resolve_max_request_workers(&log);
    effective.max_children = effective.max_request_workers / effective.threads_per_child;
    resolve_start_servers(&log);
    resolve_spare_threads(&log);
    resolve_slot_count(fixed);
    effective.async_factor = given.async_factor;
    /* about one thread a processor in all, but two in a child: one that computes must
     * not hide the other's event until the steward notices */
    effective.start_threads = (int)(limits.cpus / MAX(effective.start_servers, 1));
    effective.start_threads = MAX(effective.start_threads, 2);
    effective.start_threads = MIN(effective.start_threads, effective.threads_per_child);
    complete_limits();
}

/* "MaxRequestWorkers 150 from /etc/apache2/mods-enabled/mpm_adaptive.conf:9; ": nobody has to
 * look for a line that somebody else left behind. "" if no directive keeps threads down. */
static const char *describe_origin(char *buffer, size_t size)
{
    buffer[0] = '\0';
    if (given.total_origin) {
        apr_snprintf(buffer, size, "MaxRequestWorkers %d from %s; ", effective.max_request_workers,
                     given.total_origin);
    }
    else if (given.children_origin) {
        apr_snprintf(buffer, size, "ServerLimit %d from %s; ", effective.server_limit,
                     given.children_origin);
    }
    return buffer;
}

int config_expected_threads(void)
{
    return MIN(expected_threads, effective.max_request_workers);
}

char *config_describe(char *buffer, size_t size)
{
    static const char *const modes[] = {
        [EXT_MODE_OFF] = "off", [EXT_MODE_OBSERVE] = "observe", [EXT_MODE_ON] = "on"
    };
    char found[400], from[200];
    int threads = config_expected_threads();

    apr_snprintf(buffer, size, "up to %d thread%s in %d child%s of %d: %s; %sAdaptiveMode %s", threads,
                 threads == 1 ? "" : "s", effective.max_children, effective.max_children == 1 ? "" : "ren",
                 effective.threads_per_child, limits_describe(&limits, found, sizeof(found)),
                 describe_origin(from, sizeof(from)),
                 modes[effective.adaptive_mode]);
    return buffer;
}

void config_log_limits(server_rec *s)
{
    char text[800];

    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s, ADPNO(0011) "%s",
                 config_describe(text, sizeof(text)));
}

void config_note_descriptors(int64_t held)
{
    limits.descriptors_held = descriptors_held = held;
}

void config_require_children(int count)
{
    effective.start_servers = MAX(effective.start_servers, count);
    effective.max_children = MAX(effective.max_children, count);
    effective.max_request_workers = effective.max_children * effective.threads_per_child;
    effective.max_spare_threads = MAX(effective.max_spare_threads,
                                      (count + 1) * effective.threads_per_child);
    limits.policy.min_children = MAX(count, 1);
    complete_limits();
}
