#include "controller_internal.h"

#define BLOCKED_TIME_US   (200 * US_PER_MS)
/* One count of threads, however long ago the last one was, says not more than that. */
#define MOST_WEIGHT       0.5
/* Threads that may serve for each processor: one waits for it while another has it. */
#define PER_PROCESSOR     2
#define LEAST_COMPUTING   0.002
#define ALLOWED_TIME_US   US_PER_S
#define MANY              8
#define ROOM_FACTOR       4
/* Nothing got done for so long: a few times the time that a request takes, within these. */
#define STALL_FACTOR      3
#define LEAST_STALL_US    (50 * US_PER_MS)
#define MOST_STALL_US     (250 * US_PER_MS)
#define MOST_LIFT         1e6
#define LIFT_HALVES_US    US_PER_S

void ctl_cpu_init(ctl_cpu_t *cpu, int64_t now_us)
{
    cpu->counted_us = cpu->progress_us = cpu->lifted_us = now_us;
    cpu->blocked = -1;
    cpu->lift = 1;
}

static double processors(const ctl_thread_limits_t *limits)
{
    return ctl_bounded(limits->cpus, 1, 1e6);
}

static void smooth(ctl_cpu_t *cpu, int64_t now_us, double part)
{
    double weight = ctl_weight(now_us - cpu->counted_us, BLOCKED_TIME_US);

    weight = cpu->known ? ctl_bounded(weight, 0, MOST_WEIGHT) : 1;
    cpu->blocked_part += weight * (part - cpu->blocked_part);
    cpu->known = true;
    cpu->counted_us = now_us;
}

/* Work waits: then blocked threads make room at once, and while processors are free a few
 * times as many threads as there are. A thread that computes may sleep for a moment, too: two looks have
 * to agree, or many threads at one. */
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

static void update_lift(ctl_cpu_t *cpu, int64_t now_us, bool waits, bool completed,
                        double service_s)
{
    double stall_us = ctl_bounded(STALL_FACTOR * service_s * US_PER_S, LEAST_STALL_US,
                                  MOST_STALL_US);

    if (completed || !waits) {
        cpu->progress_us = now_us;
    }
    if ((double)(now_us - cpu->progress_us) >= stall_us) {
        cpu->lift = ctl_bounded(cpu->lift * 2, 1, MOST_LIFT);
        cpu->progress_us = cpu->lifted_us = now_us;
    }
    else if (cpu->lift > 1 && now_us - cpu->lifted_us >= LIFT_HALVES_US) {
        cpu->lift = ctl_bounded(cpu->lift / 2, 1, MOST_LIFT);
        cpu->lifted_us = now_us;
    }
}

void ctl_cpu_update(ctl_cpu_t *cpu, int64_t now_us, int64_t elapsed_us,
                    const ctl_cpu_count_t *count, const ctl_thread_limits_t *limits,
                    double service_s, unsigned without)
{
    cpu->allowed *= 1 - ctl_weight(elapsed_us, ALLOWED_TIME_US);
    if (count->runnable >= 0 && count->busy > 0) {
        int runnable = ctl_least(count->runnable, count->busy);
        int blocked = count->busy - runnable;

        smooth(cpu, now_us, (double)blocked / count->busy);
        if (count->waits) {
            make_room(cpu, count->busy, blocked, runnable < processors(limits), limits);
        }
    }
    if (!count->waits || count->runnable < 0) {
        cpu->blocked = -1;
    }
    if (!(without & CTL_TERM_PROGRESS)) {
        update_lift(cpu, now_us, count->waits, count->completed, service_s);
    }
}

int ctl_cpu_cap(const ctl_cpu_t *cpu, const ctl_thread_limits_t *limits, unsigned without)
{
    double computing = ctl_bounded(1 - cpu->blocked_part, LEAST_COMPUTING, 1);
    double cap = PER_PROCESSOR * processors(limits) / computing;

    if ((without & CTL_TERM_CPU) || !cpu->known) {
        return INT32_MAX;
    }
    cap = (cap > cpu->allowed ? cap : cpu->allowed) * cpu->lift;
    return (int)ctl_bounded(cap, PER_PROCESSOR, 1e9);
}
