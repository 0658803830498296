/* Any process, any thread: reads the shared memory and httpd's scoreboard, and what this process
 * knows of its configuration. */
#include "view.h"
#include "view_show.h"

#include "base/clock.h"
#include "base/fnv.h"
#include "base/version.h"
#include "board/board_view.h"
#include "board/classes.h"

#include "ap_config.h"
#include "apr_time.h"
#include "httpd.h"
#include "scoreboard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

/* Requests or connections of one child: more than this is nonsense that another process has
 * written. */
#define MOST_CONNECTIONS 1000000
/* A request that is older is nonsense, too. */
#define MOST_AGE_US      (INT64_C(366) * 86400 * CLOCK_US_PER_S)
/* Beginnings of URLs that are told apart. */
#define URL_PLACES       256        /* a power of two */
#define URLS_SHOWN       (VIEW_MOST_HOLDERS - EXT_CLASSES)

/* What this process shows; set in the parent, inherited by whoever it forks. */
static struct {
    const scoreboard_ext_t *board;
    const adp_config_t *config;
    settings_t settings;
    int parent_pid;
    char host[64];
} shown;

void view_show(const scoreboard_ext_t *board, const adp_config_t *config)
{
    shown.board = board;
    shown.config = config;
    shown.settings = settings_list();
    shown.parent_pid = (int)getpid();
    if (gethostname(shown.host, sizeof(shown.host) - 1)) {
        shown.host[0] = '\0';
    }
}

bool view_is_shown(void)
{
    return shown.board != NULL;
}

/* --- children ------------------------------------------------------------------------- */

static int count_of(int count, int most)
{
    return MIN(MAX(count, 0), most);
}

static int atomic_count(const _Atomic int *count, int most)
{
    return count_of(atomic_load_explicit(count, memory_order_relaxed), most);
}

/* The mean of the last whole seconds. */
static double requests_per_s_of(const ext_child_t *child, int64_t now_us)
{
    int64_t now = now_us / CLOCK_US_PER_S, second;
    double requests = 0;

    for (second = MAX(now - VIEW_RATE_SECONDS, 0); second < now; second++) {
        requests += board_requests_in(child, second);
    }
    return requests / VIEW_RATE_SECONDS;
}

static void take_threads(view_child_t *child, const ext_child_t *ext)
{
    int limit = shown.config->thread_limit;

    child->starting = atomic_count(&ext->arriving, limit);
    child->benched = atomic_count(&ext->benched, limit);
    child->threads = count_of(atomic_load(&ext->threads) - child->starting, limit)
                     + child->benched;
    child->threads = MIN(child->threads, limit);
    child->busy = MIN(ext_busy(ext), child->threads - MIN(child->benched, child->threads));
    child->idle = MAX(child->threads - child->benched - child->busy, 0);
    child->lowered = atomic_count(&ext->lowered, child->busy);
    child->most_threads = atomic_count(&ext->most_threads, limit);
    child->put_off = atomic_count(&ext->put_off, MOST_CONNECTIONS);
    child->coming = atomic_count(&ext->coming, MOST_CONNECTIONS);
    child->processor = atomic_count(&ext->processor, 1 << 16) - 1;
    child->exhausted = atomic_load(&ext->exhausted);
    child->out_of_descriptors = atomic_load(&ext->out_of_descriptors);
}

static void take_connections(view_child_t *child)
{
    const process_score *score = ap_get_scoreboard_process(child->slot);

    child->connections = board_count(&score->connections, MOST_CONNECTIONS);
    child->keep_alive = board_count(&score->keep_alive, MOST_CONNECTIONS);
    child->writing = board_count(&score->write_completion, MOST_CONNECTIONS);
    child->waiting_io = board_count(&score->wait_io, MOST_CONNECTIONS);
    child->suspended = board_count(&score->suspended, MOST_CONNECTIONS);
    child->closing = board_count(&score->lingering_close, MOST_CONNECTIONS);
}

/* Without a parent (-X) nobody notes what there is. */
static bool slot_noted(int slot, int64_t now_us, ext_slot_t *found)
{
    if (!scoreboard_ext_read_slot(shown.board, slot, found)) {
        *found = (ext_slot_t) {
            .since_us = now_us, .pid = ap_get_scoreboard_process(slot)->pid,
            .state = ap_get_scoreboard_process(slot)->pid ? EXT_SLOT_SERVING : EXT_SLOT_FREE
        };
    }
    return found->state != EXT_SLOT_FREE;
}

/* What was never used is not even read: that alone would take memory. */
static int slots_used(void)
{
    return count_of(atomic_load(&shown.board->slots_used), shown.config->slot_count);
}

/* What is the child's, is counted in all. */
static void add_up(view_t *view, const view_child_t *child)
{
    view->children[child->state]++;
    view->longest_us[child->state] = MAX(view->longest_us[child->state], child->since_us);
    view->threads += child->threads;
    view->busy += child->busy;
    view->idle += child->idle;
    view->starting_threads += child->starting;
    view->benched += child->benched;
    view->lowered += child->lowered;
    view->connections += child->connections;
    view->keep_alive += child->keep_alive;
    view->writing += child->writing;
    view->waiting_io += child->waiting_io;
    view->suspended += child->suspended;
    view->closing += child->closing;
    view->put_off += child->put_off;
    view->coming += child->coming;
    view->pinned += child->processor >= 0;
    view->requests_per_s += child->requests_per_s;
    view->waited_us = MAX(view->waited_us, child->waited_us);
}

/* Children and their threads as they are now; the parent sleeps while nothing changes, so its
 * last plan may be old. */
static void take_children(view_t *view)
{
    int i, busier = 0;

    for (i = 0; i < slots_used(); i++) {
        const ext_child_t *ext = &shown.board->children[i];
        view_child_t *child = &view->child[view->child_count];
        ext_slot_t slot;
        board_peak_t peak;

        view->requests += atomic_load(&ext->requests);
        if (!slot_noted(i, view->now_us, &slot)) {
            continue;
        }
        view->child_count++;
        *child = (view_child_t) {
            .slot = i, .pid = slot.pid, .generation = slot.generation,
            .state = (ext_slot_state_e)slot.state,
            .since_us = MAX(view->now_us - slot.since_us, 0)
        };
        take_threads(child, ext);
        take_connections(child);
        child->waited_us = board_view(ext, shown.config->thread_limit).waited_us;
        child->requests_per_s = requests_per_s_of(ext, view->now_us);
        add_up(view, child);
        /* what the parent has not looked at yet */
        peak = board_peak(ext, shown.config->thread_limit);
        busier = MAX(busier, peak.busy - child->busy);
        view->waited_peak_us = MAX(view->waited_peak_us, peak.waited_us);
    }
    view->busy_peak = view->busy + busier;
}

static void take_history(view_t *view)
{
    int i;

    view->second_count = scoreboard_ext_read_seconds(shown.board, view->now_us, view->seconds);
    for (i = 0; i < view->second_count; i++) {
        view->busy_peak = MAX(view->busy_peak, view->seconds[i].busy);
        view->waited_peak_us = MAX(view->waited_peak_us, (int64_t)view->seconds[i].waited_us);
    }
}

/* --- who holds threads ------------------------------------------------------------------ */

static bool holds_more(const view_holder_t *a, const view_holder_t *b)
{
    return a->threads != b->threads ? a->threads > b->threads : a->refused > b->refused;
}

static void add_holder(view_t *view, const view_holder_t *holder)
{
    int i;

    for (i = view->holder_count++; i > 0 && holds_more(holder, &view->holders[i - 1]); i--) {
        view->holders[i] = view->holders[i - 1];
    }
    view->holders[i] = *holder;
}

/* How many threads of all children; each child learns whether that class has most of its own. */
static int held_by_class(view_t *view, int place, const ext_class_name_t *name)
{
    int i, held = 0;

    for (i = 0; i < view->child_count; i++) {
        view_child_t *child = &view->child[i];
        int own = count_of(classes_held(&shown.board->children[child->slot], place),
                           child->threads);

        held += own;
        if (own > child->holder_threads) {
            child->holder_threads = own;
            child->holder = *name;
        }
    }
    return held;
}

/* Those that hold threads, or were refused some. */
static void take_classes(view_t *view)
{
    int i;

    for (i = 0; i < EXT_CLASSES; i++) {
        const ext_class_t *class = &shown.board->classes[i];
        view_holder_t holder = { .refused = atomic_load(&class->refused) };
        ext_class_name_t name;

        if (!scoreboard_ext_read_class_name(class, &name)) {
            continue;
        }
        holder.threads = held_by_class(view, i, &name);
        holder.kind = name.is_backend ? VIEW_BACKEND : VIEW_VHOST;
        (void)snprintf(holder.name, sizeof(holder.name), "%s", name.text);
        if (holder.threads > 0 || holder.refused > 0) {
            add_holder(view, &holder);
        }
    }
}

/* A beginning of URLs, while they are counted. */
typedef struct url_t {
    char name[sizeof(((view_holder_t *)0)->name)];
    int threads;
    int64_t oldest_us;
} url_t;

/* The host and the first part of the path: "example.org:80/api/" of "GET /api/users?x HTTP/1.1". */
static void url_of(char *name, size_t size, const char *vhost, const char *request)
{
    const char *path = strchr(request, ' ');
    const char *end;

    path = path && path[1] == '/' ? path + 1 : "";
    end = path[0] ? path + 1 + strcspn(path + 1, "/?# ") : path;
    (void)snprintf(name, size, "%s%.*s%s", vhost, (int)(end - path), path, *end == '/' ? "/" : "");
}

/* The place of this one, or NULL: there is none left. */
static url_t *url_place(url_t *places, const char *name)
{
    uint64_t hash = fnv_add(FNV_BASIS, name, strlen(name));
    int i;

    for (i = 0; i < URL_PLACES; i++) {
        url_t *place = &places[(hash + (uint64_t)i) % URL_PLACES];

        if (place->threads == 0) {
            (void)snprintf(place->name, sizeof(place->name), "%s", name);
            return place;
        }
        if (!strcmp(place->name, name)) {
            return place;
        }
    }
    return NULL;
}

static bool is_serving(const worker_score *score)
{
    return score->status == SERVER_BUSY_READ || score->status == SERVER_BUSY_WRITE
           || score->status == SERVER_BUSY_LOG || score->status == SERVER_BUSY_DNS
           || score->status == SERVER_GRACEFUL;
}

/* One thread: what it serves, and for how long, as far as ExtendedStatus tells. */
static void take_worker(const view_t *view, view_child_t *child, const worker_score *score,
                        url_t *places)
{
    char request[sizeof(score->request)], vhost[sizeof(score->vhost)], name[sizeof(places->name)];
    int64_t age_us = view->wall_us - score->start_time;
    url_t *place;

    /* another process may be writing them */
    (void)snprintf(request, sizeof(request), "%.*s", (int)sizeof(request) - 1, score->request);
    (void)snprintf(vhost, sizeof(vhost), "%.*s", (int)sizeof(vhost) - 1, score->vhost);
    if (!request[0]) {
        return;
    }
    age_us = score->start_time <= 0 || age_us < 0 || age_us > MOST_AGE_US ? 0 : age_us;
    url_of(name, sizeof(name), vhost, request);
    place = url_place(places, name);
    if (place) {
        place->threads++;
        place->oldest_us = MAX(place->oldest_us, age_us);
    }
    if (age_us > child->oldest_us) {
        child->oldest_us = age_us;
        (void)snprintf(child->oldest_request, sizeof(child->oldest_request), "%s", request);
        (void)snprintf(child->oldest_vhost, sizeof(child->oldest_vhost), "%s", vhost);
    }
}

/* The few that hold most are shown. */
static void add_urls(view_t *view, const url_t *places)
{
    bool taken[URL_PLACES] = { false };
    int shown_count, i;

    for (shown_count = 0; shown_count < URLS_SHOWN; shown_count++) {
        view_holder_t holder = { .kind = VIEW_URL };
        int most = -1;

        for (i = 0; i < URL_PLACES; i++) {
            if (!taken[i] && places[i].threads > (most < 0 ? 0 : places[most].threads)) {
                most = i;
            }
        }
        if (most < 0) {
            return;
        }
        taken[most] = true;
        holder.threads = places[most].threads;
        holder.oldest_us = places[most].oldest_us;
        (void)snprintf(holder.name, sizeof(holder.name), "%s", places[most].name);
        add_holder(view, &holder);
    }
}

/* "a:80" of "a:80/api/": URLs of a virtual host begin with its name. */
static bool is_of_vhost(const char *url, const char *vhost)
{
    size_t length = strlen(vhost);

    return !strncmp(url, vhost, length) && (url[length] == '/' || url[length] == '\0');
}

/* A virtual host's oldest request is the oldest of its URLs. */
static void pass_on_ages(view_t *view)
{
    int i, j;

    for (i = 0; i < view->holder_count; i++) {
        view_holder_t *holder = &view->holders[i];

        for (j = 0; j < view->holder_count && holder->kind == VIEW_VHOST; j++) {
            if (view->holders[j].kind == VIEW_URL
                && is_of_vhost(view->holders[j].name, holder->name)) {
                holder->oldest_us = MAX(holder->oldest_us, view->holders[j].oldest_us);
            }
        }
    }
}

static void take_urls(view_t *view)
{
    url_t *places = calloc(URL_PLACES, sizeof(*places));
    int i, j;

    for (i = 0; places && i < view->child_count; i++) {
        view_child_t *child = &view->child[i];

        for (j = 0; child->busy > 0 && j < shown.config->thread_limit; j++) {
            const worker_score *score = ap_get_scoreboard_worker_from_indexes(child->slot, j);

            if (score && is_serving(score)) {
                take_worker(view, child, score, places);
            }
        }
    }
    if (places) {
        add_urls(view, places);
        pass_on_ages(view);
    }
    free(places);
}

/* --- all of it -------------------------------------------------------------------------- */

static int64_t since(int64_t now_us, int64_t then_us)
{
    return then_us > 0 && then_us <= now_us ? now_us - then_us : 0;
}

/* How long ago; a time that is not set, or nonsense, is never. */
static int64_t ago(int64_t now_us, int64_t then_us)
{
    return then_us > 0 && then_us <= now_us ? now_us - then_us : VIEW_NEVER;
}

static void take_counters(view_t *view)
{
    const scoreboard_ext_t *board = shown.board;
    int i;

    for (i = 0; i < EXT_COUNTERS; i++) {
        view->counters[i] = atomic_load_explicit(&board->counters[i], memory_order_relaxed);
    }
    view->requests = view->counters[EXT_REQUESTS_OF_THE_GONE];
    view->shed = atomic_load(&board->shed);
    view->refused = atomic_load(&board->refused);
    view->decisions_noted = atomic_load(&board->decisions_noted);
    for (i = 0; i < LOG_KINDS; i++) {
        view->told_us[i] = ago(view->now_us, atomic_load(&board->logged_us[i]));
    }
    view->refused_restart_us = ago(view->now_us, atomic_load(&board->restart_refused_us));
    view->failures_in_a_row = count_of(atomic_load(&board->failures_in_a_row), 1 << 20);
}

/* As the parent measured them last; what is ours is as it is now. After the children. */
static void take_ceilings(view_t *view)
{
    ext_ceilings_t ceilings;
    int i;

    if (!scoreboard_ext_read_ceilings(shown.board, &ceilings)) {
        return;
    }
    view->ceiling_count = ceilings.count;
    memcpy(view->ceilings, ceilings.row, sizeof(view->ceilings));
    for (i = 0; i < view->ceiling_count; i++) {
        ext_ceiling_t *row = &view->ceilings[i];

        if (row->unit == EXT_UNIT_THREADS) {
            row->used = view->threads;
        }
        else if (row->unit == EXT_UNIT_CHILDREN) {
            row->used = view->child_count - view->children[EXT_SLOT_DRAINING];
        }
    }
}

view_t *view_take(void)
{
    view_t *view = calloc(1, sizeof(*view));
    const global_score *global = ap_scoreboard_image ? ap_scoreboard_image->global : NULL;

    if (!view || !shown.board || !global
        || !(view->child = calloc((size_t)slots_used() + 1, sizeof(*view->child)))) {
        view_free(view);
        return NULL;
    }
    view->now_us = clock_now_us();
    view->wall_us = apr_time_now();
    view->uptime_us = since(view->now_us, atomic_load(&shown.board->started_us));
    view->generation_us = since(view->now_us, atomic_load(&shown.board->generation_us));
    view->generation = global->running_generation;
    view->parent_pid = shown.parent_pid;
    memcpy(view->host, shown.host, sizeof(view->host));
    view->version = ADP_VERSION;
    view->httpd = ap_get_server_banner();
    view->config = shown.config;
    view->settings = shown.settings;
    view->has_plan = scoreboard_ext_read_plan(shown.board, &view->plan);
    view->has_limits = scoreboard_ext_read_limits(shown.board, &view->limits);
    view->decision_count = scoreboard_ext_read_decisions(shown.board, view->decisions);
    take_counters(view);
    take_children(view);
    take_ceilings(view);
    take_history(view);
    take_classes(view);
    take_urls(view);
    return view;
}

void view_free(view_t *view)
{
    if (view) {
        free(view->child);
        free(view);
    }
}
