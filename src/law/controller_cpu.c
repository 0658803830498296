/* Pure, a part of the law for threads: do requests compute, and how many workers may then take
 * work. */
#include "controller_internal.h"

#define BLOCKED_TIME_US   (200 * US_PER_MS)
#define MANY_COUNTS       1000
/* What was counted so long ago says nothing about what is served now. */
#define FORGOTTEN_US      (1 * (int64_t)US_PER_S)
#define LEAST_COMPUTING   0.002
#define ALLOWED_TIME_US   (200 * US_PER_MS)
#define MANY              8
#define ROOM_FACTOR       4
/* Nothing got done for some times as long as it takes usually, within these: not a mere queue. */
#define STALL_FACTOR      4
#define LEAST_STALL_S     0.25
#define MOST_STALL_S      5.0
#define MOST_LIFT         1000
/* One thread less so long after the last one more. */
#define LIFT_FALLS_US     (2 * US_PER_S)

void ctl_cpu_init(ctl_cpu_t *cpu, int64_t now_us)
{
    cpu->counted_us = cpu->progress_us = cpu->lifted_us = now_us;
    cpu->blocked = -1;
}

static double processors(const ctl_thread_limits_t *limits)
{
    return ctl_clamp(limits->cpus, 1, 1e6);
}

static void smooth(ctl_cpu_t *cpu, int64_t now_us, int busy, int runnable)
{
    double kept = 1 - ctl_weight(now_us - cpu->counted_us, BLOCKED_TIME_US);

    cpu->seen_busy = cpu->seen_busy * kept + busy;
    cpu->seen_runnable = cpu->seen_runnable * kept + runnable;
    cpu->blocked_part = 1 - cpu->seen_runnable / cpu->seen_busy;
    cpu->counts = ctl_min(cpu->counts + 1, MANY_COUNTS);
    cpu->counted_us = now_us;
}

/* Work waits: then blocked threads make room at once, and while processors are free a few
 * times as many threads as there are. A thread that computes may sleep for a moment, too: two
 * looks have to agree, or many threads at one. Processors that clients or a backend on the same
 * machine use are not free: threads that come back from there at once do not need company. */
static void widen_cap(ctl_cpu_t *cpu, int64_t now_us, int busy, int runnable, int idle_processors,
                      const ctl_thread_limits_t *limits)
{
    if (runnable > processors(limits) || idle_processors == 0) {
        cpu->free_looks = 0;
        return;
    }
    cpu->free_us = now_us;
    cpu->free_looks = ctl_min(cpu->free_looks + 1, MANY);
    if ((cpu->free_looks >= 2 || busy - runnable >= MANY) && ROOM_FACTOR * busy > cpu->allowed) {
        cpu->allowed = ROOM_FACTOR * busy;
    }
}

/* A child that has a part of the processors completes as much of a queue of computations,
 * however many threads it has. If nothing is completed at all, one more thread at a time lets
 * others pass those that compute for seconds. */
static void update_lift(ctl_cpu_t *cpu, int64_t now_us, const ctl_cpu_count_t *count,
                        const ctl_thread_limits_t *limits, double per_s)
{
    double stall_s = per_s > 0 ? STALL_FACTOR / per_s
                               : LEAST_STALL_S / ctl_clamp(limits->cpus, 0.05, 1);

    if (count->completed || !count->waits) {
        cpu->progress_us = now_us;
        if (cpu->lift > 0 && now_us - cpu->lifted_us >= LIFT_FALLS_US) {
            cpu->lift--;
            cpu->lifted_us = now_us;
        }
    }
    else if ((double)(now_us - cpu->progress_us) / US_PER_S
             >= ctl_clamp(stall_s, LEAST_STALL_S, MOST_STALL_S)) {
        cpu->lift = ctl_min(cpu->lift + 1, MOST_LIFT);
        cpu->progress_us = cpu->lifted_us = now_us;
    }
}

void ctl_cpu_update(ctl_cpu_t *cpu, int64_t now_us, int64_t elapsed_us,
                    const ctl_cpu_count_t *count, const ctl_thread_limits_t *limits,
                    double per_s, unsigned without)
{
    cpu->allowed *= 1 - ctl_weight(elapsed_us, ALLOWED_TIME_US);
    if (count->runnable >= 0 && count->busy > 0) {
        int runnable = ctl_min(count->runnable, count->busy);

        smooth(cpu, now_us, count->busy, runnable);
        widen_cap(cpu, now_us, count->busy, runnable, count->idle_processors, limits);
    }
    else if (now_us - cpu->counted_us >= FORGOTTEN_US) {
        cpu->counts = cpu->free_looks = 0;
        cpu->seen_busy = cpu->seen_runnable = 0;
    }
    if (!(without & CTL_TERM_PROGRESS)) {
        update_lift(cpu, now_us, count, limits, per_s);
    }
}

int ctl_cpu_cap(const ctl_cpu_t *cpu, const ctl_thread_limits_t *limits, unsigned without)
{
    double computing = ctl_clamp(1 - cpu->blocked_part, LEAST_COMPUTING, 1);
    double cap = PER_PROCESSOR * processors(limits) / computing;

    if ((without & CTL_TERM_CPU) || cpu->counts == 0) {
        return INT32_MAX;
    }
    cap = (cap > cpu->allowed ? cap : cpu->allowed) + cpu->lift;
    return (int)ctl_clamp(cap, PER_PROCESSOR, 1e9);
}
