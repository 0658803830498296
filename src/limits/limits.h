/* What the machine, the container and the user allow: memory, processors, tasks, descriptors.
 *
 * (limits.h is the C library's.) Nothing here knows httpd or APR. Everything is read from /proc and
 * from the control groups that this process is in (version 2, version 1, or both); a root prefix
 * lets tests show it made-up trees. What cannot be read, or is nonsense, does not limit anything.
 *
 *   limits_find()            once a start, restarts included: what the limits are
 *   limits_find_groups()     now and then: those of them that may change meanwhile
 *   limits_refresh_usage()   while something grows, when limits_is_due(): what is used of them
 *   limits_max_threads()     how many worker threads there may be now, and what says so
 *
 * The parent's main thread calls all of it; nothing is shared or locked. A limits_t or
 * limits_usage_t owns nothing that has to be freed, but points to constant strings of this file and
 * to the root it was given.
 */
#ifndef ADP_LIMITS_H
#define ADP_LIMITS_H

#include "cgroup.h"
#include "law/controller.h"
#include "scoreboard_ext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LIMITS_NONE    INT64_MAX    /* a limit that nobody set, a number that nobody knows */
#define LIMITS_NOT_SET (-1)         /* a directive that nobody gave */

/* What workers and children cost before it was measured, and bounds of what is believed. A
 * worker that has served plain requests holds some 120 KB: stack, pools of the connection and
 * the request, buffers of the answer and of logs, 40 KB of them from the beginning; TLS takes
 * 50 KB more; PHP or Perl in the process take megabytes, which is then measured. */
#define LIMITS_THREAD_BYTES       (256 * 1024)
#define LIMITS_PLAIN_THREAD_BYTES (128 * 1024)
#define LIMITS_LEAST_THREAD_BYTES (96 * 1024)
#define LIMITS_CHILD_BYTES        (4 * 1024 * 1024)
#define LIMITS_LEAST_CHILD_BYTES  (512 * 1024)
#define LIMITS_TELLING_THREADS    16
/* An idle connection: what it costs, and what it may cost (TLS), which is taken for it before
 * a thread is made dear. */
#define LIMITS_IDLE_BYTES         (16 * 1024)
#define LIMITS_MOST_IDLE_BYTES    (128 * 1024)

/* What the configuration says about all this; whoever found the limits fills it in. */
typedef struct limits_policy_t {
    int max_request_workers;    /* LIMITS_NOT_SET: found, not configured */
    int threads_per_child;      /* > 0 */
    int max_children;           /* that the scoreboard has slots for */
    ctl_ceiling_e slots_ceiling;    /* what max_children comes from */
    int min_children;           /* that are always there */
    double memory_share;        /* 0..1, of a memory limit or of the memory that is there */
    int64_t memory_bytes;       /* for the children together, 0: no such bound */
    double companions;          /* threads that modules add for each worker (mod_http2) */
} limits_policy_t;

typedef struct limits_t {
    const char *root;           /* "" or where the made-up tree is; the caller's */
    double cpus;                /* that may be used at once: the smallest of ... */
    int processors;             /* ... the affinity mask and ... */
    const char *cpu_file;       /* ... a quota, "cpu.max"; NULL: none is smaller */
    int64_t total_bytes;        /* MemTotal */
    int64_t available_bytes;    /* MemAvailable when it was looked for */
    cgroup_levels_t memory;     /* limits of control groups, only those below MemTotal */
    cgroup_levels_t pids;
    int64_t system_tasks;       /* for the whole system, the smaller one of ... */
    const char *system_file;    /* ... "threads-max" and "pid_max" */
    int64_t user_tasks;         /* RLIMIT_NPROC of the children's user; NONE for root */
    int64_t user_tasks_of_others;   /* what else this user had running */
    int64_t descriptors;        /* RLIMIT_NOFILE, a process */
    int64_t
        descriptors_held; /* of these, by logs and whatever else the configuration opens; whoever
                                 * found the limits fills it in when that is known */
    limits_policy_t policy;
} limits_t;

/* Memory of a control group: without the file cache that the kernel would give up. */
typedef struct limits_gauge_t {
    int64_t used;               /* bytes */
    int64_t growth;             /* bytes lately; of it two thirds are forgotten each second */
} limits_gauge_t;

/* Zero it before the first use, and keep it as long as the limits_t. */
typedef struct limits_usage_t {
    int64_t read_us;            /* when limits_refresh_usage() last read, 0: never */
    limits_gauge_t memory[CGROUP_LEVELS];   /* by level of limits_t.memory */
    limits_gauge_t system;      /* MemTotal - MemAvailable */
    int64_t available_bytes;    /* MemAvailable */
    int64_t tasks[CGROUP_LEVELS];           /* by level of limits_t.pids */
    int64_t system_tasks;       /* that exist now */
    /* by limits_note_children() */
    int threads;
    int children;
    int idle_connections;       /* that no thread serves */
    int64_t children_bytes;
    int64_t child_bytes;        /* learned: a child without its workers; 0: not yet known */
    int64_t noted_us;           /* read_us as of then */
    int64_t thread_seen;        /* the most that a worker and its request held, lately */
    int64_t thread_bytes;       /* believed of that, with a margin; 0: nothing is known yet */
} limits_usage_t;

/* Memory that was found is handed out a part at a time. Zero it before the first use. */
typedef struct limits_handout_t {
    int threads;                /* what there might be when ... */
    int64_t read_us;            /* ... usage was read, the last time that made a difference */
} limits_handout_t;

/* Find the limits of this process and of children that run as user. root is "" or a
 * directory in which /proc and /sys are looked for; it has to live as long as the result.
 * The policy is left at "nothing given". Reads some files, and one for each process of the
 * machine where RLIMIT_NPROC is small enough to matter. Cannot fail: what is unknown does
 * not limit. */
void limits_find(limits_t *limits, const char *root, uid_t user);

/* Look again at what control groups say about memory and tasks: whoever runs the container may
 * change that at any time. True: it has changed, and what is used of it has to be refreshed
 * before it is relied on. Processors are not looked for again. Up to 0.3 ms. */
bool limits_find_groups(limits_t *limits);

/* Whether it is time to look at usage again, with this many worker threads now: a second after
 * the last look, or a tenth of one if half of the threads that were handed out then are
 * there. */
bool limits_is_due(const limits_t *limits, const limits_usage_t *usage, int threads,
                   int64_t now_us);

/* Read how much of the limits is used. now_us is monotonic. Two files for the system and
 * one to three for each control group with limits: 30 to 100 us. */
void limits_refresh_usage(const limits_t *limits, limits_usage_t *usage, int64_t now_us);

/* The part of that which reads nothing: note how many bytes are used, elapsed_s seconds
 * after the last note (< 0: there was none). */
void limits_note_used(limits_gauge_t *gauge, int64_t used, double elapsed_s);

/* Private memory of children: pages that would not be there without them, in bytes. Of many
 * children some are looked at and stand for the others. What they share with the parent is
 * read for one of them (smaps_rollup: up to 1 ms for a child of many threads; statm: 5 us);
 * where that may not be read it counts as theirs, which is rather too much. Processes
 * that have gone count as nothing. */
int64_t limits_children_bytes(const char *root, const pid_t *pids, int count);

/* Tell what runs: workers of all children, busy or idle, connections beyond those that are
 * busy, and the children's memory as by limits_children_bytes(). Learns what a child and a worker
 * cost. After each refresh. */
void limits_note_children(limits_usage_t *usage, int children, int threads, int idle_connections,
                          int64_t bytes);

/* Whether half of what the share leaves free is used too, by whomever, or all of a limit but
 * 8 MB: nothing should take memory that can do without. */
bool limits_is_short(const limits_t *limits, const limits_usage_t *usage);

/* The most worker threads, of all children together, that there may be until the next refresh,
 * and in *why what keeps it there (never CTL_NO_CEILING).
 *
 * For each memory limit, with O what others use of it:
 *
 *     threads + (share * (limit - O) - what ours will use - growth lately - 4 MB) / 2 / cost of one
 *
 * where the cost is what is believed by now, at first 256 KB, and its part of a child; and what the
 * threads that run will use is what they use, or what they cost if that is more: a request
 * that has just begun does not show its memory yet. Half of what is left is handed out, not
 * all, because cost and usage are measured again before the other half is touched. While
 * there are hardly any threads to measure, no more is handed out than would fit if each took 4 MB.
 * Tasks: (limit - those that exist - a sixteenth) / tasks per worker.
 *
 * What runs is not counted off while memory is merely above the share: the result then is
 * the number of threads that run. Only when half of what the share leaves free is used too,
 * the result falls below it by what is missing, so that idle threads go and fewer requests
 * run at once. It is never below one per child of policy.min_children. */
int limits_max_threads(const limits_t *limits, const limits_usage_t *usage,
                       ctl_ceiling_e *why);

/* Whether `threads`, which limits_max_threads() has found, is only a part of what there may be: as
 * long as usage was not read since these were used up, or an eighth more came of that each time.
 * Then it is no ceiling that anybody could raise. used_up: nearly all of them are busy. After each
 * limits_max_threads(). */
bool limits_more_follow(limits_handout_t *handout, const limits_usage_t *usage, bool used_up,
                        int threads, ctl_ceiling_e why);

/* The same in the long run, if a thread costs what plain requests do (176 KB and its part of a
 * child, or what was learned): all of what is left, without margins. For messages, for the size of
 * the scoreboard. */
int limits_expected_threads(const limits_t *limits, const limits_usage_t *usage,
                            ctl_ceiling_e *why);

/* All that limits them, in the long run, for status pages: the one that allows the fewest first. */
ext_ceilings_t limits_ceilings(const limits_t *limits, const limits_usage_t *usage);

/* Descriptors that this process has open. 0: unknown. Reads a directory with an entry for each. */
int64_t limits_count_descriptors(const char *root);

/* Descriptors that are left for connections, files and backends of a child: RLIMIT_NOFILE, less
 * those that are held if they are more than few. LIMITS_NONE. */
int64_t limits_free_descriptors(const limits_t *limits);

/* Worker threads of a child for which there are descriptors. At least 1. */
int limits_threads_by_descriptors(const limits_t *limits);

/* Children for which the parent has descriptors. At least 1. */
int limits_children_by_descriptors(const limits_t *limits);

/* Bytes that the server may use by what was found and AdaptiveMemory says. LIMITS_NONE. */
int64_t limits_memory(const limits_t *limits);

/* "memory 205 MB (80% of memory.max 256 MB), 1.5 processors (cpu.max), 480 tasks (pids.max),
 * 20000 descriptors per child": what was found, each with its source. Returns buffer. */
char *limits_describe(const limits_t *limits, char *buffer, size_t size);

#endif
