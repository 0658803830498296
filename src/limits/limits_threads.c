/* From limits and usage to a number of threads. The rest of limits.h is in limits.c. */
#include "limits.h"

#include <stdio.h>

#define KB INT64_C(1024)
#define MB (1024 * KB)

/* Memory that is left alone beyond what the share leaves: the kernel takes pages for
 * sockets and files in steps. */
#define RESERVE_BYTES (4 * MB)

/* A worker's kernel stack, task, page tables and socket buffers, which are charged to the group
 * but are no pages of the child. */
#define KERNEL_BYTES (48 * KB)

/* As long as hardly anything was measured, what is handed out in a second has to fit even
 * if a request takes so much: PHP in the process does. */
#define HEAVY_THREAD_BYTES (4 * MB)
#define LEAST_STEP         4.0

/* A machine is short of memory when so small a part of it is left: what others use of it is
 * none of our business before. */
#define SHORT_MACHINE_PART 50

/* However small the share leaves it, so much is left of a limit when memory is short. */
#define LAST_BYTES (8.0 * MB)

/* Between two looks at usage. */
#define LONGEST_PAUSE_US  INT64_C(1000000)
#define SHORTEST_PAUSE_US INT64_C(100000)

/* What a child has besides its workers: steward and janitor. */
#define TASKS_OF_A_CHILD 2.0

/* Descriptors: of a worker (connection; file or backend; event or pipe), and of a child
 * (logs, listeners, pipes, modules). */
#define DESCRIPTORS_OF_A_WORKER 3
#define DESCRIPTORS_OF_A_CHILD  64
/* Any configuration holds this many; they are counted as a child's. */
#define FEW_DESCRIPTORS         32

/* The smallest number of threads that something has allowed so far. */
typedef struct lowest_t {
    double threads;
    ctl_ceiling_e why;
    ext_ceilings_t *all;        /* all that was considered; NULL: not wanted */
} lowest_t;

/* What is limited, and how much of it is used. */
typedef struct amount_t {
    ext_unit_e unit;
    int64_t most;
    int64_t used;
    const char *source;
} amount_t;

/* Of several that are of one kind (nested groups) the lowest stays. */
static void list(ext_ceilings_t *all, double threads, ctl_ceiling_e why, const amount_t *amount)
{
    ext_ceiling_t row = {
        .ceiling = (int32_t)why, .unit = (int32_t)amount->unit, .most = amount->most,
        .used = amount->used > 0 ? amount->used : 0, .threads = threads > 0.0 ? threads : 0.0
    };
    int i, j;

    (void)snprintf(row.source, sizeof(row.source), "%s", amount->source);
    for (i = 0; i < all->count && all->row[i].ceiling != (int32_t)why; i++) {
    }
    if (i < all->count && all->row[i].threads <= row.threads) {
        return;
    }
    if (i == all->count) {
        all->count++;
    }
    /* what allows more moves behind it; if there was one of its kind, into that one's place */
    for (j = i; j > 0 && all->row[j - 1].threads > row.threads; j--) {
        all->row[j] = all->row[j - 1];
    }
    all->row[j] = row;
}

static void lower(lowest_t *lowest, double threads, ctl_ceiling_e why, amount_t amount)
{
    if (lowest->all) {
        list(lowest->all, threads, why, &amount);
    }
    if (threads < lowest->threads) {
        lowest->threads = threads;
        lowest->why = why;
    }
}

static int at_least_one(int64_t count)
{
    return count > INT32_MAX ? INT32_MAX : count > 1 ? (int)count : 1;
}

int64_t limits_free_descriptors(const limits_t *limits)
{
    int64_t held = limits->descriptors_held > FEW_DESCRIPTORS ? limits->descriptors_held : 0;

    return limits->descriptors == LIMITS_NONE ? LIMITS_NONE
           : limits->descriptors > held ? limits->descriptors - held : 0;
}

/* Those of a child that are not a worker's, or of a parent that are not a child's, are held or
 * yet to come. */
static int64_t descriptors_to_share(const limits_t *limits)
{
    int64_t yet_to_come = limits->descriptors_held > FEW_DESCRIPTORS
                          ? DESCRIPTORS_OF_A_CHILD - FEW_DESCRIPTORS : DESCRIPTORS_OF_A_CHILD;

    return limits_free_descriptors(limits) - yet_to_come;
}

int limits_threads_by_descriptors(const limits_t *limits)
{
    return limits->descriptors == LIMITS_NONE ? INT32_MAX
           : at_least_one(descriptors_to_share(limits) / DESCRIPTORS_OF_A_WORKER);
}

int limits_children_by_descriptors(const limits_t *limits)
{
    return limits->descriptors == LIMITS_NONE ? INT32_MAX
           : at_least_one(descriptors_to_share(limits));
}

/* --- memory ----------------------------------------------------------------------- */

static double thread_cost(const limits_t *l, const limits_usage_t *u, bool expected)
{
    int64_t guess = expected ? LIMITS_PLAIN_THREAD_BYTES : LIMITS_THREAD_BYTES;
    int64_t thread = u->thread_bytes ? u->thread_bytes : guess;
    int64_t child = u->child_bytes ? u->child_bytes : LIMITS_CHILD_BYTES;

    return (double)thread + KERNEL_BYTES + (double)child / l->policy.threads_per_child;
}

/* Threads to hand out until the next look, if that much memory is left. */
static double careful_step(const limits_t *l, const limits_usage_t *u, double left)
{
    double step = left / 2.0 / thread_cost(l, u, false);

    if (u->threads < LIMITS_TELLING_THREADS) {
        double heavy = left / HEAVY_THREAD_BYTES;

        heavy = heavy > LEAST_STEP ? heavy : LEAST_STEP;
        step = heavy < step ? heavy : step;
    }
    return step;
}

/* What the threads that run are believed to take in the end and have not taken yet. */
static double yet_to_come(const limits_usage_t *u)
{
    double in_the_end = (double)u->threads * (double)u->thread_bytes
                        + (double)u->children * (double)u->child_bytes
                        + (double)u->idle_connections * LIMITS_IDLE_BYTES;

    return in_the_end > (double)u->children_bytes ? in_the_end - (double)u->children_bytes : 0.0;
}

/* One memory limit: of `most` bytes `used` are in use, `ours` of them by our children. */
static double threads_by_memory(const limits_t *l, const limits_usage_t *u, double most,
                                double used, double growth, double share, bool expected)
{
    double ours = (double)u->children_bytes < used ? (double)u->children_bytes : used;
    double others = used - ours;
    /* a group that is full of others leaves no share to speak of; what they left counts */
    double room = others < most ? most - others : 0.0;
    double left = share * room - ours;
    double tolerated = (1.0 - share) * room / 2.0, spare;

    left = left < most - used ? left : most - used;
    if (expected) {
        return u->threads + left / thread_cost(l, u, true);
    }
    spare = left - yet_to_come(u) - RESERVE_BYTES - growth;
    if (spare > 0.0) {
        return u->threads + careful_step(l, u, spare);
    }
    /* at the share or not far above it: nothing more, nothing less */
    if (left >= -tolerated) {
        return u->threads;
    }
    return u->threads + (left + tolerated) / thread_cost(l, u, false);
}

static void consider_memory(lowest_t *lowest, const limits_t *l, const limits_usage_t *u,
                            bool expected)
{
    const limits_policy_t *p = &l->policy;
    int i;

    for (i = 0; i < l->memory.count; i++) {
        lower(lowest, threads_by_memory(l, u, (double)l->memory.level[i].most,
                                        (double)u->memory[i].used,
                                        (double)u->memory[i].growth, p->memory_share, expected),
              CTL_CGROUP_MEMORY,
              (amount_t) { EXT_UNIT_BYTES, l->memory.level[i].most, u->memory[i].used,
                           l->memory.level[i].file });
    }
    if (l->total_bytes != LIMITS_NONE && u->available_bytes != LIMITS_NONE) {
        lower(lowest, threads_by_memory(l, u, (double)l->total_bytes, (double)u->system.used,
                                        (double)u->system.growth, p->memory_share, expected),
              CTL_AVAILABLE_MEMORY,
              (amount_t) { EXT_UNIT_BYTES, l->total_bytes, u->system.used, "MemTotal" });
    }
    if (p->memory_bytes > 0) {
        /* for the children alone, and nobody is killed beyond it: no reserve */
        double left = (double)p->memory_bytes - (double)u->children_bytes - yet_to_come(u);

        lower(lowest, u->threads + (left > 0.0 ? left : 0.0) / thread_cost(l, u, expected),
              CTL_ADAPTIVE_MEMORY,
              (amount_t) { EXT_UNIT_BYTES, p->memory_bytes, u->children_bytes, "" });
    }
}

/* --- tasks ------------------------------------------------------------------------ */

/* Of the most tasks, those that may be used. A sixteenth is left to others: scripts, loggers,
 * whoever wants to look into the container. What runs already is not taken back for that. */
static double threads_by_tasks(const limits_t *l, const limits_usage_t *u, int64_t most,
                               double used)
{
    double cost = 1.0 + l->policy.companions + TASKS_OF_A_CHILD / l->policy.threads_per_child;
    double reserve = most > 64 ? (double)most / 16.0 : 4.0;
    double left = (double)most - reserve - used;

    return u->threads + (left > 0.0 ? left / cost : 0.0);
}

static void consider_tasks(lowest_t *lowest, const limits_t *l, const limits_usage_t *u)
{
    int i;

    for (i = 0; i < l->pids.count; i++) {
        if (u->tasks[i] != CGROUP_NONE) {
            lower(lowest, threads_by_tasks(l, u, l->pids.level[i].most, (double)u->tasks[i]),
                  CTL_CGROUP_PIDS,
                  (amount_t) { EXT_UNIT_TASKS, l->pids.level[i].most, u->tasks[i],
                               l->pids.level[i].file });
        }
    }
    if (l->system_tasks != LIMITS_NONE && u->system_tasks != LIMITS_NONE) {
        lower(lowest, threads_by_tasks(l, u, l->system_tasks, (double)u->system_tasks),
              CTL_PROCESS_LIMIT,
              (amount_t) { EXT_UNIT_TASKS, l->system_tasks, u->system_tasks, l->system_file });
    }
    if (l->user_tasks != LIMITS_NONE) {
        double ours = u->threads * (1.0 + l->policy.companions) + TASKS_OF_A_CHILD * u->children;
        double used = (double)l->user_tasks_of_others + ours;

        lower(lowest, threads_by_tasks(l, u, l->user_tasks, used), CTL_PROCESS_LIMIT,
              (amount_t) { EXT_UNIT_TASKS, l->user_tasks, (int64_t)used, "RLIMIT_NPROC" });
    }
}

/* --- all together ----------------------------------------------------------------- */

static void consider_slots(lowest_t *lowest, const limits_t *l, const limits_usage_t *u)
{
    const limits_policy_t *p = &l->policy;
    int fitting = limits_threads_by_descriptors(l);

    lower(lowest, (double)p->max_children * p->threads_per_child, p->slots_ceiling,
          (amount_t) { EXT_UNIT_CHILDREN, p->max_children, u->children, "" });
    if (p->max_request_workers != LIMITS_NOT_SET) {
        lower(lowest, p->max_request_workers, CTL_MAX_REQUEST_WORKERS,
              (amount_t) { EXT_UNIT_THREADS, p->max_request_workers, u->threads, "" });
    }
    if (fitting < p->threads_per_child) {
        lower(lowest, (double)p->max_children * fitting, CTL_DESCRIPTORS,
              (amount_t) { EXT_UNIT_DESCRIPTORS, l->descriptors, l->descriptors_held,
                           "RLIMIT_NOFILE" });
    }
}

static int most_threads(const limits_t *l, const limits_usage_t *u, bool expected,
                        ext_ceilings_t *all, ctl_ceiling_e *why)
{
    lowest_t lowest = { INT32_MAX, CTL_SERVER_LIMIT, all };

    consider_slots(&lowest, l, u);
    if (u->read_us != 0) {
        consider_memory(&lowest, l, u, expected);
        consider_tasks(&lowest, l, u);
    }
    *why = lowest.why;
    return lowest.threads > l->policy.min_children ? (int)lowest.threads : l->policy.min_children;
}

int limits_max_threads(const limits_t *limits, const limits_usage_t *usage, ctl_ceiling_e *why)
{
    return most_threads(limits, usage, false, NULL, why);
}

int limits_expected_threads(const limits_t *limits, const limits_usage_t *usage,
                            ctl_ceiling_e *why)
{
    return most_threads(limits, usage, true, NULL, why);
}

bool limits_more_follow(limits_handout_t *handout, const limits_usage_t *usage, bool used_up,
                        int threads, ctl_ceiling_e why)
{
    bool in_parts = why == CTL_CGROUP_MEMORY || why == CTL_AVAILABLE_MEMORY;

    if (!used_up || !in_parts || threads > handout->threads + handout->threads / 8) {
        handout->threads = threads;
        handout->read_us = usage->read_us;
    }
    return in_parts && handout->read_us == usage->read_us;
}

ext_ceilings_t limits_ceilings(const limits_t *limits, const limits_usage_t *usage)
{
    ext_ceilings_t all = { 0 };
    ctl_ceiling_e why;

    (void)most_threads(limits, usage, true, &all, &why);
    return all;
}

bool limits_is_due(const limits_t *limits, const limits_usage_t *usage, int threads, int64_t now_us)
{
    int64_t elapsed_us = now_us - usage->read_us;
    ctl_ceiling_e why;

    if (usage->read_us == 0 || elapsed_us >= LONGEST_PAUSE_US || elapsed_us < 0) {
        return true;
    }
    return elapsed_us >= SHORTEST_PAUSE_US && threads > usage->threads
           && threads - usage->threads
              >= (limits_max_threads(limits, usage, &why) - usage->threads) / 2;
}

bool limits_is_short(const limits_t *limits, const limits_usage_t *usage)
{
    int i;

    for (i = 0; i < limits->memory.count; i++) {
        double most = (double)limits->memory.level[i].most;
        double reserve = (1.0 - limits->policy.memory_share) / 2.0 * most;

        if (reserve < LAST_BYTES) {
            reserve = LAST_BYTES < most / 4.0 ? LAST_BYTES : most / 4.0;
        }
        if ((double)usage->memory[i].used > most - reserve) {
            return true;
        }
    }
    return limits->total_bytes != LIMITS_NONE && usage->available_bytes != LIMITS_NONE
           && usage->available_bytes < limits->total_bytes / SHORT_MACHINE_PART;
}
