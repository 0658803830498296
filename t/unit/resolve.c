/* From directives and limits to the effective configuration: every default, every correction, and
 * what is said of it. */

#include "config/resolve.h"

#include "tap.h"

#include <string.h>

static directives_t given;
static resolve_input_t input;
static config_fixed_t fixed;

/* A machine of four processors that is good for 1,000 threads, and a file that says nothing. */
static void begin(void)
{
    given = directives_defaults();
    input = (resolve_input_t){ .given = &given,
                               .cpus = 4,
                               .threads_by_descriptors = 6000,
                               .free_descriptors = 20000,
                               .children_by_descriptors = 19000,
                               .expected_threads = 1000,
                               .expected_ceiling = CTL_AVAILABLE_MEMORY };
    fixed = (config_fixed_t) { 0 };
}

static bool says(const resolve_result_t *r, resolve_note_e kind, const char *text)
{
    int i;

    for (i = 0; i < r->note_count; i++) {
        if (r->notes[i].kind == kind && strstr(r->notes[i].text, text)) {
            return true;
        }
    }
    for (i = 0; i < r->note_count; i++) {
        diag("%s", r->notes[i].text);
    }
    return false;
}

static void test_nothing_given(void)
{
    resolve_result_t r;

    begin();
    r = resolve(&input, &fixed);
    is(r.note_count, 0, "a file that says nothing needs no correction");
    is(r.config.threads_per_child, 64, "64 threads per child");
    is(r.config.thread_limit, 64, "... for which there are slots");
    is(r.config.server_limit, 2000 / 64, "twice the children that memory is expected to allow");
    is(r.config.max_request_workers, 2000 / 64 * 64, "... with all their threads");
    is(r.config.max_children, 2000 / 64, "... all of which may run");
    is(r.config.ceiling, CTL_AVAILABLE_MEMORY, "memory is what keeps them there");
    is(r.config.start_servers, 4, "a child per processor at start");
    is(r.config.start_threads, 2, "... with two threads");
    is(r.config.slot_count, 31 + 10, "a third more slots, for children that drain");
    is(r.fixed.slot_count, 41, "which a restart keeps");
    is(r.config.min_spare_threads, 64, "MinSpareThreads, for AdaptiveMode off");
    is(r.config.max_spare_threads, 5 * 64,
       "MaxSpareThreads: the children that were started, and one");
    is(r.config.adaptive_mode, EXT_MODE_ON, "AdaptiveMode on");
    ok(!r.config.given.min_spare_threads && !r.config.given.server_limit, "nothing is given");
    is(r.config.wait_target_us, 2000, "AdaptiveWaitTarget");

    input.expected_threads = 100000;
    r = resolve(&input, &fixed);
    is(r.config.max_request_workers, 8192,
       "a large machine: 8192, as much as a status page can show");
    is(r.config.ceiling, CTL_SERVER_LIMIT, "... which ServerLimit can change");
    input.expected_threads = 3;
    r = resolve(&input, &fixed);
    is(r.config.server_limit, 4, "a tiny one: four children, so that they can come and go");
    input.expected_threads = 1000;
    input.children_by_descriptors = 9;
    r = resolve(&input, &fixed);
    is(r.config.server_limit, 9, "no more children than the parent has descriptors for");
    is(r.config.ceiling, CTL_DESCRIPTORS, "... which is the ceiling then");
    begin();
    input.threads_by_descriptors = 20;
    r = resolve(&input, &fixed);
    is(r.config.threads_per_child, 20, "no more threads than a child has descriptors for");
    is(r.config.ceiling, CTL_DESCRIPTORS, "... which is the ceiling, too");
    is(r.note_count, 0, "and nobody has to hear of that as of a fault");
}

static void test_processors(void)
{
    static const struct { double cpus; int servers, threads;
    } rows[] = { { 0.5, 2, 2 }, { 1, 2, 2 },   { 2, 2, 2 },     { 2.5, 3, 2 },
                 { 16, 16, 2 }, { 64, 16, 4 }, { 1024, 16, 64 } };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        resolve_result_t r;

        begin();
        input.cpus = rows[i].cpus;
        r = resolve(&input, &fixed);
        is(r.config.start_servers, rows[i].servers, "StartServers by processors");
        is(r.config.start_threads, rows[i].threads, "... and the threads of each");
    }
}

static void test_modules(void)
{
    resolve_result_t r;

    begin();
    input.http2 = true;
    r = resolve(&input, &fixed);
    is(r.config.threads_per_child, 25, "mod_http2 has threads of its own: fewer of ours");
    begin();
    input.heartbeat = true;
    r = resolve(&input, &fixed);
    is(r.config.min_spare_threads, 75, "mod_heartbeat: as many idle threads as mpm_event keeps");
    ok(r.config.given.min_spare_threads, "... also with AdaptiveMode on");
    input.expected_threads = 60;
    r = resolve(&input, &fixed);
    is(r.config.min_spare_threads, 30, "but not more than half of what may run");
    given.min_spare_threads = 9;
    r = resolve(&input, &fixed);
    is(r.config.min_spare_threads, 9, "who gives a number gets it");
}

static void test_total(void)
{
    static const struct { int total, threads, children; } rows[] = {
        { 150, 50, 3 }, { 400, 50, 8 }, { 64, 64, 1 }, { 1, 1, 1 }, { 97, 48, 2 }, { 1000, 62, 16 }
    };
    resolve_result_t r;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        begin();
        given.max_request_workers = rows[i].total;
        r = resolve(&input, &fixed);
        ok(r.config.max_request_workers <= rows[i].total, "a plain total is never exceeded");
        ok(r.config.max_request_workers * 100 >= rows[i].total * 98, "... and met, or nearly");
        ok(r.config.threads_per_child <= 64, "... by children of the usual size");
        is(r.config.ceiling, CTL_MAX_REQUEST_WORKERS, "... and it is the ceiling");
    }
    begin();
    given.max_request_workers = 400;
    r = resolve(&input, &fixed);
    is(r.config.max_request_workers, 400, "400 is 400");
    is(r.note_count, 0, "without a word");
    given.server_limit = 2;
    r = resolve(&input, &fixed);
    is(r.config.threads_per_child, 200, "a small ServerLimit beside it: larger children");
    is(r.config.max_request_workers, 400, "... and all that was asked for");
    begin();
    given.max_request_workers = INT_MAX;
    r = resolve(&input, &fixed);
    ok(r.config.max_request_workers > 0 && r.config.server_limit <= RESOLVE_MOST_SERVER_LIMIT,
       "the largest number there is does not overflow");
}

static void test_corrections(void)
{
    resolve_result_t r;

    begin();
    given.threads_per_child = 25;
    given.max_request_workers = 110;
    r = resolve(&input, &fixed);
    is(r.config.max_request_workers, 100, "a total between two multiples goes down");
    ok(says(&r, RESOLVE_CORRECTED,
            "MaxRequestWorkers of 110 is not a multiple of ThreadsPerChild 25, using "
            "MaxRequestWorkers 100 instead"),
       "and the log says so");
    given.max_request_workers = 3;
    r = resolve(&input, &fixed);
    is(r.config.max_request_workers, 25, "a total below a child's threads goes up");
    ok(says(&r, RESOLVE_CORRECTED, "is below ThreadsPerChild 25"), "and the log says so");
    given.max_request_workers = 1000;
    given.server_limit = 4;
    r = resolve(&input, &fixed);
    is(r.config.max_request_workers, 100, "a total above ServerLimit * ThreadsPerChild goes down");
    ok(says(&r, RESOLVE_CORRECTED, "needs a stop and a start"), "and the log says how to get more");
    begin();
    given.start_servers = 0;
    r = resolve(&input, &fixed);
    is(r.config.start_servers, 1, "StartServers 0 is 1");
    ok(says(&r, RESOLVE_CORRECTED, "StartServers of 0 is not allowed"), "and the log says so");
    given.start_servers = 500;
    r = resolve(&input, &fixed);
    is(r.config.start_servers, r.config.server_limit,
       "StartServers above ServerLimit is ServerLimit");
    begin();
    given.server_limit = 30000;
    given.thread_limit = 200000;
    r = resolve(&input, &fixed);
    is(r.config.server_limit, 20000, "ServerLimit ends where event's does");
    is(r.config.thread_limit, 100000, "so does ThreadLimit");
    is(r.note_count, 2, "a line for each");
    begin();
    given.threads_per_child = -3;
    given.min_spare_threads = 0;
    r = resolve(&input, &fixed);
    is(r.config.threads_per_child, 1, "ThreadsPerChild below 1 is 1");
    is(r.config.min_spare_threads, 1, "so is MinSpareThreads");
    begin();
    given.min_spare_threads = INT_MAX;
    r = resolve(&input, &fixed);
    is(r.config.max_spare_threads, INT_MAX,
       "MaxSpareThreads leaves room for a child, if there is any");
    begin();
    given.min_spare_threads = 100;
    given.max_spare_threads = 100;
    r = resolve(&input, &fixed);
    is(r.config.max_spare_threads, 164, "starting one child is no reason to end one");
    begin();
    given.threads_per_child = 1000;
    input.threads_by_descriptors = 320;
    input.free_descriptors = 1024;
    r = resolve(&input, &fixed);
    is(r.config.threads_per_child, 1000, "more threads than descriptors: kept,");
    ok(says(&r, RESOLVE_FEW_DESCRIPTORS,
            "ThreadsPerChild 1000 needs more than the 1024 descriptors available "
            "per child, 320 will be used; raise"),
       "... with a word of how many will be used");
    begin();
    given.max_clients = true;
    given.max_request_workers = 128;
    r = resolve(&input, &fixed);
    ok(says(&r, RESOLVE_OLD_NAME, "use MaxRequestWorkers 128"),
       "the old name works, and the new one is named");
}

static void test_restart(void)
{
    resolve_result_t first, r;

    begin();
    given.server_limit = 8;
    first = resolve(&input, &fixed);
    given.server_limit = 16;
    given.threads_per_child = 128;
    r = resolve(&input, &first.fixed);
    is(r.config.server_limit, 8, "a restart does not change ServerLimit");
    ok(says(&r, RESOLVE_CORRECTED,
            "ServerLimit of 16 was changed by a restart, which needs a stop and a start"),
       "and says so");
    is(r.config.threads_per_child, 64, "nor the slots of a child");
    ok(says(&r, RESOLVE_CORRECTED,
            "is above ThreadLimit 64, which only a stop and a start can raise"),
       "and says that, too");
    is(r.config.slot_count, first.config.slot_count, "the scoreboard keeps its size");
    begin();
    r = resolve(&input, &first.fixed);
    is(r.config.server_limit, 8, "nothing is given any more: what it was at the start");
    is(r.note_count, 0, "without a word");
}

static void test_buckets(void)
{
    resolve_result_t r;

    begin();
    given.max_request_workers = 128;
    given.start_servers = 1;
    r = resolve(&input, &fixed);
    resolve_require_children(&r.config, 5);
    is(r.config.start_servers, 5, "a child per bucket");
    is(r.config.max_children, 5, "... may run");
    is(r.config.max_request_workers, 5 * 64, "... with its threads");
    ok(r.config.max_spare_threads >= 6 * 64, "... and none ends because of that");
    resolve_require_children(&r.config, 1);
    is(r.config.max_children, 5, "nothing is ever lowered");
}

/* Whatever is given, what comes out can be run. */
static void test_any(void)
{
    static const int values[] = {
        DIRECTIVES_NOT_SET, -1, 0, 1, 2, 63, 64, 65, 1000, 20001, 100001, INT_MAX
    };
    enum { VALUES = sizeof(values) / sizeof(values[0]) };
    int wrong = 0, a, b, c, d;

    for (a = 0; a < VALUES; a++) {
        for (b = 0; b < VALUES; b++) {
            for (c = 0; c < VALUES; c++) {
                for (d = 0; d < VALUES; d++) {
                    const adp_config_t *config;
                    resolve_result_t r;

                    begin();
                    given.server_limit = values[a];
                    given.threads_per_child = values[b];
                    given.max_request_workers = values[c];
                    given.thread_limit = values[d];
                    given.start_servers = values[(a + b) % VALUES];
                    given.min_spare_threads = values[(c + d) % VALUES];
                    r = resolve(&input, &fixed);
                    config = &r.config;
                    wrong += config->threads_per_child < 1
                             || config->threads_per_child > config->thread_limit
                             || config->max_children < 1
                             || config->max_children > config->server_limit
                             || config->server_limit > config->slot_count
                             || config->start_servers < 1
                             || config->start_servers > config->server_limit
                             || config->start_threads < 1
                             || config->start_threads > config->threads_per_child
                             || config->max_request_workers < config->threads_per_child
                             || config->min_spare_threads < 1
                             || config->max_spare_threads < config->min_spare_threads
                             || r.note_count >= RESOLVE_MOST_NOTES;
                }
            }
        }
    }
    is(wrong, 0, "whatever is given, the result keeps its own rules");
}

int main(void)
{
    tap_begin(30);
    test_nothing_given();
    test_processors();
    test_modules();
    test_total();
    test_corrections();
    test_restart();
    test_buckets();
    test_any();
    return tap_done();
}
