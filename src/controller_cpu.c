#include "controller_internal.h"

#define BLOCKED_TIME_US   (200 * US_PER_MS)
/* ... while work waits and they seem to be blocked more than was believed. */
#define EAGER_TIME_US     (60 * US_PER_MS)
/* One count of threads, however long ago the last one was, says not more than that. */
#define MOST_WEIGHT       0.5
#define MANY_COUNTS       1000
/* Threads that may serve for each processor: one waits for it while another has it. */
#define PER_PROCESSOR     2
#define LEAST_COMPUTING   0.002
#define ALLOWED_TIME_US   US_PER_S
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
    return ctl_bounded(limits->cpus, 1, 1e6);
}

static void smooth(ctl_cpu_t *cpu, int64_t now_us, double part, bool waits)
{
    bool eager = waits && part > cpu->blocked_part;
    double weight = ctl_weight(now_us - cpu->counted_us,
                               eager ? EAGER_TIME_US : BLOCKED_TIME_US);

    /* the first few counts count alike */
    weight = ctl_bounded(weight, 1.0 / (cpu->counts + 1), cpu->counts ? MOST_WEIGHT : 1);
    cpu->counts = ctl_least(cpu->counts + 1, MANY_COUNTS);
    cpu->blocked_part += weight * (part - cpu->blocked_part);
    cpu->counted_us = now_us;
}

/* Work waits: then blocked threads make room at once, and while processors are free a few
 * times as many threads as there are. A thread that computes may sleep for a moment, too: two
 * looks have to agree, or many threads at one. */
static void make_room(ctl_cpu_t *cpu, int busy, int blocked, bool idle_processors,
                      const ctl_thread_limits_t *limits)
{
    bool first = cpu->blocked < 0;

    if (!first || blocked >= MANY) {
        int surely = first || blocked < cpu->blocked ? blocked : cpu->blocked;
        double allowed = surely + PER_PROCESSOR * processors(limits);

        if (idle_processors && (first || cpu->idle_processors) && ROOM_FACTOR * busy > allowed) {
            allowed = ROOM_FACTOR * busy;
        }
        if (allowed > cpu->allowed) {
            cpu->allowed = allowed;
        }
    }
    cpu->blocked = blocked;
    cpu->idle_processors = idle_processors;
}

/* A child that has a part of the processors completes as much of a queue of computations,
 * however many threads it has. If nothing is completed at all, one more thread at a time lets
 * others pass those that compute for seconds. */
static void update_lift(ctl_cpu_t *cpu, int64_t now_us, const ctl_cpu_count_t *count,
                        const ctl_thread_limits_t *limits, double per_s)
{
    double stall_s = per_s > 0 ? STALL_FACTOR / per_s
                               : LEAST_STALL_S / ctl_bounded(limits->cpus, 0.05, 1);

    if (count->completed || !count->waits) {
        cpu->progress_us = now_us;
        if (cpu->lift > 0 && now_us - cpu->lifted_us >= LIFT_FALLS_US) {
            cpu->lift--;
            cpu->lifted_us = now_us;
        }
    }
    else if ((double)(now_us - cpu->progress_us) / US_PER_S
             >= ctl_bounded(stall_s, LEAST_STALL_S, MOST_STALL_S)) {
        cpu->lift = ctl_least(cpu->lift + 1, MOST_LIFT);
        cpu->progress_us = cpu->lifted_us = now_us;
    }
}

void ctl_cpu_update(ctl_cpu_t *cpu, int64_t now_us, int64_t elapsed_us,
                    const ctl_cpu_count_t *count, const ctl_thread_limits_t *limits,
                    double per_s, unsigned without)
{
    cpu->allowed *= 1 - ctl_weight(elapsed_us, ALLOWED_TIME_US);
    if (count->runnable >= 0 && count->busy > 0) {
        int runnable = ctl_least(count->runnable, count->busy);
        int blocked = count->busy - runnable;

        smooth(cpu, now_us, (double)blocked / count->busy, count->waits);
        if (count->waits) {
            make_room(cpu, count->busy, blocked, runnable < processors(limits), limits);
        }
    }
    if (!count->waits || count->runnable < 0) {
        cpu->blocked = -1;
    }
    if (!(without & CTL_TERM_PROGRESS)) {
        update_lift(cpu, now_us, count, limits, per_s);
    }
}

int ctl_cpu_cap(const ctl_cpu_t *cpu, const ctl_thread_limits_t *limits, unsigned without)
{
    double computing = ctl_bounded(1 - cpu->blocked_part, LEAST_COMPUTING, 1);
    double cap = PER_PROCESSOR * processors(limits) / computing;

    if ((without & CTL_TERM_CPU) || cpu->counts == 0) {
        return INT32_MAX;
    }
    cap = (cap > cpu->allowed ? cap : cpu->allowed) + cpu->lift;
    return (int)ctl_bounded(cap, PER_PROCESSOR, 1e9);
}
