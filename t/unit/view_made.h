/* Views that are made up: of an ordinary server, of one that has just begun, and of one whose
 * shared memory somebody has filled with the worst that a view may hold. For the tests of all that
 * shows one. */
#ifndef VIEW_MADE_H
#define VIEW_MADE_H

#include "report/view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MADE_S  INT64_C(1000000)
#define MADE_MS INT64_C(1000)

/* Everything that must be escaped somewhere: quotes, tags, a byte that is no UTF-8, controls. */
#define MADE_HOSTILE "\"><script>alert(1)</script>&amp;'\\ \xFF\x01\x7F\n\t\xE2\x82\xAC{} # x"

#define MADE_NOW_US  (5000 * MADE_S + 250 * MADE_MS)
#define MADE_WALL_US (1790000000 * MADE_S + 250 * MADE_MS)

/* As much of it as there is room for. */
static inline void made_text(char *place, size_t size, const char *text)
{
    size_t length = strlen(text);

    length = length < size ? length : size - 1;
    memcpy(place, text, length);
    place[length] = 0;
}

static inline view_t *view_made_none(void)
{
    view_t *view = calloc(1, sizeof(*view));
    static const adp_config_t config = {
        .server_limit = 4, .thread_limit = 64, .threads_per_child = 64, .max_children = 4,
        .max_request_workers = 256, .adaptive_mode = EXT_MODE_ON, .wait_target_us = 2 * MADE_MS
    };
    int i;

    if (!view || !(view->child = calloc(8, sizeof(*view->child)))) {
        abort();
    }
    view->now_us = MADE_NOW_US;
    view->wall_us = MADE_WALL_US;
    view->uptime_us = MADE_S;
    view->generation_us = MADE_S;
    view->parent_pid = 4711;
    view->version = "0.9.0";
    view->httpd = "Apache/2.4.71 (Debian)";
    view->config = &config;
    view->refused_restart_us = VIEW_NEVER;
    for (i = 0; i < LOG_KINDS; i++) {
        view->told_us[i] = VIEW_NEVER;
    }
    return view;
}

static inline void made_free(view_t *view)
{
    free(view->child);
    free(view);
}

static inline view_child_t *made_child(view_t *view, ext_slot_state_e state, int threads, int busy)
{
    view_child_t *child = &view->child[view->child_count];

    *child = (view_child_t) {
        .slot = view->child_count, .pid = 5000 + view->child_count, .generation = 2,
        .state = state, .since_us = 60 * MADE_S + view->child_count, .threads = threads,
        .busy = busy, .idle = threads - busy, .most_threads = 64, .connections = busy + 7,
        .keep_alive = 4, .writing = 2, .waiting_io = 1, .requests_per_s = 12.5, .processor = -1
    };
    view->child_count++;
    view->children[state]++;
    view->longest_us[state] = child->since_us;
    view->threads += threads;
    view->busy += busy;
    view->idle += threads - busy;
    view->connections += child->connections;
    view->keep_alive += child->keep_alive;
    view->writing += child->writing;
    view->waiting_io += child->waiting_io;
    view->requests_per_s += child->requests_per_s;
    return child;
}

static inline void made_holder(view_t *view, view_holder_kind_e kind, const char *name, int threads)
{
    view_holder_t *holder = &view->holders[view->holder_count++];

    *holder = (view_holder_t) { .kind = kind, .threads = threads, .oldest_us = 90 * MADE_S };
    made_text(holder->name, sizeof(holder->name), name);
}

static inline void made_plan(view_t *view, ctl_reason_e reason)
{
    view->has_plan = true;
    view->plan = (ext_plan_t) {
        .mode = EXT_MODE_ON,
        .sample = { .now_us = view->now_us - 3 * MADE_S, .serving = 2, .threads = 40, .busy = 25 },
        .limits = { .threads_per_child = 64, .max_children = 4, .max_threads = 200,
                    .ceiling = CTL_CGROUP_MEMORY, .cpus = 2, .wait_target_us = 2 * MADE_MS },
        .plan = { .target = 2, .reason = reason, .demand = 26.5, .spare = 8.25,
                  .arrivals_per_s = 25, .service_us = 402000 }
    };
    view->has_limits = true;
    view->limits = (ext_limits_t) {
        .max_threads = 250, .max_children = 4, .threads_per_child = 64,
        .ceiling = CTL_MAX_REQUEST_WORKERS, .cpus = 2
    };
}

static inline void made_ceilings(view_t *view)
{
    static const ext_ceiling_t rows[] = {
        { CTL_CGROUP_MEMORY, EXT_UNIT_BYTES, INT64_C(1) << 30, INT64_C(700) << 20, 200,
          "memory.max" },
        { CTL_MAX_REQUEST_WORKERS, EXT_UNIT_THREADS, 256, 40, 256, "" },
        { CTL_DESCRIPTORS, EXT_UNIT_DESCRIPTORS, 8192, 350, 3000.5, "RLIMIT_NOFILE" }
    };

    view->ceiling_count = 3;
    memcpy(view->ceilings, rows, sizeof(rows));
}

static inline void made_history(view_t *view, int seconds)
{
    int i;

    for (i = 0; i < seconds; i++) {
        view->seconds[i] = (ext_second_t) {
            .second = view->now_us / MADE_S - seconds + 1 + i, .threads = 20 + i % 20,
            .serving = 2, .parked = 1, .draining = 1, .target = 2, .busy = i % 20,
            .waited_us = 1500 * (i % 3), .arrivals = 25, .demand = 12.5f,
            .spare = 8, .max_threads = 200
        };
    }
    view->second_count = seconds;
}

/* `ago_us` before the view. Call it with the newest first, as they lie in a view. */
static inline ext_decision_t *made_decision(view_t *view, ext_kind_e kind, int64_t ago_us,
                                            ctl_reason_e reason, int before, int after)
{
    ext_decision_t *d = &view->decisions[view->decision_count++];

    *d = (ext_decision_t) {
        .number = (uint64_t)(1000 - view->decision_count), .wall_us = view->wall_us - ago_us,
        .now_us = view->now_us - ago_us, .kind = (int32_t)kind,
        .slot = kind == EXT_THREADS ? 1 : -1,
        .mode = EXT_MODE_ON, .reason = (int32_t)reason, .busy = 20, .demand = 26.5, .spare = 8.25
    };
    if (kind == EXT_CHILDREN) {
        d->children_before = before;
        d->children_after = after;
        d->threads_before = before < 1000 ? 64 * before : before;
        d->threads_after = after < 1000 ? 64 * after : after;
    }
    else {
        d->threads_before = before;
        d->threads_after = after;
    }
    return d;
}

static inline void made_settings(view_t *view)
{
    view->settings = (settings_t) {
        .count = 3, .note_count = 1, .row = {
            { "MaxRequestWorkers", SETTING_FOUND, "256", "" },
            { "ThreadsPerChild", SETTING_CORRECTED, "64", "100" },
            { "AdaptiveMode", SETTING_GIVEN, "on", "" }
        },
        .notes = { "ThreadsPerChild of 100 exceeds ThreadLimit of 64, \"decreasing\"" }
    };
}

/* A day under way: children in every state, load, ceilings, ten minutes of history. */
static inline view_t *view_made(void)
{
    view_t *view = view_made_none();
    view_child_t *child;
    int i;

    view->uptime_us = 86400 * MADE_S;
    view->generation_us = 3600 * MADE_S;
    view->generation = 2;
    made_child(view, EXT_SLOT_SERVING, 24, 15)->processor = 1;
    child = made_child(view, EXT_SLOT_SERVING, 16, 10);
    child->holder_threads = 6;
    child->holder = (ext_class_name_t) { 1, "http://backend:8080" };
    child->oldest_us = 90 * MADE_S;
    made_text(child->oldest_request, sizeof(child->oldest_request), "GET /slow HTTP/1.1");
    made_text(child->oldest_vhost, sizeof(child->oldest_vhost), "www.example.org:443");
    made_child(view, EXT_SLOT_PARKED, 4, 0);
    made_child(view, EXT_SLOT_DRAINING, 2, 1)->generation = 1;
    made_child(view, EXT_SLOT_STARTING, 0, 0);
    view->pinned = 1;
    view->busy_peak = 31;
    view->waited_peak_us = 8 * MADE_MS;
    for (i = 0; i < EXT_COUNTERS; i++) {
        view->counters[i] = (uint64_t)(100 + i);
    }
    view->requests = 123456789012;
    view->shed = 3;
    view->refused = 4;
    view->decisions_noted = 999;
    made_plan(view, CTL_DEMAND);
    made_ceilings(view);
    made_holder(view, VIEW_VHOST, "www.example.org:443", 20);
    made_holder(view, VIEW_BACKEND, "http://backend:8080", 6);
    made_holder(view, VIEW_URL, "www.example.org:443/slow/", 5);
    view->holders[1].refused = 4;
    made_decision(view, EXT_CHILDREN, 20 * MADE_S, CTL_DEMAND, 1, 2);
    made_decision(view, EXT_THREADS, 21 * MADE_S, CTL_WAITING, 8, 9)->waited_us = 8 * MADE_MS;
    made_decision(view, EXT_CHILDREN, 120 * MADE_S, CTL_SURPLUS, 3, 1);
    made_history(view, EXT_SECONDS);
    made_settings(view);
    return view;
}

static inline void made_worst_child(view_t *view)
{
    view_child_t *child = made_child(view, EXT_SLOT_SERVING, 64, 64);

    child->since_us = child->oldest_us = child->waited_us = INT64_MAX;
    child->connections = child->keep_alive = child->writing = child->suspended = INT32_MAX;
    child->requests_per_s = INFINITY;
    child->holder_threads = INT32_MAX;
    child->exhausted = child->out_of_descriptors = true;
    made_text(child->holder.text, sizeof(child->holder.text), MADE_HOSTILE);
    made_text(child->oldest_request, sizeof(child->oldest_request), "GET /" MADE_HOSTILE);
    made_text(child->oldest_vhost, sizeof(child->oldest_vhost), MADE_HOSTILE);
}

static inline void made_worst_decisions(view_t *view)
{
    int i;

    for (i = 0; i < EXT_MOST_DECISIONS; i++) {
        ext_decision_t *d = made_decision(view, i % 3 ? EXT_THREADS : EXT_CHILDREN, 0,
                                          (ctl_reason_e)(i % CTL_REASONS), i % 5 ? INT32_MAX : -1,
                                          i % 7 ? -1 : INT32_MAX);

        d->now_us = i % 2 ? INT64_MAX : 0;
        d->wall_us = i % 4 ? 0 : INT64_MAX;
        d->waited_us = INT64_MAX;
        d->ceiling = i % CTL_CEILINGS;
        d->mode = i % EXT_MODES;
        d->demand = (double)NAN;
        d->spare = (double)INFINITY;
        d->service_us = 1e300;
    }
}

/* Full of nonsense, as far as a view may be. */
static inline view_t *view_made_worst(void)
{
    view_t *view = view_made();
    int i;

    made_worst_child(view);
    made_worst_child(view);
    view->decision_count = 0;
    made_worst_decisions(view);
    view->holder_count = 0;
    for (i = 0; i < VIEW_MOST_HOLDERS; i++) {
        char name[128];

        snprintf(name, sizeof(name), "%d %s", i, MADE_HOSTILE);
        made_holder(view, (view_holder_kind_e)(i % VIEW_HOLDER_KINDS), name, INT32_MAX - i);
    }
    for (i = 0; i < EXT_COUNTERS; i++) {
        view->counters[i] = UINT64_MAX;
    }
    view->requests = view->shed = view->refused = view->decisions_noted = UINT64_MAX;
    view->waited_us = view->waited_peak_us = INT64_MAX;
    view->requests_per_s = (double)NAN;
    view->plan.plan.demand = (double)INFINITY;
    view->plan.plan.spare = -(double)INFINITY;
    view->plan.plan.service_us = (double)NAN;
    view->ceilings[0].threads = (double)INFINITY;
    view->ceilings[0].most = INT64_MAX;
    made_text(view->ceilings[1].source, sizeof(view->ceilings[1].source), MADE_HOSTILE);
    view->seconds[3].demand = NAN;
    view->seconds[4].spare = INFINITY;
    view->seconds[5].arrivals = UINT32_MAX;
    view->settings.notes[0] = MADE_HOSTILE;
    return view;
}

/* By the name that a test gives on its command line; NULL: none is called so. */
static inline view_t *view_made_by_name(const char *name)
{
    return !strcmp(name, "usual") ? view_made() : !strcmp(name, "none") ? view_made_none()
           : !strcmp(name, "worst") ? view_made_worst() : NULL;
}

#endif
