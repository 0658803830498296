/* Reads /proc and /sys; version 1 and 2. The parent at start and every five seconds, and a
 * worker of a child that is short of memory. Pure of httpd, and tested on directories made for
 * it. */
#include "cgroup.h"

#include "procfile.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_PERIOD_US 100000

/* Where this process is, by hierarchy, as /proc/self/cgroup has it; "" for none. */
typedef struct places_t {
    char unified[PATH_MAX];
    char memory[PATH_MAX];
    char pids[PATH_MAX];
    char cpu[PATH_MAX];
} places_t;

/* What is looked for in a group, and in which. */
typedef void (*look_t)(cgroup_limits_t *limits, const char *directory);

static bool is_in_list(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (list) {
        if (!strncmp(list, word, length) && (!list[length] || list[length] == ',')) {
            return true;
        }
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    return false;
}

static void copy(char *to, const char *from)
{
    snprintf(to, PATH_MAX, "%s", from);
}

/* "4:cpu,cpuacct:/a/b"; version 2 has neither number nor controllers: "0::/a/b". */
static void note_place(places_t *places, char *line)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;

    if (!path || path[1] != '/') {
        return;
    }
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    controllers++;
    if (!*controllers) {
        copy(places->unified, path);
        return;
    }
    if (is_in_list(controllers, "memory")) {
        copy(places->memory, path);
    }
    if (is_in_list(controllers, "pids")) {
        copy(places->pids, path);
    }
    if (is_in_list(controllers, "cpu")) {
        copy(places->cpu, path);
    }
}

static FILE *open_file(const char *root, const char *path)
{
    char name[PATH_MAX];

    return snprintf(name, sizeof(name), "%s%s", root, path) < (int)sizeof(name)
           ? fopen(name, "re") : NULL;
}

static void find_places(places_t *places, const char *root)
{
    FILE *file = open_file(root, "/proc/self/cgroup");
    char *line = NULL;
    size_t size = 0;

    memset(places, 0, sizeof(*places));
    while (file && getline(&line, &size, file) > 0) {
        note_place(places, line);
    }
    free(line);
    if (file) {
        fclose(file);
    }
}

/* --- what a group says ------------------------------------------------------------ */

/* Of more than there is room for the tightest are kept. */
static void add_level(cgroup_levels_t *levels, const char *directory, bool unified,
                      int64_t most, const char *file)
{
    cgroup_level_t *level = &levels->level[0];
    int i;

    if (most == CGROUP_NONE || strlen(directory) >= sizeof(level->path)) {
        return;
    }
    if (levels->count < CGROUP_LEVELS) {
        level = &levels->level[levels->count++];
    }
    else {
        for (i = 1; i < levels->count; i++) {
            if (levels->level[i].most > level->most) {
                level = &levels->level[i];
            }
        }
        if (level->most <= most) {
            return;
        }
    }
    snprintf(level->path, sizeof(level->path), "%s", directory);
    level->unified = unified;
    level->most = most;
    level->file = file;
}

/* A limit of no bytes is nobody's intention. */
static int64_t positive(int64_t number)
{
    return number > 0 ? number : CGROUP_NONE;
}

static void note_quota(cgroup_limits_t *limits, int64_t quota_us, int64_t period_us,
                       const char *file)
{
    double cpus;

    if (quota_us == PROCFILE_NONE || quota_us == 0) {
        return;
    }
    if (period_us == PROCFILE_NONE || period_us == 0) {
        period_us = DEFAULT_PERIOD_US;
    }
    cpus = (double)quota_us / (double)period_us;
    if (limits->cpus <= 0.0 || cpus < limits->cpus) {
        limits->cpus = cpus;
        limits->cpu_file = file;
    }
}

static void look_at_unified(cgroup_limits_t *limits, const char *directory)
{
    int64_t high = positive(procfile_read_number(directory, "/memory.high"));
    int64_t most = positive(procfile_read_number(directory, "/memory.max"));
    char text[64];

    /* beyond memory.high nobody is killed, but nothing gets on either */
    add_level(&limits->memory, directory, true, high < most ? high : most,
              high < most ? "memory.high" : "memory.max");
    add_level(&limits->pids, directory, true, procfile_read_number(directory, "/pids.max"),
              "pids.max");
    if (procfile_read(directory, "/cpu.max", text, sizeof(text))) {
        const char *period = strchr(text, ' ');

        note_quota(limits, procfile_number(text),
                   period ? procfile_number(period) : PROCFILE_NONE, "cpu.max");
    }
}

static void look_at_memory(cgroup_limits_t *limits, const char *directory)
{
    int64_t most = positive(procfile_read_number(directory, "/memory.limit_in_bytes"));
    char text[PROCFILE_SIZE];

    /* a group further out that a container does not see */
    if (procfile_read(directory, "/memory.stat", text, sizeof(text))) {
        int64_t outer = positive(procfile_field(text, "hierarchical_memory_limit"));

        most = outer < most ? outer : most;
    }
    add_level(&limits->memory, directory, false, most, "memory.limit_in_bytes");
}

static void look_at_pids(cgroup_limits_t *limits, const char *directory)
{
    add_level(&limits->pids, directory, false, procfile_read_number(directory, "/pids.max"),
              "pids.max");
}

static void look_at_cpu(cgroup_limits_t *limits, const char *directory)
{
    note_quota(limits, procfile_read_number(directory, "/cpu.cfs_quota_us"),
               procfile_read_number(directory, "/cpu.cfs_period_us"), "cpu.cfs_quota_us");
}

/* --- which groups ----------------------------------------------------------------- */

/* A line of mountinfo, taken apart. */
typedef struct mount_t {
    char *root;                 /* the group that is mounted: "/", or a container's own */
    char *point;
    char *type;
    char *options;              /* of the file system: version 1 names its controllers */
} mount_t;

/* Blanks in paths are written as \040. */
static void unescape(char *text)
{
    char *to = text;

    while (*text) {
        unsigned value;

        if (text[0] == '\\' && sscanf(text + 1, "%3o", &value) == 1 && strlen(text) >= 4) {
            *to++ = (char)value;
            text += 4;
        }
        else {
            *to++ = *text++;
        }
    }
    *to = '\0';
}

/* "35 31 0:32 /root /point rw,relatime [tags ...] - type source options" */
static bool parse_mount(mount_t *mount, char *line)
{
    char *separator = strstr(line, " - ");
    char *rest, *word;
    int i;

    if (!separator) {
        return false;
    }
    *separator = '\0';
    mount->type = strtok_r(separator + 3, " \n", &rest);
    (void)strtok_r(NULL, " \n", &rest);
    mount->options = strtok_r(NULL, " \n", &rest);
    for (i = 0, word = strtok_r(line, " ", &rest); word && i < 5;
         i++, word = strtok_r(NULL, " ", &rest)) {
        if (i == 3) {
            mount->root = word;
        }
        mount->point = word;
    }
    if (i < 5 || !mount->type || !mount->options) {
        return false;
    }
    unescape(mount->root);
    unescape(mount->point);
    return true;
}

static bool is_directory(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The part of place below the mounted group; "" if place is not below it as far as this
 * process can see, as it is in a container that shares the host's names: then the mounted
 * group is its own. */
static const char *below(const char *place, const char *mounted)
{
    size_t length = strcmp(mounted, "/") ? strlen(mounted) : 0;

    if (strstr(place, "/..") || strncmp(place, mounted, length)
        || (place[length] && place[length] != '/')) {
        return "";
    }
    return strcmp(place + length, "/") ? place + length : "";
}

/* Whether something is mounted there that this process may look at, and nothing hides it. */
static bool is_readable(const char *directory)
{
    DIR *opened = opendir(directory);
    const struct dirent *entry = NULL;

    while (opened && (entry = readdir(opened)) && entry->d_name[0] == '.') {
        continue;
    }
    if (opened) {
        closedir(opened);
    }
    return entry != NULL;
}

/* Look at the group of this process and all around it that the mount shows. False: it shows
 * nothing. */
static bool look_upwards(cgroup_limits_t *limits, const char *root, const mount_t *mount,
                         const char *place, look_t look)
{
    char directory[PATH_MAX];
    int top = snprintf(directory, sizeof(directory), "%s%s", root, mount->point);
    const char *rest = below(place, mount->root);

    if (top < 0 || top + strlen(rest) >= sizeof(directory) || !is_readable(directory)) {
        return false;
    }
    snprintf(directory + top, sizeof(directory) - (size_t)top, "%s", rest);
    if (!is_directory(directory)) {
        directory[top] = '\0';
    }
    for (;;) {
        char *end = strrchr(directory, '/');

        look(limits, directory);
        if (!end || end < directory + top) {
            return true;
        }
        *end = '\0';
    }
}

/* A hierarchy that is mounted more than once is looked at where it can first be seen. */
static void use_mount(cgroup_limits_t *limits, const char *root, const mount_t *mount,
                      places_t *places)
{
    struct {
        char *place;
        bool matches;
        look_t look;
    } uses[] = {
        { places->unified, !strcmp(mount->type, "cgroup2"), look_at_unified },
        { places->memory, is_in_list(mount->options, "memory"), look_at_memory },
        { places->pids, is_in_list(mount->options, "pids"), look_at_pids },
        { places->cpu, is_in_list(mount->options, "cpu"), look_at_cpu }
    };
    size_t i;

    for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        if (uses[i].matches && *uses[i].place
            && look_upwards(limits, root, mount, uses[i].place, uses[i].look)) {
            *uses[i].place = '\0';
        }
    }
}

void cgroup_find(cgroup_limits_t *limits, const char *root)
{
    FILE *file = open_file(root, "/proc/self/mountinfo");
    char *line = NULL;
    size_t size = 0;
    places_t places;

    memset(limits, 0, sizeof(*limits));
    find_places(&places, root);
    while (file && getline(&line, &size, file) > 0) {
        mount_t mount = { NULL, NULL, NULL, NULL };

        if (parse_mount(&mount, line) && !strncmp(mount.type, "cgroup", 6)) {
            use_mount(limits, root, &mount, &places);
        }
    }
    free(line);
    if (file) {
        fclose(file);
    }
}

/* --- what is used ----------------------------------------------------------------- */

/* The sum of these fields of memory.stat; what is missing counts as nothing. */
static int64_t sum_of(const char *stat, const char *const *keys)
{
    int64_t sum = 0;

    for (; *keys; keys++) {
        int64_t value = procfile_field(stat, *keys);

        sum += value == PROCFILE_NONE ? 0 : value;
    }
    return sum;
}

/* File cache counts as free: it is taken back before anybody is killed, and a server of
 * static files fills its group with it. But not what is mapped (the programs), and not
 * what has to be written first. */
int64_t cgroup_memory_used(const cgroup_level_t *level)
{
    static const char *const cache[] = { "inactive_file", "active_file", "slab_reclaimable", NULL };
    static const char *const kept[] = { "file_mapped", "file_dirty", "file_writeback", NULL };
    static const char *const cache_1[] = { "total_inactive_file", "total_active_file", NULL };
    static const char *const kept_1[] = { "total_mapped_file", "total_dirty", "total_writeback",
                                          NULL };
    int64_t used = procfile_read_number(level->path, level->unified ? "/memory.current"
                                                                    : "/memory.usage_in_bytes");
    int64_t free_bytes = 0;
    char stat[PROCFILE_SIZE];

    if (used == PROCFILE_NONE) {
        return CGROUP_NONE;
    }
    if (procfile_read(level->path, "/memory.stat", stat, sizeof(stat))) {
        free_bytes = sum_of(stat, level->unified ? cache : cache_1)
                     - sum_of(stat, level->unified ? kept : kept_1);
    }
    free_bytes = free_bytes > 0 ? free_bytes : 0;
    return used > free_bytes ? used - free_bytes : 0;
}

int64_t cgroup_tasks(const cgroup_level_t *level)
{
    return procfile_read_number(level->path, "/pids.current");
}
