/* Names of reasons, and what both loops share. Pure. */
#include "controller.h"

/* Arrays, not pointers: nothing here is written, not even by the dynamic linker. */
#define TEXT_SIZE 64

static const char reasons[CTL_REASONS][TEXT_SIZE] = {
    [CTL_STEADY] = "as many as needed",
    [CTL_FLOOR] = "the least there has to be",
    [CTL_DEMAND] = "requests under way",
    [CTL_LEAD_TIME] = "what may arrive before more could be started",
    [CTL_WAITING] = "a request waited for a thread",
    [CTL_MIN_SPARE] = "MinSpareThreads",
    [CTL_MAX_SPARE] = "MaxSpareThreads",
    [CTL_HOLD] = "kept for a while because load comes back",
    [CTL_SURPLUS] = "not needed for a while",
    [CTL_CPU_BOUND] = "requests compute, more threads would only share processors",
    [CTL_CEILING] = "a limit does not allow more",
    [CTL_NO_DESCRIPTORS] = "children are out of descriptors"
};

static const char ceilings[CTL_CEILINGS][TEXT_SIZE] = {
    [CTL_NO_CEILING] = "none",
    [CTL_MAX_REQUEST_WORKERS] = "MaxRequestWorkers",
    [CTL_SERVER_LIMIT] = "ServerLimit",
    [CTL_THREADS_PER_CHILD] = "ThreadsPerChild",
    [CTL_ADAPTIVE_MEMORY] = "AdaptiveMemory",
    [CTL_CGROUP_MEMORY] = "memory limit of the control group",
    [CTL_AVAILABLE_MEMORY] = "available memory",
    [CTL_CGROUP_PIDS] = "pids.max of the control group",
    [CTL_PROCESS_LIMIT] = "limit of processes (ulimit -u)",
    [CTL_DESCRIPTORS] = "limit of open files (ulimit -n)"
};

static const char *text(const char (*texts)[TEXT_SIZE], int count, int i)
{
    return i >= 0 && i < count ? texts[i] : "unknown";
}

const char *controller_reason_text(ctl_reason_e reason)
{
    return text(reasons, CTL_REASONS, (int)reason);
}

const char *controller_ceiling_text(ctl_ceiling_e ceiling)
{
    return text(ceilings, CTL_CEILINGS, (int)ceiling);
}
