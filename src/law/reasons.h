/* The reasons that a plan can have, and the ceilings that can bound it: one table of each, from
 * which the enums, their names and their words are made.
 *
 * X(constant, name, words): the name is what scripts see (?auto): it never changes, and where a row
 * is in the table does not either, because the number is seen, too. New rows are added at the end.
 */
#ifndef ADP_REASONS_H
#define ADP_REASONS_H

/* Why a plan is what it is. */
#define CTL_REASON_TABLE(X) \
    /* what is there is what is needed */ \
    X(CTL_STEADY, "steady", "as many as needed") \
    /* start, listener buckets */ \
    X(CTL_FLOOR, "floor", "the least there has to be") \
    /* Little's law */ \
    X(CTL_DEMAND, "demand", "requests under way") \
    X(CTL_LEAD_TIME, "lead-time", "what may arrive before more could be started") \
    /* longer than AdaptiveWaitTarget: panic */ \
    X(CTL_WAITING, "waiting", "a request waited for a thread") \
    X(CTL_MIN_SPARE, "min-spare", "MinSpareThreads") \
    X(CTL_MAX_SPARE, "max-spare", "MaxSpareThreads") \
    /* surplus */ \
    X(CTL_HOLD, "hold", "kept for a while because load comes back") \
    X(CTL_SURPLUS, "surplus", "not needed for a while") \
    X(CTL_CPU_BOUND, "cpu-bound", "requests compute, more threads would only share processors") \
    X(CTL_CEILING, "ceiling", "a limit does not allow more") \
    X(CTL_NO_DESCRIPTORS, "no-descriptors", "children are out of descriptors")

/* What keeps the number of threads down, as the administrator knows it. */
#define CTL_CEILING_TABLE(X) \
    X(CTL_NO_CEILING, "none", "none") \
    X(CTL_MAX_REQUEST_WORKERS, "max-request-workers", "MaxRequestWorkers") \
    X(CTL_SERVER_LIMIT, "server-limit", "ServerLimit") \
    X(CTL_THREADS_PER_CHILD, "threads-per-child", "ThreadsPerChild") \
    X(CTL_ADAPTIVE_MEMORY, "adaptive-memory", "AdaptiveMemory") \
    X(CTL_CGROUP_MEMORY, "cgroup-memory", "memory limit of the control group") \
    X(CTL_AVAILABLE_MEMORY, "available-memory", "available memory") \
    X(CTL_CGROUP_PIDS, "cgroup-pids", "pids.max of the control group") \
    /* RLIMIT_NPROC, threads-max */ \
    X(CTL_PROCESS_LIMIT, "process-limit", "limit of processes (ulimit -u)") \
    /* RLIMIT_NOFILE */ \
    X(CTL_DESCRIPTORS, "descriptors", "limit of open files (ulimit -n)")

#define CTL_ENUM_ROW(constant, name, words) constant,

typedef enum {
    CTL_REASON_TABLE(CTL_ENUM_ROW)
    CTL_REASONS
} ctl_reason_e;

typedef enum {
    CTL_CEILING_TABLE(CTL_ENUM_ROW)
    CTL_CEILINGS
} ctl_ceiling_e;

#endif
