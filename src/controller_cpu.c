#include "controller_internal.h"

/* Thread time that tells what threads do. */
#define LEAST_BUSY_US     (2 * US_PER_MS)
#define BLOCKED_TIME_US   (200 * US_PER_MS)
/* Threads that may serve for each processor: one waits for it while another has it. */
#define PER_PROCESSOR     2
#define LEAST_COMPUTING   0.002
#define ALLOWED_TIME_US   US_PER_S
/* Nothing got done for so long: a few times the time that a request takes, within these. */
#define STALL_FACTOR      3
#define LEAST_STALL_US    (50 * US_PER_MS)
#define MOST_STALL_US     (250 * US_PER_MS)
#define MOST_LIFT         1e6
#define LIFT_HALVES_US    US_PER_S

void ctl_cpu_init(ctl_cpu_t *cpu, int64_t now_us)
{
    cpu->at_us = cpu->progress_us = cpu->lifted_us = now_us;
    cpu->blocked = CTL_UNKNOWN;
    cpu->lift = 1;
}

static double processors(const ctl_thread_limits_t *limits)
{
    return ctl_bounded(limits->cpus, 1, 1e6);
}

/* From the accounts of the threads: exact, but only now and then. */
static void update_from_accounts(ctl_cpu_t *cpu, int64_t now_us, const ctl_thread_sample_t *s)
{
    uint64_t used_us = s->cpu_us + s->run_delay_us;
    double busy_us = ctl_gained(s->busy_us, cpu->busy_us);

    if (s->busy_us - cpu->busy_us > UINT64_MAX / 2) {
        busy_us = LEAST_BUSY_US;        /* reset: begin anew */
    }
    else if (busy_us < LEAST_BUSY_US) {
        return;
    }
    else {
        double part = 1 - ctl_bounded(ctl_gained(used_us, cpu->used_us) / busy_us, 0, 1);
        double weight = cpu->known ? ctl_weight(now_us - cpu->at_us, BLOCKED_TIME_US) : 1;

        cpu->blocked_part += weight * (part - cpu->blocked_part);
        cpu->known = true;
    }
    cpu->at_us = now_us;
    cpu->busy_us = s->busy_us;
    cpu->used_us = used_us;
}

/* From a count of threads while work waits: known at once. Two looks have to agree, because
 * a thread that computes may sleep for a moment, too. */
static void update_from_count(ctl_cpu_t *cpu, const ctl_thread_sample_t *s,
                              const ctl_thread_limits_t *limits)
{
    int runnable = ctl_least(s->runnable, s->busy);
    int blocked = s->busy - runnable;
    bool idle_processors = runnable < processors(limits);

    double part = (double)blocked / s->busy;

    if (cpu->blocked >= 0) {
        double allowed = ctl_least(blocked, cpu->blocked)
                         + PER_PROCESSOR * processors(limits);

        if (idle_processors && cpu->idle_processors) {
            double sure = part < cpu->counted_part ? part : cpu->counted_part;

            cpu->blocked_part = sure > cpu->blocked_part ? sure : cpu->blocked_part;
        }
        if (allowed > cpu->allowed) {
            cpu->allowed = allowed;
        }
    }
    if (!cpu->known) {
        cpu->blocked_part = part;
        cpu->known = true;
    }
    cpu->blocked = blocked;
    cpu->counted_part = part;
    cpu->idle_processors = idle_processors;
}

static void update_lift(ctl_cpu_t *cpu, int64_t now_us, bool waits, bool completed,
                        double service_s)
{
    double stall_us = ctl_bounded(STALL_FACTOR * service_s * US_PER_S, LEAST_STALL_US, MOST_STALL_US);

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
                    const ctl_thread_sample_t *sample, const ctl_thread_limits_t *limits,
                    double service_s, bool completed, unsigned without)
{
    bool waits = sample->waited_us > limits->wait_target_us;

    cpu->allowed *= 1 - ctl_weight(elapsed_us, ALLOWED_TIME_US);
    update_from_accounts(cpu, now_us, sample);
    if (waits && sample->runnable >= 0 && sample->busy > 0) {
        update_from_count(cpu, sample, limits);
    }
    else {
        cpu->blocked = CTL_UNKNOWN;
    }
    if (!(without & CTL_TERM_PROGRESS)) {
        update_lift(cpu, now_us, waits, completed, service_s);
    }
}

int ctl_cpu_cap(const ctl_cpu_t *cpu, const ctl_thread_limits_t *limits, bool waits,
                unsigned without)
{
    double computing = ctl_bounded(1 - cpu->blocked_part, LEAST_COMPUTING, 1);
    double cap = PER_PROCESSOR * processors(limits) / computing;

    if ((without & CTL_TERM_CPU) || (!cpu->known && waits)) {
        return INT32_MAX;
    }
    cap = (cap > cpu->allowed ? cap : cpu->allowed) * cpu->lift;
    return (int)ctl_bounded(cap, 2, 1e9);
}
