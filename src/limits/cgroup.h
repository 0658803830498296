/* Control groups: which limits this process lies under. No httpd.
 *
 * Knows version 1, version 2, and both mounted side by side. A process lies in one group of
 * each hierarchy and in all groups around it, and the smallest limit of them counts, so
 * every group that has a limit is kept: which of them binds depends on what their other
 * members use. Inside a container the groups further out may be invisible.
 */
#ifndef ADP_CGROUP_H
#define ADP_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#define CGROUP_NONE   INT64_MAX     /* no limit; not known */
#define CGROUP_LEVELS 8             /* nested groups with a limit of their own that are kept */
#define CGROUP_PATH   512

/* A group that limits something: ours, or one that it lies in. */
typedef struct cgroup_level_t {
    char path[CGROUP_PATH];     /* its directory, with the root prefix */
    bool unified;               /* version 2 */
    int64_t most;               /* bytes or tasks */
    const char *file;           /* that says so, as "memory.max"; constant */
} cgroup_level_t;

typedef struct cgroup_levels_t {
    cgroup_level_t level[CGROUP_LEVELS];
    int count;
} cgroup_levels_t;

typedef struct cgroup_limits_t {
    cgroup_levels_t memory;     /* the innermost first; of more than CGROUP_LEVELS the tightest */
    cgroup_levels_t pids;
    double cpus;                /* the smallest quota / period, 0: none */
    const char *cpu_file;       /* that says so; NULL: none */
} cgroup_limits_t;

/* Find the limits of this process. root is "" or a directory in which /proc/self/cgroup,
 * /proc/self/mountinfo and the mounted trees are looked for. */
void cgroup_find(cgroup_limits_t *limits, const char *root);

/* What the members of a group use, in bytes, without the file cache that the kernel takes
 * back before it kills anybody. NONE: not known. */
int64_t cgroup_memory_used(const cgroup_level_t *level);

/* Threads and processes in a group. NONE: not known. */
int64_t cgroup_tasks(const cgroup_level_t *level);

#endif
