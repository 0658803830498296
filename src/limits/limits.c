/* What was found, as limits with a name each. The parent at start; each second while something
 * grows. */
#include "limits.h"

#include "procfile.h"

#include "base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define KB INT64_C(1024)
#define MB (1024 * KB)
#define GB (1024 * MB)

/* RLIMIT_NPROC counts what the user runs on the whole machine. That is only added up if
 * the limit is low enough to matter to a server of some thousand threads. */
#define MANY_TASKS 65536

/* A child with no more workers than this is taken for bare. */
#define BARE_THREADS 2

/* Children that are looked at, of many. */
#define SAMPLED_CHILDREN 64

/* How what is seen of a thread's memory becomes what is believed. A request shows only part of
 * its memory while it is under way, so when more is seen than ever before, half as much again
 * is expected; while nothing more comes, that is given up within a minute but for a fifth. */
#define NEW_FACTOR       1.5
#define KNOWN_FACTOR     1.2
#define NEWS_FACTOR      1.1
#define BELIEF_HALVES_S  10.0
#define SEEN_HALVES_S    60.0
/* A child's caches grow too; with few threads they would be taken for theirs. */
#define CHILD_SLACK_BYTES (2 * MB)

/* --- finding ---------------------------------------------------------------------- */

/* "0-3,8,10-11" */
static int count_of_list(const char *list)
{
    int count = 0;

    while (isspace((unsigned char)*list)) {
        list++;
    }
    while (isdigit((unsigned char)*list)) {
        char *end;
        long first = strtol(list, &end, 10), last = first;

        if (*end == '-') {
            last = strtol(end + 1, &end, 10);
        }
        if (last < first || last - first > 1 << 20) {
            return 0;
        }
        count += (int)(last - first) + 1;
        list = *end == ',' ? end + 1 : end;
    }
    return count;
}

static int count_processors(const char *root)
{
    char status[PROCFILE_SIZE];
    const char *list = NULL;
    int count = 0;

    if (procfile_read(root, "/proc/self/status", status, sizeof(status))) {
        list = procfile_line(status, "Cpus_allowed_list");
    }
    if (list) {
        count = count_of_list(list);
    }
    return count > 0 ? count : 1;
}

/* The soft limit that /proc/self/limits has under this name; that file and not
 * getrlimit(2), so that there is one way for real and made-up trees. */
static int64_t process_limit(const char *text, const char *name)
{
    const char *value = procfile_line(text, name);

    return value ? procfile_number(value) : LIMITS_NONE;
}

/* Threads that user has and that do not descend from this process: its children will
 * be counted as what they are. */
static int64_t count_tasks_of(const char *root, uid_t user, pid_t self)
{
    char path[300], status[PROCFILE_SIZE];
    struct dirent *entry;
    int64_t count = 0;
    DIR *directory;

    snprintf(path, sizeof(path), "%s/proc", root);
    if (!(directory = opendir(path))) {
        return 0;
    }
    while ((entry = readdir(directory))) {
        if (!isdigit((unsigned char)*entry->d_name)) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%s/status", entry->d_name);
        if (procfile_read(root, path, status, sizeof(status))
            && procfile_field(status, "Uid") == (int64_t)user
            && procfile_field(status, "PPid") != (int64_t)self) {
            int64_t threads = procfile_field(status, "Threads");

            count += threads == PROCFILE_NONE ? 1 : threads;
        }
    }
    closedir(directory);
    return count;
}

static void find_tasks(limits_t *l, const char *limits_text, uid_t user)
{
    int64_t threads = procfile_read_number(l->root, "/proc/sys/kernel/threads-max");
    int64_t pids = procfile_read_number(l->root, "/proc/sys/kernel/pid_max");

    l->system_tasks = threads < pids ? threads : pids;
    l->system_file = threads < pids ? "threads-max" : "pid_max";
    l->user_tasks = LIMITS_NONE;
    /* the kernel does not hold root to it */
    if (user != 0) {
        l->user_tasks = process_limit(limits_text, "Max processes");
    }
    if (l->user_tasks < MANY_TASKS) {
        l->user_tasks_of_others = count_tasks_of(l->root, user, getpid());
    }
}

/* Version 1 has a huge number for "none". */
static void take_memory_groups(limits_t *l, const cgroup_levels_t *found)
{
    int i;

    l->memory.count = 0;
    for (i = 0; i < found->count; i++) {
        if (found->level[i].most < l->total_bytes && found->level[i].most < INT64_MAX / 4) {
            l->memory.level[l->memory.count++] = found->level[i];
        }
    }
}

static void find_memory(limits_t *l, const cgroup_levels_t *found)
{
    char text[PROCFILE_SIZE];

    l->total_bytes = l->available_bytes = LIMITS_NONE;
    if (procfile_read(l->root, "/proc/meminfo", text, sizeof(text))) {
        int64_t total_kb = procfile_field(text, "MemTotal");
        int64_t available_kb = procfile_field(text, "MemAvailable");

        l->total_bytes = total_kb < INT64_MAX / KB ? total_kb * KB : LIMITS_NONE;
        l->available_bytes = available_kb < INT64_MAX / KB ? available_kb * KB : LIMITS_NONE;
    }
    take_memory_groups(l, found);
}

void limits_find(limits_t *limits, const char *root, uid_t user)
{
    char text[PROCFILE_SIZE];
    cgroup_limits_t groups;

    memset(limits, 0, sizeof(*limits));
    limits->root = root;
    limits->policy = (limits_policy_t) {
        .max_request_workers = LIMITS_NOT_SET, .threads_per_child = 1, .max_children = INT32_MAX,
        .slots_ceiling = CTL_SERVER_LIMIT, .min_children = 1, .memory_share = 0.8
    };
    cgroup_find(&groups, root);
    limits->processors = count_processors(root);
    limits->cpus = limits->processors;
    if (groups.cpu_file && groups.cpus < limits->cpus) {
        limits->cpus = groups.cpus > 0.01 ? groups.cpus : 0.01;
        limits->cpu_file = groups.cpu_file;
    }
    find_memory(limits, &groups.memory);
    limits->pids = groups.pids;
    procfile_read(root, "/proc/self/limits", text, sizeof(text));
    find_tasks(limits, text, user);
    limits->descriptors = process_limit(text, "Max open files");
}

int64_t limits_count_descriptors(const char *root)
{
    char path[300];
    struct dirent *entry;
    int64_t count = 0;
    DIR *directory;

    snprintf(path, sizeof(path), "%s/proc/self/fd", root);
    if (!(directory = opendir(path))) {
        return 0;
    }
    while ((entry = readdir(directory))) {
        count += isdigit((unsigned char)*entry->d_name) != 0;
    }
    closedir(directory);
    /* one of them was the directory itself */
    return count > 0 ? count - 1 : 0;
}

static bool same_levels(const cgroup_levels_t *a, const cgroup_levels_t *b)
{
    int i;

    for (i = 0; i < a->count && i < b->count; i++) {
        if (a->level[i].most != b->level[i].most || strcmp(a->level[i].path, b->level[i].path)) {
            return false;
        }
    }
    return a->count == b->count;
}

bool limits_find_groups(limits_t *limits)
{
    cgroup_levels_t memory = limits->memory, pids = limits->pids;
    cgroup_limits_t groups;

    cgroup_find(&groups, limits->root);
    take_memory_groups(limits, &groups.memory);
    limits->pids = groups.pids;
    return !same_levels(&memory, &limits->memory) || !same_levels(&pids, &limits->pids);
}

/* --- usage ------------------------------------------------------------------------ */

void limits_note_used(limits_gauge_t *gauge, int64_t used, double elapsed_s)
{
    if (used == LIMITS_NONE) {
        return;
    }
    if (elapsed_s >= 0.0) {
        int64_t grown = used > gauge->used ? used - gauge->used : 0;

        /* what requests have taken lately they may take once more before it shows */
        gauge->growth = (int64_t)((double)gauge->growth / (1.0 + elapsed_s + elapsed_s * elapsed_s)
                                  + (double)grown / (elapsed_s > 1.0 ? elapsed_s : 1.0));
    }
    gauge->used = used;
}

static int64_t count_system_tasks(const char *root)
{
    char text[128];
    const char *total;

    /* "0.17 0.26 0.84 2/89 12552": of 89 tasks 2 run */
    if (!procfile_read(root, "/proc/loadavg", text, sizeof(text)) || !(total = strchr(text, '/'))) {
        return LIMITS_NONE;
    }
    return procfile_number(total + 1);
}

void limits_refresh_usage(const limits_t *limits, limits_usage_t *usage, int64_t now_us)
{
    double elapsed_s = usage->read_us ? (double)(now_us - usage->read_us) / 1e6 : -1.0;
    char text[PROCFILE_SIZE];
    int i;

    usage->available_bytes = LIMITS_NONE;
    if (procfile_read(limits->root, "/proc/meminfo", text, sizeof(text))) {
        int64_t kb = procfile_field(text, "MemAvailable");

        usage->available_bytes = kb < INT64_MAX / KB ? kb * KB : LIMITS_NONE;
    }
    if (usage->available_bytes != LIMITS_NONE && limits->total_bytes != LIMITS_NONE) {
        limits_note_used(&usage->system, limits->total_bytes - usage->available_bytes, elapsed_s);
    }
    for (i = 0; i < limits->memory.count; i++) {
        limits_note_used(&usage->memory[i], cgroup_memory_used(&limits->memory.level[i]),
                         elapsed_s);
    }
    for (i = 0; i < limits->pids.count; i++) {
        usage->tasks[i] = cgroup_tasks(&limits->pids.level[i]);
    }
    usage->system_tasks = count_system_tasks(limits->root);
    usage->read_us = now_us;
}

/* Pages of a process that no file backs, those that it shares with its parent included. */
static int64_t anonymous_bytes(const char *root, pid_t pid)
{
    char path[64], text[256];
    long long resident, shared;

    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    if (procfile_read(root, path, text, sizeof(text))
        && sscanf(text, "%*d %lld %lld", &resident, &shared) == 2 && resident > shared) {
        return (resident - shared) * sysconf(_SC_PAGESIZE);
    }
    return 0;
}

/* Of these bytes, those that the process shares. 0 if that may not be known, as in a
 * container whose root may not trace others. */
static int64_t shared_bytes(const char *root, pid_t pid, int64_t anonymous)
{
    char path[64], text[PROCFILE_SIZE];
    int64_t kb = PROCFILE_NONE;

    snprintf(path, sizeof(path), "/proc/%ld/smaps_rollup", (long)pid);
    if (procfile_read(root, path, text, sizeof(text))) {
        kb = procfile_field(text, "Private_Dirty");
    }
    return kb < anonymous / KB ? anonymous - kb * KB : 0;
}

int64_t limits_children_bytes(const char *root, const pid_t *pids, int count)
{
    int looks = count < SAMPLED_CHILDREN ? count : SAMPLED_CHILDREN;
    int64_t bytes[SAMPLED_CHILDREN], least = INT64_MAX, shared, sum = 0;
    pid_t smallest = 0;
    int i;

    for (i = 0; i < looks; i++) {
        /* spread evenly */
        pid_t pid = pids[(int64_t)i * count / looks];

        bytes[i] = anonymous_bytes(root, pid);
        if (bytes[i] > 0 && bytes[i] < least) {
            least = bytes[i];
            smallest = pid;
        }
    }
    shared = smallest ? shared_bytes(root, smallest, least) : 0;
    for (i = 0; i < looks; i++) {
        sum += bytes[i] > shared ? bytes[i] - shared : 0;
    }
    return looks ? sum * count / looks : 0;
}

/* From `from` towards `to`, half of the way in halves_s. */
static double approach(double from, double to, double elapsed_s, double halves_s)
{
    return to + (from - to) * halves_s / (halves_s + elapsed_s);
}

static void learn_child(limits_usage_t *usage, int children, int threads, int64_t bytes)
{
    /* a child of few threads shows what it costs itself; later only less is believed */
    int64_t each = (bytes - threads * LIMITS_LEAST_THREAD_BYTES) / children;

    each = each > LIMITS_LEAST_CHILD_BYTES ? each : LIMITS_LEAST_CHILD_BYTES;
    if (!usage->child_bytes || each < usage->child_bytes) {
        usage->child_bytes = each;
    }
    else if (threads <= BARE_THREADS * children) {
        usage->child_bytes += (each - usage->child_bytes) / 16;
    }
}

static void learn_thread(limits_usage_t *usage, int64_t seen_bytes, double elapsed_s)
{
    double seen = (double)(seen_bytes > LIMITS_LEAST_THREAD_BYTES ? seen_bytes
                                                                 : LIMITS_LEAST_THREAD_BYTES);
    double believed = usage->thread_bytes ? (double)usage->thread_bytes : LIMITS_THREAD_BYTES;
    double known = (double)usage->thread_seen;

    known = seen > known ? seen : approach(known, seen, elapsed_s, SEEN_HALVES_S);
    believed = approach(believed, KNOWN_FACTOR * known, elapsed_s, BELIEF_HALVES_S);
    if (believed < NEWS_FACTOR * known) {
        believed = NEW_FACTOR * known;
    }
    usage->thread_seen = (int64_t)known;
    usage->thread_bytes = (int64_t)believed;
}

void limits_note_children(limits_usage_t *usage, int children, int threads, int idle_connections,
                          int64_t bytes)
{
    double elapsed_s = usage->noted_us ? (double)(usage->read_us - usage->noted_us) / 1e6 : 0.0;
    int64_t held;

    usage->children = children;
    usage->threads = threads;
    /* children tell how many connections they have, but what these hold is there to be seen */
    if (idle_connections > bytes / LIMITS_IDLE_BYTES) {
        idle_connections = (int)(bytes / LIMITS_IDLE_BYTES);
    }
    usage->idle_connections = idle_connections > 0 ? idle_connections : 0;
    usage->children_bytes = bytes;
    if (children <= 0 || threads <= 0 || bytes <= 0) {
        return;
    }
    usage->noted_us = usage->read_us;
    learn_child(usage, children, threads,
                bytes - (int64_t)usage->idle_connections * LIMITS_IDLE_BYTES);
    held = bytes - children * usage->child_bytes
           - (int64_t)usage->idle_connections * LIMITS_MOST_IDLE_BYTES;
    if (threads < LIMITS_TELLING_THREADS) {
        held -= children * CHILD_SLACK_BYTES;
    }
    learn_thread(usage, held / threads, elapsed_s > 0.0 ? elapsed_s : 0.0);
}

/* --- saying it -------------------------------------------------------------------- */

static void put_bytes(text_t *w, int64_t bytes)
{
    if (bytes >= 10 * GB) {
        text_add(w, "%.1f GB", (double)bytes / GB);
    }
    else if (bytes >= MB) {
        text_add(w, "%" PRId64 " MB", (bytes + MB / 2) / MB);
    }
    else {
        text_add(w, "%" PRId64 " KB", bytes / KB);
    }
}

static const cgroup_level_t *tightest(const cgroup_levels_t *levels)
{
    const cgroup_level_t *found = NULL;
    int i;

    for (i = 0; i < levels->count; i++) {
        if (!found || levels->level[i].most < found->most) {
            found = &levels->level[i];
        }
    }
    return found;
}

/* What the share is a share of, and the group that says so; NULL: the machine. */
static int64_t whole_memory(const limits_t *l, const cgroup_level_t **group)
{
    *group = tightest(&l->memory);
    if (*group && (*group)->most < l->available_bytes) {
        return (*group)->most;
    }
    *group = NULL;
    return l->available_bytes;
}

int64_t limits_memory(const limits_t *limits)
{
    const cgroup_level_t *group;
    int64_t whole = whole_memory(limits, &group);

    if (limits->policy.memory_bytes > 0 && limits->policy.memory_bytes < whole) {
        return limits->policy.memory_bytes;
    }
    return whole == LIMITS_NONE ? LIMITS_NONE
           : (int64_t)(limits->policy.memory_share * (double)whole);
}

static void put_memory(text_t *w, const limits_t *l)
{
    const cgroup_level_t *group;
    int64_t whole = whole_memory(l, &group);

    if (whole == LIMITS_NONE && l->policy.memory_bytes <= 0) {
        text_add(w, "memory unknown");
        return;
    }
    text_add(w, "memory ");
    put_bytes(w, limits_memory(l));
    if (l->policy.memory_bytes > 0 && l->policy.memory_bytes < whole) {
        text_add(w, " (AdaptiveMemory)");
        return;
    }
    text_add(w, " (%g%% of %s ", (double)(int)(l->policy.memory_share * 1000.0 + 0.5) / 10.0,
        group ? group->file : "MemAvailable");
    put_bytes(w, whole);
    text_add(w, "%s)", group ? " of the control group" : "");
}

static void put_cpus(text_t *w, const limits_t *l)
{
    text_add(w, "%.3g processor%s", l->cpus, l->cpus > 0.995 && l->cpus < 1.005 ? "" : "s");
    if (l->cpu_file) {
        text_add(w, " (%s of the control group)", l->cpu_file);
    }
}

static void put_tasks(text_t *w, const limits_t *l)
{
    const cgroup_level_t *group = tightest(&l->pids);
    int64_t most = l->system_tasks;
    const char *source = l->system_file;

    if (l->user_tasks < most) {
        most = l->user_tasks;
        source = "RLIMIT_NPROC";
    }
    if (group && group->most < most) {
        most = group->most;
        source = "pids.max of the control group";
    }
    if (most == LIMITS_NONE) {
        text_add(w, "tasks without a limit");
    }
    else {
        text_add(w, "%" PRId64 " tasks (%s)", most, source);
    }
}

static void put_descriptors(text_t *w, const limits_t *l)
{
    int64_t left = limits_free_descriptors(l);

    if (left == LIMITS_NONE) {
        text_add(w, ", descriptors without a limit");
        return;
    }
    text_add(w, ", %" PRId64 " descriptors per child", left);
    if (left < l->descriptors) {
        text_add(w, " (%" PRId64 " less %" PRId64 " for logs and the like)", l->descriptors,
            l->descriptors - left);
    }
}

char *limits_describe(const limits_t *limits, char *buffer, size_t size)
{
    text_t w = text_begin(buffer, size);

    put_memory(&w, limits);
    text_add(&w, ", ");
    put_cpus(&w, limits);
    text_add(&w, ", ");
    put_tasks(&w, limits);
    put_descriptors(&w, limits);
    return buffer;
}
