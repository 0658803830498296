/* Pure; the parent, when it has read a configuration. */
#include "resolve.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/param.h>

/* Without any directive. Threads: mod_http2 starts once to one and a half times as many of
 * its own in every child, and many of them cost CPU (64: a tenth more per request than 25).
 * Limit: what memory and tasks allow, but a scoreboard of 10,900 slots is as much as a
 * status page can show and exporters read (64 KB per line); its unused rows cost nothing.
 * The least leaves room for children that come and go beside each other.
 * Children at start: one per processor, because threads of one process that run on several
 * pay for each other's mmap(2) and munmap(2) (one child for two processors: 63 to 70 us per
 * kept-alive request instead of 44). bench/run.pl measures all three. */
#define DEFAULT_THREADS_PER_CHILD 64
#define HTTP2_THREADS_PER_CHILD   25
#define LEAST_DEFAULT_CHILDREN    4
#define MOST_DEFAULT_THREADS      8192
#define LEAST_START_SERVERS       2
#define MOST_START_SERVERS        16
/* About one thread per processor in all, but two per child: one that computes must not hide the
 * other's event until the steward notices. */
#define LEAST_START_THREADS       2
/* What mpm_event keeps idle by default. */
#define HEARTBEAT_MIN_SPARE       75

/* What is worked on. */
typedef struct work_t {
    const resolve_input_t *in;
    const directives_t *given;
    resolve_result_t *out;
    adp_config_t *config;
} work_t;

__attribute__((format(printf, 3, 4)))
static void note(const work_t *w, resolve_note_e kind, const char *format, ...)
{
    va_list args;

    if (w->out->note_count < RESOLVE_MOST_NOTES) {
        resolve_note_t *n = &w->out->notes[w->out->note_count++];

        n->kind = kind;
        va_start(args, format);
        vsnprintf(n->text, sizeof(n->text), format, args);
        va_end(args);
    }
}

static void correct(const work_t *w, const char *directive, int *value, int to, const char *why)
{
    note(w, RESOLVE_CORRECTED, "%s of %d %s, using %s %d instead", directive, *value, why,
         directive, to);
    *value = to;
}

static void correct_range(const work_t *w, const char *directive, int *value, int highest)
{
    char why[80];

    if (*value > highest) {
        snprintf(why, sizeof(why), "is above the limit of %d", highest);
        correct(w, directive, value, highest, why);
    }
    else if (*value < 1) {
        correct(w, directive, value, 1, "is not allowed, the least is 1");
    }
}

static void note_old_name(const work_t *w)
{
    if (w->given->max_clients) {
        note(w, RESOLVE_OLD_NAME, "MaxClients is deprecated, use MaxRequestWorkers %d instead",
             w->given->max_request_workers);
    }
}

/* --- threads per child ------------------------------------------------------------ */

int resolve_default_threads(bool http2, int threads_by_descriptors)
{
    return MIN(http2 ? HTTP2_THREADS_PER_CHILD : DEFAULT_THREADS_PER_CHILD,
                  threads_by_descriptors);
}

/* The default, and no fewer than a MaxRequestWorkers needs with a ServerLimit that is given,
 * too. */
static int threads_if_not_given(const work_t *w)
{
    int threads = resolve_default_threads(w->in->http2, w->in->threads_by_descriptors);

    if (w->given->max_request_workers > 0 && w->given->server_limit > 0) {
        int needed = (w->given->max_request_workers - 1) / w->given->server_limit + 1;

        threads = MAX(threads, MIN(needed, w->in->threads_by_descriptors));
    }
    return MIN(threads, RESOLVE_MOST_THREAD_LIMIT);
}

/* A limit that sizes the scoreboard: what was given, within its range; on a restart what it
 * was at the start. DIRECTIVES_NOT_SET if it is left to a default that depends on the rest. */
static int resolve_limit(const work_t *w, const char *directive, int value, int highest, int fixed)
{
    if (value != DIRECTIVES_NOT_SET) {
        correct_range(w, directive, &value, highest);
        if (fixed && value != fixed) {
            correct(w, directive, &value, fixed,
                    "was changed by a restart, which needs a stop and a start");
        }
    }
    return fixed ? fixed : value;
}

static void resolve_limits(const work_t *w)
{
    const directives_t *given = w->given;
    config_fixed_t *fixed = &w->out->fixed;
    int *threads = &w->config->thread_limit;

    w->config->server_limit = resolve_limit(w, "ServerLimit", given->server_limit,
                                            RESOLVE_MOST_SERVER_LIMIT, fixed->server_limit);
    *threads = resolve_limit(w, "ThreadLimit", given->thread_limit, RESOLVE_MOST_THREAD_LIMIT,
                             fixed->thread_limit);
    if (*threads == DIRECTIVES_NOT_SET) {
        /* nobody has to raise it by hand for a large ThreadsPerChild */
        *threads = MAX(threads_if_not_given(w),
                           MIN(given->threads_per_child, RESOLVE_MOST_THREAD_LIMIT));
    }
    fixed->thread_limit = *threads;
}

/* Threads per child, at most `most`, so that equally large children come to total: a plain total
 * is honoured to the thread, or as nearly as up to twice as many children as needed allow. */
static int split_evenly(int total, int most)
{
    int fewest = (total - 1) / most + 1;
    int best = total / fewest, lost = total % fewest;
    int children;

    if (fewest > RESOLVE_MOST_SERVER_LIMIT) {
        return most;
    }
    for (children = fewest; children <= 2 * fewest && children <= total && lost > 0; children++) {
        if (total % children < lost) {
            lost = total % children;
            best = total / children;
        }
    }
    return MAX(best, 1);
}

static void correct_threads_per_child(const work_t *w)
{
    int *threads = &w->config->threads_per_child;

    if (*threads > w->config->thread_limit) {
        char why[120];

        snprintf(why, sizeof(why), "is above ThreadLimit %d, which only a stop and a start "
                 "can raise", w->config->thread_limit);
        correct(w, "ThreadsPerChild", threads, w->config->thread_limit, why);
    }
    else if (*threads < 1) {
        correct(w, "ThreadsPerChild", threads, 1, "is not allowed, the least is 1");
    }
    if (*threads > w->in->threads_by_descriptors) {
        note(w, RESOLVE_FEW_DESCRIPTORS, "ThreadsPerChild %d needs more than the %lld descriptors "
             "available per child, %d will be used; raise the limit of open files (ulimit -n)",
             *threads, (long long)w->in->free_descriptors, w->in->threads_by_descriptors);
    }
}

static void resolve_threads_per_child(const work_t *w)
{
    int *threads = &w->config->threads_per_child;
    int total = w->given->max_request_workers;

    *threads = w->given->threads_per_child;
    if (*threads != DIRECTIVES_NOT_SET) {
        correct_threads_per_child(w);
        return;
    }
    *threads = MIN(threads_if_not_given(w), w->config->thread_limit);
    if (total > 0) {
        *threads = split_evenly(total, *threads);
    }
}

/* --- children --------------------------------------------------------------------- */

/* ServerLimit if nobody set it: what the limits found allow, and what MaxRequestWorkers needs. */
static void default_server_limit(const work_t *w)
{
    const resolve_input_t *in = w->in;
    int threads = w->config->threads_per_child;
    int expected = MIN(in->expected_threads, MOST_DEFAULT_THREADS);
    int needed;

    if (in->expected_threads < MOST_DEFAULT_THREADS) {
        w->config->ceiling = in->expected_ceiling;
    }
    /* requests may turn out smaller than expected: the limits keep threads down, not the slots */
    needed = MIN(2 * expected, MOST_DEFAULT_THREADS) / threads;
    if (needed > in->children_by_descriptors) {
        needed = in->children_by_descriptors;
        w->config->ceiling = CTL_DESCRIPTORS;
    }
    if (w->given->threads_per_child == DIRECTIVES_NOT_SET
        && threads == in->threads_by_descriptors) {
        /* children would have more threads if there were descriptors for them */
        w->config->ceiling = CTL_DESCRIPTORS;
    }
    needed = MAX(needed, LEAST_DEFAULT_CHILDREN);
    if (w->given->max_request_workers != DIRECTIVES_NOT_SET) {
        needed = MAX(needed, w->given->max_request_workers / threads);
    }
    w->config->server_limit = MIN(needed, RESOLVE_MOST_SERVER_LIMIT);
}

static void correct_max_request_workers(const work_t *w, int64_t highest)
{
    int *total = &w->config->max_request_workers;
    int threads = w->config->threads_per_child;
    char why[160];

    if (*total < threads) {
        snprintf(why, sizeof(why), "is below ThreadsPerChild %d", threads);
        correct(w, "MaxRequestWorkers", total, threads, why);
    }
    if (*total % threads) {
        snprintf(why, sizeof(why), "is not a multiple of ThreadsPerChild %d", threads);
        correct(w, "MaxRequestWorkers", total, *total - *total % threads, why);
    }
    if (*total > highest) {
        snprintf(why, sizeof(why), "is above ServerLimit %d times ThreadsPerChild %d (a higher "
                 "ServerLimit needs a stop and a start)", w->config->server_limit, threads);
        correct(w, "MaxRequestWorkers", total, (int)highest, why);
    }
}

static void resolve_max_request_workers(const work_t *w)
{
    int64_t highest = (int64_t)w->config->server_limit * w->config->threads_per_child;

    w->config->max_request_workers = w->given->max_request_workers;
    if (w->config->max_request_workers == DIRECTIVES_NOT_SET) {
        w->config->max_request_workers = (int)MIN(highest, INT_MAX);
    }
    else {
        correct_max_request_workers(w, highest);
        w->config->ceiling = CTL_MAX_REQUEST_WORKERS;
    }
    w->config->max_children = w->config->max_request_workers / w->config->threads_per_child;
}

static void resolve_start_servers(const work_t *w)
{
    int *start = &w->config->start_servers;

    *start = w->given->start_servers;
    if (*start == DIRECTIVES_NOT_SET) {
        int cpus = (int)(w->in->cpus + 0.99);

        *start = MIN(MAX(cpus, LEAST_START_SERVERS), MOST_START_SERVERS);
        *start = MIN(*start, w->config->max_children);
    }
    else if (*start < 1) {
        correct(w, "StartServers", start, 1, "is not allowed, the least is 1");
    }
    else if (*start > w->config->server_limit) {
        char why[60];

        snprintf(why, sizeof(why), "is above ServerLimit %d", w->config->server_limit);
        correct(w, "StartServers", start, w->config->server_limit, why);
    }
}

/* --- spare threads ---------------------------------------------------------------- */

/* What mod_heartbeat tells a balancer is the number of threads that are idle, and the balancer
 * gives each server a part of the requests by that. One that only has the threads that it needs,
 * however soon it could have more, would get next to nothing beside others under mpm_event: with
 * that module as many are kept as mpm_event keeps. */
static int default_min_spare_threads(const work_t *w)
{
    int expected = MIN(w->in->expected_threads, w->config->max_request_workers);

    if (!w->in->heartbeat) {
        return w->config->threads_per_child;
    }
    w->config->given.min_spare_threads = true;
    return MIN(HEARTBEAT_MIN_SPARE, MAX(expected / 2, 1));
}

static void resolve_spare_threads(const work_t *w)
{
    int *lowest = &w->config->min_spare_threads;
    int *highest = &w->config->max_spare_threads;
    int threads = w->config->threads_per_child;

    *lowest = w->given->min_spare_threads;
    if (*lowest == DIRECTIVES_NOT_SET) {
        *lowest = default_min_spare_threads(w);
    }
    else if (*lowest < 1) {
        correct(w, "MinSpareThreads", lowest, 1, "is not allowed, the least is 1");
    }
    *highest = w->given->max_spare_threads;
    if (*highest == DIRECTIVES_NOT_SET) {
        /* the children that were started stay */
        *highest = (w->config->start_servers + 1) * threads;
    }
    /* starting one child must not be a reason to end one */
    *highest = MAX(*highest, *lowest > INT_MAX - threads ? INT_MAX : *lowest + threads);
}

/* --- in all ----------------------------------------------------------------------- */

/* Slots beyond ServerLimit keep a place for children that drain, so that a reload, or one that
 * hangs on to a slow client, never stands in the way of a new one. */
static void resolve_slot_count(const work_t *w)
{
    config_fixed_t *fixed = &w->out->fixed;

    if (!fixed->slot_count) {
        fixed->slot_count = w->config->server_limit + MAX(w->config->server_limit / 3, 8);
    }
    fixed->server_limit = w->config->server_limit;
    w->config->slot_count = fixed->slot_count;
}

static void resolve_start_threads(const work_t *w)
{
    int threads = (int)(w->in->cpus / MAX(w->config->start_servers, 1));

    w->config->start_threads = MIN(MAX(threads, LEAST_START_THREADS),
                                      w->config->threads_per_child);
}

static adp_config_t as_given(const resolve_input_t *in)
{
    const directives_t *given = in->given;

    return (adp_config_t) {
        .given = {
            .start_servers = given->start_servers != DIRECTIVES_NOT_SET,
            .server_limit = given->server_limit != DIRECTIVES_NOT_SET,
            .threads_per_child = given->threads_per_child != DIRECTIVES_NOT_SET,
            .max_request_workers = given->max_request_workers != DIRECTIVES_NOT_SET,
            .min_spare_threads = given->min_spare_threads != DIRECTIVES_NOT_SET,
            .max_spare_threads = given->max_spare_threads != DIRECTIVES_NOT_SET
        },
        .async_factor = given->async_factor,
        .adaptive_mode = given->adaptive_mode,
        .affinity = given->affinity,
        .max_wait_us = given->adaptive_mode == EXT_MODE_ON ? given->max_wait_us : 0,
        .bulkheads = given->bulkheads,
        .wait_target_us = given->wait_target_us,
        .hold_us = given->hold_us,
        .drain_timeout_us = given->drain_timeout_us,
        .memory_share = given->memory_share,
        .memory_bytes = given->memory_bytes,
        .body_wait_bytes = (size_t)given->body_wait_bytes,
        .output_buffer = given->output_buffer,
        .status_socket = given->status_socket,
        .status_socket_off = given->status_socket_off,
        .status_group = given->status_group,
        .status_listen = given->status_listen,
        .status_address = given->status_address,
        .cpus = in->cpus,
        .ceiling = CTL_SERVER_LIMIT
    };
}

resolve_result_t resolve(const resolve_input_t *input, const config_fixed_t *fixed)
{
    resolve_result_t result = { .config = as_given(input), .fixed = *fixed };
    work_t w = { input, input->given, &result, &result.config };

    note_old_name(&w);
    resolve_limits(&w);
    resolve_threads_per_child(&w);
    if (w.config->server_limit == DIRECTIVES_NOT_SET) {
        default_server_limit(&w);
    }
    resolve_max_request_workers(&w);
    resolve_start_servers(&w);
    resolve_spare_threads(&w);
    resolve_slot_count(&w);
    resolve_start_threads(&w);
    return result;
}

void resolve_require_children(adp_config_t *config, int count)
{
    config->start_servers = MAX(config->start_servers, count);
    config->max_children = MAX(config->max_children, count);
    config->max_request_workers = config->max_children * config->threads_per_child;
    config->max_spare_threads = MAX(config->max_spare_threads,
                                        (count + 1) * config->threads_per_child);
}
